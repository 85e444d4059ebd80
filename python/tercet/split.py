"""How training data is divided into parts.

>>> import tercet as tc
>>> tc.split.by_time(train=0.8, test=0.2)
>>> tc.split.random(train=0.7, validation=0.2, test=0.1)
>>> tc.split.stratified("late", train=0.8, test=0.2)
>>> tc.split.k_fold(5)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import Any, Mapping, Union

from tercet._slips import checked
from tercet._times import Duration, Time, duration_to_micros, to_micros
from tercet.errors import InvalidError, WrongTypeError


@dataclass(frozen=True)
class Split:
    """A split's definition, as the training dataset keeps it."""

    definition: dict[str, Any]
    #: event time (microseconds) before which the last part ends, where one was given
    end: int | None = None

    @property
    def parts(self) -> list[str]:
        """Names of the parts in order."""
        if "folds" in self.definition:
            return [f"fold_{fold}" for fold in range(self.definition["folds"])]
        items = self.definition.get("parts") or self.definition.get("boundaries") or [["train"]]
        return [item[0] for item in items]

    def until(self, end_us: int | None) -> int | None:
        """Where rows end: the earlier of the split's own end and a given one, if any."""
        ends = [end for end in (self.end, end_us) if end is not None]
        return min(ends, default=None)


def _parts(example: str, shares: Mapping[str, Any]) -> list[list[Any]]:
    """The parts of a definition, [name, share] each."""
    if not shares:
        raise InvalidError(f"split.{example.partition('(')[0]} needs its parts: split.{example}")
    for name, share in shares.items():
        if not isinstance(share, Real) or isinstance(share, bool) or not math.isfinite(share):
            raise WrongTypeError(f"split: the share of '{name}' must be a number, not {share!r}")
    return [[name, float(share)] for name, share in shares.items()]


def none() -> Split:
    """All rows in one part, "train"."""
    return Split({"method": "none"})


def random(**shares: float) -> Split:
    """Rows at random, by the training data's seed. Shares of the parts, in order, sum to 1."""
    return Split({"method": "random", "parts": _parts("random(train=0.8, test=0.2)", shares)})


def by_time(**parts: Union[float, Time, None]) -> Split:
    """Rows by event time, earlier parts first; rows of one time stay together.

    Each part gets a share of the rows (`train=0.8, test=0.2`), or ends before a time
    (`train="2013-10-01", test="2013-12-01"`); the last part's end may be None (open). Rows at or
    after the last end are in no part.
    """
    if all(isinstance(part, Real) for part in parts.values()):
        return Split({"method": "time", "parts": _parts("by_time(train=0.8, test=0.2)", parts)})
    from tercet import _core

    boundaries: list[list[Any]] = []
    micros: int | None = None
    for name, end in parts.items():
        if isinstance(end, (int, float, Real)):
            raise InvalidError(f"split.by_time: '{name}' is a share, but other parts end at a time")
        before, micros = micros, to_micros(end, f"end of '{name}'")
        if before is not None and micros is not None and micros <= before:
            raise InvalidError(f"split.by_time: '{name}' ends at {end}, no later than the part "
                               "before it")
        boundaries.append([name, None if micros is None else _core.format_time(micros)])
    boundaries[-1][1] = None
    return Split({"method": "time", "boundaries": boundaries}, end=micros)


@checked
def stratified(column: str, **shares: float) -> Split:
    """Rows at random, with the values of a column (a label, mostly) in the same proportions in all
    parts."""
    return Split({"method": "stratified", "column": column,
                  "parts": _parts("stratified('late', train=0.8, test=0.2)", shares)})


@checked
def by_group(column: str, **shares: float) -> Split:
    """All rows with one value of a column (a user, a patient) in one part, so that a model is
    tested on groups that it has not seen. Shares are of rows, as near as the groups allow."""
    return Split({"method": "group", "column": column,
                  "parts": _parts("by_group('user', train=0.8, test=0.2)", shares)})


@checked
def k_fold(folds: int = 5, *, stratify: str | None = None, group: str | None = None) -> Split:
    """Parts "fold_0" … of equally many rows, at random; `data.folds()` gives each fold's training
    and test rows. `stratify`: with the values of a column in the same proportions; `group`: with
    all rows of one value in one fold."""
    if stratify is not None and group is not None:
        raise InvalidError("split.k_fold goes by 'stratify' or by 'group', not by both")
    definition: dict[str, Any] = {"method": "k_fold", "folds": int(folds or 0)}
    if stratify is not None or group is not None:
        definition["column"] = stratify if stratify is not None else group
        definition["by"] = "stratified" if stratify is not None else "group"
    return Split(definition)


@checked
def purged(folds: int = 5, *, horizon: Duration | None = None,
           embargo: Duration | None = None) -> Split:
    """Folds that follow each other in time, of equally many rows (rows of one time together).

    A fold's training rows are those of the other folds but for rows whose label interval
    [event time, event time + `horizon`] meets that of the fold's rows, and for rows up to an
    `embargo` after it (López de Prado, Advances in Financial Machine Learning, 2018, chapter 7)."""
    definition: dict[str, Any] = {"method": "purged", "folds": int(folds or 0)}
    for name, value in (("horizon", horizon), ("embargo", embargo)):
        micros = duration_to_micros(value, name)
        if micros:
            definition[f"{name}_us"] = micros
    return Split(definition)
