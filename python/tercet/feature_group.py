"""Feature groups and their commits."""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Sequence, Union

from tercet._times import Time, from_micros, to_micros
from tercet.errors import InvalidError, WrongTypeError
from tercet.frame import Frame, to_stream
from tercet.query import Query

if TYPE_CHECKING:
    from tercet.project import Project


@dataclass(frozen=True)
class Commit:
    """One atomic change of a feature group."""

    feature_group: str
    version: int
    commit_time: datetime.datetime
    operation: str
    rows_inserted: int = 0
    rows_updated: int = 0
    rows_deleted: int = 0
    already_applied: bool = False

    @classmethod
    def _of(cls, group: str, record: dict[str, Any]) -> "Commit":
        return cls(feature_group=group, version=record["version"],
                   commit_time=from_micros(record["commit_time_us"]),
                   operation=record["operation"], rows_inserted=record["rows_inserted"],
                   rows_updated=record["rows_updated"], rows_deleted=record["rows_deleted"],
                   already_applied=record.get("already_applied", False))


AsOf = Union[Commit, int, Time, None]


def _as_of(as_of: AsOf) -> tuple[int | None, int | None]:
    """(commit version, commit time in microseconds), one of them or neither set."""
    if as_of is None:
        return None, None
    if isinstance(as_of, Commit):
        return as_of.version, None
    if isinstance(as_of, bool):
        raise WrongTypeError("as_of must be a commit, its version, or a time, not a bool")
    if isinstance(as_of, int):
        return as_of, None
    return None, to_micros(as_of, "as_of")


def _version(commit: Commit | int) -> int:
    return commit.version if isinstance(commit, Commit) else commit


class FeatureGroup:
    """A table of features, each change of which is one commit. Made by `Project.feature_group`."""

    def __init__(self, project: "Project", definition: dict[str, Any]):
        self._project = project
        self._definition = definition

    @property
    def name(self) -> str:
        return self._definition["name"]

    @property
    def version(self) -> int:
        return self._definition["version"]

    @property
    def primary_key(self) -> list[str]:
        return list(self._definition["primary_key"])

    @property
    def event_time(self) -> str | None:
        return self._definition.get("event_time") or None

    @property
    def ttl(self) -> datetime.timedelta | None:
        """Age past which a row is no longer seen."""
        micros = self._definition.get("ttl_us")
        return None if micros is None else datetime.timedelta(microseconds=micros)

    @property
    def online(self) -> bool:
        return bool(self._definition.get("online"))

    @property
    def description(self) -> str:
        return self._definition.get("description", "")

    @property
    def tags(self) -> dict[str, str]:
        return dict(self._definition.get("tags") or {})

    @property
    def schema(self) -> dict[str, str] | None:
        """Column → type; None until the first insert where no schema was declared."""
        self._definition = json.loads(self._core.feature_group(self.name, self.version))
        fields = self._definition.get("schema")
        return None if fields is None else {field["name"]: field["type"] for field in fields}

    @property
    def _core(self) -> Any:
        return self._project._core

    @property
    def _text(self) -> str:
        return f"{self.name}@{self.version}"

    def insert(self, data: Any, *, mode: str = "upsert", idempotency_key: str = "",
               wait_online: bool = False) -> Commit:
        """Writes rows as one commit.

        `data`: pandas, Polars, pyarrow, anything with the Arrow PyCapsule interface, a dict of
        columns, or a list of dicts. `mode`: "upsert" replaces rows of equal (primary key, event
        time), "append" adds, "overwrite" replaces all. With an `idempotency_key` a second insert
        of the same key changes nothing. `wait_online` returns when online readers see it.

        Raises InvalidError for wrong or missing columns, lossy types, null keys, or a key that
        occurs twice in one upsert; nothing is written then.
        """
        self._project._saw(data)
        record = json.loads(self._core.insert(self.name, self.version, to_stream(data), mode,
                                              idempotency_key, wait_online))
        commit = Commit._of(self._text, record)
        self._project._record(outputs=[f"feature_group {self._text} commit {commit.version}"])
        return commit

    def delete(self, keys: Any, *, wait_online: bool = False) -> Commit:
        """Deletes the rows of these primary keys, or, where `keys` also has the event time, just
        those rows, as one commit."""
        record = json.loads(self._core.delete(self.name, self.version, to_stream(keys),
                                              wait_online))
        commit = Commit._of(self._text, record)
        self._project._record(outputs=[f"feature_group {self._text} commit {commit.version}"])
        return commit

    def read(self, columns: Sequence[str] = (), *, as_of: AsOf = None, start: Time | None = None,
             end: Time | None = None) -> Frame:
        """Rows ordered by (primary key, event time), at head or as of a commit, its version, or a
        wall-clock time; of event times in [start, end)."""
        version, as_of_us = _as_of(as_of)
        frame = Frame(self._core.read(self.name, self.version, _columns(columns), version,
                                      as_of_us, to_micros(start), to_micros(end)))
        self._project._record(inputs=[f"feature_group {self._text}" +
                                      (f" commit {version}" if version is not None else "")])
        return frame

    def commits(self) -> list[Commit]:
        """All commits, oldest first."""
        return [Commit._of(self._text, record)
                for record in json.loads(self._core.commits(self.name, self.version))]

    def changes(self, since: Commit | int, until: Commit | int | None = None) -> Frame:
        """Row changes of the commits after `since` up to `until` (the head): the group's columns
        and `_change_type`, `_commit_version`, `_commit_time`."""
        last = -1 if until is None else _version(until)
        return Frame(self._core.changes(self.name, self.version, _version(since), last))

    def statistics(self, columns: Sequence[str] = (), *, as_of: AsOf = None,
                   start: Time | None = None, end: Time | None = None) -> dict[str, Any]:
        """Column → count, nulls, distinct values, mean, quantiles, histogram …"""
        version, as_of_us = _as_of(as_of)
        return json.loads(self._core.statistics(self.name, self.version, _columns(columns),
                                                version, as_of_us, to_micros(start),
                                                to_micros(end)))

    def compact(self) -> Commit:
        """Merges small files into large ones; nothing visible changes."""
        return Commit._of(self._text, json.loads(self._core.compact(self.name, self.version)))

    def describe(self) -> dict[str, Any]:
        """Rows, bytes, files, newest commit, and the commit that online readers see."""
        return json.loads(self._core.describe_feature_group(self.name, self.version))

    def drop(self) -> None:
        """Removes the group and its data. InvalidError when something depends on it."""
        self._core.drop_feature_group(self.name, self.version)

    def select(self, *features: str) -> Query:
        """A query of these features; of all but key and event time when none is named."""
        return Query(self.name, self.version, tuple(features))

    def __repr__(self) -> str:
        parts = [f"FeatureGroup '{self.name}' version {self.version}",
                 f"primary_key={self.primary_key}"]
        if self.event_time:
            parts.append(f"event_time='{self.event_time}'")
        if self.online:
            parts.append("online")
        return f"<{', '.join(parts)}>"


def _columns(columns: Sequence[str]) -> list[str]:
    if isinstance(columns, str):
        raise InvalidError(f"columns must be a list: ['{columns}'], not '{columns}'")
    return list(columns)
