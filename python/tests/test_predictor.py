"""Predictions of single rows the short way: the same bits as the way by batches."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xgboost
from serving import OSLO, TIME, models

import tercet as tc


def test_rows_and_frames_are_answered_alike(project):
    first, second = models(project)
    deployment = project.deploy("delay", first)
    ask = deployment.predictor()
    for city in ("Oslo", "Rome", "Nowhere"):
        for distance in (0.0, 1.5, 7.25, 1e9):
            entity = {"city": city, "distance": distance}
            frame = project.predict("delay", pd.DataFrame([entity]), event_time=TIME)
            expected = frame.to_pandas()["prediction"].iloc[0]
            for answer in (project.predict("delay", entity, event_time=TIME),
                           ask(entity, event_time=TIME), ask([city, distance], event_time=TIME),
                           ask((city, distance), event_time=TIME)):
                assert answer == {"prediction": expected}
                assert answer.release == frame.release and answer.release_number == 1
    deployment.upgrade(second)
    assert ask(OSLO, event_time=TIME).release_number == 2
    assert ask(OSLO, event_time=TIME) == project.predict(
        "delay", pd.DataFrame([OSLO]), event_time=TIME).to_pandas().iloc[0].to_dict()
    deployment.rollback()
    assert ask(OSLO, event_time=TIME).release_number == 1
    answered = deployment.statistics()["releases"][0]
    assert answered["successes"] > 60


def test_what_does_not_fit_is_told(project):
    ask = project.deploy("delay", models(project, 1)[0]).predictor()
    with pytest.raises(tc.InvalidError, match="takes 2 values a row .*not 3"):
        ask(["Oslo", 1.0, 2.0])
    with pytest.raises(tc.InvalidError, match="city"):
        ask({"distance": 1.0})
    with pytest.raises(tc.Error, match="distance"):
        ask({"city": "Oslo", "distance": "far"})
    # A feature that is passed in takes the long way, and counts.
    wet = ask({**OSLO, "rain": 40.0}, event_time=TIME)
    assert wet == project.predict("delay", {**OSLO, "rain": 40.0}, event_time=TIME)
    with pytest.raises(tc.NotFoundError):
        tc.Predictor(project, "none")(OSLO)


def test_arrays_go_in_as_they_lie(project):
    random = np.random.default_rng(5)
    X = random.normal(size=(500, 4))
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1},
                            xgboost.DMatrix(X, X[:, 0] > X[:, 1]), 20)
    names = ["a", "b", "c", "d"]
    model = project.register_model("direct", booster, signature=tc.Signature(
        inputs={name: "double" for name in names}, outputs={"prediction": "double"}))
    ask = project.deploy("direct", model).predictor()
    expected = booster.inplace_predict(X[:50]).astype(float)
    for row, answer in zip(X[:50], expected):
        assert ask(row)["prediction"] == answer
        assert ask(row.tolist())["prediction"] == answer
        assert ask(dict(zip(names, row)))["prediction"] == answer
        assert ask(np.stack([row, row], axis=1)[:, 0])["prediction"] == answer  # strided
    missing = X[0].copy()
    missing[2] = np.nan
    assert ask(missing) == ask(missing.tolist())
    with pytest.raises(tc.InvalidError, match="takes 4 values"):
        ask(X[0][:3])


def test_views_that_compute_are_answered_in_place(project):
    group = project.feature_group("places", version=1, primary_key=["city"], online=True)
    group.insert(pd.DataFrame({"city": ["Oslo", "Rome"], "lat": [59.9, None],
                               "name": ["OSLO s", "rome"]}), wait_online=True)
    root = project.feature_group("asked", version=1, primary_key=["id"])
    root.insert(pd.DataFrame({"id": [1, 2], "city": ["Oslo", "Rome"], "x": [1.0, 2.0],
                              "y": [0.0, 1.0]}))
    view = project.feature_view(
        "computed", version=1, labels=["y"], helper_columns=["x"],
        query=root.select("x", "y").join(group.select("lat", "name"), on="city"),
        on_demand={"far": "lat * x", "further": "far + length(name)", "low": "lower(name)",
                   "hour_of": "hour(event_time)"})
    for city in ("Oslo", "Rome", "Nowhere"):
        for x in (0.5, -3.0):
            entity = {"city": city, "x": x}
            row = view.vector(entity, event_time="2024-05-01T13:00:00Z")
            frame = view.vectors(pd.DataFrame([entity]), event_time="2024-05-01T13:00:00Z")
            want = frame.to_rows()[0]
            assert {name: row[name] for name in want} == want
