"""Columns of every Arrow type, structs, maps and lists of them in particular: inserted, changed,
read at every commit, online and in training data, and the same as plain Python has them."""

from __future__ import annotations

import datetime
import decimal
import random
import uuid

import pandas
import polars
import pyarrow as pa
import pyarrow.parquet
import pytest

import tercet as tc
from local_server import Server
from serving import call

UTC = datetime.timezone.utc
DAY = datetime.datetime(2024, 5, 1, tzinfo=UTC)

# type → two values that are not null
SCALARS = {
    pa.bool_(): [True, False],
    **{kind: [0, 100] for kind in (pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(),
                                   pa.uint16(), pa.uint32())},
    pa.uint64(): [0, 2**64 - 1],
    pa.float16(): [1.5, -2.0], pa.float32(): [0.5, 1e30], pa.float64(): [0.1, -1e300],
    pa.decimal32(7, 2): [decimal.Decimal("1.25"), decimal.Decimal("-99999.99")],
    pa.decimal64(15, 0): [decimal.Decimal(1), decimal.Decimal(-(10**14))],
    pa.decimal128(38, 3): [decimal.Decimal("0.001"), decimal.Decimal("-12345.678")],
    pa.decimal256(38, 3): [decimal.Decimal("0.001"), decimal.Decimal("-12345.678")],
    pa.string(): ["", "Ærø"], pa.large_string(): ["", "x" * 300],
    pa.binary(): [b"", b"\x00\xff"], pa.large_binary(): [b"", b"\x00\xff"],
    pa.binary(3): [b"abc", b"\x00\x01\x02"],
    pa.date32(): [datetime.date(1969, 12, 31), datetime.date(2024, 2, 29)],
    pa.date64(): [datetime.date(1969, 12, 31), datetime.date(2024, 2, 29)],
    pa.time32("s"): [datetime.time(0, 0, 1), datetime.time(23, 59, 59)],
    pa.time32("ms"): [datetime.time(0, 0, 1, 5000), datetime.time(23, 59, 59)],
    pa.time64("us"): [datetime.time(0, 0, 1, 5), datetime.time(23, 59, 59)],
    pa.time64("ns"): [1, 86_399_999_999_999],
    **{pa.timestamp(unit, zone): [datetime.datetime(1969, 12, 31, tzinfo=zone and UTC),
                                  datetime.datetime(2024, 2, 29, 1, tzinfo=zone and UTC)]
       for unit in ("s", "ms", "us", "ns") for zone in (None, "UTC", "Europe/Oslo")},
    **{pa.duration(unit): [datetime.timedelta(0), datetime.timedelta(days=-3)]
       for unit in ("s", "ms", "us", "ns")},
}
NESTED = {
    pa.list_(pa.float32(), 2): [[1.0, 2.0], [None, 0.5]],
    pa.large_list(pa.string()): [[], ["a", None]],
    pa.list_(pa.list_(pa.int8())): [[[1, None], None, []], []],
    pa.struct({"a": pa.int8(), "b": pa.struct({"c": pa.timestamp("ns", "UTC")})}):
        [{"a": 1, "b": None}, {"a": None, "b": {"c": DAY}}],
    pa.map_(pa.string(), pa.list_(pa.decimal128(5, 1))):
        [[], [("a", [decimal.Decimal("1.5"), None]), ("b", None)]],
    pa.map_(pa.int32(), pa.bool_()): [[(1, True), (2, None)], [(-7, False)]],
    pa.list_(pa.struct({"m": pa.map_(pa.string(), pa.float64()), "d": pa.duration("us")})):
        [[None, {"m": [("x", 0.5)], "d": datetime.timedelta(seconds=1)}], []],
}


