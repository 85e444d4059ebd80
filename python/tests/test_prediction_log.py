"""The prediction log: kept per deployment, joined with labels that come later, and verified."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import xgboost

import tercet as tc
from local_server import Server, kill_after, until

HOUR = dt.timedelta(hours=1)
START = dt.datetime(2024, 3, 1, tzinfo=dt.timezone.utc)


def deploy(project: tc.Project) -> tc.Deployment:
    """A deployment "late" of the rain at a ride's city and its distance."""
    weather = project.feature_group("weather", version=1, primary_key=["city"], event_time="hour",
                                    ttl="3h", online=True)
    # Few hours: the online store keeps the newest rows of a city.
    weather.insert(pd.DataFrame({"city": ["Oslo"] * 4, "hour": [START + i * HOUR for i in range(4)],
                                 "rain": [0.0, 1.0, 2.0, np.nan]}), wait_online=True)
    rides = project.feature_group("rides", version=1, primary_key=["ride"], event_time="started")
    rides.insert(pd.DataFrame({"ride": range(40), "city": "Oslo",
                               "started": [START + i * HOUR / 10 for i in range(40)],
                               "distance": [float(i % 7) for i in range(40)],
                               "late": [i % 3 == 0 for i in range(40)]}))
    view = project.feature_view("late", version=1, labels=["late"],
                                query=rides.select("distance", "late")
                                           .join(weather.select("rain"), on="city"))
    data = view.training_data()
    booster = xgboost.train({"objective": "binary:logistic", "max_depth": 2},
                            xgboost.DMatrix(data.train.X, data.train.y), num_boost_round=5)
    model = project.register_model("late", booster, training_data=data)
    return project.deploy("late", model).configure(log_percent=100)


def ask(deployment: tc.Deployment, hours: float, distance: float, request_id: str) -> float:
    return deployment.predict({"city": "Oslo", "distance": distance},
                              event_time=START + hours * HOUR, request_id=request_id)


def tamper(project: tc.Project, request_id: str, rain: float) -> None:
    """Makes the log say that a request read another value."""
    log = pa.table(project.feature_group("late_predictions").read())
    row = log.filter(pc.equal(log["request_id"], request_id))
    column = row.schema.get_field_index("feature_rain")
    project.feature_group("late_predictions").insert(
        row.set_column(column, "feature_rain", pa.array([rain])))


def test_log_labels_and_verify(project):
    deployment = deploy(project)
    answers = {f"r{i}": ask(deployment, 0.5 + i, 1.0 + i, f"r{i}") for i in range(4)}
    deployment.predict(pd.DataFrame({"city": ["Oslo", "Rome"], "distance": [1.0, 2.0]}),
                       event_time=START + HOUR, request_id="two")
    deployment.flush_log()
    log = project.feature_group("late_predictions").read().to_pandas().set_index("request_id")
    assert set(log.index) == {"r0", "r1", "r2", "r3", "two/0", "two/1"}
    output = next(name for name in log.columns if name.startswith("output_"))
    for request_id, answer in answers.items():
        assert log.loc[request_id, output] == next(iter(answer.values()))
    assert log.loc["r1", "feature_rain"] == 1.0 and log.loc["r1", "input_distance"] == 2.0
    assert list(log.loc["r1", "read_group"]) == ["weather@1"]
    assert list(log.loc["two/1", "read_status"]) == ["missing"]
    statistics = deployment.statistics()["log"]
    assert statistics["written"] == 6 and statistics["dropped"] == statistics["failed"] == 0

    # The outcomes come in hours later, and find the predictions as of then.
    outcomes = project.feature_group("outcomes", version=1, primary_key=["city", "request_id"],
                                     event_time="known")
    outcomes.insert(pd.DataFrame({"city": "Oslo", "request_id": ["r0", "r1", "r2"],
                                  "known": START + 9 * HOUR, "late": [True, False, True]}))
    predictions = project.feature_group("late_predictions")
    quality = project.feature_view(
        "quality", version=1, labels=["late"],
        query=outcomes.select("late").join(predictions.select(output, "release_number"),
                                           on=["city", "request_id"]))
    joined = quality.training_data().train
    assert joined.X[output].tolist() == [
        next(iter(answers[name].values())) for name in ("r0", "r1", "r2")]

    report = deployment.verify()
    assert report.passed and report.rows == 6 and report.difference_count == 0, report
    # A commit after the requests changes what is read now, not what was read then.
    project.feature_group("weather").insert(
        pd.DataFrame({"city": ["Oslo"], "hour": [START + HOUR], "rain": [7.0]}), wait_online=True)
    assert deployment.verify().passed
    ask(deployment, 1.5, 1.0, "late row")
    report = deployment.verify()
    assert report.passed and report.rows == 7, report
    assert deployment.verify(limit=1).rows == 1

    # A log that says something else than was read.
    tamper(project, "r2", 5.0)
    report = deployment.verify()
    assert not report.passed and report.by_feature == {"rain": 1}
    [difference] = report.differences
    assert (difference.request_id, difference.feature) == ("r2", "rain")
    assert (difference.online, difference.offline) == ("5", "2")
    assert difference.event_time == START + 2.5 * HOUR


