"""Features of tables that other engines made: what we read of them, and what we refuse to write."""

from __future__ import annotations

import datetime
import json
import uuid
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

import tercet as tc
from engines import table_path

HOUR = datetime.timedelta(hours=1)
START = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)

PLACE = pa.struct([("city", pa.string()), ("at", pa.struct([("x", pa.float64())]))])
NESTED = {
    "place": pa.array([{"city": "Oslo", "at": {"x": 1.5}}, None, {"city": None, "at": None}],
                      PLACE),
    "visits": pa.array([[{"n": 1}, {"n": None}], [], None],
                       pa.list_(pa.struct([("n", pa.int64())]))),
    "grid": pa.array([[[1, 2], []], None, [[3]]], pa.list_(pa.list_(pa.int32()))),
    "prices": pa.array([[("a", 1.5)], None, []], pa.map_(pa.string(), pa.float64())),
}


def member(name: str, kind: object) -> dict:
    return {"name": name, "type": kind, "nullable": True, "metadata": {}}


def struct(**members: object) -> dict:
    return {"type": "struct", "fields": [member(name, kind) for name, kind in members.items()]}


def array(element: object) -> dict:
    return {"type": "array", "elementType": element, "containsNull": True}


NESTED_TYPES = {
    "place": struct(city="string", at=struct(x="double")),
    "visits": array(struct(n="long")),
    "grid": array(array("integer")),
    "prices": {"type": "map", "keyType": "string", "valueType": "double",
               "valueContainsNull": True},
}


@pytest.fixture
def project(tmp_path):
    with tc.open(tmp_path / "project") as project:
        yield project


def theirs(column: pa.Array) -> pa.Table:
    return pa.table({"key": [1, 2, 3], "at": pa.array([START + i * HOUR for i in range(3)]),
                     "value": column})


def external(project, path, **options):
    return project.external_feature_group("theirs", source=tc.source.delta(path),
                                          primary_key=["key"], event_time="at", **options)


def append_with_column(path: Path, kind: object, rows: pa.Table) -> None:
    """A commit as another engine makes it: a new column "value" and a file that has it."""
    log = path / "_delta_log"
    commits = sorted(log.glob("*.json"))
    first = [json.loads(line) for line in commits[0].read_text().splitlines()]
    metadata = next(action for action in first if "metaData" in action)
    schema = json.loads(metadata["metaData"]["schemaString"])
    schema["fields"].append(member("value", kind))
    metadata["metaData"]["schemaString"] = json.dumps(schema)
    pq.write_table(rows, path / "theirs.parquet")
    add = {"path": "theirs.parquet", "partitionValues": {}, "dataChange": True,
           "size": (path / "theirs.parquet").stat().st_size, "modificationTime": 1,
           "stats": json.dumps({"numRecords": rows.num_rows})}
    (log / f"{len(commits):020d}.json").write_text(
        json.dumps(metadata) + "\n" + json.dumps({"add": add}) + "\n")


@pytest.mark.parametrize("kind", NESTED)
def test_nested_columns_of_another_writer(project, kind):
    group = project.feature_group("theirs", version=1, primary_key=["key"], event_time="at")
    rows = theirs(NESTED[kind])
    group.insert(rows.select(["key", "at"])[:1])
    append_with_column(Path(table_path(project, group)), NESTED_TYPES[kind], rows[1:])
    expected = [None, *rows["value"].to_pylist()[1:]]
    assert group.read().to_arrow()["value"].to_pylist() == expected
    assert group.read(end=START + 2 * HOUR).to_arrow()["value"].to_pylist() == expected[:2]
    in_sql = project.sql("select key, value from theirs order by key").to_arrow()
    assert in_sql["value"].to_pylist() == expected
    group.insert(rows)
    assert group.read().to_arrow()["value"].to_pylist() == rows["value"].to_pylist()
    group.delete(rows.select(["key"])[:1])
    assert group.read().to_arrow()["value"].to_pylist() == rows["value"].to_pylist()[1:]


@pytest.mark.parametrize("kind", NESTED)
def test_nested_columns_beside_features(project, tmp_path, kind):
    rows = theirs(NESTED[kind]).append_column("n", pa.array([4, 5, 6]))
    write_deltalake(tmp_path / "theirs", rows)
    group = external(project, tmp_path / "theirs")
    assert group.read().to_arrow()["value"].to_pylist() == NESTED[kind].to_pylist()
    assert group.schema["value"].startswith(("struct<", "list<", "map<"))
    view = project.feature_view("v", query=group.select("n", "value"))
    features = view.training_data().train.features.to_arrow()
    assert features.to_pydict() == {"n": [4, 5, 6], "value": NESTED[kind].to_pylist()}
    online = project.external_feature_group("online", source=tc.source.delta(tmp_path / "theirs"),
                                            primary_key=["key"], event_time="at", online=True)
    online.materialize()
    served = project.feature_view("served", query=online.select("n", "value"))
    assert served.vectors({"key": [1, 2, 3]}).to_arrow().equals(features)


