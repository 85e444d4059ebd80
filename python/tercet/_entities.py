"""Rows for all entities of a feature view, without a frame that names them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterable

from tercet._times import Duration, Time, duration_to_micros, to_micros
from tercet.errors import InvalidError


@dataclass(frozen=True)
class Entities:
    """All entities as of some times (microseconds)."""

    times: tuple[int, ...]


_MOST_TIMES = 1_000_000


def entities(at: Time | Iterable[Time] | None = None, *, start: Time | None = None,
             end: Time | None = None, every: Duration | None = None) -> Entities:
    """The rows of a training dataset: of each time every entity of the view's root group of which a
    row is visible then, once; in order of the times, then of the keys.

    `at`: a time, or times. Or `start`, `end` and `every`: the times from `start` on, `every` so
    often, before `end`. Pass it as the spine: `view.training_data(tc.entities("2024-03-01"))`.

    Raises InvalidError where no time is given, `every` is not longer than 0, `end` is not after
    `start`, or there would be more than a million times.
    """
    if at is not None:
        if start is not None or end is not None or every is not None:
            raise InvalidError("entities take times, or start, end and every; not both")
        given: Any = [at] if isinstance(at, str) or not hasattr(at, "__iter__") else at
        times = tuple(to_micros(time, "at") for time in given)
        if None in times:
            raise InvalidError(f"entities: at has None, which is no time: {at!r:.100}")
    else:
        first, last = to_micros(start, "start"), to_micros(end, "end")
        step = duration_to_micros(every, "every")
        if first is None or last is None or step is None:
            raise InvalidError("entities need times, or start, end and every")
        if step <= 0:
            raise InvalidError(f"every must be longer than 0, not {every}")
        if last <= first:
            raise InvalidError(f"entities: end, {end}, must be after start, {start}")
        if (last - first) // step >= _MOST_TIMES:
            raise InvalidError(f"entities: from {start} to {end} every {every} are more than "
                               f"{_MOST_TIMES:,} times; make training data of fewer at once")
        times = tuple(range(first, last, step))
    if not times:
        raise InvalidError("entities need at least one time")
    return Entities(times)