def test_rebuild_online_as_of_a_commit(project):
    deployment = deploy(project)
    weather = project.feature_group("weather")
    before = weather.commits()[-1].version
    weather.insert(pd.DataFrame({"city": ["Oslo"], "hour": [START + HOUR], "rain": [7.0]}),
                   wait_online=True)
    view = project.feature_view("late")
    rain = lambda: view.vector({"city": "Oslo", "distance": 1.0},  # noqa: E731
                               event_time=START + 1.5 * HOUR)["rain"]
    assert rain() == 7.0
    assert weather.rebuild_online(before) == before
    # The later commit follows by itself.
    seen = []
    until(lambda: seen.append(rain()) or seen[-1] == 7.0)
    assert set(seen) <= {1.0, 7.0}
    assert weather.rebuild_online() == weather.commits()[-1].version
    assert rain() == 7.0
    ask(deployment, 1.5, 1.0, "after")
    assert deployment.verify().passed
    with pytest.raises(tc.NotFoundError, match="commit"):
        weather.rebuild_online(99)
    with pytest.raises(tc.NotFoundError, match="not online"):
        project.feature_group("rides").rebuild_online()


def test_a_rebuild_that_is_killed_leaves_the_old_rows(tmp_path):
    path = tmp_path / "project"
    entities = 20_000
    with tc.open(path) as project:
        group = project.feature_group("numbers", version=1, primary_key=["id"], online=True)
        group.insert(pd.DataFrame({"id": range(entities), "value": range(entities)}),
                     wait_online=True)
        project.feature_view("numbers", version=1, query=group.select("value"))
    again = ("import sys, tercet as tc\n"
             "group = tc.open(sys.argv[1]).feature_group('numbers')\n"
             "print('begun', flush=True)\n"
             "while True: group.rebuild_online()\n")
    for pause in (0.05, 0.21, 0.4):
        child = subprocess.Popen([sys.executable, "-c", again, str(path)],
                                 stdout=subprocess.PIPE, text=True)
        kill_after(child, pause)
        with tc.open(path) as project:
            view = project.feature_view("numbers")
            asked = pd.DataFrame({"id": range(0, entities, 37)})
            assert view.vectors(asked).to_pandas()["value"].tolist() == asked["id"].tolist()


def test_policy_and_errors(project):
    deployment = deploy(project).configure(log_percent=0)
    ask(deployment, 1, 1.0, "unlogged")
    with pytest.raises(tc.NotFoundError, match="no prediction log"):
        deployment.verify()
    with pytest.raises(tc.InvalidError, match="between 0 and 100"):
        deployment.configure(log_percent=101)
    with pytest.raises(tc.InvalidError, match="request id"):
        ask(deployment, 1, 1.0, "x" * 201)


