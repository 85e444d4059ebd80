"""Small tables that the tests share."""

import pandas as pd


def hours(count: int, start: str = "2024-01-01") -> pd.DatetimeIndex:
    return pd.date_range(start, periods=count, freq="h", tz="UTC")


def weather(count: int = 48) -> pd.DataFrame:
    return pd.DataFrame({"city": "Oslo", "hour": hours(count),
                         "rain": [float(i % 7) for i in range(count)]})


def rides(count: int = 200) -> pd.DataFrame:
    return pd.DataFrame({
        "ride": range(count), "city": "Oslo",
        "started": pd.date_range("2024-01-01", periods=count, freq="13min", tz="UTC"),
        "distance": [float(i % 11) for i in range(count)],
        "late": [i % 7 > 3 for i in range(count)]})
