"""Times and durations as users write them, in microseconds since 1970-01-01T00:00:00Z."""

from __future__ import annotations

import datetime
from typing import Any, Union, overload

from tercet import _core
from tercet.errors import WrongTypeError

Time = Union[datetime.datetime, datetime.date, str]
Duration = Union[datetime.timedelta, str]

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_MICROSECOND = datetime.timedelta(microseconds=1)


@overload
def to_micros(time: Time, what: str = "time") -> int: ...


@overload
def to_micros(time: Time | None, what: str = "time") -> int | None: ...


def to_micros(time: Any, what: str = "time") -> int | None:
    """A datetime (without zone: UTC), date, ISO text or pandas Timestamp in microseconds. A number
    is refused: nobody knows whether it is seconds."""
    if time is None:
        return None
    if isinstance(time, str):
        return _core.parse_time(time)
    if str(time) in ("NaT", "<NA>"):
        raise WrongTypeError(f"{what} is {time}: no time at all")
    if hasattr(time, "to_pydatetime"):
        time = time.to_pydatetime(warn=False)
    if isinstance(time, datetime.datetime):
        if time.tzinfo is None:
            time = time.replace(tzinfo=datetime.timezone.utc)
        return (time - _EPOCH) // _MICROSECOND
    if isinstance(time, datetime.date):
        return (time - _EPOCH.date()).days * 86_400_000_000
    if type(time).__name__ == "datetime64":  # NumPy's
        return to_micros(time.astype("datetime64[us]").item(), what)
    raise WrongTypeError(
        f"{what} must be a datetime, a date or text such as '2013-01-31T05:00:00Z', "
        f"not {type(time).__name__}")


@overload
def from_micros(micros: int) -> datetime.datetime: ...


@overload
def from_micros(micros: None) -> None: ...


def from_micros(micros: int | None) -> datetime.datetime | None:
    """Microseconds since the epoch as a datetime in UTC."""
    return None if micros is None else _EPOCH + datetime.timedelta(microseconds=micros)


def duration_to_micros(duration: Duration | None, what: str) -> int | None:
    """A timedelta, or text such as '3h', in microseconds."""
    if duration is None:
        return None
    if isinstance(duration, str):
        return _core.parse_duration(duration)
    if isinstance(duration, datetime.timedelta):
        return duration // _MICROSECOND
    raise WrongTypeError(f"{what} must be a timedelta or text such as '3h' or '7d', "
                         f"not {type(duration).__name__}")
