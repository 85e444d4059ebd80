"""On-demand features: embeddings, maps and places against independent oracles, and functions in
Python alike in training data, batches and requests."""

from __future__ import annotations

import datetime
import math
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import xgboost
from local_server import Server, until
from serving import call, until_pending

import tercet as tc

START = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)
RATE = 1.25
WORDS = {"Oslo": 3, "Rome": 1}


@tc.udf(float)
def risk(amount: float, city: str):
    """Uses a module, constants and a nested function of its own."""
    def weight(name):
        return WORDS.get(name, 0) + RATE

    if amount is None:
        return None
    return math.log1p(abs(amount)) * weight(city)


@tc.udf
def label(when: datetime.datetime, amount: int | None) -> str | None:
    return None if amount is None else f"{when:%Y-%m-%d %H}:{amount % 7}"


@tc.udf("int64")
def fragile(mode: str, amount: int):
    import os
    import time as clock

    if mode == "raise":
        raise ValueError(f"no {amount}, please")
    if mode == "type":
        return "many"
    if mode == "die":
        os._exit(7)
    if mode == "hang":
        clock.sleep(60)
    return amount


def plain_risk(amount, city):
    return None if amount is None or amount != amount else risk.function(amount, city)


def payments(rows: int = 300) -> pd.DataFrame:
    random = np.random.default_rng(3)
    return pd.DataFrame({
        "payment": np.arange(rows),
        "at": [START + datetime.timedelta(hours=i) for i in range(rows)],
        "city": random.choice(["Oslo", "Rome", "Ålesund", None], rows),
        "amount": pd.array([None if i % 11 == 0 else int(i * 37 % 101 - 50) for i in range(rows)],
                           "Int64"),
        "late": np.arange(rows) % 2})


def view_of(project, on_demand, **more):
    group = project.feature_group("payments", version=1, primary_key=["payment"], event_time="at",
                                  online=True)
    group.insert(payments(), wait_online=True)
    return project.feature_view("fraud", version=1, labels=["late"], on_demand=on_demand,
                                query=group.select("city", "amount", "late"), **more)


def test_a_function_computes_training_data_vectors_and_predictions_alike(project):
    view = view_of(project, {"risk": risk, "label": label("event_time", "amount"),
                             "twice": "risk * 2"}, helper_columns=["city", "label"])
    data = view.training_data()
    X, helpers = data.train.X, data.train.helpers.to_pandas()
    rows = payments()
    expected = [plain_risk(*one) for one in zip(rows["amount"].astype(object).where(
        rows["amount"].notna(), None), rows["city"])]
    assert [None if pd.isna(one) else one for one in X["risk"]] == expected
    assert [None if pd.isna(one) else one for one in X["twice"]] == [
        None if one is None else 2 * one for one in expected]
    assert helpers["label"][1] == "2024-01-01 01:1" and pd.isna(helpers["label"][11])
    view.rebuild()

    for i in (1, 7, 11, 299):
        vector = view.vector({"payment": i}, event_time=rows["at"][i])
        assert vector["risk"] == expected[i] and vector.helpers["label"] == (
            helpers["label"][i] if expected[i] is not None else None)
    many = view.vectors(rows[["payment"]], event_time=rows["at"].max()).to_pandas()
    assert [None if pd.isna(one) else one for one in many["risk"]] == expected
    # What is passed in is not computed.
    assert view.vector({"payment": 1, "amount": 100, "city": "Rome"})["risk"] == plain_risk(
        100.0, "Rome")

    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1},
                            xgboost.DMatrix(X, data.train.y), 5)
    model = project.register_model("fraud", booster, training_data=data)
    scored = model.batch().to_pandas()
    deployment = project.deploy("fraud", model)
    assert deployment.contract()["python_features"] == ["risk", "label"]
    for i in (2, 11, 200):
        answer = project.predict("fraud", {"payment": i}, event_time=rows["at"][i])
        assert answer["prediction"] == scored["prediction"][i]


def test_what_a_function_does_wrong_is_told_and_hurts_nobody_else(project):
    view = view_of(project, {"n": fragile}, request_parameters={"mode": "string"},
                   helper_columns=["city"])
    ask = lambda mode: view.vector({"payment": 1, "mode": mode})["n"]  # noqa: E731
    assert ask("fine") == payments()["amount"][1]
    with pytest.raises(tc.PredictorError, match="(?s)on-demand feature 'n'.*'fragile' failed: in "
                                                "row 0: ValueError: no -13, please.*raise Value"):
        ask("raise")
    with pytest.raises(tc.PredictorError,
                       match=r"in row 0: TypeError: it returned 'many' \(str\), which is no int64"):
        ask("type")
    with pytest.raises(tc.StorageError, match="its worker failed: it ended with exit code 7"):
        ask("die")
    assert ask("fine") == payments()["amount"][1]
    spine = payments()[["payment", "at", "late"]].assign(mode=["fine"] * 150 + ["type"] * 150)
    with pytest.raises(tc.PredictorError, match="in row 150: .* which is no int64"):
        view.training_data(spine=spine)