def test_request_ids_of_the_protocols_and_the_end_of_the_server(tmp_path):
    server = Server(tmp_path / "project")
    try:
        with tc.open(server.location) as project:
            deploy(project)
        url = f"http://127.0.0.1:{server.http}"

        def post(path: str, body: dict, **headers: str) -> None:
            request = urllib.request.Request(url + path, json.dumps(body).encode(),
                                             {"Content-Type": "application/json", **headers})
            urllib.request.urlopen(request).read()

        when = (START + HOUR).isoformat()
        tensors = [{"name": "city", "datatype": "BYTES", "shape": [1], "data": ["Oslo"]},
                   {"name": "distance", "datatype": "FP64", "shape": [1], "data": [1.0]}]
        at = {"event_time": when}
        post("/v2/models/late/infer", {"id": "v2", "inputs": tensors, "parameters": at})
        post("/v2/models/late/infer", {"inputs": tensors, "parameters": at},
             **{"X-Request-Id": "v2 header"})
        post("/api/v1/deployments/late/predict",
             {"entities": {"city": "Oslo", "distance": 1.0}, "event_time": when},
             **{"X-Request-Id": "rest"})
        post(f"/v1/models/late:predict?request_id=v1&event_time={when.replace('+00:00', 'Z')}",
             {"instances": [{"city": "Oslo", "distance": 1.0}]})
        metrics = urllib.request.urlopen(url + "/metrics").read().decode()
        assert 'tercet_prediction_log_dropped_total{deployment="late"} 0' in metrics
    finally:
        server.stop()
    # What waited was written when the server ended.
    with tc.open(tmp_path / "project") as project:
        rows = project.feature_group("late_predictions").read().to_pandas()
        assert set(rows.request_id) == {"v2", "v2 header", "rest", "v1"}
    # The command line: exit code 0 is the only pass.
    binary = os.environ.get("TERCET_BINARY") or Path(tc.__file__).parent / "bin" / "tercet"
    verify = [str(binary), "--project", str(tmp_path / "project"), "verify", "late"]
    passed = subprocess.run(verify, capture_output=True, text=True)
    assert passed.returncode == 0 and "0 differences" in passed.stdout, passed
    with tc.open(tmp_path / "project") as project:
        tamper(project, "rest", 9.0)
    failed = subprocess.run(verify, capture_output=True, text=True)
    assert failed.returncode == 1 and "rain" in failed.stdout, failed
    rebuilt = subprocess.run([str(binary), "--project", str(tmp_path / "project"),
                              "rebuild-online", "weather"], capture_output=True, text=True)
    assert rebuilt.returncode == 0 and "as of commit" in rebuilt.stdout, rebuilt


RAW = """
class Scores:
    def predict(self, batch):
        return {"score": [value.as_py() / 10 for value in batch.column("x")],
                "word": ["low" if value.as_py() < 5 else "high" for value in batch.column("x")]}

    def postprocess(self, scores):
        return {"late": [score > 0.5 for score in scores["score"]]}


class Decides:
    def postprocess(self, batch):
        return {"late": [value.as_py() > 0.5 for value in batch.column("score")]}
"""


def test_raw_outputs_are_kept_beside_the_final_ones(project, tmp_path):
    """Of a class with a postprocess, and of a native model before a step that is one."""
    file = tmp_path / "scores.py"
    file.write_text(RAW)
    late = {"late": "bool"}
    whole = project.register_model(
        "whole", tc.predictor(str(file), "Scores"),
        signature=tc.Signature(inputs={"x": "double"}, outputs=late))
    frame = pd.DataFrame({"x": np.arange(100.0)})
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1},
                            xgboost.DMatrix(frame, frame["x"] > 50), num_boost_round=5)
    score = project.register_model("score", booster, signature=tc.Signature(
        inputs={"x": "double"}, outputs={"score": "double"}))
    decide = project.register_model(
        "decide", tc.predictor(str(file), "Decides", step="postprocess"),
        signature=tc.Signature(inputs={"score": "double"}, outputs=late))
    chain = project.register_model("chain", tc.composite.chain(score, decide))
    for name, model in (("whole", whole), ("chain", chain)):
        deployment = project.deploy(name, model).configure(log_percent=100)
        for x in (3.0, 80.0):
            answer = project.predict(name, {"x": x}, request_id=f"{x:g}")
            assert answer == {"late": x > 5}, answer
        assert [row["late"] for row in project.predict(name, [{"x": 1.0}, {"x": 99.0}],
                                                       request_id="both")] == [False, True]
        assert project.predict(name, pd.DataFrame({"x": [3.0]})).columns == ["late"]
        deployment.flush_log()
        log = project.feature_group(f"{name}_predictions").read().to_pandas().set_index(
            "request_id")
        assert log.loc["3", "output_late"] == np.False_ and log.loc["80", "output_late"] == np.True_
        raw = [log.loc[request, "raw_score"] for request in ("3", "80", "both/1")]
        if name == "whole":
            assert raw == [0.3, 8.0, 9.9] and log.loc["80", "raw_word"] == "high"
        else:
            expected = booster.inplace_predict(pd.DataFrame({"x": [3.0, 80.0, 99.0]}))
            assert raw == [float(value) for value in expected]
            assert "raw_word" not in log.columns
