"""A job of plain PySpark on our tables: it reads them, and it writes them as their only writer,
while our joins and our online store follow."""

from __future__ import annotations

import pandas as pd
import pytest

import tercet as tc
from engines import table_path

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


def test_column_mapping_is_read_and_refused_until_taken_away(spark, weather):
    """A group that Spark gave column mapping, and with it a column of another name in files."""
    before = ours(weather)
    spark.sql("ALTER TABLE weather SET TBLPROPERTIES ('delta.columnMapping.mode' = 'name')")
    spark.sql("ALTER TABLE weather ADD COLUMN sun double")
    spark.sql("INSERT INTO weather VALUES ('c7', TIMESTAMP '2024-02-02', 1.5, 7, 0.5)")
    assert len(ours(weather)) == len(before) + 1
    assert weather.read(["sun"]).to_arrow()["sun"].to_pylist()[-1] == 0.5
    row = pd.DataFrame({"city": ["c8"], "day": DAYS[:1], "rain": [2.5], "wind": [8], "sun": [1.5]})
    for write in [lambda: weather.insert(row), lambda: weather.delete(row[["city"]]),
                  weather.compact]:
        with pytest.raises(tc.NotSupportedError, match="'delta.columnMapping.mode' = 'none'"):
            write()
    spark.sql("ALTER TABLE weather SET TBLPROPERTIES ('delta.columnMapping.mode' = 'none')")
    weather.insert(row)
    weather.compact()
    assert theirs(spark) == ours(weather) and len(ours(weather)) == len(before) + 2
    assert spark.sql("SELECT sun FROM weather WHERE city > 'c6' ORDER BY city") == \
        [{"sun": 0.5}, {"sun": 1.5}]


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
