"""`verify` with what deployments have besides: experiments, functions in Python, a Redis,
compaction; and rows that can't be asked again, each with its reason."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pandas as pd
import xgboost
from test_prediction_log import HOUR, START, ask, deploy
from test_redis import Redis

import tercet as tc


def rain(project: tc.Project, hour: float, value: float) -> None:
    project.feature_group("weather").insert(
        pd.DataFrame({"city": ["Oslo"], "hour": [START + hour * HOUR], "rain": [value]}),
        wait_online=True)


def test_rows_that_cant_be_asked_again_are_told_one_by_one(tmp_path):
    with tc.open(tmp_path / "project") as project:
        deployment = deploy(project)
        for i in range(3):
            ask(deployment, 0.5 + i, 1.0, f"first {i}")
        rain(project, 1, 7.0)
        ask(deployment, 1.5, 1.0, "second")
        rain(project, 2, 8.0)
        for i in range(2):
            ask(deployment, 2.5, 1.0, f"third {i}")
        assert deployment.verify().passed
        weather = project.feature_group("weather")
        weather.compact()
        report = deployment.verify()
        assert report.passed and report.rows == 6 and report.unreadable == 0, report
        ask(deployment, 2.5, 1.0, "compacted")
        # The first commit is the training dataset's, and the last one is as compacted: what was
        # read of the one between is gone with its files.
        weather.vacuum(retention="0s")
        report = deployment.verify()
        assert report.difference_count == 0 and not report.passed
        assert [row.request_id for row in report.unreadable_rows] == ["second"]
        assert report.rows == 6 and report.unreadable == 1
        assert sum(report.unreadable_because.values()) == report.unreadable
        for row in report.unreadable_rows:
            assert "weather" in row.because and row.because in report.unreadable_because
            assert row.event_time.year == 2024
    binary = os.environ.get("TERCET_BINARY") or Path(tc.__file__).parent / "bin" / "tercet"
    verify = [str(binary), "--project", str(tmp_path / "project"), "verify", "late"]
    told = subprocess.run(verify, capture_output=True, text=True)
    assert told.returncode == 1
    assert f"{report.unreadable} rows could not be asked again" in told.stdout
    assert "second" in told.stdout and "compacted" not in told.stdout
    record = json.loads(subprocess.run([*verify[:1], "--json", *verify[1:]], capture_output=True,
                                       text=True).stdout)
    assert len(record["unreadable_rows"]) == report.unreadable


@tc.udf(float, workers=2, timeout="30s", memory_mb=2048)
def twice(rain: float):
    return None if rain is None else 2 * rain


def test_functions_in_python_and_experiments(project):
    deployment = deploy(project)
    query = project.feature_group("rides").select("distance", "late").join(
        project.feature_group("weather").select("rain"), on="city")
    other = project.feature_view("twice", version=1, labels=["late"], query=query,
                                 on_demand={"twice": twice})
    data = other.training_data()
    booster = xgboost.train({"objective": "binary:logistic", "max_depth": 2},
                            xgboost.DMatrix(data.train.X, data.train.y), num_boost_round=3)
    model = project.register_model("twice", booster, training_data=data)
    deployment.start_experiment({model: 50}, better="lower", planned_outcomes=100)
    for i in range(40):
        ask(deployment, 0.5 + i % 4, float(i % 5), f"r{i}")
    report = deployment.verify()
    assert report.passed and report.rows == 40, report
    log = project.feature_group("late_predictions").read().to_pandas()
    assert set(log["release_number"]) == {1, 2}
    asked = log[log["release_number"] == 2]
    known = asked[asked["feature_rain"].notna()]
    assert (known["feature_twice"] == 2 * known["feature_rain"]).all() and len(known)


def test_rows_that_a_redis_answered(tmp_path):
    redis = Redis(tmp_path / "redis")
    try:
        with tc.open(tmp_path / "project", online=redis.url) as project:
            deployment = deploy(project)
            for i in range(3):
                ask(deployment, 0.5 + i, 1.0, f"r{i}")
            rain(project, 1, 7.0)
            ask(deployment, 1.5, 1.0, "late row")
            ask(deployment, 9, 1.0, "expired")
            project.feature_group("weather").delete({"city": ["Oslo"], "hour": [START + HOUR]},
                                                    wait_online=True)
            ask(deployment, 1.5, 1.0, "deleted")
            report = deployment.verify()
            assert report.passed and report.rows + report.unavailable == 6, report
            assert report.rows >= 5
    finally:
        redis.stop()


def test_an_external_group_keeps_no_history(tmp_path):
    pd.DataFrame({"city": ["Oslo"], "people": [700_000]}).to_parquet(tmp_path / "cities.parquet")
    with tc.open(tmp_path / "project") as project:
        cities = project.external_feature_group(
            "cities", version=1, source=tc.source.parquet(tmp_path / "cities.parquet"),
            primary_key=["city"], online=True)
        cities.materialize()
        rides = project.feature_group("rides", version=1, primary_key=["ride"],
                                      event_time="started")
        rides.insert(pd.DataFrame({"ride": range(20), "city": "Oslo", "started": START,
                                   "distance": [float(i % 7) for i in range(20)],
                                   "late": [i % 3 == 0 for i in range(20)]}))
        view = project.feature_view(
            "late", version=1, labels=["late"],
            query=rides.select("distance", "late").join(cities.select("people"), on="city"))
        data = view.training_data()
        model = project.register_model("late", xgboost.train(
            {"max_depth": 1}, xgboost.DMatrix(data.train.X, data.train.y), 2), training_data=data)
        deployment = project.deploy("late", model).configure(log_percent=100)
        ask(deployment, 1, 1.0, "one")
        report = deployment.verify()
        assert not report.passed and report.unreadable == 1
        assert "is external" in report.unreadable_rows[0].because
