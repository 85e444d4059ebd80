"""Queries: features selected of feature groups and joined as of the left row's event time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Iterable, Mapping, Union

from tercet._slips import Noun
from tercet._times import Duration, duration_to_micros
from tercet.errors import InvalidError, WrongTypeError

On = Union[str, Iterable[str], Mapping[str, str], None]


@dataclass(frozen=True)
class Query(Noun):
    """A selection of features, joined with others. Immutable: each verb returns a new one."""

    group: str
    version: int
    features: tuple[str, ...] = ()
    joins: tuple[dict[str, Any], ...] = ()
    filter_expression: str = ""
    passed_through: bool = False

    def join(self, other: "Query", on: On = None, *, prefix: str = "", type: str = "left",
             ttl: Duration | None = None, lag: Duration | None = None,
             horizon: Duration | None = None) -> "Query":
        """Joins another group's features: of each left row's key, the row with the latest event
        time at or before the left row's, within the TTL.

        `on`: a column, columns, or {left column: right primary key column}; by default the right
        group's primary key. `prefix` goes before the right features' names. `type`: "left" keeps
        left rows without a match (nulls), "inner" drops them. `ttl` overrides the group's.

        `lag`: a row counts only from its event time + lag on, online as well.
        `horizon`, for labels: the row is read as of the left row's time + horizon; null while the
        group has no row that late. Only in training.

        Joins that `other` has come from it: their left columns are its columns, as of the same
        left row's time, and `prefix` goes before their features' names too.
        """
        if not isinstance(other, Query):
            raise WrongTypeError("join takes features of a group: "
                                 "weather.select('temp'), not " + _type_name(other))
        if type not in ("left", "inner"):
            raise InvalidError(f"join type '{type}' must be 'left' or 'inner'")
        if other.filter_expression:
            raise InvalidError("a joined group has no filter of its own; filter the whole query")
        joined: dict[str, Any] = {
            "group": other.group, "version": other.version, "features": list(other.features),
            "on": _pairs(on), "prefix": prefix, "type": type,
            "ttl_us": duration_to_micros(ttl, "ttl")}
        if lag is not None:
            joined["lag_us"] = duration_to_micros(lag, "lag")
        if horizon is not None:
            joined["horizon_us"] = duration_to_micros(horizon, "horizon")
        if other.passed_through:
            joined["through"] = True
        # A join is named by its prefix and group, which is what those that come from it say.
        hops = [{**hop, "prefix": prefix + hop["prefix"],
                 "from": prefix + hop.get("from", other.group)} for hop in other.joins]
        return replace(self, joins=(*self.joins, joined, *hops))

    def filter(self, expression: str) -> "Query":
        """Keeps the rows for which a boolean expression over the view's columns is true."""
        both = f"({self.filter_expression}) and ({expression})"
        return replace(self, filter_expression=both if self.filter_expression else expression)

    def root(self) -> dict[str, Any]:
        """The left group's selection as the view's definition has it."""
        if self.passed_through:
            raise InvalidError(f"'{self.group}' is only passed through, so it can't be the root of "
                               "a view; use select()")
        return {"group": self.group, "version": self.version, "features": list(self.features),
                "on": {}, "prefix": "", "type": "left", "ttl_us": None}


def _type_name(value: Any) -> str:
    return type(value).__name__


def _pairs(on: On) -> dict[str, str]:
    if on is None:
        return {}
    if isinstance(on, str):
        return {on: on}
    if isinstance(on, Mapping):
        return dict(on)
    if not isinstance(on, Iterable) or not all(isinstance(column, str) for column in on):
        raise WrongTypeError("on is a column, columns, or {left column: right column}, not "
                             f"{on!r}")
    return {column: column for column in on}
