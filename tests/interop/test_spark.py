"""A job of plain PySpark on our tables: it reads them, and it writes them as their only writer,
while our joins and our online store follow."""

from __future__ import annotations

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from deltalake import DeltaTable, QueryBuilder

import tercet as tc
from engines import delta_extension, table_path

DAYS = pd.date_range("2024-01-01", periods=20, freq="D", tz="UTC")


@pytest.fixture
def project(tmp_path):
    with tc.open(tmp_path / "project") as project:
        yield project


@pytest.fixture
def weather(project, spark):
    """A group with deleted and replaced rows; Spark's name for it is `weather`."""
    group = project.feature_group("weather", version=1, primary_key=["city"], event_time="day",
                                  online=True)
    rows = pd.DataFrame({"city": [f"c{i % 4}" for i in range(20)], "day": DAYS,
                         "rain": [i / 4 for i in range(20)], "wind": range(20)})
    group.insert(rows)
    group.insert(rows.head(3).assign(rain=9.5))
    group.delete(pd.DataFrame({"city": ["c3"]}), wait_online=True)
    spark.sql("DROP TABLE IF EXISTS weather")
    spark.sql(f"CREATE TABLE weather USING delta LOCATION '{table_path(project, group)}'")
    return group


def ours(group) -> list[tuple]:
    rows = group.read().to_pandas().sort_values(["city", "day"])
    return [(row.city, str(row.day.tz_localize(None)), row.rain, row.wind)
            for row in rows.itertuples()]


def theirs(spark) -> list[tuple]:
    return [(row["city"], row["day"], row["rain"], row["wind"])
            for row in spark.sql("SELECT * FROM weather ORDER BY city, day")]


def test_spark_reads_heads_versions_and_changes(spark, weather):
    assert theirs(spark) == ours(weather) and len(ours(weather)) == 15
    first = weather.commits()[0].version
    assert spark.sql(f"SELECT count(*) AS n FROM weather VERSION AS OF {first + 1}") == [{"n": 20}]
    changes = spark.sql(f"SELECT _change_type AS kind, count(*) AS n FROM table_changes("
                        f"'weather', {first + 2}) GROUP BY 1 ORDER BY 1")
    expected = weather.changes(since=first + 1).to_pandas()["_change_type"].value_counts()
    assert {row["kind"]: row["n"] for row in changes} == expected.to_dict()


def test_spark_writes_and_joins_and_the_online_store_follow(project, spark, weather):
    labels = project.feature_group("labels", version=1, primary_key=["city"], event_time="at",
                                   schema={"city": "string", "at": "timestamp[us, tz=UTC]"})
    view = project.feature_view("rain", version=1, query=labels.select().join(
        weather.select("rain", "wind"), on="city"))

    spark.sql("INSERT INTO weather VALUES ('c0', TIMESTAMP '2024-02-01', 30.5, 300),"
              " ('c9', TIMESTAMP '2024-02-01', 31.5, 301)")
    spark.sql("MERGE INTO weather USING (SELECT 'c1' AS city, TIMESTAMP '2024-01-02' AS day,"
              " -1.0D AS rain, -1L AS wind) AS new"
              " ON weather.city = new.city AND weather.day = new.day"
              " WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *")
    spark.sql("UPDATE weather SET wind = wind + 1000 WHERE city = 'c2'")
    spark.sql("DELETE FROM weather WHERE city = 'c0' AND day < TIMESTAMP '2024-01-10'")
    assert theirs(spark) == ours(weather)
    assert [commit.operation for commit in weather.commits()][-4:] == \
        ["append", "merge", "update", "delete"]

    spine = pd.DataFrame({"city": ["c0", "c0", "c1", "c2", "c9"],
                          "at": pd.to_datetime(["2024-01-08", "2024-03-01", "2024-01-03",
                                                "2024-03-01", "2024-03-01"], utc=True)})
    features = view.training_data(spine).train.X
    assert features["rain"].fillna(-99).tolist() == [-99, 30.5, -1.0, 4.5, 31.5]
    assert features["wind"].fillna(-99).tolist() == [-99, 300, -1, 1018, 301]

    # The next commit of ours waits for the online store, which is then past theirs.
    weather.insert(pd.DataFrame({"city": ["c8"], "day": DAYS[:1], "rain": [0.5], "wind": [1]}),
                   wait_online=True)
    for city, rain in (("c0", 30.5), ("c2", 4.5), ("c9", 31.5), ("c8", 0.5)):
        assert view.vector({"city": city})["rain"] == rain, city

    spark.sql("OPTIMIZE weather")
    weather.compact()
    assert theirs(spark) == ours(weather)


