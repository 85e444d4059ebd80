"""Iceberg tables that Spark writes, as external groups: every snapshot as Spark reads it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from uuid import uuid4

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import tercet as tc
from spark import ROOT


@pytest.fixture(scope="module", autouse=True)
def extensions():
    """DuckDB's extensions, of packages that these tests have in an environment of their own."""
    subprocess.run([sys.executable, ROOT / "tools/setup.py", "venv-iceberg"], check=True)
    packages = ROOT / ".deps/venv-iceberg/lib" / f"python3.{sys.version_info.minor}/site-packages"
    before = os.environ.get("TERCET_DUCKDB_EXTENSIONS")
    folders = [str(packages / f"duckdb_extension_{name}/extensions/v1.5.5")
               for name in ("avro", "iceberg")]
    os.environ["TERCET_DUCKDB_EXTENSIONS"] = ":".join([*([before] if before else []), *folders])
    yield
    if before is None:
        del os.environ["TERCET_DUCKDB_EXTENSIONS"]
    else:
        os.environ["TERCET_DUCKDB_EXTENSIONS"] = before


@pytest.fixture
def no_extensions(monkeypatch):
    """Without DuckDB's extensions, which have no part in it."""
    monkeypatch.setenv("TERCET_DUCKDB_EXTENSIONS", "/nowhere")


@pytest.fixture
def project(tmp_path):
    with tc.open(tmp_path / "project") as project:
        yield project


# What changes a table, and what Spark then has to find of it: rows deleted and updated without
# writing the files anew, columns renamed, widened, dropped, and added again under the same name.
HISTORY = [
    "INSERT INTO {t} SELECT concat('c', id % 3), timestamp_seconds(1704067200 + id * 3600),"
    " id / 4, int(id) FROM range(40)",
    "DELETE FROM {t} WHERE rain BETWEEN 3 AND 4",
    "ALTER TABLE {t} RENAME COLUMN rain TO wet",
    "ALTER TABLE {t} ALTER COLUMN n TYPE bigint",
    "ALTER TABLE {t} ADD COLUMN wind double",
    "INSERT INTO {t} VALUES ('c9', TIMESTAMP '2024-01-05', NULL, 5000000000, 1.5)",
    "UPDATE {t} SET wet = -1.0 WHERE city = 'c1' AND n < 10",
    "ALTER TABLE {t} DROP COLUMN wind",
    "ALTER TABLE {t} ADD COLUMN wind string",
    "INSERT INTO {t} VALUES ('c9', TIMESTAMP '2024-01-06', 9.5, 7, 'north')",
]


def theirs(spark, table: str, at: str = "") -> list[dict]:
    return spark.sql(f"SELECT * FROM {table} {at} ORDER BY city, hour")


def ours(group, **options) -> list[dict]:
    rows = group.read(**options).to_pandas().sort_values(["city", "hour"])
    return [{name: None if pd.isna(value)
             else str(value.tz_localize(None)) if name == "hour" else value
             for name, value in row.items()} for row in rows.to_dict("records")]


@pytest.mark.parametrize("version, files", [(1, "parquet"), (2, "parquet"), (3, "parquet"),
                                            (2, "avro"), (3, "orc")])
def test_snapshots_are_read_as_spark_reads_them(spark, project, version, files):
    table = f"lake.db.weather_{files}{version}"
    mode = "copy-on-write" if version == 1 else "merge-on-read"
    spark.sql(f"CREATE TABLE {table} (city string, hour timestamp, rain double, n int)"
              f" USING iceberg PARTITIONED BY (bucket(2, city)) TBLPROPERTIES ("
              f"'format-version' = '{version}', 'write.delete.mode' = '{mode}',"
              f" 'write.format.default' = '{files}',"
              f" 'write.metadata.compression-codec' = '{'gzip' if version == 3 else 'none'}',"
              f" 'write.update.mode' = '{mode}')")
    group = project.external_feature_group(
        "weather", source=tc.source.iceberg(spark.lake / f"db/weather_{files}{version}"),
        primary_key=["city"], event_time="hour")
    assert len(group.read()) == 0
    for statement in HISTORY:
        spark.sql(statement.format(t=table))
    assert ours(group) == theirs(spark, table)

    snapshots = spark.sql(f"SELECT snapshot_id, operation FROM {table}.snapshots"
                          " ORDER BY committed_at")
    commits = group.commits()
    assert [(one.version, one.operation) for one in commits] == \
        [(one["snapshot_id"], one["operation"]) for one in snapshots]
    assert len(commits) == 5
    if version > 1:
        deletes = spark.sql(f"SELECT count(*) AS n FROM {table}.all_delete_files")
        assert deletes[0]["n"] > 0  # or nothing was deleted in place
    for commit in commits:
        expected = theirs(spark, table, f"VERSION AS OF {commit.version}")
        assert ours(group, as_of=commit) == expected, commit
        assert ours(group, as_of=commit.commit_time) == expected
        assert project.sql("SELECT count(*) AS n FROM feature_group('weather', as_of :="
                           f" {commit.version})").to_rows() == [{"n": len(expected)}]
    with pytest.raises(tc.NotFoundError, match="has no snapshot 7"):
        group.read(as_of=7)
    metadata = spark.lake / f"db/weather_{files}{version}/metadata"
    assert bool(list(metadata.glob("*.gz.metadata.json"))) == (version == 3)
    newest = max(metadata.glob("*.metadata.json"), key=lambda one: one.stat().st_mtime_ns)
    by_file = project.external_feature_group(
        "by_file", source=tc.source.iceberg(newest), primary_key=["city"], event_time="hour")
    assert ours(by_file) == theirs(spark, table)


