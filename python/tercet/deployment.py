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
        return self._record["history"][-1]["number"]

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

    def predict(self, entities: Any, *, event_time: Any = None) -> Any:
        """See `Project.predict`."""
        return self._project.predict(self.name, entities, event_time=event_time)

    def drop(self) -> None:
        """Removes the deployment and the releases that no other deployment has."""
        self._project._core.drop_deployment(self.name)

    def __repr__(self) -> str:
        return (f"<Deployment '{self.name}' serves release {self.release_number} "
                f"({self.release_id[:12]})>")