def test_every_type(project, tmp_path):
    types = list(SCALARS.items()) + list(NESTED.items())
    columns = {f"c{k}": pa.array([values[0], None, values[1]], kind)
               for k, (kind, values) in enumerate(types)}
    rows = pa.table({"key": [1, 2, 3], **columns})
    group = project.feature_group("all", version=1, primary_key=["key"], online=True)
    group.insert(rows, wait_online=True)
    assert group.schema == {"key": "int64",
                            **{name: str(column.type) for name, column in columns.items()}}
    assert group.read().to_arrow().equals(rows)
    group.insert(rows.slice(1), wait_online=True)
    group.compact()
    assert group.read().to_arrow().equals(rows)

    view = project.feature_view("all", version=1, query=group.select(*columns))
    features = rows.drop_columns(["key"])
    vectors = view.vectors({"key": [1, 2, 3]})
    assert vectors.to_arrow().equals(features)
    assert vectors.to_rows() == group.read(list(columns)).to_rows()
    alone = view.vector({"key": 3})
    assert dict(alone) == vectors.to_rows()[2]
    assert set(alone.status.values()) == {"present"}
    data = view.training_data(pa.table({"key": [3, 1, 9]}))
    assert data.train.features.to_arrow().equals(
        pa.concat_tables([features.slice(2), features.slice(0, 1),
                          pa.table({name: pa.nulls(1, column.type)
                                    for name, column in columns.items()})]).combine_chunks())
    assert data.statistics["train"]["c0"]["nulls"] == 1
    data.save(tmp_path / "data", "arrow")
    group.export(str(tmp_path / "all.parquet"), ["key", *columns])
    written = pyarrow.parquet.read_table(tmp_path / "all.parquet")
    assert written.column("c0").to_pylist() == [True, None, False]
    for kind, format in (("csv", "CSV"), ("tfrecord", "TFRecord")):
        with pytest.raises(tc.WrongTypeError, match=f"has no form in {format}; write Parquet"):
            group.export(str(tmp_path / f"all.{kind}"), [f"c{len(types) - 1}"])


def test_other_encodings_become_plain(project):
    texts = ["a", None, "a"]
    given = {
        "words": pa.array(texts).dictionary_encode(),
        "views": pa.array(texts, pa.string_view()),
        "bytes": pa.array([b"x", None, b"y"], pa.binary_view()),
        "runs": pa.RunEndEncodedArray.from_arrays([2, 3], pa.array([5, None])),
        "lists": pa.array([[1], None, []], pa.list_view(pa.int8())),
        "ids": pa.array([uuid.UUID(int=k).bytes for k in range(3)], pa.uuid()),
        "inside": pa.array([{"w": "a"}, None, {"w": "b"}], pa.struct(
            {"w": pa.dictionary(pa.int8(), pa.string())})),
    }
    group = project.feature_group("plain", version=1, primary_key=["key"], online=True)
    group.insert(pa.table({"key": [1, 2, 3], **given}), wait_online=True)
    plain = {"key": "int64", "words": "string", "views": "string", "bytes": "binary",
             "runs": "int64", "lists": "list<item: int8>", "ids": "fixed_size_binary[16]",
             "inside": "struct<w: string>"}
    assert group.schema == plain
    read = group.read().to_arrow()
    assert read.column("words").to_pylist() == texts == read.column("views").to_pylist()
    assert read.column("runs").to_pylist() == [5, 5, None]
    assert read.column("lists").to_pylist() == [[1], None, []]
    assert read.column("ids").to_pylist()[2] == uuid.UUID(int=2).bytes
    assert read.column("inside").to_pylist() == [{"w": "a"}, None, {"w": "b"}]
    declared = project.feature_group("declared", version=1, primary_key=["key"],
                                     schema=pa.schema({"key": pa.int64(), "words": pa.dictionary(
                                         pa.int32(), pa.string())}))
    assert declared.schema == {"key": "int64", "words": "string"}


@pytest.mark.parametrize("values, cast", [
    (pa.nulls(1), "declare its type in the schema, or cast it"),
    (pa.array([[None]]), "declare its type"),
    (pa.array([{"a": None}]), "member 'a'.*declare its type"),
    (pa.array([(1, 2, 3)], pa.month_day_nano_interval()), r"cast it to duration\[us\]"),
    (pa.array([decimal.Decimal(1)], pa.decimal256(50, 0)), "cast it to such a decimal"),
    (pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])]),
     "a struct with a member for each"),
    (pa.array([{}], pa.struct([])), "it has no members"),
    (pa.array([[([1], 2)]], pa.map_(pa.list_(pa.int8()), pa.int8())), "a list of structs of a key"),
    (pa.array([[("a", 1), ("a", 2)]], pa.map_(pa.string(), pa.int8())), "the key 'a' twice"),
    (pa.array([1], pa.timestamp("ns")), "would lose data"),
])
def test_says_what_to_cast(project, values, cast):
    group = project.feature_group("refused", version=1, primary_key=["key"])
    with pytest.raises((tc.InvalidError, tc.WrongTypeError), match=f"(?s)'?value'?.*{cast}"):
        group.insert(pa.table({"key": [1], "value": values}))


