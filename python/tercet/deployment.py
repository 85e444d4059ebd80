"""Deployments: names that serve releases."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tercet._times import from_micros
from tercet.frame import Frame
from tercet.model import Model

if TYPE_CHECKING:
    from tercet.project import Project


class Predictions(Frame):
    """Outputs, a row an entity, with the release that made them all."""

    def __init__(self, core: Any, missing: list[str], release: str, number: int):
        super().__init__(core)
        #: features without a value and why: "temp: expired (row 0)"
        self.missing = missing
        #: content address of the release
        self.release = release
        #: its number within the deployment
        self.release_number = number


class Deployment:
    """A name that serves one release; upgrade and rollback switch model and features at once."""

    def __init__(self, project: "Project", record: dict[str, Any]):
        self._project = project
        self._record = record

    @property
    def name(self) -> str:
        return self._record["name"]

    @property
    def release_id(self) -> str:
        """Content address of the release served when this object was made."""
        return self._record["release_id"]

    @property
    def history(self) -> list[dict[str, Any]]:
        """Every switch, oldest first: release_id, number, time, action, by."""
        return [{**switch, "time": from_micros(switch["switched_us"])}
                for switch in self._record["history"]]

    @property
    def release_number(self) -> int:
        return next(switch["number"] for switch in self._record["history"]
                    if switch["release_id"] == self.release_id)

    @property
    def policy(self) -> dict[str, int]:
        """The service level: deadline_ms, concurrency, queue, slow_ms, workers; 0 is no limit."""
        return dict(self._record["policy"])

    @property
    def traffic(self) -> list[dict[str, Any]]:
        """Releases beside the one served: release_id, number, percent, shadow."""
        return list(self._record["traffic"]["arms"])

    def release(self) -> dict[str, Any]:
        """The release's content: model, view, fitted parameters, feature groups, signature."""
        return json.loads(self._project._core.release(self.release_id))

    def contract(self) -> dict[str, Any]:
        """What a request must and may have, and what comes back."""
        return json.loads(self._project._core.contract(self.name))

    def upgrade(self, model: Model) -> "Deployment":
        """Serves a release of another model, from the next request on."""
        return Deployment(self._project, json.loads(
            self._project._core.upgrade(self.name, model.name, model.version)))

    def rollback(self) -> "Deployment":
        """Serves the release before; its answers are those of then, bit for bit."""
        return Deployment(self._project, json.loads(self._project._core.rollback(self.name)))

    def downgrade(self, number: int) -> "Deployment":
        """Serves the release of that number again; NotFoundError when it never had one."""
        return Deployment(self._project,
                          json.loads(self._project._core.downgrade(self.name, number)))

    def diff(self, before: int, after: int) -> list[dict[str, Any]]:
        """What differs between two of its releases, by number: member, before, after."""
        return json.loads(self._project._core.diff_releases(self.name, before, after))

    def configure(self, *, deadline_ms: int | None = None, concurrency: int | None = None,
                  queue: int | None = None, slow_ms: int | None = None,
                  workers: int | None = None) -> "Deployment":
        """Changes the service level; what is not given stays.

        An answer later than `deadline_ms` is refused. Of more than `concurrency` requests at once
        `queue` may wait; others are refused (LimitError, HTTP 429). Requests slower than `slow_ms`
        are logged. `workers`: processes of a predictor class. 0 is no limit.
        """
        given = {"deadline_ms": deadline_ms, "concurrency": concurrency, "queue": queue,
                 "slow_ms": slow_ms, "workers": workers}
        policy = {**self._project.deployment(self.name).policy,
                  **{name: value for name, value in given.items() if value is not None}}
        return Deployment(self._project, json.loads(
            self._project._core.set_serving_policy(self.name, json.dumps(policy))))

    def split(self, arms: dict[Model, float] | None = None, *,
              shadows: dict[Model, float] | None = None,
              sticky_key: str | None = None) -> "Deployment":
        """Gives parts of the requests to other models, until the next switch or call.

        `arms`: percent of the requests that a model answers (A/B, canary); what they leave goes to
        the release that is served. `shadows`: percent that is copied to a model, whose answers are
        compared and counted, never given. `sticky_key`: an entity column whose value chooses the
        arm, so that one customer always meets the same. No arms and no shadows end the split.
        """
        listed = [{"model": f"{model.name}@{model.version}", "percent": percent, "shadow": shadow}
                  for models, shadow in ((arms, False), (shadows, True))
                  for model, percent in (models or {}).items()]
        traffic = {"arms": listed, "sticky_key": sticky_key or ""}
        return Deployment(self._project, json.loads(
            self._project._core.set_traffic(self.name, json.dumps(traffic))))

    def statistics(self) -> dict[str, Any]:
        """What was answered since the process (a server's: that server) began, by release:
        requests, failures by reason, rows, and latency histograms of each stage."""
        return json.loads(self._project._core.serving_statistics(self.name))

    def predict(self, entities: Any, *, event_time: Any = None) -> Any:
        """See `Project.predict`."""
        return self._project.predict(self.name, entities, event_time=event_time)

    def drop(self) -> None:
        """Removes the deployment and the releases that no other deployment has."""
        self._project._core.drop_deployment(self.name)

    def __repr__(self) -> str:
        return (f"<Deployment '{self.name}' serves release {self.release_number} "
                f"({self.release_id[:12]})>")
