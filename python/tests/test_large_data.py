"""Rows that come as a stream, within a small memory limit, and go to files."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import tercet as tc

ROWS, BATCH = 60_000, 5_000
SCHEMA = pa.schema({"key": pa.int64(), "at": pa.timestamp("us", "UTC"), "text": pa.string(),
                    "value": pa.float64()})


def stream(generation: int, first: int = 0):
    """Rows in no order of their keys; every key once."""

    def batches():
        for begin in range(0, ROWS, BATCH):
            keys = [(first + i) * 7919 % 1_000_003 for i in range(begin, begin + BATCH)]
            yield pa.record_batch([pa.array(keys), pa.array([1] * BATCH, SCHEMA.field(1).type),
                                   pa.array([f"text {key % 100}" for key in keys]),
                                   pa.array([float(key + generation) for key in keys])],
                                  schema=SCHEMA)

    return pa.RecordBatchReader.from_batches(SCHEMA, batches())


@pytest.fixture
def small(tmp_path):
    for limit in (-1, "1G"):
        with pytest.raises(tc.InvalidError, match="number of bytes"):
            tc.open(tmp_path / "small", memory_limit=limit)
    with tc.open(tmp_path / "small", memory_limit=1 << 20) as project:
        yield project


def define(project):
    return project.feature_group("numbers", version=1, primary_key=["key"], event_time="at")


def test_a_stream_of_more_rows_than_memory_is_one_commit(small, tmp_path):
    group = define(small)
    first = group.insert(stream(0))
    assert first.rows_inserted == ROWS
    second = group.insert(stream(1, first=ROWS // 2))
    assert (second.rows_inserted, second.rows_updated) == (ROWS // 2, ROWS - ROWS // 2)
    group.compact()
    rows = group.read().to_arrow()
    expected = {}
    for generation, begin in ((0, 0), (1, ROWS // 2)):
        for i in range(begin, begin + ROWS):
            key = i * 7919 % 1_000_003
            expected[key] = float(key + generation)
    assert rows["key"].to_pylist() == sorted(expected)
    assert dict(zip(rows["key"].to_pylist(), rows["value"].to_pylist())) == expected
    assert group.changes(second.version - 1, second.version).shape[0] == ROWS + ROWS // 2
    # Of the pieces that waited on disk nothing is left.
    table = tmp_path / "small" / "feature_groups" / "numbers" / "1"
    assert {path.name for path in table.iterdir() if path.suffix != ".parquet"
            and not path.name.startswith("deletion_vector")} <= {"_delta_log", "_change_data"}


def test_a_first_insert_that_is_refused_makes_no_table(small):
    group = define(small)
    rows = pa.Table.from_batches([*stream(0), *stream(0, first=ROWS - 1)])
    with pytest.raises(tc.InvalidError, match="more than once"):
        group.insert(rows)
    assert group.insert(stream(0)).version == 1


def test_export_writes_what_read_gives(project, tmp_path):
    group = define(project)
    group.insert(stream(0).read_all().slice(0, 2000))
    path = tmp_path / "numbers.parquet"
    group.export(path, ["key", "value"])
    assert pq.read_table(path).equals(group.read(["key", "value"]).to_arrow())
    group.export(tmp_path / "numbers.csv")
    assert (tmp_path / "numbers.csv").read_text().count("\n") == 2001
    with pytest.raises(tc.InvalidError, match="parquet"):
        group.export(tmp_path / "numbers.parket")
    with pytest.raises(tc.StorageError):
        group.export(tmp_path / "nowhere" / "numbers.parquet")
    assert sorted(file.name for file in tmp_path.glob("*numbers*")) == ["numbers.csv",
                                                                       "numbers.parquet"]


def test_training_data_larger_than_memory_is_the_same(small, tmp_path):
    group = define(small)
    group.insert(stream(0))
    view = small.feature_view("numbers", version=1, query=group.select("text", "value"),
                              labels=["value"])
    data = view.training_data(split=tc.split.random(train=0.8, test=0.2), seed=1,
                              location=tmp_path / "files")
    with tc.open(tmp_path / "small") as roomy:
        again = roomy.feature_view("numbers").rebuild(data.version)
        assert again.definition["sha256"] == data.definition["sha256"]
        assert again.train.X.equals(data.train.X)
        read = roomy.training_dataset("numbers", data.version, location=tmp_path / "files")
        assert read.test.X.equals(data.test.X)


BOUNDED = """
import resource, sys
import tercet as tc

root, limit = sys.argv[1], int(sys.argv[2])
with tc.open(root + "/project", memory_limit=limit) as project:
    view = project.feature_view("wide")
    with open("/proc/self/status") as status:
        held = next(int(line.split()[1]) << 10 for line in status if line.startswith("VmData"))
    resource.setrlimit(resource.RLIMIT_DATA, (held + limit, held + limit))
    try:
        bytearray(limit + (1 << 20))
        sys.exit("the limit doesn't hold")
    except MemoryError:
        pass
    data = view.training_data(split=tc.split.random(train=0.8, test=0.2), seed=1,
                              location=root + "/files")
    assert data.version == 1
"""


def test_training_data_under_a_hard_limit(tmp_path):
    """Made in a process that the system gives a third of what it reads and writes, it is the
    same."""
    count, features, limit = 800_000, 12, 48 << 20
    random = np.random.default_rng(5)
    at = pa.array(np.arange(count) * 1_000, pa.timestamp("us", "UTC"))
    with tc.open(tmp_path / "project") as project:
        labels = project.feature_group("labels", version=1, primary_key=["label"], event_time="at")
        labels.insert(pa.table({"label": np.arange(count), "key": random.integers(0, 5000, count),
                                "at": at, "late": random.integers(0, 2, count)}))
        values = project.feature_group("values", version=1, primary_key=["key"], event_time="at")
        values.insert(pa.table({"key": random.integers(0, 5000, count), "at": at, **{
            f"f{c}": pa.array(random.random(count), mask=random.random(count) < 0.05)
            for c in range(features)}}), mode="append")
        project.feature_view("wide", version=1, labels=["late"],
                             query=labels.select("late").join(values.select(), on="key"))
    environment = {**os.environ, "TERCET_THREADS": "2", "ARROW_DEFAULT_MEMORY_POOL": "system",
                   # Others reserve more address space than they use, all of which would count.
                   "MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "262144"}
    # A thread's stack counts as it is reserved, not as it is used.
    subprocess.run(["sh", "-c", 'ulimit -s 1024 && exec "$0" "$@"', sys.executable, "-c", BOUNDED,
                    str(tmp_path), str(limit)], check=True, env=environment)
    assert sum(file.stat().st_size for file in tmp_path.rglob("*.parquet")) > 3 * limit
    with tc.open(tmp_path / "project") as project:
        limited = project.training_dataset("wide", 1, location=tmp_path / "files")
        roomy = project.feature_view("wide").training_data(
            split=tc.split.random(train=0.8, test=0.2), seed=1)
        for part, expected in roomy.parts.items():
            assert limited.parts[part].X.equals(expected.X)
            assert limited.parts[part].y.equals(expected.y)