@pytest.mark.parametrize("files", ["avro", "orc"])
def test_every_type_of_files_that_are_no_parquet(spark, project, no_extensions, files):
    """Names that Avro doesn't allow, structs below lists and maps, a column with a value for older
    rows, identity partitions of a type that is not read from the names of folders."""
    table = f"lake.db.types_{files}"
    spark.sql(
        f"CREATE TABLE {table} (city string, hour timestamp, `odd name` int, local timestamp_ntz,"
        " day date, price decimal(9, 2), raw binary, ok boolean, big bigint, half float,"
        " quarter double, s struct<x: int, `y z`: string>, points array<struct<a: int>>,"
        " counts map<string, int>, keyed map<int, struct<q: double>>) USING iceberg"
        " PARTITIONED BY (price) TBLPROPERTIES ('format-version' = '2',"
        f" 'write.format.default' = '{files}', 'write.delete.mode' = 'merge-on-read',"
        f" 'write.{files}.compression-codec' = 'zstd')")
    spark.sql(
        f"INSERT INTO {table} SELECT concat('c', id % 3), timestamp_seconds(3600 * id), int(id),"
        " timestamp_ntz'1969-12-31 23:59:58.123456', date'1960-02-03', -12.34, X'00FF', id = 1,"
        " 5000000000, 0.5, 0.25, named_struct('x', int(id), 'y z', 'u'),"
        " array(named_struct('a', 1), null), map('k', 1), map(7, named_struct('q', 1.5D))"
        " FROM range(20)")
    spark.sql(f"INSERT INTO {table} (city, hour) VALUES ('z', timestamp'1950-01-01 00:00:00.5')")
    spark.sql(f"DELETE FROM {table} WHERE `odd name` IN (3, 4)")
    for change in ("COLUMN price TYPE decimal(12, 2)", "COLUMN s.x TYPE bigint",
                   "COLUMN `odd name` TYPE bigint", "COLUMN half TYPE double"):
        spark.sql(f"ALTER TABLE {table} ALTER {change}")
    spark.sql(f"ALTER TABLE {table} ADD COLUMN s.more string")
    spark.sql(f"INSERT INTO {table} (city, hour, s) VALUES ('zz', timestamp'2024-01-01',"
              " named_struct('x', 6000000000L, 'y z', 'u', 'more', 'm'))")
    group = project.external_feature_group(
        "types", source=tc.source.iceberg(spark.lake / f"db/types_{files}"),
        primary_key=["city"], event_time="hour")
    found = group.read().to_rows()
    for row in found:
        row["hour"] = row["hour"].replace(tzinfo=None)
    expected = theirs(spark, table)
    assert {one["file_format"] for one in spark.sql(f"SELECT * FROM {table}.all_files")} == {
        files.upper()}
    # As the session's answers have them: texts but for numbers, and keys of maps.
    assert json.loads(json.dumps(found, default=str)) == expected
    assert len(found) == 20 and found[0]["s"] == {"x": 0, "y z": "u", "more": None}
    assert project.sql("SELECT count(*) AS n, sum(big) AS big FROM types"
                       " WHERE \"odd name\" > 10").to_rows() == [{"n": 9, "big": 45_000_000_000}]
    [damaged, *_] = sorted((spark.lake / f"db/types_{files}/data").rglob(f"*=-12.34/*.{files}"))
    damaged.write_bytes(damaged.read_bytes()[:-9])
    with pytest.raises((tc.InvalidError, tc.StorageError),
                       match=f"(Avro|ORC) file '.*{damaged.name}'"):
        group.read()