def test_keys_and_times_stay_scalars(project):
    for kind in (pa.struct({"a": pa.int8()}), pa.map_(pa.string(), pa.int8()),
                 pa.list_(pa.int8())):
        with pytest.raises(tc.WrongTypeError, match="primary key column 'key' cannot have"):
            project.feature_group("keys", version=1, primary_key=["key"],
                                  schema={"key": kind, "value": "int64"})
        with pytest.raises(tc.WrongTypeError, match="event time column 'at' must be"):
            project.feature_group("times", version=1, primary_key=["key"], event_time="at",
                                  schema={"key": "int64", "at": kind})


PROFILE = pa.schema({
    "key": pa.int64(), "at": pa.timestamp("us", "UTC"),
    "home": pa.struct({"city": pa.string(), "where": pa.struct({"lat": pa.float64(),
                                                                "lon": pa.float64()})}),
    "spent": pa.map_(pa.string(), pa.float64()),
    "orders": pa.list_(pa.struct({"item": pa.string(), "count": pa.int32()})),
})


def profile(some: random.Random, key: int, hour: int) -> dict:
    def maybe(value):
        return None if some.random() < 0.2 else value

    return {"key": key, "at": DAY + datetime.timedelta(hours=hour),
            "home": maybe({"city": maybe(some.choice("abc")),
                           "where": maybe({"lat": maybe(some.random()), "lon": 1.0})}),
            "spent": maybe([(word, maybe(some.random())) for word in "xyz" if some.random() < 0.5]),
            "orders": maybe([maybe({"item": maybe("tea"), "count": some.randrange(9)})
                             for _ in range(some.randrange(4))])}


def test_every_change_as_plain_python_has_it(project):
    some = random.Random(5)
    group = project.feature_group("profiles", version=1, primary_key=["key"], event_time="at",
                                  online=True, schema=PROFILE)
    state: dict[tuple, dict] = {}
    states = {}
    for step in range(40):
        keys = {(some.randrange(12), some.randrange(6)) for _ in range(some.randrange(1, 9))}
        rows = [profile(some, *key) for key in keys]
        change = some.choice(["upsert"] * 5 + ["append", "overwrite", "delete", "compact"])
        if change == "compact":
            commit = group.compact()
        elif change == "delete":
            commit = group.delete(pa.table({"key": sorted({key for key, _ in keys})}))
            gone = {key for key, _ in keys}
            state = {at: row for at, row in state.items() if at[0] not in gone}
        else:
            commit = group.insert(pa.Table.from_pylist(rows, schema=PROFILE), mode=change)
            state = {} if change == "overwrite" else dict(state)
            state.update({(row["key"], row["at"]): row for row in rows})
        states[commit.version] = state
    for version, expected in states.items():
        wanted = [expected[at] for at in sorted(expected)]
        assert group.read(as_of=version).to_arrow().to_pylist() == wanted, version
    group.rebuild_online()
    view = project.feature_view(
        "profiles", version=1, query=group.select("home", "spent", "orders"),
        on_demand={"lat": "home.where.lat", "x": "spent['x'] + 1"})
    asked = [{"key": key, "event_time": DAY + datetime.timedelta(hours=hour)}
             for key in range(12) for hour in range(6)]
    online = [view.vectors({"key": [one["key"]]}, event_time=one["event_time"]).to_arrow()
              for one in asked]
    batch = view.training_data(pa.Table.from_pylist(asked)).train.features.to_arrow()
    assert pa.concat_tables(online).equals(batch)
    for one, found in zip(asked, batch.to_pylist()):
        seen = [row for (key, at), row in sorted(state.items())
                if key == one["key"] and at <= one["event_time"]]
        last = seen[-1] if seen else {"home": None, "spent": None, "orders": None}
        home, spent = last["home"] or {}, dict(last["spent"] or [])
        assert found == {**{name: last[name] for name in ("home", "spent", "orders")},
                         "lat": (home.get("where") or {}).get("lat"),
                         "x": None if spent.get("x") is None else spent["x"] + 1}


def test_rows_as_libraries_write_them(project):
    group = project.feature_group("written", version=1, primary_key=["key"], online=True, schema={
        "key": pa.int64(), "home": PROFILE.field("home").type,
        "spent": PROFILE.field("spent").type, "orders": PROFILE.field("orders").type})
    row = {"key": 1, "home": {"city": "Oslo", "where": {"lat": 59.9, "lon": None}},
           "spent": {"food": 2.5, "rent": 900.0}, "orders": [{"item": "tea", "count": 2}, None]}
    read = {"home": row["home"], "spent": row["spent"], "orders": row["orders"]}
    for frame in ([row], pandas.DataFrame([row]),
                  polars.DataFrame([row]), pa.Table.from_pylist([row])):
        group.insert(frame, mode="overwrite")
        assert group.read(["home", "spent", "orders"]).to_rows() == [read], type(frame)
    group.insert(group.read().to_polars(), mode="overwrite")
    assert group.read(["home", "spent", "orders"]).to_rows() == [read]
    assert group.read(["home"]).to_pandas()["home"][0] == row["home"]
    assert "'city': 'Oslo'" in repr(group.read(["home"]))
    with pytest.raises(tc.InvalidError, match=r"'home'.*no member 'ctiy' \(did you mean 'city'"):
        group.insert([{**row, "home": {"ctiy": "Oslo"}}])
    inferred = project.feature_group("inferred", version=1, primary_key=["key"])
    inferred.insert([{"key": 1, "mixed": {"name": "a", "size": 1}, "counts": {"a": 1}}])
    assert inferred.schema == {"key": "int64", "mixed": "struct<name: string, size: int64>",
                               "counts": "map<string, int64>"}


