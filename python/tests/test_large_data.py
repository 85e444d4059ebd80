"""Rows that come as a stream, within a small memory limit, and go to files."""

from __future__ import annotations

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
