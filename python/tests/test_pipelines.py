import contextlib
import datetime
import io
import math
import pickle
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import xgboost
from frames import hours, rides, weather

import tercet as tc


@pytest.fixture
def view(project):
    group = project.feature_group("weather", version=1, primary_key=["city"], event_time="hour",
                                  ttl="3h", online=True)
    group.insert(weather(), wait_online=True)
    left = project.feature_group("rides", version=1, primary_key=["ride"], event_time="started")
    left.insert(rides())
    return project.feature_view(
        "delay", version=1,
        query=left.select("distance", "late").join(group.select("rain"), on="city"),
        on_demand={"wet": "if(rain > 3, 1.0, 0.0)"}, labels=["late"],
        transformations=[tc.standard_scaler("distance")])


def train(data, rounds=10):
    return xgboost.train({"objective": "binary:logistic", "seed": 7, "nthread": 1},
                         xgboost.DMatrix(data.train.X, data.train.y), num_boost_round=rounds)


def test_training_data(view):
    data = view.training_data(split=tc.split.by_time(train=0.8, test=0.2), seed=7)
    assert len(data.train) + len(data.test) == 200
    assert data.train.features.columns == ["distance", "rain", "wet"]
    frame = data.train.keys.to_pandas()
    rain = data.train.features.to_pandas()["rain"]
    started = frame["event_time"] if "event_time" in frame else frame["started"]
    expected = started.dt.floor("h").map(weather().set_index("hour")["rain"])
    assert rain.tolist() == expected.tolist()
    # Fitted on the training part only.
    raw = rides().sort_values("ride")["distance"].head(len(data.train))
    parameters = data.fitted_transformations[0]["parameters"]["distance"]
    assert parameters["mean"] == pytest.approx(raw.mean(), rel=1e-12)
    assert data.train.X["distance"].to_numpy().mean() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("split, parts", [
    (tc.split.random(train=0.7, validation=0.2, test=0.1), [140, 40, 20]),
    (tc.split.by_time(train=0.5, test=0.5), [100, 100]),
    (tc.split.by_time(train="2024-01-01T12:00:00Z", validation="2024-01-02", test=None), None),
    (tc.split.none(), [200])])
def test_splits(view, split, parts):
    data = view.training_data(split=split, seed=3)
    counts = [len(part) for part in data.parts.values()]
    assert sum(counts) == 200
    assert parts is None or counts == parts
    assert list(data.parts) == split.parts


def test_rebuild_after_later_commits_and_compaction(project, view):
    data = view.training_data(split=tc.split.random(train=0.5, test=0.5), seed=5)
    group = project.feature_group("weather")
    group.insert(weather().assign(rain=100.0), wait_online=True)
    group.compact()
    again = view.rebuild(data.version)
    assert again.train.features.to_arrow().equals(data.train.features.to_arrow())
    assert again.definition["sha256"] == data.definition["sha256"]


def test_spine_rows_come_back_once_in_order(view):
    spine = pd.DataFrame({"city": ["Oslo", "Oslo", "Oslo", "Bergen"],
                          "ride": [5, 3, 5, 7],
                          "event_time": [hours(9)[8], hours(2)[1], hours(9)[8], hours(1)[0]],
                          "distance": [1.0, 2.0, 3.0, 4.0],
                          "late": [True, False, True, False]})
    data = view.training_data(spine=spine)
    assert isinstance(data.train.X, pd.DataFrame)
    assert data.train.y.tolist() == [True, False, True, False]
    rain = data.train.X["rain"]
    assert rain[:3].tolist() == [1.0, 1.0, 1.0] and np.isnan(rain[3])


def test_ttl_and_no_leakage(view):
    last = hours(48)[-1]
    spine = pa.table({"city": ["Oslo"] * 3, "ride": [1, 2, 3], "distance": [0.0] * 3,
                      "late": [False] * 3,
                      "event_time": pa.array([last + pd.Timedelta("3h"),
                                              last + pd.Timedelta("3h1us"),
                                              hours(1)[0] - pd.Timedelta("1us")],
                                             pa.timestamp("us", "UTC"))})
    rain = view.training_data(spine=spine).train.features.to_pandas()["rain"]
    assert rain[0] == 47 % 7 and np.isnan(rain[1]) and np.isnan(rain[2])


