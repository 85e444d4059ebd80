"""What people do by mistake: each gets an error that says what is wrong, and nothing is written."""

from __future__ import annotations

import copy
import math
import pickle
import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import polars as pl
import pytest
from serving import models

import tercet as tc

IDS = [1, 2, 3]
TIMES = pd.date_range("2024-01-01", periods=3, freq="h", tz="UTC")


@pytest.fixture
def group(local, request):
    group = local.feature_group("g", version=1, primary_key=["id"], schema={"id": int, "x": float})
    yield group
    if group.describe().get("rows"):
        pytest.fail("something was written")


def frame(**columns) -> pd.DataFrame:
    return pd.DataFrame({"id": IDS, **columns})


REFUSED = {
    "mixed": (frame(x=[1, "a", 2.5]), "column x"),
    "twice": (pd.DataFrame([[1, 2, 3]], columns=["id", "x", "x"]), "several columns named 'x'"),
    "index": (pd.DataFrame({"x": [1.0]}, index=pd.Index([1], name="id")), "reset_index"),
    "series": (pd.Series(IDS, name="id"), "to_frame"),
    "polars series": (pl.Series("id", IDS), "to_frame"),
    "array": (np.ones((3, 2)), "no column names"),
    "lazy": (pl.LazyFrame({"id": IDS, "x": [1.0, 2.0, 3.0]}), "collect"),
    "objects": (pl.DataFrame({"id": IDS, "x": pl.Series([object()] * 3, dtype=pl.Object)}),
                "'x' has Python objects"),
    "periods": (frame(x=pd.period_range("2024-01", periods=3, freq="M")), "to_timestamp"),
    "sparse": (frame(x=pd.arrays.SparseArray([0.0, 0.0, 1.0])), "to_dense"),
    "huge": ([{"id": 2**70, "x": 1.0}], "1180591620717411303424"),
    "complex": (frame(x=[1j, 2j, 3j]), "column x"),
    "text": (frame(x=["1", "2", "3"]), "'x'"),
    "typo": (frame(X=[1.0, 2.0, 3.0]), "did you mean 'X'"),
    "no columns": ([], "no rows and no columns"),
    "none": (None, "not None"),
    "a path": ("rows.csv", "not str"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_rows_that_are_none(group, what):
    rows, said = REFUSED[what]
    with pytest.raises(tc.Error, match=said):
        group.insert(rows)


def test_words_of_polars_are_texts(local):
    group = local.feature_group("words", version=1, primary_key=["id"])
    group.insert(pl.DataFrame({"id": IDS, "a": pl.Series(["x", "y", "x"], dtype=pl.Categorical),
                               "b": pl.Series(["x", "y", "x"], dtype=pl.Enum(["x", "y"]))}))
    assert [row["b"] for row in group.read().to_rows()] == ["x", "y", "x"]


def test_schemas_take_types_of_python_and_numpy(local):
    group = local.feature_group("typed", version=1, primary_key=["id"],
                                schema={"id": np.int32, "x": float, "y": np.dtype("float32"),
                                        "s": str, "b": bool})
    assert group.schema == {"id": "int32", "x": "double", "y": "float", "s": "string", "b": "bool"}


def test_definitions(local):
    group = local.feature_group("defined", version=1, primary_key=["id"],
                                schema={"id": int, "x": float})
    view = local.feature_view("defined", version=1, query=group.select("x"))
    for call, said in [
            (lambda: local.feature_view("v", query=group), "select"),
            (lambda: group.select(["x"]), "names of features"),
            (lambda: local.feature_view("v", query=group.select("x"),
                                        transformations=tc.standard_scaler("x")), "list"),
            (lambda: view.training_data(split="random"), "tc.split"),
            (lambda: view.training_data(seed="a"), "seed"),
            (lambda: view.training_data(seed=2**63), r"below 2\*\*63, not 9223372036854775808"),
            (lambda: view.vector(1), "as a dict"),
            (lambda: group.changes("x"), "a commit or its version"),
            (lambda: local.deploy("d", "model"), "project.model"),
            (lambda: local.register_model("m", "nowhere.json"), "nowhere.json"),
            (lambda: local.feature_group(5, primary_key=["id"]), "name must be text, not 5")]:
        with pytest.raises(tc.Error, match=said):
            call()
    with pytest.raises(AttributeError, match="there is train"):
        view.training_data().tran


def test_deployments(local):
    first, second = models(local, 2)
    deployment = local.deploy("delay", first)
    with pytest.raises(tc.WrongTypeError, match="tc.sink"):
        deployment.configure(sinks=["folder"])
    with pytest.raises(tc.WrongTypeError, match="not 'good'"):
        deployment.record_outcome("some request", "good")
    with pytest.raises(tc.WrongTypeError, match="not finite"):
        deployment.split({second: math.nan})
    with pytest.raises(tc.WrongTypeError, match="percent by model, not by 'delay@2'"):
        deployment.split({"delay@2": 50})
    with pytest.raises(tc.WrongTypeError, match="model must be a Model, not 5"):
        deployment.upgrade(5)
    with pytest.raises(AttributeError, match=r"drop\(\)"):
        deployment.stop()
    with pytest.raises(tc.WrongTypeError, match="a row is a dict.*not int"):
        deployment.predictor()(5)
    with pytest.raises(tc.WrongTypeError, match="not finite"):
        local.register_model("both", tc.composite.mean(first, second, weights=[1, math.inf]))


def test_a_frame_says_what_it_is_not(local):
    frame = local.sql("SELECT 1 AS one")
    with pytest.raises(tc.WrongTypeError, match="to_pandas"):
        frame["one"]
    with pytest.raises(tc.WrongTypeError, match="to_rows"):
        list(frame)
    with pytest.raises(AttributeError, match="to_pandas"):
        frame.groupby("one")


def test_words_of_other_libraries(local):
    group = local.feature_group("others", version=1, primary_key=["id"],
                                schema={"id": int, "x": float})
    view = local.feature_view("others", version=1, query=group.select("x"))
    data = view.training_data()
    for thing, word, said in [
            (tc, "connect", "tc.open"), (tc, "standard_scalr", "did you mean 'standard_scaler'"),
            (local, "create_feature_group", "gets or creates"), (local, "models_", "'models'"),
            (group, "show", "head"), (group, "insrt", "did you mean 'insert'"),
            (group.select("x"), "to_pandas", "training_data"),
            (view, "get_feature_vector", "view.vector"), (data, "train_test_split", "tc.split"),
            (data.train, "to_pandas", "X, y"), (local.run("others"), "log_metric", "log\\(auc")]:
        with pytest.raises(AttributeError, match=said):
            getattr(thing, word)
    assert "standard_scaler" in dir(tc) and "feature_group" not in dir(tc)


def test_arguments_that_do_not_fit(local):
    group = local.feature_group("fits", version=1, primary_key=["id"],
                                schema={"id": int, "x": float})
    data = local.feature_view("fits", version=1, query=group.select("x")).training_data()
    for call, said in [
            (lambda: local.feature_group("g", primary_keys=["id"]), "did you mean 'primary_key'"),
            (lambda: local.feature_group("g", 1, ["id"]), "by name it takes version, primary_key"),
            (lambda: local.feature_group("g", version="1"), "version must be a whole number.*'1'"),
            (lambda: local.sql(5), "query must be text, not 5"),
            (lambda: group.insert([{"id": 1, "x": 1.0}], mode=None), "mode must be text"),
            (lambda: group.read([5]), "a list of names"),
            (lambda: group.add_features(["y"]), "features must be a dict"),
            (lambda: local.register_model("m", "m.json", training_data=5), "a TrainingData"),
            (lambda: tc.date_parts("at", parts=5), "parts must be a list"),
            (lambda: tc.open(5), "location must be text or a path")]:
        with pytest.raises(tc.WrongTypeError, match=said):
            call()
    with pytest.raises(tc.InvalidError, match="no part 'tst'"):
        data.describe("tst")

    class Broken:
        def __arrow_c_stream__(self, requested_schema=None):
            raise ValueError("of the user's own")

    with pytest.raises(Exception, match="of the user's own"):  # what is no slip stays as it is
        group.insert(Broken())


def test_a_look_at_some_rows(local):
    group = local.feature_group("looked", version=1, primary_key=["id"])
    group.insert(frame(x=[1.0, 2.0, 3.0]))
    assert len(group.head(2)) == 2 and group.head().columns == ["id", "x"]
    assert [row["id"] for row in group.read().head(2).to_rows()] == [1, 2]


def test_home_is_no_folder_named_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with tc.open("~/project") as project:
        assert project.location == str(tmp_path / "project")
    assert repr(project) == "<Project, closed>"


def test_pickles(local):
    group = local.feature_group("pickled", version=1, primary_key=["id"], event_time="t")
    group.insert(frame(t=TIMES, x=[1.0, 2.0, 3.0]))
    data = local.feature_view("pickled", version=1, query=group.select("x")).training_data()
    again = pickle.loads(pickle.dumps(data))
    assert again.train.X.equals(data.train.X) and again.parts.keys() == data.parts.keys()
    assert copy.deepcopy(data)._project is local
    other = pickle.loads(pickle.dumps(group))
    assert other.read().to_pandas().equals(group.read().to_pandas())
    other._project.close()
    answer = pickle.loads(pickle.dumps(data.train.features))
    assert answer.to_pandas().equals(data.train.features.to_pandas())


def test_a_pickle_holds_no_secret(tmp_path):
    project = tc.open(tmp_path / "p", storage_options={"secret_access_key": "hush"})
    with pytest.raises(tc.NotSupportedError, match="not pickled"):
        pickle.dumps(project)
    project.close()


# The query would take days, so the signal comes while it runs, however slow the machine is.
INTERRUPTED = """
    import os, signal, sys, threading
    import tercet as tc

    with tc.open(sys.argv[1]) as project:
        project.sql("SELECT 1")
        threading.Timer(1, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        try:
            project.sql("SELECT sum(a.range * b.range % 7) "
                        "FROM range(10000000) a, range(10000000) b")
        except KeyboardInterrupt:
            print("interrupted, then", project.sql("SELECT 1 AS one").to_rows())
"""


def test_a_long_call_is_interrupted(tmp_path):
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(INTERRUPTED), tmp_path / "p"],
                          capture_output=True, text=True, timeout=120)
    assert done.stdout == "interrupted, then [{'one': 1}]\n", done.stdout + done.stderr
