"""Feature groups and their commits."""

from __future__ import annotations

import datetime
import json
import os
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any, Mapping, Sequence, Union

from tercet import _core
from tercet._json import definition_to_json
from tercet._times import Duration, Time, duration_to_micros, from_micros, to_micros
from tercet._versioned import Versioned
from tercet.errors import InvalidError, WrongTypeError
from tercet.frame import Frame, library_of, rows_to_stream
from tercet.neighbors import Embedding, Neighbors, VectorLike, embeddings_to_json, to_vectors
from tercet.query import Query

if TYPE_CHECKING:
    from tercet.project import Project


@dataclass(frozen=True, repr=False)
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

    def __repr__(self) -> str:
        rows = [f"{count:,} {what}" for count, what in (
            (self.rows_inserted, "inserted"), (self.rows_updated, "updated"),
            (self.rows_deleted, "deleted")) if count]
        return (f"<Commit {self.version} of '{self.feature_group}' at "
                f"{self.commit_time:%Y-%m-%d %H:%M:%S} UTC: {self.operation}"
                + "".join(f", {one}" for one in rows)
                + (", already applied" if self.already_applied else "") + ">")

    @classmethod
    def _of(cls, group: str, record: dict[str, Any]) -> "Commit":
        return cls(feature_group=group, version=record["version"],
                   commit_time=from_micros(record["commit_time_us"]),
                   operation=record["operation"], rows_inserted=record["rows_inserted"],
                   rows_updated=record["rows_updated"], rows_deleted=record["rows_deleted"],
                   already_applied=record.get("already_applied", False))


@dataclass(frozen=True)
class Vacuumed:
    """What a vacuum removed, or would remove."""

    files: list[str]
    bytes: int
    orphans: int
    log_files: int
    oldest_version: int
    pinned: dict[int, list[str]]
    dry_run: bool

    @classmethod
    def _of(cls, record: dict[str, Any]) -> "Vacuumed":
        pinned = {int(version): by for version, by in record.pop("pinned").items()}
        return cls(pinned=pinned, **record)


@dataclass(frozen=True)
class ErasedGroup:
    """What an erasure did in one feature group."""

    version: int
    rows: int
    files: int
    lost_versions: list[int]


@dataclass(frozen=True)
class Erased:
    """What an erasure did: by group ("weather@1"), the training datasets ("delay@1@2") that can
    no longer be rebuilt, and the models ("late@3") that learned from those. What a model learned
    stays until it is dropped."""

    groups: dict[str, ErasedGroup]
    lost_datasets: list[str]
    models: list[str]

    @classmethod
    def _of(cls, record: dict[str, Any]) -> "Erased":
        return cls(groups={name: ErasedGroup(**group)
                           for name, group in record["groups"].items()},
                   lost_datasets=record["lost_datasets"], models=record["models"])


_UNCHANGED: Any = object()

AsOf = Union[Commit, int, Time, None]


def integer_of(value: Any) -> int | None:
    """Python's int of an integer, NumPy's among them; None for what is none."""
    return None if isinstance(value, bool) or not isinstance(value, Integral) else int(value)


def commit_or_time(as_of: AsOf) -> tuple[int | None, int | None]:
    """(commit version, commit time in microseconds), one of them or neither set."""
    if as_of is None:
        return None, None
    if isinstance(as_of, Commit):
        return as_of.version, None
    if isinstance(as_of, bool):
        raise WrongTypeError("as_of must be a commit, its version, or a time, not a bool")
    version = integer_of(as_of)
    if version is not None:
        return version, None
    moment: Any = as_of
    return None, to_micros(moment, "as_of")


def _version(commit: Commit | int) -> int:
    version = commit.version if isinstance(commit, Commit) else integer_of(commit)
    if version is None:
        raise WrongTypeError(f"expected a commit or its version, not {type(commit).__name__}")
    return version


def _default_to_json(value: Any, kind: str) -> Any:
    """A default as the core reads it: a time as text, a date as days since 1970."""
    if isinstance(value, datetime.datetime) or type(value).__name__ == "datetime64":
        text = _core.format_time(to_micros(value))
        return text if "tz=" in kind else text.removesuffix("Z")
    if isinstance(value, datetime.date):
        return (value - datetime.date(1970, 1, 1)).days
    return value