def test_vectors(view):
    time = hours(48)[-1] + pd.Timedelta("30min")
    vector = view.vector({"city": "Oslo", "distance": 4.0}, event_time=time)
    assert vector == {"distance": 4.0, "rain": 5.0, "wet": 1.0}
    assert set(vector.status.values()) == {"present"}
    late = view.vector({"city": "Oslo", "distance": 4.0}, event_time=time + pd.Timedelta("3h"))
    assert late["rain"] is None and late.status["rain"] == "expired"
    many = view.vectors(pd.DataFrame({"city": ["Oslo", "Bergen"], "distance": [1.0, 2.0]}),
                        event_time=time)
    assert many.to_pandas()["rain"].fillna(-1).tolist() == [5.0, -1.0]
    assert many.status.to_pandas()["rain"].tolist() == ["present", "missing"]
    early = view.vector({"city": "Oslo", "distance": 4.0}, event_time="2024-01-01T00:00:00Z")
    assert early.status["rain"] == "unavailable"


def test_register_deploy_predict_upgrade_rollback(project, view):
    data = view.training_data(split=tc.split.by_time(train=0.8, test=0.2))
    with project.run("train", depth=3) as run:
        booster = train(data)
        run.log(auc=0.5, note="first")
        model = project.register_model("delay", booster, training_data=data,
                                       metrics={"auc": 0.5})
    assert run.status == "finished" and run.metrics == {"auc": 0.5}
    assert run.parameters == {"depth": 3, "note": "first"}
    assert run.outputs == ["model delay@1"]

    deployment = project.deploy("delay", model)
    time = hours(48)[-1]
    entity = {"city": "Oslo", "distance": 4.0}
    first = project.predict("delay", entity, event_time=time)
    vector = view.vector(entity, event_time=time, training_dataset=data.version)
    columns = data.train.features.columns
    by_hand = booster.predict(xgboost.DMatrix(np.array([[vector[name] for name in columns]]),
                                              feature_names=columns))
    assert list(first.values())[0] == by_hand[0]

    second = project.register_model("delay", train(data, 3), training_data=data)
    upgraded = deployment.upgrade(second)
    assert upgraded.release_number == 2
    assert project.predict("delay", entity, event_time=time) != first
    assert deployment.rollback().release_number == 1
    assert project.predict("delay", entity, event_time=time) == first
    assert [switch["action"] for switch in project.deployment("delay").history] == [
        "deploy", "upgrade", "rollback"]
    with pytest.raises(tc.InvalidError):
        model.drop()
    with pytest.raises(tc.InvalidError):
        view.drop()


def test_batch_equals_online(project, view):
    data = view.training_data()
    model = project.register_model("delay", train(data), training_data=data)
    scored = model.batch("2024-01-02T20:00:00Z", "2024-01-02T22:00:00Z").to_pandas()
    project.deploy("delay", model)
    frame = rides().set_index("ride").loc[scored["ride"]]
    time = scored["event_time"] if "event_time" in scored else scored["started"]
    output = scored.columns[-1]
    for (ride, row), at, expected in zip(frame.iterrows(), time, scored[output]):
        if at < hours(48)[-4]:
            continue  # the online store keeps the newest rows only
        got = project.predict("delay", {"city": row["city"], "distance": row["distance"]},
                              event_time=at)
        assert got[output] == expected
    group = project.feature_group("scores", version=1, primary_key=["ride"])
    group.insert(scored)
    assert len(group.read()) == len(scored)