def rewritten_checkpoint(path: Path) -> None:
    """Makes the newest checkpoint one of version 2: adds in two sidecars, the rest in a file that
    has a UUID for a name."""
    log = path / "_delta_log"
    table = DeltaTable(path)
    table.create_checkpoint()
    classic = next(log.glob("*.checkpoint.parquet"))
    content = pq.read_table(classic)
    is_add = content["add"].is_valid().to_numpy()
    adds = content.filter(pa.array(is_add)).select(["add"])
    (log / "_sidecars").mkdir()
    half = adds.num_rows // 2
    sidecars = []
    for piece in (adds[:half], adds[half:]):
        name = f"{uuid.uuid4()}.parquet"
        pq.write_table(piece, log / "_sidecars" / name)
        sidecars.append({"path": name, "sizeInBytes": 1, "modificationTime": 1})
    top = content.filter(pa.array(~is_add))
    protocol = next(row for row in top["protocol"].to_pylist() if row is not None)
    protocol.update(minReaderVersion=3, minWriterVersion=7, readerFeatures=["v2Checkpoint"],
                    writerFeatures=["v2Checkpoint"])
    metadata = next(row for row in top["metaData"].to_pylist() if row is not None)
    texts, options = pa.list_(pa.string()), pa.map_(pa.string(), pa.string())
    whole = pa.table({
        "protocol": pa.array([protocol, None, None, None], pa.struct([
            ("minReaderVersion", pa.int32()), ("minWriterVersion", pa.int32()),
            ("readerFeatures", texts), ("writerFeatures", texts)])),
        "metaData": pa.array([None, metadata, None, None], pa.struct([
            ("id", pa.string()), ("schemaString", pa.string()), ("partitionColumns", texts),
            ("configuration", options), ("createdTime", pa.int64())])),
        "sidecar": pa.array([None, None, *sidecars], pa.struct([
            ("path", pa.string()), ("sizeInBytes", pa.int64()),
            ("modificationTime", pa.int64())]))})
    pq.write_table(whole, log / f"{table.version():020d}.checkpoint.{uuid.uuid4()}.parquet")
    classic.unlink()
    (log / "_last_checkpoint").unlink()
    for commit in log.glob("*.json"):
        if int(commit.stem) < table.version():
            commit.unlink()


def test_checkpoint_with_sidecars(project, tmp_path):
    path = tmp_path / "theirs"
    rows = pa.table({"key": list(range(50)), "at": [START + i * HOUR for i in range(50)]})
    for first in range(0, 50, 10):
        write_deltalake(path, rows[first:first + 10], mode="append")
    rewritten_checkpoint(path)
    group = external(project, path)
    assert group.read().to_arrow().to_pylist() == rows.to_pylist()
    assert group.describe()["files"] == 5


def test_constraints_are_read_and_not_written(project):
    group = project.feature_group("numbers", version=1, primary_key=["key"])
    group.insert(pa.table({"key": [1, 2], "value": [0.5, 1.5]}))
    DeltaTable(table_path(project, group)).alter.add_constraint({"positive": "value > 0"})
    assert group.read().to_arrow().num_rows == 2
    with pytest.raises(tc.NotSupportedError, match="check constraint 'positive'"):
        group.insert(pa.table({"key": [3], "value": [-1.0]}))


@pytest.mark.parametrize("feature", ["rowTracking", "clustering", "domainMetadata",
                                     "inCommitTimestamp", "identityColumns", "generatedColumns"])
def test_writer_features_do_not_keep_readers_out(project, tmp_path, feature):
    path = tmp_path / "theirs"
    rows = theirs(pa.array([1, 2, 3]))
    write_deltalake(path, rows)
    commit = path / "_delta_log" / f"{0:020d}.json"
    actions = [json.loads(line) for line in commit.read_text().splitlines()]
    for action in actions:
        if "protocol" in action:
            action["protocol"] = {"minReaderVersion": 1, "minWriterVersion": 7,
                                  "writerFeatures": ["appendOnly", "invariants", feature]}
        if "add" in action:
            action["add"].update(baseRowId=0, defaultRowCommitVersion=0)
    actions.append({"domainMetadata": {"domain": "delta.clustering", "configuration": "{}",
                                       "removed": False}})
    commit.write_text("\n".join(json.dumps(action) for action in actions) + "\n")
    assert external(project, path).read().to_arrow().select(rows.column_names).equals(rows)
