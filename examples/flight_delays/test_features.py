"""Unit tests of the feature logic, as a user would write them. Run: pytest test_features.py"""

import pandas as pd
import pytest

import features
import raw


def utc(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


def flight(departure: str, delay: float | None, **other) -> dict:
    departs = utc(departure)
    known = departs + pd.Timedelta(minutes=120 + (delay or 0)) if delay is not None else pd.NaT
    return {"carrier": "AA", "flight": 1, "origin": "JFK", "dest": "LAX", "tailnum": "N1",
            "distance": 2475, "scheduled_departure": departs, "arr_delay": delay,
            "known_at": known, **other}


def test_late_means_fifteen_minutes_or_more():
    frame = pd.DataFrame([flight("2013-01-01 10:00", 14), flight("2013-01-01 11:00", 15)])
    assert features.schedule(frame, utc("2013-02-01"))["late"].tolist() == [False, True]


def test_a_flight_that_has_not_arrived_has_no_label_yet():
    frame = pd.DataFrame([flight("2013-01-01 10:00", 60)])  # known at 13:00
    assert features.schedule(frame, utc("2013-01-01 12:59"))["late"].isna().all()
    assert features.schedule(frame, utc("2013-01-01 13:00"))["late"].tolist() == [True]


def test_cancelled_flights_are_neither_late_nor_on_time():
    frame = pd.DataFrame([flight("2013-01-01 10:00", None), flight("2013-01-01 11:00", 0)])
    assert features.schedule(frame, utc("2013-02-01"))["late"].isna().tolist() == [True, False]
    assert len(features.arrivals(frame)) == 1


def test_rolling_delays_see_only_what_has_arrived():
    frame = pd.DataFrame([flight("2013-01-01 10:00", 0), flight("2013-01-01 11:00", 60)])
    rolled = features.rolling_delays(features.arrivals(frame), ["carrier"], utc("2013-01-01"))
    assert rolled["known_at"].tolist() == [utc("2013-01-01 12:00"), utc("2013-01-01 14:00")]
    assert rolled["mean_delay_24h"].tolist() == [0.0, 30.0]
    assert rolled["late_share_24h"].tolist() == [0.0, 0.5]
    assert rolled["arrivals_24h"].tolist() == [1.0, 2.0]


def test_rolling_delays_forget_after_a_day():
    frame = pd.DataFrame([flight("2013-01-01 10:00", 0), flight("2013-01-02 10:00", 60)])
    rolled = features.rolling_delays(features.arrivals(frame), ["carrier"], utc("2013-01-01"))
    assert rolled["mean_delay_24h"].tolist() == [0.0, 60.0]


def test_arrivals_of_one_minute_share_one_row():
    frame = pd.DataFrame([flight("2013-01-01 10:00", 0), flight("2013-01-01 10:00", 0, flight=2)])
    rolled = features.rolling_delays(features.arrivals(frame), ["carrier"], utc("2013-01-01"))
    assert rolled["arrivals_24h"].tolist() == [2.0]


@pytest.mark.parametrize("keys", [["carrier"], ["origin", "dest"]])
def test_loading_month_by_month_equals_loading_at_once(keys):
    some = raw.flights().query("carrier == 'HA' or carrier == 'F9'")
    arrived = features.arrivals(some)
    whole = features.rolling_delays(arrived, keys, raw.month_start(1))
    parts = []
    for month in range(1, 14):
        start, end = raw.month_start(month), raw.month_start(month + 1)
        known = arrived["known_at"]
        near = arrived[(known > start - features.WINDOW) & (known < end)]
        parts.append(features.rolling_delays(near, keys, start))
    order = [*keys, "known_at"]
    joined = pd.concat(parts).sort_values(order).reset_index(drop=True)
    whole = whole.sort_values(order).reset_index(drop=True)
    # The running sums of pandas differ in the last bits with where they begin.
    pd.testing.assert_frame_equal(joined, whole, rtol=1e-9, atol=1e-9)


def test_rain_of_six_hours():
    hours = pd.date_range("2013-01-01", periods=8, freq="h", tz="UTC")
    frame = pd.DataFrame({"origin": "JFK", "time_hour": hours, "precip": 1.0, "temp": 0.0,
                          "dewp": 0.0, "wind_speed": 0.0, "wind_gust": 0.0, "pressure": 0.0,
                          "visib": 0.0})
    assert features.weather_v2(frame)["precip_6h"].tolist() == [1, 2, 3, 4, 5, 6, 6, 6]


def test_every_flight_of_the_year_is_in_one_month():
    departures = raw.flights()["scheduled_departure"]
    assert departures.min() >= raw.month_start(1)
    assert departures.max() < raw.month_start(13)
    assert len(departures) == 336_776
