"""Models and their registration."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Mapping

from tercet._json import metrics_of
from tercet._progress import Progress
from tercet._times import Time, to_micros
from tercet._versioned import Versioned
from tercet.feature_group import Commit
from tercet.frame import Frame, to_stream
from tercet.run import Run

if TYPE_CHECKING:
    from tercet.feature_group import FeatureGroup
    from tercet.project import Project


@dataclass(frozen=True)
class Signature:
    """Columns that a model takes and gives: name → type ("double", "int64", "string" …)."""

    inputs: Mapping[str, str] | None = None
    outputs: Mapping[str, str] | None = None

    def to_json(self) -> dict[str, Any]:
        return {side: [{"name": name, "type": kind, "nullable": True}
                       for name, kind in columns.items()]
                for side, columns in (("inputs", self.inputs), ("outputs", self.outputs))
                if columns is not None}


@dataclass(frozen=True)
class BatchFile:
    """A file of batch predictions, whole."""

    path: str
    rows: int
    bytes: int


@dataclass(frozen=True)
class PredictorFiles:
    """A Python predictor class and the files that it needs. Made by `predictor`."""

    path: Path
    class_name: str
    files: tuple[Path, ...] = ()
    python: str = ""
    step: str = ""


def predictor(path: str, class_name: str, *, files: tuple[str, ...] | list[str] = (),
              python: str = "", step: str = "") -> PredictorFiles:
    """A predictor class for `register_model`: `class_name` in the Python file `path`.

    The class may have `__init__(self, directory)`, where `files` are, and has
    `predict(self, batch)`: a pyarrow.RecordBatch of the inputs to as many rows of outputs (a
    dict of columns, a list, an array or a table). It runs in a supervised worker process, of the
    interpreter `python` (the server's own by default), which needs pyarrow. A "requirements.txt"
    among the files is checked against what that interpreter has, or, by a server that may
    (`tercet serve --build-environments`), made into an environment of its own.

    `step`: "preprocess" or "postprocess" calls that method alone, which then takes the signature's
    inputs and gives its outputs: a transformer, to stand before or behind another model in a
    `tc.composite.chain`.
    """
    return PredictorFiles(Path(path), class_name, tuple(Path(file) for file in files), python,
                          step)


class Model(Versioned):
    """A registered model: files with a signature, tied to the data that made it."""

    @property
    def format(self) -> str:
        """"xgboost", "lightgbm", "onnx" or "python"."""
        return self._definition["format"]

    @property
    def metrics(self) -> dict[str, float]:
        return metrics_of(self._definition)

    @property
    def signature(self) -> Signature:
        signature = self._definition["signature"]
        return Signature(*({field["name"]: field["type"] for field in signature[side]}
                           for side in ("inputs", "outputs")))

    def files(self) -> dict[str, bytes]:
        """The model's files: relative path → bytes."""
        return self._project._core.model_files(self.name, self.version)

    def batch(self, start: Time | None = None, end: Time | None = None, *, spine: Any = None
              ) -> Frame:
        """Predictions for the view's rows with event times in [start, end), or for a spine (a
        frame, or a query in SQL that gives one): left keys, event time and the model's outputs,
        ready to be inserted into a feature group."""
        spine = self._project._spine(spine)
        with Progress(f"batch of '{self.name}'") as progress:
            frame = Frame(self._project._core.batch(
                self.name, self.version, to_micros(start), to_micros(end), to_stream(spine),
                progress))
        self._project._record(inputs=[f"model {self.name}@{self.version}"])
        return frame

    def batch_to_file(self, path: str | os.PathLike[str], start: Time | None = None,
                      end: Time | None = None, *, spine: Any = None,
                      format: str | None = None,  # noqa: A002: the field's name
                      compression: str = "") -> BatchFile:
        """Writes what `batch` gives to a file, piece by piece: memory stays within the project's
        limit, however many rows there are.

        The path has the whole file, durably, when this returns, and is as it was before when it
        fails or the process is killed. `format`: "parquet", "arrow", "csv" or "tfrecord", by
        default what the path ends in; `compression` of Parquet: "zstd" (by default), "snappy",
        "lz4", "gzip" or "none". The file is on this machine, also when the project is on a server.
        InvalidError for others; StorageError when it can't be written.
        """
        spine = self._project._spine(spine)
        with Progress(f"batch of '{self.name}'") as progress:
            rows, size = self._project._core.batch_to_file(
                self.name, self.version, to_micros(start), to_micros(end), to_stream(spine),
                os.path.abspath(os.fspath(path)), format or "", compression, progress)
        self._project._record(inputs=[f"model {self.name}@{self.version}"])
        return BatchFile(os.fspath(path), rows, size)

    def batch_to_group(self, group: "FeatureGroup", start: Time | None = None,
                       end: Time | None = None, *, spine: Any = None, mode: str = "upsert",
                       idempotency_key: str = "", wait_online: bool = False) -> Commit:
        """Inserts what `batch` gives into a feature group with such columns, piece by piece and as
        one commit (`FeatureGroup.insert` says what `mode` and the rest mean). With an idempotency
        key, doing it again changes nothing, also after a crash: the commit of the first time is
        returned.
        """
        spine = self._project._spine(spine)
        with Progress(f"batch of '{self.name}'") as progress:
            record = self._project._core.batch_to_group(
                self.name, self.version, to_micros(start), to_micros(end), to_stream(spine),
                group.name, group.version, mode, idempotency_key, wait_online, progress)
        commit = Commit._of(f"{group.name}@{group.version}", json.loads(record))
        self._project._record(
            inputs=[f"model {self.name}@{self.version}"],
            outputs=[f"feature_group {commit.feature_group} commit {commit.version}"])
        return commit

    def start_batch_to_group(self, group: "FeatureGroup", start: Time | None = None,
                             end: Time | None = None, *, mode: str = "upsert",
                             idempotency_key: str = "", wait_online: bool = False) -> Run:
        """Begins `batch_to_group` and returns its run at once; `Run.refresh` says how far it is.

        The run's metric "progress" goes from 0 to 1, its output is the commit, its error why there
        is none. The server does such runs one after the other; for a project in a directory this
        process does, and closing the project fails what has not ended.
        """
        return Run(self._project, json.loads(self._project._core.start_batch_to_group(
            self.name, self.version, to_micros(start), to_micros(end), group.name, group.version,
            mode, idempotency_key, wait_online)))

    def check(self) -> list[dict[str, Any]]:
        """What must hold before the model is deployed, each looked at: name ("files", "warm_up",
        "groups"), passed, blocking (a deployment is refused while it fails), detail."""
        return json.loads(self._project._core.preflight(self.name, self.version))

    def drop(self) -> None:
        """Removes the model. InvalidError when a release in some history needs it."""
        self._project._core.drop_model(self.name, self.version)

    def __repr__(self) -> str:
        metrics = ", ".join(f"{name}={value:g}" for name, value in self.metrics.items())
        return (f"<Model '{self.name}' version {self.version} ({self.format})"
                f"{': ' + metrics if metrics else ''}>")


def model_of(project: "Project", text: str) -> Model:
    return Model(project, json.loads(text))
