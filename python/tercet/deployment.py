"""Deployments: names that serve releases."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Iterable, Sequence

from tercet._json import definition_to_json
from tercet._slips import Noun
from tercet._times import Duration, Time, duration_to_micros, from_micros, to_micros
from tercet.errors import InvalidError, WrongTypeError
from tercet.frame import Frame
from tercet.model import Model
from tercet.sink import Sink
from tercet.trial import Canary, Experiment

if TYPE_CHECKING:
    from tercet.project import Project


class Prediction(dict[str, Any]):
    """One row of outputs by name, with what made it."""

    def __init__(self, outputs: dict[str, Any], release: str, number: int, request_id: str,
                 missing: Sequence[str] = ()):
        super().__init__(outputs)
        #: content address of the release
        self.release = release
        #: its number within the deployment
        self.release_number = number
        #: names this answer, for `Deployment.record_outcome`
        self.request_id = request_id
        #: features that were null for the model, and why: "temp: expired"
        self.missing = [one.partition(" (row ")[0] for one in missing] if missing else []


class Predictor:
    """Predictions of single rows by one deployment, prepared: the fastest way from Python.

    Each call is answered by the release that the deployment serves at that moment, under its policy
    and in its statistics, with the bits that `Project.predict` gives.
    """

    def __init__(self, project: "Project", deployment: str):
        self._project = project
        self._deployment = deployment
        self._ask = project._core.row_asker(deployment).ask

    def __call__(self, row: Any, *, event_time: Any = None) -> Prediction:
        """The prediction of a row: a dict by name, or a list, tuple or one-dimensional array with
        the values of the deployment's inputs in their order (`contract()["entities"]`).

        InvalidError when the number of values is another; otherwise as `Project.predict`.
        """
        time = None if event_time is None else to_micros(event_time, "event_time")
        answer = self._ask(row, time, "")
        if answer is not None:
            return Prediction(*answer)
        if not isinstance(row, dict):
            names = [entity["name"] for entity in
                     self._project.deployment(self._deployment).contract()["entities"]]
            values = row.tolist() if hasattr(row, "tolist") else row
            if not isinstance(values, (list, tuple)):
                raise WrongTypeError("a row is a dict, or a list, tuple or array of values, not "
                                     f"{type(row).__name__}")
            if len(values) != len(names):
                raise InvalidError(f"deployment '{self._deployment}' takes {len(names)} values a "
                                   f"row ({', '.join(names)}), not {len(values)}")
            row = dict(zip(names, values))
        return self._project.predict(self._deployment, row, event_time=event_time)


class Predictions(Frame):
    """Outputs, a row an entity, with the release that made them all."""

    def __init__(self, core: Any, missing: list[str], release: str, number: int,
                 request_id: str):
        super().__init__(core)
        #: names the request; "<request_id>/3" is its row 3
        self.request_id = request_id
        #: features without a value and why: "temp: expired (row 0)"
        self.missing = missing
        #: content address of the release
        self.release = release
        #: its number within the deployment
        self.release_number = number


@dataclass(frozen=True)
class Difference:
    """A value that a logged request read online, and what the offline store says."""

    request_id: str
    event_time: datetime
    #: a feature of the view, or a feature group ("weather@1") whose row was another
    feature: str
    #: the values, as text
    online: str
    offline: str


@dataclass(frozen=True)
class Unreadable:
    """A logged request that could not be asked again."""

    request_id: str
    event_time: datetime
    #: what is no longer kept, or never was
    because: str


class Verification:
    """What `Deployment.verify` found."""

    def __init__(self, record: dict[str, Any]):
        #: whether all that was logged could be asked again, and nothing differed
        self.passed: bool = record["passed"]
        #: logged rows that were compared
        self.rows: int = record["rows"]
        #: rows not compared, since the online store had said that it could not answer
        self.unavailable: int = record["unavailable"]
        #: rows not compared, since what they read is no longer kept, in all and by why
        self.unreadable: int = record["unreadable"]
        self.unreadable_because: dict[str, int] = record["unreadable_because"]
        #: the first 1,000 of them
        self.unreadable_rows = [
            Unreadable(one["request_id"], from_micros(one["event_time_us"]), one["because"])
            for one in record["unreadable_rows"]]
        #: values that differ, in all and by feature
        self.difference_count: int = record["differences"]
        self.by_feature: dict[str, int] = record["by_feature"]
        #: the first 1,000 of them
        self.differences = [
            Difference(one["request_id"], from_micros(one["event_time_us"]), one["feature"],
                       one["online"], one["offline"]) for one in record["listed"]]

    def __repr__(self) -> str:
        return (f"<Verification of {self.rows} rows: {self.difference_count} differences, "
                f"{self.unavailable} unavailable, {self.unreadable} unreadable>")


class Deployment(Noun):
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
    def policy(self) -> dict[str, Any]:
        """The service level: deadline_ms, concurrency, queue, slow_ms, workers; 0 is no limit."""
        return dict(self._record["policy"])

    @property
    def traffic(self) -> list[dict[str, Any]]:
        """Releases beside the one served: release_id, number, percent, shadow."""
        return list(self._record["traffic"]["arms"])

    def release(self) -> dict[str, Any]:
        """The release's content: model, view, fitted parameters, feature groups, signature."""
        return json.loads(self._project._core.release(self.release_id))

    def predictor(self) -> Predictor:
        """The fastest way from Python to this deployment's predictions, a row a call."""
        return Predictor(self._project, self.name)

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
                  workers: int | None = None, worker_timeout_ms: int | None = None,
                  worker_memory_mb: int | None = None, worker_requests: int | None = None,
                  gpus: int | None = None, batch_rows: int | None = None,
                  batch_wait_us: int | None = None,
                  log_percent: float | None = None,
                  sinks: Iterable[Sink] | None = None) -> "Deployment":
        """Changes the service level; what is not given stays, as it is at that moment: of two
        processes that change different things at once, neither undoes the other.

        An answer later than `deadline_ms` is refused. Of more than `concurrency` requests at once
        `queue` may wait; others are refused (LimitError, HTTP 429). Requests slower than `slow_ms`
        are logged. `workers`: processes of a predictor class, and of each Python function of the
        view that does not say its own number. 0 is no limit.

        A worker that does not answer within `worker_timeout_ms` (or the request's deadline), or
        that comes near `worker_memory_mb`, is replaced; so is one after `worker_requests` calls.

        `gpus`: how many a scheduler is asked for (`manifest`).

        Requests at once to an ONNX model or a predictor class are answered by one call of it, up to
        `batch_rows` rows together (0: never), for which a request waits `batch_wait_us` at most.

        `log_percent` of the requests are kept, with what was read and answered, in the feature
        group "<deployment>_predictions", a few seconds later (`flush_log`). `sinks` (of `tc.sink`)
        get the same rows as JSON; an empty list ends that. A sink that is down holds nothing up:
        its rows wait, are tried again, and are dropped and counted when too many wait.
        """
        listed = None if sinks is None else list(sinks)
        if not all(isinstance(sink, Sink) for sink in listed or ()):
            raise WrongTypeError("sinks are made by tc.sink.file('folder') and its like")
        given = {"deadline_ms": deadline_ms, "concurrency": concurrency, "queue": queue,
                 "slow_ms": slow_ms, "workers": workers, "worker_timeout_ms": worker_timeout_ms,
                 "worker_memory_mb": worker_memory_mb, "worker_requests": worker_requests,
                 "gpus": gpus, "batch_rows": batch_rows, "batch_wait_us": batch_wait_us,
                 "log_percent": log_percent,
                 "sinks": None if listed is None else [sink.to_json() for sink in listed]}
        changes = {name: value for name, value in given.items() if value is not None}
        return Deployment(self._project, json.loads(
            self._project._core.change_serving_policy(self.name, definition_to_json(changes))))

    def split(self, arms: dict[Model, float] | None = None, *,
              shadows: dict[Model, float] | None = None,
              sticky_key: str | None = None) -> "Deployment":
        """Gives parts of the requests to other models, until the next switch or call.

        `arms`: percent of the requests that a model answers (A/B, canary); what they leave goes to
        the release that is served. `shadows`: percent that is copied to a model, whose answers are
        compared and counted, never given. `sticky_key`: an entity column whose value chooses the
        arm, so that one customer always meets the same. No arms and no shadows end the split.
        """
        listed = [{"model": _text_of(model), "percent": percent, "shadow": shadow}
                  for models, shadow in ((arms, False), (shadows, True))
                  for model, percent in (models or {}).items()]
        traffic = {"arms": listed, "sticky_key": sticky_key or ""}
        return Deployment(self._project, json.loads(
            self._project._core.set_traffic(self.name, definition_to_json(traffic))))

    def start_canary(self, model: Model, *, steps: tuple[float, ...] | list[float] = (5, 25, 100),
                     dwell: Duration = "5m", min_requests: int = 100,
                     max_failure_rate: float = 0.01, max_latency_ratio: float = 1.5,
                     max_drift: float = 0, better: str = "", max_outcome_loss: float = 0,
                     min_outcomes: int = 100, sticky_key: str | None = None) -> Canary:
        """Gives a model the first of `steps` percent of the requests; it then goes on by itself.

        A step lasts at least `dwell` and `min_requests`. The canary goes back at once when it fails
        `max_failure_rate` more of its requests than the served release; when, beyond chance, more
        than one in a hundred of its answers takes longer than `max_latency_ratio` times the served
        p99 (0: not judged); when the population stability index of its first output against the
        served one is above `max_drift` (0: not judged); and, where `better` says whether "higher"
        or "lower" outcomes are, when its mean outcome is worse by more than `max_outcome_loss`.
        After the last step it is served. `history` says why; every process on the project counts.
        """
        plan = {"steps": list(steps), "dwell_ms": (duration_to_micros(dwell, "dwell") or 0) // 1000,
                "min_requests": min_requests, "max_failure_rate": max_failure_rate,
                "max_latency_ratio": max_latency_ratio, "max_drift": max_drift, "better": better,
                "max_outcome_loss": max_outcome_loss, "min_outcomes": min_outcomes,
                "sticky_key": sticky_key or ""}
        started = json.loads(self._project._core.start_canary(
            self.name, model.name, model.version, definition_to_json(plan)))
        return Canary._of(started["canary"])

    def canary(self) -> Canary:
        """The last canary with its figures as of now; NotFoundError when there was none."""
        return Canary._of(json.loads(self._project._core.canary(self.name)))

    def end_canary(self, *, promote: bool = False) -> "Deployment":
        """Ends a running canary: goes back, or serves its release now."""
        return Deployment(self._project,
                          json.loads(self._project._core.end_canary(self.name, promote)))

    def start_experiment(self, arms: dict[Model, float], *, better: str = "higher",
                         alpha: float = 0.05, planned_outcomes: int = 1000,
                         sticky_key: str | None = None) -> Experiment:
        """Gives each model its percent of the requests, and compares outcomes with the served one.

        `better`: whether "higher" or "lower" outcomes are; `alpha`: the chance of ever telling a
        difference where there is none, over all looks and arms together; `planned_outcomes`: of
        each arm, where the interval is narrowest.
        """
        traffic = {"arms": [{"model": _text_of(model), "percent": percent,
                             "shadow": False} for model, percent in arms.items()],
                   "sticky_key": sticky_key or ""}
        plan = {"better": better, "alpha": alpha, "planned_outcomes": planned_outcomes}
        self._project._core.start_experiment(self.name, definition_to_json(traffic),
                                             definition_to_json(plan))
        return self.experiment()

    def experiment(self) -> Experiment:
        """The last experiment as of now; NotFoundError when there was none."""
        return Experiment(json.loads(self._project._core.experiment(self.name)))

    def stop_experiment(self) -> Experiment:
        """Ends the experiment and its split; its figures stay."""
        return Experiment(json.loads(self._project._core.stop_experiment(self.name)))

    def record_outcome(self, request_id: str, value: float, *,
                       release_number: int | None = None) -> bool:
        """Tells what became of a request: its label, loss or profit. See `record_outcomes`."""
        return self.record_outcomes([(request_id, value)], release_number=release_number) == 1

    def record_outcomes(self, outcomes: Iterable[tuple[str, float] | tuple[str, float, int]], *,
                        release_number: int | None = None) -> int:
        """Outcomes by request id, for the canary or experiment that runs; durable on return.

        Answers how many were new and of one of its arms: the first outcome of a request counts, and
        requests from before it don't. The id that an answer has tells its release; for one of your
        own say `release_number`, for all or as the third of each (InvalidError otherwise): the
        answer has it, and so has the prediction log. A row of a request with several is "<request
        id>/<row>".
        """
        listed = []
        for request_id, value, *release in outcomes:
            try:
                number = float(value)
            except (TypeError, ValueError):
                raise WrongTypeError(f"the outcome of request '{request_id}' must be a number, not "
                                     f"{value!r}") from None
            listed.append({"request_id": request_id, "value": number,
                           "release_number": int(release[0]) if release else release_number or 0})
        return self._project._core.record_outcomes(self.name,
                                                   definition_to_json({"outcomes": listed}))

    def statistics(self) -> dict[str, Any]:
        """What was answered since the process (a server's: that server) began, by release:
        requests, failures by reason, rows, and latency histograms of each stage."""
        return json.loads(self._project._core.serving_statistics(self.name))

    def predict(self, entities: Any, *, event_time: Any = None,
                request_id: str | None = None) -> Any:
        """See `Project.predict`."""
        return self._project.predict(self.name, entities, event_time=event_time,
                                     request_id=request_id)

    def manifest(self) -> dict[str, Any]:
        """KServe's InferenceService of this deployment, with the GPUs that its policy asks for, as
        `kubectl apply` takes it (as JSON). It is of the runtime in deploy/kserve. InvalidError for
        a name that Kubernetes does not take."""
        return json.loads(self._project._core.deployment_manifest(self.name))

    def flush_log(self) -> dict[str, Any]:
        """Writes what the prediction log holds back (in this process, or in the server), so that it
        can be read. StorageError when it could not be written.

        Sinks get one try, and together eight seconds. Returns what became of the rows since the
        process began, the log's statistics: waiting, written, dropped, failed, last_error, and the
        same of each of "sinks", where a sink that is down has rows waiting."""
        self._project._core.flush_log(self.name)
        return self.statistics()["log"]

    def verify(self, *, start: Time | None = None, end: Time | None = None,
               limit: int | None = None) -> "Verification":
        """Asks logged requests again, of the offline store as it was when they were answered, and
        compares every feature bit for bit; no difference is the only pass.

        `start` ≤ event time of the requests < `end`; `limit`: that many rows, the newest ones
        (100,000), 0 for all. NotFoundError when nothing was logged.
        """
        return Verification(json.loads(self._project._core.verify(
            self.name, to_micros(start, "start"), to_micros(end, "end"),
            100_000 if limit is None else limit)))

    def drop(self) -> None:
        """Removes the deployment and the releases that no other deployment has."""
        self._project._core.drop_deployment(self.name)

    def __repr__(self) -> str:
        return (f"<Deployment '{self.name}' serves release {self.release_number} "
                f"({self.release_id[:12]})>")


def _text_of(model: Model) -> str:
    """An arm's model as 'name@version'."""
    if not isinstance(model, Model):
        raise WrongTypeError("arms and shadows are {project.model('delay'): 10}, percent by model, "
                             f"not by {model!r}")
    return f"{model.name}@{model.version}"
