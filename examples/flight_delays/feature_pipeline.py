"""Pipeline F: loads one month, or a month up to an hour, into the feature groups.

    python feature_pipeline.py PROJECT --month 3
    python feature_pipeline.py PROJECT --month 12 --until 2013-12-20T17:00:00Z

Each step is one commit and safe to run again: it writes the same rows under the same keys."""

from __future__ import annotations

import argparse

import pandas as pd

import features
import raw
import store
import tercet as tc


def load_month(project: tc.Project, month: int, until: pd.Timestamp | None = None) -> int:
    """Loads what became known in a month (up to `until`); returns the rows written."""
    start, end = raw.month_start(month), raw.month_start(month + 1)
    now = end if until is None else until
    step = f"{month:02d}-{now.isoformat()}"
    commits = []

    def insert(group: tc.FeatureGroup, frame: pd.DataFrame) -> None:
        commits.append(group.insert(frame, idempotency_key=f"{group.name}@{group.version}-{step}",
                                    wait_online=group.online))

    departures = raw.flights()["scheduled_departure"]
    scheduled = raw.flights()[(departures >= start) & (departures < now)]
    # Flights of the end of last month that have arrived since get their label now.
    landed = raw.flights()[(departures < start) & (raw.flights()["known_at"] >= start)]
    insert(store.flights(project), features.schedule(pd.concat([landed, scheduled]), now))

    known = raw.flights()["known_at"]
    insert(store.arrivals(project),
           features.arrivals(raw.flights()[(known >= start) & (known < now)]))
    recent = store.arrivals(project).read(start=start - features.WINDOW, end=now).to_pandas()
    insert(store.carrier_delays(project), features.rolling_delays(recent, ["carrier"], start))
    insert(store.route_delays(project), features.rolling_delays(recent, ["origin", "dest"], start))

    hours = raw.weather()["time_hour"]
    measured = raw.weather()[(hours >= start) & (hours < now)]
    insert(store.weather(project, 1), features.weather_v1(measured))
    with_past = raw.weather()[(hours >= start - pd.Timedelta("6h")) & (hours < now)]
    rain = features.weather_v2(with_past)
    insert(store.weather(project, 2), rain[rain["time_hour"] >= start])

    insert(store.planes(project), features.planes(raw.planes()))
    return sum(commit.rows_inserted + commit.rows_updated
               for commit in commits if not commit.already_applied)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("project", help="the project's directory, or tercet://host:port")
    parser.add_argument("--month", type=int, required=True, choices=range(1, 13))
    parser.add_argument("--until", type=pd.Timestamp, help="load only what is known by this time")
    arguments = parser.parse_args()
    with tc.open(arguments.project) as project:
        with project.run("load_features", month=arguments.month):
            rows = load_month(project, arguments.month, arguments.until)
            print(f"month {arguments.month}: {rows:,} rows written")


if __name__ == "__main__":
    main()
