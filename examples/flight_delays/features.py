"""Feature logic: pure functions of DataFrames, tested in test_features.py.

Nothing here knows of Tercet, so it can be tested, and read, alone."""

from __future__ import annotations

import pandas as pd

#: An arrival this late, in minutes, is "late".
LATE_MINUTES = 15
#: How far back the rolling delays look.
WINDOW = pd.Timedelta("24h")


def schedule(raw: pd.DataFrame, now: pd.Timestamp) -> pd.DataFrame:
    """What is known of a flight when it is to leave, and its label as far as known at `now`.

    `late` is null for flights that have not arrived by `now`, and for cancelled and diverted
    ones: they have no arrival delay, so they are neither late nor on time.
    """
    local = raw["scheduled_departure"].dt.tz_convert("America/New_York")
    late = (raw["arr_delay"] >= LATE_MINUTES).astype("boolean")
    return pd.DataFrame({
        "carrier": raw["carrier"],
        "flight": raw["flight"],
        "origin": raw["origin"],
        "scheduled_departure": raw["scheduled_departure"],
        "dest": raw["dest"],
        "tailnum": raw["tailnum"],
        "distance": raw["distance"].astype("float64"),
        "departure_hour": (local.dt.hour + local.dt.minute / 60).astype("float64"),
        "day_of_week": local.dt.day_of_week.astype("int64"),
        "late": late.where(raw["known_at"].notna() & (raw["known_at"] <= now)),
    })


def arrivals(raw: pd.DataFrame) -> pd.DataFrame:
    """Outcomes, each dated when it became known. One row a flight that arrived."""
    arrived = raw[raw["known_at"].notna()]
    return pd.DataFrame({
        "carrier": arrived["carrier"],
        "flight": arrived["flight"],
        "origin": arrived["origin"],
        "dest": arrived["dest"],
        "scheduled_departure": arrived["scheduled_departure"],
        "known_at": arrived["known_at"],
        "arrival_delay": arrived["arr_delay"].astype("float64"),
    })


def rolling_delays(arrived: pd.DataFrame, keys: list[str], start: pd.Timestamp) -> pd.DataFrame:
    """Delays of the last 24 hours of arrivals by `keys`, as of each arrival from `start` on.

    `arrived` must reach back to `start` less the window. A row's window is (known_at − 24 h,
    known_at]; arrivals known at the same minute share one row.
    """
    ordered = arrived.sort_values("known_at", kind="stable")
    ordered = ordered.assign(late=(ordered["arrival_delay"] >= LATE_MINUTES).astype("float64"))
    if ordered.empty:
        return pd.DataFrame({**{key: ordered[key] for key in keys},
                             "known_at": ordered["known_at"],
                             "arrivals_24h": ordered["late"],
                             "mean_delay_24h": ordered["late"],
                             "late_share_24h": ordered["late"]})
    windows = ordered.set_index("known_at").groupby(keys)[["arrival_delay", "late"]].rolling(WINDOW)
    rolled = windows.mean().rename(columns={"arrival_delay": "mean_delay_24h",
                                            "late": "late_share_24h"})
    rolled["arrivals_24h"] = windows["late"].count()
    rolled = rolled.reset_index()
    # Of the rows of one minute the last has seen them all.
    rolled = rolled.drop_duplicates([*keys, "known_at"], keep="last")
    columns = [*keys, "known_at", "arrivals_24h", "mean_delay_24h", "late_share_24h"]
    return rolled.loc[rolled["known_at"] >= start, columns].reset_index(drop=True)


def weather_v1(raw: pd.DataFrame) -> pd.DataFrame:
    """Hourly weather as measured."""
    return raw[["origin", "time_hour", "temp", "wind_speed", "precip", "visib"]].copy()


def weather_v2(raw: pd.DataFrame) -> pd.DataFrame:
    """Weather with what the first version left out: gusts, pressure, and rain so far.

    `precip_6h` sums the six hours up to and with this one; `raw` must reach back so far.
    """
    ordered = raw.sort_values(["origin", "time_hour"], kind="stable")
    rain = (ordered.set_index("time_hour").groupby("origin")["precip"]
            .rolling(pd.Timedelta("6h")).sum())
    return pd.DataFrame({
        "origin": ordered["origin"].to_numpy(),
        "time_hour": ordered["time_hour"].array,
        "temp": ordered["temp"].to_numpy(),
        "dew_point": ordered["dewp"].to_numpy(),
        "wind_speed": ordered["wind_speed"].to_numpy(),
        "wind_gust": ordered["wind_gust"].to_numpy(),
        "pressure": ordered["pressure"].to_numpy(),
        "visib": ordered["visib"].to_numpy(),
        "precip_6h": rain.to_numpy(),
    })


def planes(raw: pd.DataFrame) -> pd.DataFrame:
    """What is known of a plane."""
    return pd.DataFrame({
        "tailnum": raw["tailnum"],
        "built": raw["year"].astype("float64"),
        "seats": raw["seats"].astype("float64"),
        "engines": raw["engines"].astype("float64"),
    })