def test_a_request_ends_at_its_deadline_whatever_a_function_does(tmp_path):
    server = Server(tmp_path / "project", "--allow-predictor-code", "--python", sys.executable)
    try:
        with tc.open(server.location) as project:
            view = view_of(project, {"n": fragile}, request_parameters={"mode": "string"},
                           helper_columns=["city"])
            spine = payments()[["payment", "at", "late"]].assign(mode="fine")
            data = view.training_data(spine=spine)
            booster = xgboost.train({"nthread": 1}, xgboost.DMatrix(data.train.X, data.train.y), 2)
            deployment = project.deploy("fraud", project.register_model("fraud", booster,
                                                                        training_data=data))
            deployment.configure(deadline_ms=800)
            path = "/api/v1/deployments/fraud/predict"
            body = {"entities": {"payment": 1, "mode": "hang"}}
            begun = time.monotonic()
            status, answer, _ = call(server, path, body)
            assert status == 504
            assert "had not answered at the deadline" in answer["error"]["message"]
            assert time.monotonic() - begun < 40
            body["entities"]["mode"] = "raise"
            status, answer, _ = call(server, path, body)
            assert status == 500 and "no -13, please" in answer["error"]["message"]
            body["entities"]["mode"] = "fine"
            until(lambda: call(server, path, body)[0] == 200)
            status, document, _ = call(server, "/v2/models/fraud/openapi.json")
            assert "Computed in Python at each request: n" in document["info"]["description"]
            # Meanwhile others are answered, though the server knows this deployment as quick.
            deployment.configure(deadline_ms=8000)
            with ThreadPoolExecutor(1) as pool:
                hanging = pool.submit(call, server, path, {"entities": {"payment": 1,
                                                                        "mode": "hang"}})
                until_pending(server, "fraud")
                assert not hanging.done() and hanging.result()[0] == 504
    finally:
        server.stop()


def test_a_server_takes_no_code_unless_it_is_told_to(tmp_path):
    with tc.open(tmp_path / "project") as project:
        view_of(project, {"risk": risk})
    server = Server(tmp_path / "project", "--python", sys.executable)
    try:
        with tc.open(server.location) as project:
            query = project.feature_group("payments").select("city", "amount")
            with pytest.raises(tc.NotSupportedError, match="--allow-predictor-code"):
                project.feature_view("other", query=query, on_demand={"risk": risk})
            # What is stored is as good as a model of Python that is stored.
            again = view_of(project, {"risk": risk})
            assert again.vector({"payment": 1})["risk"] == plain_risk(-13.0, payments()["city"][1])
            with pytest.raises(tc.NotSupportedError):
                view_of(project, {"risk": label("event_time", "amount")})
    finally:
        server.stop()


def test_views_keep_functions_and_refuse_what_does_not_fit(project):
    view = view_of(project, {"risk": risk})
    assert view.definition["on_demand"] == {"risk": "risk(amount, city)"}
    kept = view.definition["functions"][0]
    assert kept == risk.definition and kept["inputs"] == {"amount": "double", "city": "string"}
    assert "@" not in kept["source"] and "import math as math" in kept["source"]
    query = project.feature_group("payments").select("city", "amount")
    for feature, message in [
            (risk("city", "city"), "'amount' .* is double, and column 'city' is .*string"),
            (risk("amount", "town"), "has no column 'town'")]:
        with pytest.raises(tc.Error, match=message):
            project.feature_view("other", query=query, on_demand={"one": feature})
    with pytest.raises(tc.InvalidError, match="takes columns and stands alone"):
        project.feature_view("other", query=query,
                             on_demand={"one": risk, "two": "risk(amount, city) + 1"})
    with pytest.raises(tc.ConflictError, match="functions"):
        view_of(project, {"risk": tc.udf("float")(risk.function)})