@pytest.fixture
def readings(project, spark):
    """A group whose history is tested alone; Spark's name for it is `readings`."""
    group = project.feature_group("readings", version=1, primary_key=["city"], event_time="day")
    group.insert(pd.DataFrame({"city": [f"c{i % 4}" for i in range(20)], "day": DAYS,
                               "rain": [i / 4 for i in range(20)], "wind": range(20)}))
    spark.sql("DROP TABLE IF EXISTS readings")
    spark.sql(f"CREATE TABLE readings USING delta LOCATION '{table_path(project, group)}'")
    return group


def everywhere(spark, project, group, others=("delta-rs", "duckdb")) -> list[dict]:
    """The table's rows, which we, Spark and these others see alike."""
    text = "CAST(day AS string) AS day"
    columns = [name for name in group.read().to_arrow().column_names if name != "day"]
    rows = [{**row, "day": str(row["day"].replace(tzinfo=None))} for row in group.read().to_rows()]
    path = table_path(project, group)
    assert spark.sql(f"SELECT {text}, {', '.join(columns)} FROM readings ORDER BY city, day") == \
        [{name: row[name] for name in ["day", *columns]} for row in rows]
    names = ["city", *columns[1:]]
    expected = sorted(tuple(row[name] for name in names) for row in rows)
    query = f"SELECT {', '.join(names)} FROM t"
    if "delta-rs" in others:
        delta_rs = QueryBuilder().register("t", DeltaTable(path)).execute(query).read_all()
        assert sorted(tuple(row.values()) for row in pa.table(delta_rs).to_pylist()) == expected
    duck = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    duck.execute(f"LOAD '{delta_extension()}'")
    assert sorted(duck.execute(query.replace(" t", f" delta_scan('{path}')")).fetchall()) == \
        expected
    return rows


def reading(city: str, number: float, **others) -> pd.DataFrame:
    return pd.DataFrame({"city": [city], "day": DAYS[:1], "rain": [number], **others})


def test_tables_with_column_mapping_are_written_by_both(spark, project, readings):
    def agree() -> list[dict]:
        return everywhere(spark, project, readings)

    spark.sql("ALTER TABLE readings SET TBLPROPERTIES ('delta.columnMapping.mode' = 'name')")
    spark.sql("ALTER TABLE readings ADD COLUMN sun double")
    spark.sql("INSERT INTO readings VALUES ('c7', TIMESTAMP '2024-02-02', 1.5, 7, 0.5)")
    assert len(agree()) == 21
    assert readings.insert(reading("c0", 9.5, wind=[8], sun=[1.5])).rows_updated == 1
    readings.alter(properties={"tercet.copy_on_write_rows": "0"})  # a vector next
    assert readings.delete(pd.DataFrame({"city": ["c1"]})).rows_deleted == 5
    agree()
    # A column that Spark renames keeps its name in files; a dropped one's values are not seen in
    # a new one of its name.
    spark.sql("ALTER TABLE readings RENAME COLUMN wind TO gust")
    spark.sql("ALTER TABLE readings DROP COLUMN sun")
    spark.sql("ALTER TABLE readings ADD COLUMN sun double")
    rows = agree()
    assert {row["sun"] for row in rows} == {None} and rows[0]["gust"] == 8
    readings.insert(reading("c8", 2.5, gust=[80], sun=[2.0]))
    readings.add_features({"cloud": "double"}, defaults={"cloud": 0.25})
    readings.insert(reading("c9", 3.5, gust=[90], sun=[3.0], cloud=[0.5]))
    agree()
    spark.sql("MERGE INTO readings USING (SELECT 'c8' AS city, TIMESTAMP '2024-01-01' AS day) AS n"
              " ON readings.city = n.city AND readings.day = n.day"
              " WHEN MATCHED THEN UPDATE SET sun = -1, cloud = cloud * 2")
    assert [row for row in agree() if row["city"] == "c8"][0]["cloud"] == 0.5
    before = agree()
    readings.compact()
    assert agree() == before
    readings.erase(pd.DataFrame({"city": ["c2"]}))
    assert len(agree()) == len(before) - 5
    changes = spark.sql("SELECT _change_type AS kind, count(*) AS n FROM table_changes("
                        f"'readings', {readings.commits()[-4].version}) GROUP BY 1 ORDER BY 1")
    assert {"kind": "update_postimage", "n": 1} in changes