def test_other_model_libraries(project, view, tmp_path):
    import lightgbm
    from sklearn.linear_model import LogisticRegression

    data = view.training_data()
    frame = data.train.features.to_pandas().fillna(0)
    labels = data.train.labels.to_pandas()["late"].to_numpy()
    time, entity = hours(48)[-1], {"city": "Oslo", "distance": 4.0}
    row = view.vectors([entity], event_time=time, training_dataset=0).to_pandas()

    boosted = lightgbm.LGBMClassifier(n_estimators=5, min_child_samples=5, verbose=-1).fit(
        frame, labels)
    model = project.register_model("light", boosted, training_data=data)
    project.deploy("light", model)
    got = list(project.predict("light", entity, event_time=time).values())[0]
    assert got == pytest.approx(boosted.predict_proba(row)[0, 1], rel=1e-12)

    linear = LogisticRegression().fit(frame.to_numpy(), labels)
    project.deploy("linear", project.register_model("linear", linear, training_data=data))
    outputs = project.predict("linear", entity, event_time=time)
    assert linear.predict_proba(row.to_numpy())[0, 1] in [
        pytest.approx(value) for value in outputs.values() if isinstance(value, float)]

    source = tmp_path / "doubler.py"
    source.write_text("class Doubler:\n    def predict(self, batch):\n"
                      "        return {'twice': [2 * v.as_py() for v in batch.column('rain')]}\n")
    model = project.register_model("twice", tc.predictor(source, "Doubler"), training_data=data,
                                   signature=tc.Signature(outputs={"twice": "double"}))
    project.deploy("twice", model)
    assert project.predict("twice", entity, event_time=time) == {"twice": 10.0}


def test_a_model_that_does_not_fit_is_refused(project, view):
    data = view.training_data()
    other = xgboost.train({"nthread": 1}, xgboost.DMatrix(np.zeros((4, 5)), np.zeros(4)), 1)
    with pytest.raises(tc.InvalidError, match="5"):
        project.register_model("delay", other, training_data=data)
    with pytest.raises(tc.WrongTypeError, match="XGBoost"):
        project.register_model("delay", pickle.dumps, training_data=data)
    assert project.models() == []


def test_unknown_names_suggest(project, view):
    with pytest.raises(tc.NotFoundError, match="did you mean 'delay'"):
        project.feature_view("delya")
    left = project.feature_group("rides")
    for query in (left.select("distnace"), left.select("distance").filter("distnace > 1")):
        with pytest.raises(tc.NotFoundError, match="did you mean 'distance'"):
            project.feature_view("other", version=1, query=query)
    with pytest.raises(tc.NotFoundError, match="late"):
        project.feature_view("other", version=1, query=left.select("late"), labels=["lat"])
    with pytest.raises(tc.NotFoundError, match="standard_scaler"):
        project.feature_view("other", version=1, query=left.select("distance"), transformations=[
            tc.Transformation("standard_scalar", ("distance",))])
    with pytest.raises(tc.NotFoundError):
        project.predict("nothing", {"city": "Oslo"})
    with pytest.raises(tc.ConflictError, match="labels"):
        project.feature_view("delay", version=1, query=left.select("distance"), labels=[])


def test_numbers_that_are_not_finite_can_be_logged(project):
    with project.run("diverged", alpha=math.inf) as run:
        run.log(loss=math.nan, gap=-math.inf, auc=0.5)
    logged = project.runs()[0]
    assert logged.status == "finished" and logged.parameters == {"alpha": "Infinity"}
    assert math.isnan(logged.metrics["loss"])
    assert logged.metrics["gap"] == -math.inf and logged.metrics["auc"] == 0.5


def test_a_run_may_print_anything(project):
    shown = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="surrogateescape")
    with contextlib.redirect_stdout(shown), project.run("prints"):
        sys.stdout.buffer.write(b"bytes, which are not kept")
        print("a name: \udcff;", "é" * 600_000)  # more than a run keeps, cut within a character
    run = project.runs()[0]
    assert run.status == "finished" and run.printed.endswith("éé\n")
    with pytest.raises(ValueError), project.run("fails"):
        print("a name: \udcff")
        raise ValueError("no \udcff")
    run = project.runs()[0]
    assert run.status == "failed" and run.error == "ValueError: no ?"


def test_failed_runs_say_why(project):
    with pytest.raises(ZeroDivisionError):
        with project.run("fails"):
            print("about to fail")
            1 / 0
    run = project.runs()[0]
    assert (run.status, run.name) == ("failed", "fails")
    assert "ZeroDivisionError" in run.error and "about to fail" in run.printed
    assert run.ended >= run.started
    assert isinstance(run.started, datetime.datetime)
