"""The real binary, as a person or a cron job runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
import xgboost

import tercet as tc

BINARY = os.environ.get("TERCET_BINARY") or str(Path(tc.__file__).parent / "bin" / "tercet")


@pytest.fixture
def tercet(tmp_path):
    def run(*words, code=0, cwd=tmp_path):
        done = subprocess.run([BINARY, "--project", str(tmp_path / "p"), *map(str, words)],
                              capture_output=True, text=True, errors="replace", cwd=cwd,
                              timeout=120)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code == 0 else done.stderr
    return run


@pytest.fixture
def weather_file(tmp_path):
    hours = pd.date_range("2024-01-01", periods=6, freq="h", tz="UTC").as_unit("us")
    frame = pd.DataFrame({"city": "Oslo", "hour": hours, "rain": [0.0, 1, 2, 3, 4, 5]})
    frame.to_parquet(tmp_path / "weather.parquet")
    return tmp_path / "weather.parquet"


@pytest.fixture
def with_group(tercet, weather_file):
    tercet("groups", "create", "weather@1", "--primary-key", "city", "--event-time", "hour",
           "--ttl", "3h", "--online")
    tercet("groups", "insert", "weather@1", weather_file, "--wait-online")
    return tercet


def test_help_and_usage(tercet):
    assert "Examples:" in tercet("--help")
    assert "event-time" in tercet("groups", "create", "--help")
    assert "0.1.0" in tercet("--version")
    assert "did you mean 'groups'" in tercet("grups", "list", code=2)
    assert "of 'tercet groups' (did you mean 'list'" in tercet("groups", "lst", code=2)
    assert "groups read weather" in tercet("groups", "--help")
    assert tercet(code=2)
    assert "no option '--limt' (did you mean '--limit'" in tercet("groups", "read", "g", "--limt=3",
                                                                 code=2)
    assert "takes no 'now'" in tercet("rollback", "live", "now", code=2)


def test_a_slip_makes_no_project(tercet, tmp_path):
    assert "there is no project" in tercet("groups", "list", code=1)
    assert not (tmp_path / "p").exists()


def test_groups(with_group, tmp_path):
    tercet = with_group
    assert "weather" in tercet("groups", "list")
    shown = json.loads(tercet("--json", "groups", "show", "weather"))
    assert shown["rows"] == 6 and shown["online"]
    rows = [json.loads(line) for line in
            tercet("--json", "groups", "read", "weather", "--columns", "rain").splitlines()]
    assert [row["rain"] for row in rows] == [0, 1, 2, 3, 4, 5]
    tercet("groups", "read", "weather", "--start", "2024-01-01T04:00:00Z", "-o",
           tmp_path / "out.csv")
    assert len(pd.read_csv(tmp_path / "out.csv")) == 2
    # A slip in the name is told before any work, and a file that can't be written stays as it was.
    assert "must end in .parquet" in tercet("groups", "read", "weather", "-o", "out.xlsx", code=2)
    lists = pd.DataFrame({"city": ["Oslo"], "forecast": [[1.0, 2.0]]})
    lists.to_parquet(tmp_path / "lists.parquet")
    tercet("groups", "create", "forecasts", "--primary-key", "city")
    tercet("groups", "insert", "forecasts", tmp_path / "lists.parquet")
    out = tmp_path / "out.csv"
    before = out.read_bytes()
    assert "cannot write" in tercet("groups", "read", "forecasts", "-o", out, code=1)
    assert out.read_bytes() == before
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]
    # A stream of Arrow's is read as its files are.
    rome = pa.table({"city": ["Rome"], "forecast": [[3.0]]})
    with pa.ipc.new_stream(tmp_path / "lists.arrow", rome.schema) as stream:
        stream.write_table(rome)
    tercet("groups", "insert", "forecasts", tmp_path / "lists.arrow")
    assert "2 rows" in tercet("groups", "read", "forecasts")
    tercet("groups", "drop", "forecasts")
    commits = json.loads(tercet("--json", "groups", "commits", "weather"))
    assert commits[-1]["rows_inserted"] == 6
    assert "insert" in tercet("groups", "changes", "weather", "--since", commits[0]["version"])
    assert json.loads(tercet("groups", "statistics", "weather"))["rain"]["max"] == 5
    pd.DataFrame({"city": ["Oslo"]}).to_csv(tmp_path / "keys.csv", index=False)
    tercet("groups", "delete", "weather", tmp_path / "keys.csv")
    assert "0 rows" in tercet("groups", "read", "weather")
    tercet("groups", "compact", "weather")
    tercet("groups", "drop", "weather")
    assert "(none)" in tercet("groups", "list")


def test_refusals_exit_with_one(with_group, tmp_path):
    assert "did you mean 'weather'" in with_group("groups", "show", "wether", code=1)
    assert "no-such.parquet" in with_group("groups", "insert", "weather", "no-such.parquet", code=1)
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 not really")
    assert "bad.parquet" in with_group("groups", "insert", "weather", tmp_path / "bad.parquet",
                                       code=1)
    (tmp_path / "latin.csv").write_bytes(b"city,hour,rain\nBod\xf8,2024-01-01T00:00:00Z,1\n")
    assert "'city' has text that is not UTF-8" in with_group(
        "groups", "insert", "weather", tmp_path / "latin.csv", code=1)
    assert "--token-file" in with_group("serve", tmp_path / "p", "--http", "0.0.0.0:0", code=1)


def test_views_training_models_deployments(with_group, tmp_path):
    tercet = with_group
    view = {"name": "rain", "version": 1, "root": {"group": "weather", "version": 1,
                                                  "features": ["rain"]},
            "labels": [], "on_demand": {"double": "rain * 2"}}
    (tmp_path / "view.json").write_text(json.dumps(view))
    tercet("views", "create", tmp_path / "view.json")
    assert "weather@1" in tercet("views", "list")
    vector = json.loads(tercet("--json", "views", "vector", "rain", "city=Oslo", "--event-time",
                               "2024-01-01T05:30:00Z"))
    assert vector == {"rain": 5.0, "double": 10.0}
    tercet("training-data", "create", "rain", "--split",
           '{"method": "time", "parts": [["train", 0.5], ["test", 0.5]]}', "-o",
           tmp_path / "data.parquet")
    train = pd.read_parquet(tmp_path / "data-train.parquet")
    assert len(train) == 3 and "double" in train
    tercet("training-data", "rebuild", "rain")
    assert "train 3" in tercet("training-data", "list")

    for depth in (1, 2):
        matrix = xgboost.DMatrix(train[["rain", "double"]], [0, 1, depth])
        xgboost.train({"max_depth": depth, "nthread": 1}, matrix, 2).save_model(
            tmp_path / "model.json")
        tercet("models", "register", "rainy", tmp_path / "model.json", "--training-data",
               "rain@1@1")
    assert len(json.loads(tercet("--json", "models", "list"))) == 2
    ask = ["--json", "predict", "live", "city=Oslo", "--event-time", "2024-01-01T05:30:00Z"]
    tercet("deploy", "live", "--model", "rainy@1")
    first = tercet(*ask)
    tercet("upgrade", "live", "--model", "rainy@2")
    assert tercet(*ask) != first
    assert "release 1" in tercet("rollback", "live")
    assert tercet(*ask) == first
    assert tercet("deployments", "history", "live").count("\n") == 4
    shown = tercet("deployments", "show", "live")
    assert "rainy@1" in shown and "rain: float, double: float → prediction: float" in shown
    assert json.loads(tercet("--json", "deployments", "show", "live"))["number"] == 1
    assert "warm_up" not in tercet("models", "show", "rainy")
    policy = ["deployments", "policy", "live"]  # what is not given stays; a look changes nothing
    tercet(*policy, "--deadline-ms", 5000)
    tercet(*policy, "--log-percent", 2.5)
    tercet(*policy)
    assert "deadline_ms=5000, log_percent=2.5" in tercet("deployments", "show", "live")
    assert "deadline_ms        0" in tercet(*policy, "--reset", "--log-percent", 0)
    assert "[6 rows" in tercet("batch", "rainy@1", "--start", "2024-01-01")
    assert "release" in tercet("models", "drop", "rainy@1", code=1)


def test_entities_have_the_types_of_the_contract(tercet, tmp_path):
    with tc.open(tmp_path / "p") as project:
        cards = project.feature_group("cards", version=1, primary_key=["card"], online=True)
        cards.insert({"card": ["007", "true"], "spent": [2.5, 3.5]}, wait_online=True)
        project.feature_view("cards", version=1, query=cards.select("spent"))
    ask = ["--json", "views", "vector", "cards"]
    assert json.loads(tercet(*ask, "card=007")) == {"spent": 2.5}
    assert json.loads(tercet(*ask, "card=true")) == {"spent": 3.5}
    assert "did you mean 'card'" in tercet(*ask, "crad=007", code=1)
    assert json.loads(tercet(*ask, "card=7", "spent=1")) == {"spent": 1.0}
    assert "'spent' takes double, not" in tercet(*ask, "card=7", "spent=lots", code=1)


def test_steps_are_recorded(with_group, tmp_path):
    step = tmp_path / "load.py"
    step.write_text(
        "import os, sys, tercet as tc\n"
        "with tc.open(os.environ['TERCET_PROJECT']) as project:\n"
        "    print(len(project.feature_group('weather').read()), 'rows')\n"
        "sys.exit(int(sys.argv[1]))\n")
    with_group("run", sys.executable, step, "0")
    with_group("run", "--name", "fails", sys.executable, step, "3", code=3)
    runs = json.loads(with_group("--json", "runs", "list"))
    assert [(run["name"], run["status"]) for run in runs][0] == ("fails", "failed")
    assert runs[0]["error"] == "exit code 3"
    assert runs[1]["status"] == "finished"
    assert "6 rows" in with_group("runs", "show", runs[1]["id"])
    assert runs[1]["inputs"] == ["feature_group weather@1"]
    with_group("run", "no-such-program", code=1)


def test_a_step_may_print_anything(tercet, tmp_path):
    step = tmp_path / "step.sh"
    step.write_text("#!/bin/sh\nprintf 'caf\\303\\251 \\377\\303('; echo \"$TERCET_PROJECT\"\n")
    step.chmod(0o755)
    tercet("run", "./step.sh")
    [run] = json.loads(tercet("--json", "runs", "list"))
    assert run["status"] == "finished"
    assert run["log"] == f"café \ufffd\ufffd({tmp_path / 'p'}\n"