def delete_equal(spark, table: str, columns: dict[int, pa.Array], partition: str = "") -> None:
    """Commits a delete of the rows that have these values, by field id, as Flink's writer does."""
    fields = [pa.field(f"f{number}", values.type, metadata={"PARQUET:field_id": str(number)})
              for number, values in columns.items()]
    rows = pa.table(list(columns.values()), schema=pa.schema(fields))
    file = spark.lake / f"{table.removeprefix('lake.').replace('.', '/')}/data/{uuid4()}.parquet"
    pq.write_table(rows, file)
    spark.ask({"table": table, "columns": list(columns), "file": str(file), "rows": len(rows),
               **({"partition": partition} if partition else {})})


def as_spark_reads_it(spark, table: str, group) -> None:
    """Each snapshot, and parts of them."""
    for commit in group.commits():
        expected = theirs(spark, table, f"VERSION AS OF {commit.version}")
        assert ours(group, as_of=commit) == expected, commit


@pytest.mark.parametrize("version", [2, 3])
def test_deletes_by_equality(spark, project, no_extensions, version):
    """Of rows that were there before, null being equal to null; beside deletes by position; by
    columns that were renamed, widened and dropped since."""
    table = f"lake.db.upserted{version}"
    spark.sql(f"CREATE TABLE {table} (city string, hour timestamp, n int, kind string)"
              f" USING iceberg TBLPROPERTIES ('format-version' = '{version}',"
              f" 'write.format.default' = '{'avro' if version == 3 else 'parquet'}',"
              " 'write.delete.mode' = 'merge-on-read',"
              " 'write.metadata.compression-codec' = 'gzip')")
    rows = (f"INSERT INTO {table} SELECT concat('c', id % 3), timestamp_seconds(3600 * id),"
            " nullif(int(id), 4), if(id % 2 = 0, 'even', null) FROM range({first}, {last})")
    spark.sql(rows.format(first=0, last=12))
    group = project.external_feature_group(
        "upserted", source=tc.source.iceberg(spark.lake / f"db/upserted{version}"),
        primary_key=["city"], event_time="hour")
    delete_equal(spark, table, {3: pa.array([1, 5], pa.int32())})
    spark.sql(rows.format(first=4, last=6).replace("3600", "7200"))  # 5 again, and a null
    spark.sql(f"DELETE FROM {table} WHERE n = 7")
    delete_equal(spark, table, {3: pa.array([None, 77], pa.int32())})
    assert all(row["n"] is not None for row in ours(group))
    delete_equal(spark, table, {1: pa.array(["c0", "c2"]), 3: pa.array([6, 6], pa.int32())})
    spark.sql(f"ALTER TABLE {table} RENAME COLUMN n TO number")
    spark.sql(f"ALTER TABLE {table} ALTER COLUMN number TYPE bigint")
    spark.sql(rows.format(first=14, last=18).replace("int(id)", "id + 5000000000"))
    delete_equal(spark, table, {3: pa.array([8, 5000000015], pa.int64())})
    delete_equal(spark, table, {4: pa.array([None], pa.string()), 1: pa.array(["c0"])})
    spark.sql(f"ALTER TABLE {table} DROP COLUMN kind")
    # Of another name: Spark 4.1 finds no column where a dropped one that deletes compare had it.
    spark.sql(f"ALTER TABLE {table} ADD COLUMN wind double")
    spark.sql(f"INSERT INTO {table} VALUES ('c9', TIMESTAMP '2024-01-06', 9, 7.5)")
    assert len(group.commits()) == 10
    as_spark_reads_it(spark, table, group)
    assert ours(group) == theirs(spark, table)
    assert 0 < len(ours(group)) < len(ours(group, as_of=group.commits()[0]))
    view = project.feature_view("numbers", version=1, query=group.select("number"))
    data = view.training_data(spine=pd.DataFrame({
        "city": ["c1", "c9", "c7"], "hour": pd.Timestamp("2024-02-01", tz="UTC")}))
    assert data.train.X["number"].dropna().tolist() == [5000000016, 9]