def _about_index(error: InvalidError, data: Any, wanted: Sequence[str | None]) -> InvalidError:
    """The error, which says more where a column that is wanted is a pandas index."""
    if library_of(data) != "pandas":
        return error
    for name in data.index.names:
        if name is not None and name in wanted and name not in data.columns:
            return InvalidError(f"{error}: '{name}' is the DataFrame's index and no column; use "
                                ".reset_index()")
    return error


class FeatureGroup(Versioned):
    """A table of features, each change of which is one commit. Made by `Project.feature_group`."""

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
    def history(self) -> bool:
        """Whether every commit is kept, for `known_at`."""
        return bool(self._definition.get("history"))

    @property
    def schema(self) -> dict[str, str] | None:
        """Column → type; None until the first insert where no schema was declared."""
        self._definition = json.loads(self._core.feature_group(self.name, self.version))
        fields = self._definition.get("schema")
        return None if fields is None else {field["name"]: field["type"] for field in fields}

    @property
    def _text(self) -> str:
        return f"{self.name}@{self.version}"

    def insert(self, data: Any, *, mode: str = "upsert", idempotency_key: str = "",
               wait_online: bool = False) -> Commit:
        """Writes rows as one commit.

        `data`: pandas, Polars, pyarrow, anything with the Arrow PyCapsule interface, a dict of
        columns, or a list of dicts. `mode`: "upsert" replaces rows of equal (primary key, event
        time), "append" adds, "overwrite" replaces all. With an `idempotency_key` a second insert
        of the same key changes nothing, for 30 days (the table's
        `delta.setTransactionRetentionDuration`). `wait_online` returns when online readers see it.

        Raises InvalidError for wrong or missing columns, lossy types, null keys, or a key that
        occurs twice in one upsert; nothing is written then.
        """
        self._project._saw(data)
        try:
            record = json.loads(self._core.insert(self.name, self.version, rows_to_stream(data),
                                                  mode, idempotency_key, wait_online))
        except InvalidError as error:
            raise _about_index(error, data, [*self.primary_key, self.event_time]) from None
        commit = Commit._of(self._text, record)
        self._project._record(outputs=[f"feature_group {self._text} commit {commit.version}"])
        return commit

    def delete(self, keys: Any, *, wait_online: bool = False) -> Commit:
        """Deletes the rows of these primary keys, or, where `keys` also has the event time, just
        those rows, as one commit."""
        record = json.loads(self._core.delete(self.name, self.version, rows_to_stream(keys),
                                              wait_online))
        commit = Commit._of(self._text, record)
        self._project._record(outputs=[f"feature_group {self._text} commit {commit.version}"])
        return commit

    def read(self, columns: Sequence[str] = (), *, as_of: AsOf = None, start: Time | None = None,
             end: Time | None = None) -> Frame:
        """Rows ordered by (primary key, event time), at head or as of a commit, its version, or a
        wall-clock time; of event times in [start, end)."""
        version, as_of_us = commit_or_time(as_of)
        frame = Frame(self._core.read(self.name, self.version, _columns(columns), version,
                                      as_of_us, to_micros(start), to_micros(end)))
        self._project._record(inputs=[f"feature_group {self._text}" +
                                      (f" commit {version}" if version is not None else "")])
        return frame

    def head(self, n: int = 5) -> Frame:
        """Some `n` rows as they are now, in no order: a look that reads no whole table."""
        if (rows := integer_of(n)) is None or rows < 0:
            raise InvalidError(f"head(): n must be a number of rows, 0 or more, not {n!r}")
        return self._project.sql(f'SELECT * FROM "{self._text}" LIMIT {rows}')

    def export(self, path: str | os.PathLike[str], columns: Sequence[str] = (), *,
               format: str | None = None, as_of: AsOf = None,  # noqa: A002: the field's name
               start: Time | None = None, end: Time | None = None) -> None:
        """Writes what `read` gives to one file, batch by batch, so that it may be larger than
        memory. Formats: "parquet", "arrow", "csv" and "tfrecord"; by default what the path's
        ending says. The path has the whole file afterwards; an error leaves it as it was."""
        version, as_of_us = commit_or_time(as_of)
        text = os.fspath(path)
        self._core.export(self.name, self.version, _columns(columns), version, as_of_us,
                          to_micros(start), to_micros(end), text,
                          format or os.path.splitext(text)[1].lstrip("."))
        self._project._record(inputs=[f"feature_group {self._text}" +
                                      (f" commit {version}" if version is not None else "")])

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
        version, as_of_us = commit_or_time(as_of)
        return json.loads(self._core.statistics(self.name, self.version, _columns(columns),
                                                version, as_of_us, to_micros(start),
                                                to_micros(end)))

    def compact(self) -> Commit:
        """Merges small files into large ones; nothing visible changes."""
        return Commit._of(self._text, json.loads(self._core.compact(self.name, self.version)))

    @property
    def source(self) -> dict[str, str] | None:
        """Where an external group's rows are; None for others."""
        source = self._definition.get("source")
        return dict(source) if source else None

    def materialize(self) -> None:
        """Loads what an external group's source has now into the online store, in place of what
        was loaded before; readers see the one or the other. Call it when the source has changed."""
        self._core.materialize(self.name, self.version)

    def rebuild_online(self, version: int | None = None) -> int:
        """Loads the group into the online store anew, as of a commit (its newest), and returns that
        commit's version. It is loaded beside the rows that are served and switched to at once:
        readers see the old or the new. Commits after it follow within a second. NotFoundError when
        the group is not online or has no such commit."""
        return self._core.rebuild_online(self.name, self.version, version)

    @property
    def embeddings(self) -> dict[str, Embedding]:
        """Column → how its vectors are compared."""
        return {column: Embedding(one["metric"], one.get("dimension"))
                for column, one in (self._definition.get("embeddings") or {}).items()}

    def find_neighbors(self, vector: VectorLike, k: int = 10, *, column: str | None = None,
                       filter: str | None = None,  # noqa: A002: the field's name
                       columns: Sequence[str] = (), exact: bool = False,
                       candidates: int | None = None) -> Neighbors:
        """The `k` rows whose embedding is nearest to a vector, or to each of several, nearest
        first, among the newest row of each key, as online reads see them now.

        `column`: the embedding, where the group declares several. `filter`: a condition on the
        group's columns, in the expression language: "price < 30 and city = 'Oslo'"; k rows are
        found where k rows fit it. `columns`: wanted, by default all. The answer has them behind
        `_distance` (see `embedding`), and behind `_query`, a vector's number, where several were
        given; its `commit` says up to which commit the group was looked at.

        An index (HNSW, Malkov and Yashunin 2018, https://arxiv.org/abs/1603.09320) finds nearly all
        of the nearest; `candidates`, how many rows it weighs (128, or 2 k), trades time for the
        rest, and `exact=True` compares with every row. The first search in a process reads the
        group into memory; a server's memory is the server's.

        Raises NotFoundError where there is no such embedding or column or the group is not online,
        InvalidError for a vector of another dimension or with an element that is not finite,
        LimitError where the index needs more memory than TERCET_INDEX_BYTES.
        """
        vectors, single = to_vectors(vector)
        core, commit = self._core.neighbors(self.name, self.version, vectors, k, column or "",
                                            filter or "", _columns(columns), exact, candidates,
                                            single)
        self._project._record(inputs=[f"feature_group {self._text} commit {commit}"])
        return Neighbors(core, commit)

    def add_features(self, features: Mapping[str, str], *,
                     defaults: Mapping[str, Any] | None = None) -> "FeatureGroup":
        """Adds columns (name → type text) behind the others, as one commit.

        Rows that are there, and rows of inserts that leave a new column out, have its value in
        `defaults` (times and dates as `datetime` has them), else null. With a default files are
        written anew, so that other engines see it too. Older commits keep their columns; views go
        on working; the online store follows.

        Raises ConflictError for a column that is there, WrongTypeError for a default that is
        not of its feature's type.
        """
        given = dict(defaults or {})
        unknown = [name for name in given if name not in features]
        if unknown:
            raise InvalidError(f"a default for '{unknown[0]}', which is not among the features")
        return self._alter({"add": [{"name": name, "type": str(kind),
                                     "default": _default_to_json(given.get(name), str(kind))}
                                    for name, kind in features.items()]})

    def widen(self, types: Mapping[str, str]) -> "FeatureGroup":
        """Gives columns (name → type text) a wider type, as one commit: int32 → int64, float32 →
        float64, integers → decimals, … Files are written anew.

        Raises WrongTypeError where a value might not fit, InvalidError for the primary key and the
        event time.
        """
        return self._alter({"widen": {name: str(kind) for name, kind in types.items()}})

    def alter(self, *, description: str | None = None, tags: Mapping[str, str] | None = None,
              ttl: Duration | None = _UNCHANGED, history: bool | None = None,
              properties: Mapping[str, str | None] | None = None,
              embeddings: Mapping[str, Embedding | str | None] | None = None) -> "FeatureGroup":
        """Changes what is given. `ttl=None` takes the TTL away; training datasets that exist are
        still rebuilt with the one that they were made with. `history=True` keeps every commit that
        is still whole from now on, as a group made with it does; it is never switched off.
        `properties` are those of the table (docs/reference/table-format.md), `embeddings` those of
        columns, by `tercet.embedding`; None takes one away."""
        change: dict[str, Any] = {}
        if description is not None:
            change["description"] = description
        if tags is not None:
            change["tags"] = dict(tags)
        if ttl is not _UNCHANGED:
            change["ttl_us"] = duration_to_micros(ttl, "ttl")
        if history is not None:
            change["history"] = history
        if properties is not None:
            change["properties"] = dict(properties)
        if embeddings is not None:
            change["embeddings"] = embeddings_to_json(embeddings)
        return self._alter(change)

    def _alter(self, change: dict[str, Any]) -> "FeatureGroup":
        self._definition = json.loads(
            self._core.alter_feature_group(self.name, self.version, definition_to_json(change)))
        return self

    @property
    def properties(self) -> dict[str, str]:
        """The table's properties; empty before the first insert."""
        return self.describe().get("properties", {})

    def vacuum(self, *, retention: Duration | None = None, dry_run: bool = False) -> Vacuumed:
        """Removes files that nobody can need any more, and old log files.

        Commits of the last `retention` (a timedelta, or text such as "7d"; by default the table's
        `delta.deletedFileRetentionDuration`, 30 days) stay readable, as do those that training
        datasets pin. Files that no commit names are left by killed writers; they go when they are
        a day old. `dry_run=True` only says what would go.
        """
        micros = duration_to_micros(retention, "retention")
        return Vacuumed._of(json.loads(self._core.vacuum(self.name, self.version, micros,
                                                         dry_run)))

    def erase(self, keys: Any) -> Erased:
        """Removes all rows of these entities from the group, its history, its change feed and log,
        and the online store. `keys` has some or all columns of the primary key. Older commits that
        need a file which held such a row can no longer be read; training datasets of them can no
        longer be rebuilt, and are named."""
        return Erased._of(json.loads(self._core.erase(self.name, self.version,
                                                      rows_to_stream(keys))))

    def describe(self) -> dict[str, Any]:
        """Rows, bytes, files, newest commit, and the commit that online readers see."""
        return json.loads(self._core.describe_feature_group(self.name, self.version))

    def drop(self) -> None:
        """Removes the group and its data. InvalidError when something depends on it."""
        self._core.drop_feature_group(self.name, self.version)

    def select(self, *features: str) -> Query:
        """A query of these features; of all but key and event time when none is named."""
        for feature in features:
            if not isinstance(feature, str):
                raise WrongTypeError("select takes names of features, each by itself: "
                                     f"select('temp', 'wind'), not {feature!r}")
        return Query(self.name, self.version, tuple(features))

    def through(self) -> Query:
        """A query of none of its features: a group that only gives keys to those joined to it, such
        as one that says which account a card belonged to at what time."""
        return Query(self.name, self.version, passed_through=True)

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
