"""How training data is divided into parts.

>>> import tercet as tc
>>> tc.split.by_time(train=0.8, test=0.2)
>>> tc.split.random(train=0.7, validation=0.2, test=0.1)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Union

from tercet._times import Time, to_micros
from tercet.errors import InvalidError


@dataclass(frozen=True)
class Split:
    """A split's definition, as the training dataset keeps it."""

    definition: dict[str, Any]
    #: event time (microseconds) before which the last part ends, where one was given
    end: int | None = None

    @property
    def parts(self) -> list[str]:
        """Names of the parts in order."""
        items = self.definition.get("parts") or self.definition.get("boundaries") or [["train"]]
        return [item[0] for item in items]


def none() -> Split:
    """All rows in one part, "train"."""
    return Split({"method": "none"})


def random(**shares: float) -> Split:
    """Rows at random, by the training data's seed. Shares of the parts, in order, sum to 1."""
    if not shares:
        raise InvalidError("split.random needs its parts: split.random(train=0.8, test=0.2)")
    return Split({"method": "random", "parts": [[name, float(share)]
                                                for name, share in shares.items()]})


def by_time(**parts: Union[float, Time, None]) -> Split:
    """Rows by event time, earlier parts first; rows of one time stay together.

    Each part gets a share of the rows (`train=0.8, test=0.2`), or ends before a time
    (`train="2013-10-01", test="2013-12-01"`); the last part's end may be None (open). Rows at or
    after the last end are in no part.
    """
    if not parts:
        raise InvalidError("split.by_time needs its parts: split.by_time(train=0.8, test=0.2)")
    if all(isinstance(value, (int, float)) for value in parts.values()):
        return Split({"method": "time", "parts": [[name, float(share)]
                                                  for name, share in parts.items()]})
    from tercet import _core

    boundaries: list[list[Any]] = []
    micros = None
    for name, end in parts.items():
        if isinstance(end, (int, float)):
            raise InvalidError(f"split.by_time: '{name}' is a share, but other parts end at a time")
        micros = to_micros(end, f"end of '{name}'")
        boundaries.append([name, None if micros is None else _core.format_time(micros)])
    boundaries[-1][1] = None
    return Split({"method": "time", "boundaries": boundaries}, end=micros)