def test_deletes_by_equality_in_partitions(spark, project):
    """Of the same partition alone, or of all once the table is not partitioned any more."""
    table = "lake.db.parts"
    spark.sql(f"CREATE TABLE {table} (city string, hour timestamp, n int) USING iceberg"
              " PARTITIONED BY (city) TBLPROPERTIES ('format-version' = '2',"
              " 'write.delete.mode' = 'merge-on-read')")
    spark.sql(f"INSERT INTO {table} SELECT concat('c', id % 3), timestamp_seconds(3600 * id),"
              " int(id / 3) FROM range(30)")
    group = project.external_feature_group(
        "parts", source=tc.source.iceberg(spark.lake / "db/parts"),
        primary_key=["city"], event_time="hour")
    spark.sql(f"DELETE FROM {table} WHERE n = 3")
    delete_equal(spark, table, {3: pa.array([5, 6], pa.int32())}, "city=c1")
    spark.sql(f"DELETE FROM {table} WHERE n = 7 AND city <> 'c2'")
    spark.sql(f"ALTER TABLE {table} DROP PARTITION FIELD city")
    spark.sql(f"INSERT INTO {table} VALUES ('c1', TIMESTAMP '2024-01-06', 9)")
    delete_equal(spark, table, {3: pa.array([9, 0], pa.int32())})
    spark.sql(f"INSERT INTO {table} VALUES ('c1', TIMESTAMP '2024-01-07', 9)")
    as_spark_reads_it(spark, table, group)
    assert [row["city"] for row in ours(group) if row["n"] in (5, 9)] == ["c0", "c1", "c2"]


def test_what_is_not_read_beside_deletes_by_equality(spark, project):
    table = "lake.db.nested"
    spark.sql(f"CREATE TABLE {table} (city string, hour timestamp, at struct<x: int, y: int>)"
              " USING iceberg TBLPROPERTIES ('format-version' = '2')")
    spark.sql(f"INSERT INTO {table} VALUES ('a', TIMESTAMP '2024-01-06', struct(1, 2)),"
              " ('b', TIMESTAMP '2024-01-07', struct(3, 4))")
    delete_equal(spark, table, {1: pa.array(["a"])})
    group = project.external_feature_group(
        "nested", source=tc.source.iceberg(spark.lake / "db/nested"), primary_key=["city"],
        event_time="hour")
    assert group.read(["at"]).to_rows() == [{"at": {"x": 3, "y": 4}}]
    lists = {one: one.read_bytes()
             for one in (spark.lake / "db/nested/metadata").glob("snap-*.avro")}
    for one, whole in lists.items():
        one.write_bytes(whole[:-7])
    with pytest.raises(tc.InvalidError, match="Iceberg manifest list '.*/snap-"):
        project.external_feature_group(
            "again", source=tc.source.iceberg(spark.lake / "db/nested"), primary_key=["city"],
            event_time="hour")
    for one, whole in lists.items():
        one.write_bytes(whole)
    spark.sql(f"ALTER TABLE {table} RENAME COLUMN at.x TO z")
    spark.sql(f"INSERT INTO {table} VALUES ('c', TIMESTAMP '2024-01-08', struct(5, 6))")
    with pytest.raises(tc.NotSupportedError, match="nested field '3.z' was renamed"):
        group.read()


@pytest.mark.parametrize("name", ["evolved", "adopted"])
def test_what_pyiceberg_wrote_elsewhere(project, no_extensions, tmp_path, name):
    """Of a catalog, so without a version hint, and in another folder than its metadata says: each
    snapshot as PyIceberg reads it (iceberg/make_tables.py). Partitions by other columns than at
    first, columns renamed, widened, moved and dropped; files that were there before the table was,
    whose columns have names alone."""
    with tarfile.open(Path(__file__).with_name("iceberg") / "tables.tar.xz") as tables:
        tables.extractall(tmp_path, filter="data")
    answers = json.loads((tmp_path / "answers.json").read_text())[name]
    group = project.external_feature_group(
        "theirs", source=tc.source.iceberg(tmp_path / "db" / name), primary_key=["city"],
        event_time="hour")
    commits = group.commits()
    assert {str(commit.version) for commit in commits} <= set(answers)
    for version, expected in answers.items():
        for day in ("2024-01-02", "2030-01-01"):  # files of other days are left out
            end = pd.Timestamp(day, tz="UTC")
            found = group.read(as_of=int(version), end=end).to_arrow().sort_by(
                [("city", "ascending"), ("hour", "ascending")])
            assert found.column_names == list(expected[0])
            assert [{key: str(value) if hasattr(value, "year") else value
                     for key, value in row.items()} for row in found.to_pylist()] == \
                [row for row in expected if row["hour"] < day]
    assert answers[str(commits[-1].version)] == expected
    newest = max((tmp_path / "db" / name / "metadata").glob("*.metadata.json"))
    by_file = project.external_feature_group(
        "by_file", source=tc.source.iceberg(f"file://{newest}"), primary_key=["city"])
    assert [one.version for one in by_file.commits()] == [one.version for one in commits]