def test_columns_come_and_stay(project):
    group = project.feature_group("grows", version=1, primary_key=["key"], online=True)
    first = group.insert([{"key": 1, "value": 1.5}])
    group.add_features({"home": "struct<city: string, lat: double>",
                        "spent": "map<string, double>"})
    group.insert(pa.table({"key": [2], "value": [2.5],
                           "home": pa.array([{"city": "Oslo", "lat": 1.0}]),
                           "spent": pa.array([[("a", 1.0)]], pa.map_(pa.string(), pa.float64()))}),
                 wait_online=True)
    assert group.read(["home", "spent"]).to_rows() == [
        {"home": None, "spent": None}, {"home": {"city": "Oslo", "lat": 1.0}, "spent": {"a": 1.0}}]
    assert group.read(as_of=first).columns == ["key", "value"]
    view = project.feature_view("grows", version=1, query=group.select("home", "spent"))
    assert view.vectors({"key": [1, 2]}).to_rows() == group.read(["home", "spent"]).to_rows()
    for wider in ("struct<city: string, lat: double, lon: double>", "struct<city: string>",
                  "struct<city: large_string, lat: double>"):
        with pytest.raises(tc.WrongTypeError, match="column 'home': .* can't be widened to"):
            group.widen({"home": wider})
    changes = group.changes(since=first).to_rows()
    assert [row["_change_type"] for row in changes] == ["insert"]
    erased = project.erase({"key": [2]})
    assert erased.groups["grows@1"].rows == 1
    assert group.read(["key"]).to_rows() == [{"key": 1}]
    assert view.vector({"key": 2})["home"] is None


def test_sql_reads_and_writes_them(project):
    group = project.feature_group("asked", version=1, primary_key=["key"])
    group.insert(pa.Table.from_pylist([
        {"key": key, "home": {"city": "ab"[key % 2], "lat": key / 2},
         "spent": [("food", 1.0 * key)], "tags": [["x"], None]} for key in range(10)],
        schema=pa.schema({"key": pa.int64(),
                          "home": pa.struct({"city": pa.string(), "lat": pa.float64()}),
                          "spent": pa.map_(pa.string(), pa.float64()),
                          "tags": pa.list_(pa.list_(pa.string()))})))
    answer = project.sql("select home.city as city, sum(spent['food']) as spent, "
                         "max(home.lat) as lat from asked group by 1 order by 1")
    assert answer.to_rows() == [{"city": "a", "spent": 20.0, "lat": 4.0},
                                {"city": "b", "spent": 25.0, "lat": 4.5}]
    copy = project.feature_group("copied", version=1, primary_key=["key"])
    copy.insert(project.sql("select * from asked"))
    assert copy.read().to_arrow().equals(group.read().to_arrow())
    assert group.statistics()["home"] == {"count": 10, "nulls": 0}
    # More rows than the engine takes at once, which are slices of ours.
    some = random.Random(8)
    many = project.feature_group("many", version=1, primary_key=["key"])
    many.insert(pa.Table.from_pylist(
        [{**profile(some, key, 1), "deep": [{"home": {"city": str(key)}}] * (key % 3)}
         for key in range(5000)],
        schema=PROFILE.append(pa.field("deep", pa.list_(pa.struct(
            {"home": pa.struct({"city": pa.string()})}))))))
    answer = project.sql("select * from many order by key").to_arrow()
    assert answer.to_pylist() == many.read().to_arrow().to_pylist()