def test_only_texts_are_taken_from_a_function():
    def outer():
        seen = []

        def inner(x: float) -> float:
            seen.append(x)
            return x
        return inner

    def helper(x):
        return x

    globals()["helper"] = helper
    globals()["missing_type"] = object()
    for function, message in [(outer(), "of the function around it"),
                              (lambda x: x, "made by 'def'")]:
        with pytest.raises(tc.InvalidError, match=message):
            tc.udf(float)(function)

    def uses_function(x: float):
        return helper_of_module(x)

    with pytest.raises(tc.InvalidError, match="'helper_of_module', and only its own text"):
        tc.udf(float)(uses_function)

    def undefined(x: float):
        return nowhere + x  # noqa: F821

    with pytest.raises(tc.InvalidError, match="'nowhere', which is not defined"):
        tc.udf(float)(undefined)

    def untyped(x):
        return x

    with pytest.raises(tc.InvalidError, match="parameter 'x' of function 'untyped' has no type"):
        tc.udf(float)(untyped)
    assert tc.udf(pa.float32(), inputs={"x": list[float]})(untyped).definition["inputs"] == {
        "x": "list<double>"}
    with pytest.raises(tc.InvalidError, match="use risk.function"):
        risk(3.5, "Oslo")
    assert repr(risk) == "<Udf risk(amount: double, city: string) -> double>"
    assert risk("a b", "planes.year").expression == 'risk("a b", planes.year)'


def helper_of_module(x):
    return x


def test_embeddings_and_places_are_what_numpy_and_duckdb_say(project):
    random = np.random.default_rng(8)
    rows, width = 400, 65
    a = random.normal(size=(rows, width)).astype("float32")
    b = random.normal(size=(rows, width))
    frame = pa.table({
        "id": np.arange(rows), "lat": random.uniform(-90, 90, rows),
        "lon": random.uniform(-180, 180, rows),
        "a": pa.FixedSizeListArray.from_arrays(pa.array(a.ravel()), width).cast(
            pa.list_(pa.float32())),
        "b": pa.array(list(b), pa.list_(pa.float64()))})
    group = project.feature_group("items", version=1, primary_key=["id"], online=True)
    group.insert(frame, wait_online=True)
    view = project.feature_view("similar", query=group.select("a", "b", "lat", "lon"), on_demand={
        "cosine": "cosine_similarity(a, b)", "dot": "dot_product(a, b)",
        "far": "l2_distance(a, b)", "norm": "l2_norm(a)",
        "metres": "haversine(lat, lon, 59.9, 10.7)"})
    X = view.training_data().train.X
    wide = a.astype("float64")
    np.testing.assert_allclose(X["dot"], (wide * b).sum(1), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(X["far"], np.linalg.norm(wide - b, axis=1), rtol=1e-14)
    np.testing.assert_allclose(X["norm"], np.linalg.norm(wide, axis=1), rtol=1e-14)
    ducks = duckdb.sql("select list_cosine_similarity(a::double[], b) c from frame order by id")
    np.testing.assert_allclose(X["cosine"], ducks.df()["c"], rtol=1e-10)
    columns = ["cosine", "dot", "far", "norm", "metres"]
    vectors = view.vectors(pa.table({"id": np.arange(rows)})).to_pandas()
    assert all(X[name].equals(pa.chunked_array([pa.array(vectors[name])])) for name in columns)
    one = view.vector({"id": 17})
    assert [one[name] for name in columns] == [X[name][17].as_py() for name in columns]


def test_patterns_are_what_duckdb_says(project):
    random = np.random.default_rng(11)
    texts = ["".join(random.choice(list("ab1 é-.X"), random.integers(0, 12))) for _ in range(500)]
    frame = pa.table({"id": np.arange(501), "s": [*texts, None]})
    group = project.feature_group("texts", version=1, primary_key=["id"])
    group.insert(frame)
    asked = {"m1": r"regexp_matches(s, '^[ab]+.?1')", "m2": r"regexp_matches(s, '(?i)x|é{2}')",
             "e1": r"regexp_extract(s, '([a-b]+)([0-9 ])', 2)", "e2": r"regexp_extract(s, '\w+$')",
             "r1": r"regexp_replace(s, 'a(.)', '<\1>')",
             "r2": r"regexp_replace(s, '[^ab]+', '_', 'g')"}
    X = project.feature_view("patterns", version=1, query=group.select("s"),
                             on_demand=asked).training_data().train.X
    ducks = duckdb.sql("select " + ", ".join(f"{text} {name}" for name, text in asked.items())
                       + " from frame order by id").df()
    for name in asked:
        ours = [one.as_py() if hasattr(one, "as_py") else one for one in X[name]]
        theirs = [None if pd.isna(one) else one for one in ducks[name]]
        assert ours == theirs, name