@pytest.mark.parametrize("files", ["parquet", "orc"])
def test_files_that_hive_wrote(spark, project, no_extensions, tmp_path, files):
    """Their columns have no ids, and those of partitions are in the names of folders alone."""
    # Spark's own writer of ORC gives times no zone, which Iceberg's reader then finds missing.
    time = "timestamp_ntz" if files == "orc" else "timestamp"
    spark.sql("DROP TABLE IF EXISTS hive")
    spark.sql(f"CREATE TABLE hive (city string, hour timestamp, n int, day date, region string)"
              f" USING {files} PARTITIONED BY (day, region) LOCATION '{tmp_path / 'hive'}'")
    spark.sql("INSERT INTO hive SELECT concat('c', id % 3), timestamp_seconds(3600 * id), int(id),"
              " date(timestamp_seconds(3600 * id)), if(id % 5 = 0, null, concat('r', id % 2))"
              " FROM range(40)")
    table = f"lake.db.hive_{files}"
    spark.sql(f"CREATE TABLE {table} (city string, hour {time}, n int, day date, region string)"
              " USING iceberg PARTITIONED BY (day, region) TBLPROPERTIES ('format-version' = '2',"
              " 'write.delete.mode' = 'merge-on-read')")
    # Files lie in the table's folder, as those of a table that was migrated.
    shutil.copytree(tmp_path / "hive", spark.lake / f"db/hive_{files}/data", dirs_exist_ok=True)
    spark.sql(f"CALL lake.system.add_files(table => 'db.hive_{files}',"
              f" source_table => '`{files}`.`{spark.lake / f'db/hive_{files}/data'}`')")
    spark.sql(f"DELETE FROM {table} WHERE n = 7 OR n = 30")
    spark.sql(f"ALTER TABLE {table} RENAME COLUMN n TO number")
    spark.sql(f"INSERT INTO {table} VALUES ('c9', TIMESTAMP '2024-01-06', 41, DATE '2024-01-06',"
              " 'r1')")
    delete_equal(spark, table, {3: pa.array([9], pa.int32())}, "day=1970-01-01/region=r1")
    group = project.external_feature_group(
        "hive", source=tc.source.iceberg(spark.lake / f"db/hive_{files}"), primary_key=["city"],
        event_time="hour")
    rows = theirs(spark, table)
    assert ours(group) == [
        {name: pd.Timestamp(value).date() if name == "day" else value
         for name, value in row.items()} for row in rows]
    assert len(rows) == 38 and {"1970-01-01", "1970-01-02"} < {str(row["day"]) for row in rows}


def test_files_without_what_partitions_tell(spark, project, no_extensions):
    """They have ids, but not the columns whose value is that of their partition."""
    spark.sql("CREATE TABLE lake.db.placed (city string, hour timestamp, n int, day date)"
              " USING iceberg PARTITIONED BY (day, city)")
    spark.sql("INSERT INTO lake.db.placed SELECT concat('c', id % 3), timestamp_seconds(3600 * id),"
              " int(id), date(timestamp_seconds(3600 * id)) FROM range(40)")
    rows = theirs(spark, "lake.db.placed")
    for path in (spark.lake / "db/placed/data").rglob("*.parquet"):
        table = pq.read_table(path, partitioning=None)
        pq.write_table(table.drop_columns(["city", "day"]), path)
    group = project.external_feature_group(
        "placed", source=tc.source.iceberg(spark.lake / "db/placed"), primary_key=["city"],
        event_time="hour")
    assert ours(group) == [{**row, "day": pd.Timestamp(row["day"]).date()} for row in rows]
    assert len(rows) == 40


def test_training_data_is_rebuilt_of_its_snapshot(spark, project):
    spark.sql("CREATE TABLE lake.db.rain (city string, hour timestamp, rain double) USING iceberg")
    spark.sql("INSERT INTO lake.db.rain SELECT 'Oslo', timestamp_seconds(3600 * id), id"
              " FROM range(8)")
    group = project.external_feature_group(
        "rain", source=tc.source.iceberg(spark.lake / "db/rain"), primary_key=["city"],
        event_time="hour")
    view = project.feature_view("rain", version=1, query=group.select("rain"))
    data = view.training_data()
    assert data.definition["pins"] == {"rain@1": group.commits()[-1].version}
    spark.sql("UPDATE lake.db.rain SET rain = rain + 100")
    again = view.rebuild(data.version)
    assert again.definition["sha256"] == data.definition["sha256"]
    assert min(view.training_data().train.X["rain"].to_pylist()) == 100