def test_over_rest(tmp_path):
    server = Server(tmp_path / "project")
    try:
        with tc.open(server.location) as project:
            group = project.feature_group("people", version=1, primary_key=["key"], online=True)
            group.insert(pa.table({
                "key": [1], "home": pa.array([{"city": "Oslo", "lat": 59.5}]),
                "half": pa.array([1.5], pa.float16()), "three": pa.array([b"abc"], pa.binary(3)),
                "flags": pa.array([[(7, True)]], pa.map_(pa.int32(), pa.bool_())),
                "orders": pa.array([[{"n": 1}, None]])}), wait_online=True)
            project.feature_view("people", version=1, query=group.select(
                "home", "half", "three", "flags", "orders"))
            _, answer, _ = call(server, "/api/v1/feature-views/people/1/vectors",
                                {"entities": [{"key": 1}]})
            assert [vector["features"] for vector in answer["vectors"]] == [
                {"home": {"city": "Oslo", "lat": 59.5}, "half": 1.5, "three": "YWJj",
                 "flags": {"7": True}, "orders": [{"n": 1}, None]}]
    finally:
        server.stop()


HOMES = """
class Homes:
    def predict(self, batch):
        rows = batch.to_pylist()
        return {"warm": [(row["home"] or {}).get("city") is not None and row["food"] > 1
                         for row in rows]}
"""


def deploy_homes(project, tmp_path):
    """A deployment of a model that is given a struct, and what an expression reads of another."""
    people = project.feature_group("people", version=1, primary_key=["key"], event_time="at",
                                   online=True)
    some = random.Random(11)
    people.insert(pa.Table.from_pylist([profile(some, key, hour) for hour in range(2)
                                        for key in range(8)], PROFILE), wait_online=True)
    visits = project.feature_group("visits", version=1, primary_key=["visit"], event_time="at")
    visits.insert(pa.table({"visit": range(8), "at": [DAY + datetime.timedelta(hours=2)] * 8,
                            "key": range(8), "late": [key % 2 == 0 for key in range(8)]}))
    view = project.feature_view(
        "homes", version=1, labels=["late"],
        query=visits.select("late").join(people.select("home", "spent"), on="key"),
        on_demand={"lat": "coalesce(home.where.lat, -1.0)",
                   "food": "coalesce(spent['x'], 0.0) + 1"})
    file = tmp_path / "homes.py"
    file.write_text(HOMES)
    model = project.register_model("homes", tc.predictor(str(file), "Homes"),
                                   training_data=view.training_data(),
                                   signature=tc.Signature(outputs={"warm": "bool"}))
    return people, project.deploy("homes", model).configure(log_percent=100)


def test_verify_and_lineage_of_members(project, tmp_path):
    people, deployment = deploy_homes(project, tmp_path)
    at = DAY + datetime.timedelta(hours=3)
    for key in range(9):
        deployment.predict({"key": key}, event_time=at, request_id=f"r{key}")
    # A part of a struct that comes with the request, and members that change behind it.
    deployment.predict({"key": 1, "home": {"city": "z", "where": None}}, event_time=at,
                       request_id="given")
    people.insert(pa.table({"key": [1], "at": [at + datetime.timedelta(hours=1)],
                            "home": [{"city": "new", "where": {"lat": 9.0, "lon": 0.0}}],
                            "spent": pa.array([[("x", 5.0)]], PROFILE.field("spent").type),
                            "orders": pa.array([None], PROFILE.field("orders").type)},
                           schema=PROFILE), wait_online=True)
    report = deployment.verify()
    assert report.passed and report.rows == 10 and report.unreadable == 0, report

    log = pa.table(project.feature_group("homes_predictions").read())
    row = log.filter(pa.compute.equal(log["request_id"], "r2"))
    column = row.schema.get_field_index("feature_home")
    was = row["feature_home"][0].as_py()
    changed = {"city": "elsewhere", "where": was and was["where"]}
    project.feature_group("homes_predictions").insert(row.set_column(
        column, "feature_home", pa.array([changed], row.schema.field(column).type)))
    report = deployment.verify()
    assert not report.passed and report.difference_count == 1, report
    assert "elsewhere" in str(report.differences[0])

    graph = project.lineage("people@1.home", "downstream")
    assert {node.id for node in graph.nodes} >= {
        "feature_view:homes@1.home", "feature_view:homes@1.lat", "model:homes@1",
        "deployment:homes"}
    assert "feature_view:homes@1.food" not in {node.id for node in graph.nodes}
    assert tc.lineage.LineageEdge("feature_view:homes@1.home", "feature_view:homes@1.lat",
                                  "expression") in graph.edges
    upstream = project.lineage("feature_view:homes@1.food", "upstream")
    assert {node.id for node in upstream.nodes if node.column} == {
        "feature_view:homes@1.food", "feature_view:homes@1.spent", "feature_group:people@1.spent"}
