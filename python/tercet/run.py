"""Runs: what a pipeline did, with parameters, metrics, inputs, outputs and logs."""

from __future__ import annotations

import datetime
import io
import json
import sys
import traceback
from typing import TYPE_CHECKING, Any

from tercet._json import metrics_of, to_json
from tercet._slips import Noun
from tercet._times import from_micros

if TYPE_CHECKING:
    from tercet.project import Project


class Run(Noun):
    """One execution of a pipeline. Made by `Project.run`; a context manager."""

    def __init__(self, project: "Project", record: dict[str, Any]):
        self._project = project
        self._record = record
        self._tees: list[_Tee] = []

    @property
    def id(self) -> str:
        return self._record["id"]

    @property
    def name(self) -> str:
        return self._record["name"]

    @property
    def status(self) -> str:
        """"running", "finished" or "failed"."""
        return self._record["status"]

    @property
    def parameters(self) -> dict[str, Any]:
        return dict(self._record.get("parameters") or {})

    @property
    def metrics(self) -> dict[str, float]:
        return metrics_of(self._record)

    @property
    def inputs(self) -> list[str]:
        return list(self._record.get("inputs") or [])

    @property
    def outputs(self) -> list[str]:
        return list(self._record.get("outputs") or [])

    @property
    def started(self) -> datetime.datetime:
        return from_micros(self._record["started_us"])

    @property
    def ended(self) -> datetime.datetime | None:
        return from_micros(self._record.get("ended_us"))

    @property
    def error(self) -> str:
        return self._record.get("error", "")

    @property
    def code_version(self) -> str:
        """The git commit of the working directory, with "+changes" when it was not clean."""
        return self._record.get("code_version", "")

    @property
    def printed(self) -> str:
        """The last MiB of what the run printed."""
        return self._record.get("log", "")

    def log(self, *, parameters: dict[str, Any] | None = None, **values: Any) -> "Run":
        """Adds values to the run: numbers are metrics, everything else (and whatever is in
        `parameters`) is a parameter."""
        metrics = {name: value for name, value in values.items() if _is_number(value)}
        given = dict(parameters or {})
        given.update({name: value for name, value in values.items() if name not in metrics})
        return self._add(metrics={name: float(value) for name, value in metrics.items()},
                         parameters=given)

    def refresh(self) -> "Run":
        """Reads the run again: what others have added to it since."""
        self._record = json.loads(self._project._core.get_run(self.id))
        return self

    def _add(self, **additions: Any) -> "Run":
        self._record = json.loads(self._project._core.log_run(
            self.id, to_json({**_EMPTY, **additions})))
        return self

    def __enter__(self) -> "Run":
        self._project._runs.append(self)
        self._tees = [_Tee(sys.stdout), _Tee(sys.stderr)]
        sys.stdout, sys.stderr = self._tees
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        sys.stdout, sys.stderr = (tee.stream for tee in self._tees)
        self._project._runs.remove(self)
        ended = {"status": "finished"}
        if error is not None:
            text = "".join(traceback.format_exception_only(kind, error)).strip()
            ended = {"status": "failed", "error": _as_utf8(text[:10_000])}
        self._add(log="".join(tee.text() for tee in self._tees), **ended)

    def __repr__(self) -> str:
        return f"<Run '{self.name}' {self.status} since {self.started:%Y-%m-%d %H:%M:%S}>"


_EMPTY = {"id": "", "name": "", "status": "running", "started_us": 0}


class _Tee(io.TextIOBase):
    """Passes text on to a stream and keeps it for the run's log."""

    def __init__(self, stream: Any):
        self.stream = stream
        self._kept = io.StringIO()

    def write(self, text: str) -> int:
        self._kept.write(text)
        return self.stream.write(text)

    def flush(self) -> None:
        self.stream.flush()

    def isatty(self) -> bool:
        return self.stream.isatty()

    def fileno(self) -> int:
        return self.stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self.stream.encoding

    def __getattr__(self, name: str) -> Any:
        """What else a stream has, such as `buffer`, whose bytes are not kept."""
        return getattr(self.stream, name)

    def text(self) -> str:
        return _as_utf8(self._kept.getvalue())


def _as_utf8(text: str) -> str:
    """The text with "?" for what UTF-8 does not have: the bytes of a file's name, mostly."""
    return text.encode("utf-8", "replace").decode()


def _is_number(value: Any) -> bool:
    if isinstance(value, (bool, str)):
        return False
    return isinstance(value, (int, float)) or hasattr(value, "__float__") and not hasattr(
        value, "__len__")