def test_tables_as_databricks_makes_them_are_written_by_both(spark, project, readings):
    """Row ids, times in commits, clustering, version 2 checkpoints and a widened type."""
    spark.sql("ALTER TABLE readings SET TBLPROPERTIES ('delta.enableRowTracking' = 'true',"
              " 'delta.enableInCommitTimestamps' = 'true', 'delta.checkpointPolicy' = 'v2',"
              " 'delta.enableTypeWidening' = 'true', 'delta.checkpointInterval' = '4')")
    spark.sql("ALTER TABLE readings CLUSTER BY (city)")
    spark.sql("ALTER TABLE readings ADD COLUMN level int")
    spark.sql("INSERT INTO readings VALUES ('c7', TIMESTAMP '2024-02-02', 1.5, 7, 3)")
    spark.sql("ALTER TABLE readings ALTER COLUMN level TYPE long")

    def agree() -> None:
        everywhere(spark, project, readings, others=["duckdb"])  # delta-rs widens no types
        ids = [row["id"] for row in spark.sql("SELECT _metadata.row_id AS id FROM readings")]
        assert None not in ids and len(set(ids)) == len(ids)

    agree()
    for round in range(2):
        readings.insert(reading("c0", 9.5 + round, wind=[8], level=[2**40 + round]))
        agree()
        spark.sql("UPDATE readings SET level = 5 WHERE city = 'c2'")
        spark.sql(f"INSERT INTO readings VALUES ('d{round}', TIMESTAMP '2024-02-02', 1.5, 7, 3)")
        agree()
        readings.delete(pd.DataFrame({"city": [f"d{round}"]}))
        spark.sql("OPTIMIZE readings")
        readings.compact()
        agree()
    times = [row["timestamp"] for row in spark.sql("DESCRIBE HISTORY readings")]
    assert times == sorted(times, reverse=True) and len(set(times)) == len(times)
    ours = readings.commits()
    assert [commit.version for commit in ours] == list(range(len(ours)))
    at = ours[-2].commit_time
    assert readings.read(as_of=at).to_arrow().num_rows == spark.sql(
        f"SELECT count(*) AS n FROM readings VERSION AS OF {ours[-2].version}")[0]["n"]
    readings.vacuum(retention=pd.Timedelta(0).to_pytimedelta())
    agree()


def test_structs_maps_and_lists_go_both_ways(project, spark):
    group = project.feature_group("people", version=1, primary_key=["key"], online=True, schema={
        "key": "int64", "home": "struct<city: string, place: struct<lat: double>>",
        "spent": "map<string, double>", "orders": "list<item: struct<item: string, count: int32>>"})
    group.insert([{"key": 1, "home": {"city": "Oslo", "place": {"lat": 59.5}},
                   "spent": {"food": 2.5}, "orders": [{"item": "tea", "count": 2}, None]},
                  {"key": 2, "home": None, "spent": None, "orders": None}])
    spark.sql("DROP TABLE IF EXISTS people")
    spark.sql(f"CREATE TABLE people USING delta LOCATION '{table_path(project, group)}'")
    assert spark.sql("SELECT key, home.place.lat AS lat, spent['food'] AS food, "
                     "orders[0].count AS count, size(orders) AS orders FROM people "
                     "WHERE home IS NOT NULL") == [
        {"key": 1, "lat": 59.5, "food": 2.5, "count": 2, "orders": 2}]
    spark.sql("INSERT INTO people VALUES (3, named_struct('city', 'Bergen', 'place', NULL), "
              "map('rent', 900.0D), array(named_struct('item', 'cup', 'count', 1)))")
    spark.sql("DELETE FROM people WHERE key = 2")
    assert group.read().to_rows() == [
        {"key": 1, "home": {"city": "Oslo", "place": {"lat": 59.5}}, "spent": {"food": 2.5},
         "orders": [{"item": "tea", "count": 2}, None]},
        {"key": 3, "home": {"city": "Bergen", "place": None}, "spent": {"rent": 900.0},
         "orders": [{"item": "cup", "count": 1}]}]
    group.insert([{"key": 4, "home": None, "spent": {}, "orders": []}], wait_online=True)
    view = project.feature_view("people", version=1, query=group.select("home", "spent"),
                                on_demand={"city": "home.city"})
    assert view.vector({"key": 3})["city"] == "Bergen"
