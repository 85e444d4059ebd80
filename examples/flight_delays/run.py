"""A whole ML system on real flights, end to end.

    ./dev demo

Feature pipelines load 2013 month by month; two models are trained and tested; one is deployed and
asked over HTTP, upgraded to the other and rolled back; December is predicted in batch. It ends
with a report."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

import batch_pipeline
import feature_pipeline
import features
import raw
import service
import store
import tercet as tc
import training_pipeline

#: "Now" in the online part of the story: the hour as of which the service is asked.
HOUR = pd.Timestamp("2013-12-20T17:00:00Z")


class Report:
    """Steps with their seconds, and facts; printed at the end."""

    def __init__(self) -> None:
        self._lines: list[tuple[str, str]] = []

    def step(self, name: str, work, *arguments):
        print(f"── {name}", flush=True)
        started = time.perf_counter()
        result = work(*arguments)
        self.fact(name, f"{time.perf_counter() - started:.1f} s")
        return result

    def fact(self, name: str, value: str) -> None:
        self._lines.append((name, value))

    def __str__(self) -> str:
        width = max(len(name) for name, _ in self._lines)
        rule = "─" * (width + 50)
        return "\n".join([rule, *(f"{name.ljust(width)}  {value}" for name, value in self._lines),
                          rule])


def load_year(project: tc.Project, report: Report) -> None:
    def months() -> None:
        for month in range(1, 12):
            with project.run("load_features", month=month):
                rows = feature_pipeline.load_month(project, month)
                print(f"   2013-{month:02d}: {rows:,} rows")

    def again() -> None:
        before = [group.describe()["version"] for group in project.feature_groups()]
        rows = feature_pipeline.load_month(project, 6)
        after = [group.describe()["version"] for group in project.feature_groups()]
        if rows != 0 or before != after:
            raise SystemExit(f"running June again wrote {rows} rows")

    report.step("F: January to November, month by month", months)
    report.step("F: June again, without effect", again)


def flights_at(hour: pd.Timestamp) -> pd.DataFrame:
    """What an application knows of the flights of the next hour."""
    departures = raw.flights()["scheduled_departure"]
    soon = raw.flights()[(departures >= hour) & (departures < hour + pd.Timedelta("1h"))]
    known = features.schedule(soon[soon["tailnum"].notna()].head(20), hour)
    return known[["carrier", "origin", "dest", "tailnum", "distance", "departure_hour",
                  "day_of_week"]].reset_index(drop=True)


def serve(project: tc.Project, directory: str, first: tc.Model, second: tc.Model,
          report: Report) -> None:
    deployment = project.deploy("delay", first)
    flights = flights_at(HOUR)
    with service.serving(directory) as address:
        before = service.ask(address, "delay", flights, HOUR)
        probabilities = np.array(before["outputs"][0]["data"], dtype=np.float32)
        report.fact(f"I: {len(flights)} flights asked over HTTP as of {HOUR:%d %b %H:%M} UTC",
                    f"P(late) from {probabilities.min():.2f} to {probabilities.max():.2f}")
        deployment.upgrade(second)
        upgraded = service.ask(address, "delay", flights, HOUR)
        if upgraded["outputs"] == before["outputs"]:
            raise SystemExit("the upgrade changed no answer")
        deployment.rollback()
        after = service.ask(address, "delay", flights, HOUR)
        if after["outputs"] != before["outputs"]:
            raise SystemExit("after the rollback the answers differ from those before")
    changed = np.abs(np.array(upgraded["outputs"][0]["data"]) - probabilities).mean()
    report.fact("I: upgrade to model 2, view 2, weather 2", f"moves P(late) by {changed:.3f}")
    report.fact("I: rollback", "answers equal those before, bit for bit")
    # The same question in process gives the same bits as over HTTP.
    local = project.predict("delay", flights, event_time=HOUR).to_numpy()[:, 0]
    if not np.array_equal(local, probabilities):
        raise SystemExit("the answers in process and over HTTP differ")


def december(project: tc.Project, model: tc.Model, report: Report) -> None:
    _, rows = report.step("I: December predicted in batch", batch_pipeline.predict_december,
                          project, model)
    scored = store.predictions(project).read().to_pandas()
    truth = store.flights(project).read(start=raw.month_start(12)).to_pandas()
    keys = ["carrier", "flight", "origin", "event_time"]
    truth = truth.rename(columns={"scheduled_departure": "event_time"})
    joined = scored.merge(truth[[*keys, "late"]], on=keys)
    if len(joined) != rows:
        raise SystemExit(f"{rows} predictions, but {len(joined)} of December's flights have one")
    joined = joined[joined["late"].notna()]
    auc = roc_auc_score(joined["late"].astype(bool), joined["prediction"])
    report.fact("   December", f"{rows:,} predictions, AUC {auc:.3f} on those that arrived")


def main() -> None:
    parser = argparse.ArgumentParser(description="The flight delay system, end to end")
    parser.add_argument("project", nargs="?", default="flights", help="directory of the project")
    directory = parser.parse_args().project
    if (Path(directory) / "project.json").exists():
        shutil.rmtree(directory)  # a project of an earlier demo
    started = time.perf_counter()
    report = Report()
    with tc.open(directory) as project:
        load_year(project, report)
        first, metrics = report.step("T: model 1 trained and tested", training_pipeline.train,
                                     project, 1)
        second, metrics_second = report.step("T: model 2 trained and tested",
                                             training_pipeline.train, project, 2)
        report.step(f"F: December up to {HOUR:%d %b %H:%M} UTC", feature_pipeline.load_month,
                    project, 12, HOUR)
        serve(project, directory, first, second, report)
        report.step("F: the rest of December", feature_pipeline.load_month, project, 12)
        december(project, first, report)
        view = store.delay_view(project, 1)
        report.step("T: training data rebuilt, byte for byte", view.rebuild)

        for name, values in (("model 1", metrics), ("model 2", metrics_second)):
            report.fact(name, f"AUC {values['auc']:.3f} (carrier and route mean "
                              f"{values['auc_baseline']:.3f}), Brier {values['brier']:.4f} "
                              f"({values['brier_baseline']:.4f}), calibration error "
                              f"{values['calibration_error']:.3f} "
                              f"({values['calibration_error_baseline']:.3f})")
        for group in project.feature_groups():
            facts = group.describe()
            report.fact(f"{group.name}@{group.version}",
                        f"{facts['rows']:,} rows, {len(group.commits())} commits, "
                        f"{facts['bytes'] / 1e6:.1f} MB")
        report.fact("runs recorded", str(len(project.runs())))
    report.fact("all", f"{time.perf_counter() - started:.0f} s")
    print(report)
    print(f"Start the server:  {os.path.relpath(service.binary())} serve {directory}")


if __name__ == "__main__":
    sys.exit(main())
