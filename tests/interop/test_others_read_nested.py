"""Tables of ours with structs, maps and lists of them, read by other engines."""

from __future__ import annotations

import duckdb
import polars
import pyarrow as pa
import pytest
from deltalake import DeltaTable, QueryBuilder

import tercet as tc
from engines import delta_extension, table_path

SCHEMA = pa.schema({
    "key": pa.int64(),
    "place": pa.struct({"city": pa.string(),
                        "at": pa.struct({"lat": pa.float64(), "lon": pa.float64()})}),
    "spent": pa.map_(pa.string(), pa.float64()),
    "orders": pa.list_(pa.struct({"item": pa.string(), "when": pa.timestamp("us", "UTC")})),
    "path": pa.list_(pa.list_(pa.int32())),
    "days": pa.map_(pa.date32(), pa.struct({"n": pa.int16()})),
})


def row(key: int) -> dict:
    if key % 7 == 0:
        return {"key": key}
    return {"key": key,
            "place": {"city": f"c{key % 5}", "at": None if key % 3 == 0 else
                      {"lat": key / 4, "lon": None}},
            "spent": [("food", key / 2), ("rent", None)][:key % 3],
            "orders": [None, {"item": "tea", "when": key * 1000}][:key % 4],
            "path": [[key, None], None, []][:key % 5],
            "days": [(key, {"n": key % 100}), (key + 1, None)][:key % 3]}


def rows(*keys: int) -> pa.Table:
    return pa.Table.from_pylist([row(key) for key in keys], schema=SCHEMA)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A table after an upsert, a deletion, a checkpoint and a compaction; and its rows as we read
    them."""
    with tc.open(tmp_path_factory.mktemp("project")) as project:
        group = project.feature_group("people", version=1, primary_key=["key"])
        group.insert(rows(*range(300)))
        for first in range(290, 310):
            group.insert(rows(first, first + 5))
        group.compact()
        group.delete(pa.table({"key": [7, 8]}))
        group.insert(rows(400))
        ours = group.read().to_arrow().sort_by("key")
        assert ours.schema.equals(SCHEMA)
        expected = rows(*sorted({*range(315), 400} - {7, 8}))
        assert ours.equals(expected)
        yield table_path(project, group), expected.to_pylist()


def plain(value):
    """The rows of any engine alike: a map as its pairs."""
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, list):
        pairs = [tuple(item.values()) if isinstance(item, dict) and list(item) == ["key", "value"]
                 else item for item in value]
        return [plain(item) for item in pairs]
    if isinstance(value, tuple):
        return tuple(plain(item) for item in value)
    return value


def same(found: pa.Table, expected: list[dict]) -> None:
    found = sorted(found.to_pylist(), key=lambda one: one["key"])
    assert [plain(one) for one in found] == [plain(one) for one in expected]


def test_delta_rs(table):
    path, expected = table
    reader = QueryBuilder().register("t", DeltaTable(path)).execute("select * from t")
    same(pa.table(reader.read_all()), expected)


def test_duckdb(table):
    path, expected = table
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    connection.execute(f"LOAD '{delta_extension()}'")
    connection.execute("set timezone = 'UTC'")
    same(connection.execute(f"select * from delta_scan('{path}')").to_arrow_table(), expected)
    inside = f"select sum(place.at.lat), sum(spent['food']) from delta_scan('{path}')"
    assert connection.execute(inside).fetchone() == (
        sum((one["place"] or {}).get("at", {})["lat"] for one in expected
            if one["place"] and one["place"]["at"]),
        sum(dict(one["spent"])["food"] for one in expected if one["spent"]))


def test_members_have_statistics(table):
    """By which others skip files: bounds that hold, and the right rows where they are used."""
    path, expected = table
    actions = pa.table(DeltaTable(path).get_add_actions(flatten=True)).to_pylist()
    places = [one["place"]["at"] for one in expected if one["place"] and one["place"]["at"]]
    assert min(one["min.place.at.lat"] for one in actions) <= min(one["lat"] for one in places)
    assert max(one["max.place.at.lat"] for one in actions) >= max(one["lat"] for one in places)
    assert all(one["null_count.place.at.lon"] == one["num_records"] for one in actions)
    north = [one["key"] for one in expected
             if one["place"] and one["place"]["at"] and one["place"]["at"]["lat"] > 70]
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    connection.execute(f"LOAD '{delta_extension()}'")
    found = connection.execute(
        f"select key from delta_scan('{path}') where place.at.lat > 70 order by key").fetchall()
    assert [key for key, in found] == north
    reader = QueryBuilder().register("t", DeltaTable(path)).execute(
        "select key from t where place['at']['lat'] > 70 order by key")
    assert pa.table(reader.read_all())["key"].to_pylist() == north


def test_polars(table):
    path, expected = table
    same(polars.scan_delta(path).collect().to_arrow(), expected)
