"""Batch predictions written piece by piece: to files, which are whole or not there, and to
groups."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xgboost
from local_server import Server, kill_after, until
from serving import call, models

import tercet as tc


def sorted_rows(table: pa.Table) -> list[dict]:
    return table.sort_by([(name, "ascending") for name in ("ride", "event_time")]).to_pylist()


def test_a_file_has_what_the_frame_has(project, tmp_path):
    [model] = models(project, 1)
    frame = model.batch().to_arrow()
    for name, options in (("p.parquet", {}), ("none.parquet", {"compression": "none"}),
                          ("p.arrow", {}), ("unnamed", {"format": "parquet"})):
        path = tmp_path / name
        written = model.batch_to_file(path, **options)
        assert (written.rows, written.bytes) == (frame.num_rows, path.stat().st_size)
        table = (pa.ipc.open_file(path).read_all() if name.endswith("arrow")
                 else pq.read_table(path))
        assert table.schema.equals(frame.schema) and sorted_rows(table) == sorted_rows(frame)
    assert pq.ParquetFile(tmp_path / "p.parquet").metadata.row_group(0).column(
        2).compression == "ZSTD"
    model.batch_to_file(tmp_path / "p.csv")
    found = duckdb.sql(f"select count(*), sum(prediction) from '{tmp_path}/p.csv'").fetchone()
    assert found[0] == frame.num_rows
    assert found[1] == pytest.approx(sum(frame["prediction"].to_pylist()), rel=1e-4)
    # A range, and one without rows.
    middle = frame["event_time"].to_pylist()[frame.num_rows // 2]
    part = model.batch_to_file(tmp_path / "part.parquet", start=middle)
    assert part.rows == len(model.batch(start=middle)) < frame.num_rows
    nothing = model.batch_to_file(tmp_path / "nothing.parquet", start="2090-01-01")
    assert nothing.rows == 0
    assert pq.read_schema(tmp_path / "nothing.parquet").names == frame.schema.names
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


def test_what_fails_leaves_the_file_as_it_was(project, tmp_path):
    [model] = models(project, 1)
    path = tmp_path / "p.parquet"
    path.write_text("before")
    for options, error in (({"compression": "zst"}, "did you mean 'zstd'"),
                           ({"format": "parket"}, "did you mean 'parquet'"),
                           ({"format": "csv", "compression": "gzip"}, "no compression")):
        with pytest.raises(tc.InvalidError, match=error):
            model.batch_to_file(path, **options)
    with pytest.raises(tc.StorageError, match="cannot write"):
        model.batch_to_file(tmp_path / "no" / "folder.parquet")
    spine = pd.DataFrame({"city": ["Oslo"]})  # no distance
    with pytest.raises(tc.Error):
        model.batch_to_file(path, spine=spine)
    assert path.read_text() == "before" and os.listdir(tmp_path).count("p.parquet") == 1
    model.batch_to_file(path)
    assert pq.read_table(path).num_rows > 0


def test_a_group_gets_them_once(project):
    [model] = models(project, 1)
    scores = project.feature_group("scores", version=1, primary_key=["ride"],
                                   event_time="event_time")
    first = model.batch_to_group(scores, idempotency_key="monday")
    again = model.batch_to_group(scores, idempotency_key="monday")
    assert (again.version, again.already_applied) == (first.version, True)
    assert not first.already_applied
    assert sorted_rows(pa.table(scores.read()).select(model.batch().columns)) == sorted_rows(
        model.batch().to_arrow())
    assert first.rows_inserted == len(scores.read())
    gone = project.feature_group("gone", version=1, primary_key=["ride"])
    gone.drop()
    with pytest.raises(tc.NotFoundError, match="gone"):
        model.batch_to_group(gone)


def test_models_without_a_view_take_a_spine(project, tmp_path):
    X = np.random.default_rng(5).normal(size=(200, 2))
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1},
                            xgboost.DMatrix(X, X[:, 0] > X[:, 1]), 5)
    model = project.register_model("direct", booster, signature=tc.Signature(
        inputs={"a": "double", "b": "double"}, outputs={"prediction": "double"}))
    spine = pa.table({"id": range(200), "a": X[:, 0], "b": X[:, 1]})
    model.batch_to_file(tmp_path / "p.parquet", spine=spine)
    table = pq.read_table(tmp_path / "p.parquet").sort_by("id")
    assert table["prediction"].to_pylist() == booster.inplace_predict(X).astype(float).tolist()


BUILD = """
import sys, numpy as np, pyarrow as pa, xgboost, tercet as tc
rows = int(sys.argv[2])
random = np.random.default_rng(1)
with tc.open(sys.argv[1]) as project:
    group = project.feature_group("events", version=1, primary_key=["id"], event_time="time")
    group.insert(pa.table({"id": np.arange(rows), "time": pa.array(
        np.arange(rows) * 1_000_000, pa.timestamp("us", "UTC")),
        "x": random.normal(size=rows), "y": np.arange(rows) % 2}), mode="append")
    view = project.feature_view("v", version=1, labels=["y"], query=group.select("x", "y"))
    data = view.training_data(end="1970-01-01T01:00:00Z")
    booster = xgboost.train({"objective": "binary:logistic", "max_depth": 2, "nthread": 1},
                            xgboost.DMatrix(data.train.X, data.train.y), 2)
    project.register_model("m", booster, training_data=data)
"""

WRITE = """
import sys, tercet as tc
with tc.open(sys.argv[1], memory_limit=64 << 20) as project:
    print("begun", flush=True)
    model = project.model("m")
    if sys.argv[3] == "group":
        group = project.feature_group("scores", version=1, primary_key=["id"],
                                      event_time="event_time")
        print(model.batch_to_group(group, idempotency_key="k").rows_inserted)
    else:
        print(model.batch_to_file(sys.argv[2]).rows)
"""


def write(project: Path, path: Path, to: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", WRITE, str(project), str(path), to],
                            stdout=subprocess.PIPE, text=True)


def test_a_process_that_is_killed_leaves_no_half_of_anything(tmp_path):
    rows = 200_000
    subprocess.run([sys.executable, "-c", BUILD, str(tmp_path / "project"), str(rows)], check=True)
    path = tmp_path / "out" / "p.parquet"
    path.parent.mkdir()
    for pause in (0.05, 0.4):
        kill_after(write(tmp_path / "project", path, "file"), pause)
        assert not path.exists() or pq.read_table(path).num_rows == rows
        kill_after(write(tmp_path / "project", path, "group"), pause)
        with tc.open(tmp_path / "project") as project:
            try:
                # The table is made by a commit of its own.
                assert len(project.feature_group("scores").read()) in (0, rows)
            except tc.NotFoundError:
                pass
    for to in ("file", "group"):
        done = write(tmp_path / "project", path, to).communicate(timeout=120)[0].split()
        assert int(done[1]) in (rows, 0 if to == "group" else rows)
    assert pq.read_table(path).num_rows == rows
    # What the killed ones left, the last one has removed.
    assert os.listdir(path.parent) == ["p.parquet"]
    with tc.open(tmp_path / "project") as project:
        assert len(project.feature_group("scores").read()) == rows


def test_predictions_are_begun_and_followed_as_a_run(project):
    [model] = models(project, 1)
    scores = project.feature_group("scores", version=1, primary_key=["ride"],
                                   event_time="event_time")
    run = model.start_batch_to_group(scores, idempotency_key="monday")
    assert (run.name, run.status, run.inputs) == ("batch", "running", ["model delay@1"])
    assert run.parameters["into"] == "scores@1" and run.parameters["idempotency_key"] == "monday"
    again = model.start_batch_to_group(scores, idempotency_key="monday")
    wrong = model.start_batch_to_group(project.feature_group("rides"))
    until(lambda: wrong.refresh().status != "running")
    # One after the other: the first ones have ended, too.
    assert run.refresh().status == again.refresh().status == "finished"
    assert run.metrics["progress"] == 1.0 and run.metrics["rows_inserted"] == len(scores.read())
    commit = scores.commits()[-1].version
    assert run.outputs == again.outputs == [f"feature_group scores@1 commit {commit}"]
    assert sorted_rows(pa.table(scores.read()).select(model.batch().columns)) == sorted_rows(
        model.batch().to_arrow())
    assert wrong.status == "failed" and "prediction" in wrong.error
    gone = project.feature_group("gone", version=1, primary_key=["ride"])
    gone.drop()
    with pytest.raises(tc.NotFoundError, match="gone"):
        model.start_batch_to_group(gone)


def test_rest_begins_predictions_of_a_deployment(tmp_path):
    server = Server(tmp_path / "project")
    try:
        with tc.open(server.location) as project:
            [model] = models(project, 1)
            project.deploy("delays", model)
            scores = project.feature_group("scores", version=1, primary_key=["ride"],
                                           event_time="event_time")
            path = "/api/v1/deployments/delays/batch"
            times = sorted(model.batch().to_arrow()["event_time"].to_pylist())
            middle = times[len(times) // 2]
            wanted = {"into": "scores@1", "start": middle.isoformat(),
                      "insert": {"idempotency_key": "k"}}
            status, run, _ = call(server, path, wanted)
            assert (status, run["status"]) == (202, "running")
            ended = until(lambda: (now := call(server, f"/api/v1/runs/{run['id']}")[1])[
                "status"] != "running" and now)
            assert ended["status"] == "finished" and ended["metrics"]["progress"] == 1
            assert len(scores.read()) == len(model.batch(middle)) > 0
            assert ended["outputs"] == ["feature_group scores@1 commit "
                                        f"{scores.commits()[-1].version}"]
            for wrong, refused, why in (
                    (wanted | {"into": "score@1"}, 404, "score"),
                    (wanted | {"path": "/tmp/p.parquet"}, 400, "path"),
                    (wanted | {"start": "yesterday"}, 400, "start"),
                    ({}, 400, "into")):
                status, answer, _ = call(server, path, wrong)
                assert status == refused and why in str(answer), answer
            assert call(server, "/api/v1/deployments/delay/batch", wanted)[0] == 404
            assert call(server, "/api/v1/models/delay/latest/batch", wanted)[0] == 202
    finally:
        server.stop()


def test_closing_a_project_ends_what_it_does(tmp_path):
    subprocess.run([sys.executable, "-c", BUILD, str(tmp_path / "project"), "100000"], check=True)
    with tc.open(tmp_path / "project") as project:
        scores = project.feature_group("scores", version=1, primary_key=["id"],
                                       event_time="event_time")
        runs = [project.model("m").start_batch_to_group(scores) for _ in range(12)]
    with tc.open(tmp_path / "project") as project:
        ended = [one for one in project.runs() if one.name == "batch"]
        assert {one.id for one in ended} == {one.id for one in runs}
        assert {one.status for one in ended} <= {"finished", "failed"}
        failed = [one for one in ended if one.status == "failed"]
        assert failed and all("its process ended" in one.error for one in failed)
    # Of one that is killed, the next one tells.
    killed = subprocess.run([sys.executable, "-c", f"""
import os, signal, tercet as tc
project = tc.open({str(tmp_path / 'project')!r})
for _ in range(12):
    project.model("m").start_batch_to_group(project.feature_group("scores"))
os.kill(os.getpid(), signal.SIGKILL)
"""])
    assert killed.returncode == -signal.SIGKILL
    with tc.open(tmp_path / "project") as project:
        left = [one for one in project.runs() if one.name == "batch"][:12]
        assert {one.status for one in left} <= {"finished", "failed"}
        assert any("was killed or crashed" in one.error for one in left)
