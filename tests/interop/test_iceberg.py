"""Iceberg tables that Spark writes, as external groups: every snapshot as Spark reads it."""

from __future__ import annotations

import os
import subprocess
import sys

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


@pytest.mark.parametrize("version", [1, 2, 3])
def test_snapshots_are_read_as_spark_reads_them(spark, project, version):
    table = f"lake.db.weather{version}"
    mode = "copy-on-write" if version == 1 else "merge-on-read"
    spark.sql(f"CREATE TABLE {table} (city string, hour timestamp, rain double, n int)"
              f" USING iceberg PARTITIONED BY (bucket(2, city)) TBLPROPERTIES ("
              f"'format-version' = '{version}', 'write.delete.mode' = '{mode}',"
              f" 'write.metadata.compression-codec' = '{'gzip' if version == 3 else 'none'}',"
              f" 'write.update.mode' = '{mode}')")
    group = project.external_feature_group(
        "weather", source=tc.source.iceberg(spark.lake / f"db/weather{version}"),
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
        files = spark.sql(f"SELECT count(*) AS n FROM {table}.all_delete_files")
        assert files[0]["n"] > 0  # or nothing was deleted in place
    for commit in commits:
        expected = theirs(spark, table, f"VERSION AS OF {commit.version}")
        assert ours(group, as_of=commit) == expected, commit
        assert ours(group, as_of=commit.commit_time) == expected
    with pytest.raises(tc.NotFoundError, match="has no snapshot 7"):
        group.read(as_of=7)
    metadata = spark.lake / f"db/weather{version}/metadata"
    assert bool(list(metadata.glob("*.gz.metadata.json"))) == (version == 3)
    newest = max(metadata.glob("*.metadata.json"), key=lambda one: one.stat().st_mtime_ns)
    by_file = project.external_feature_group(
        "by_file", source=tc.source.iceberg(newest), primary_key=["city"], event_time="hour")
    assert ours(by_file) == theirs(spark, table)


def test_deletes_by_equality_are_refused_until_rewritten(spark, project):
    """DuckDB would leave out the row without an `n`, too."""
    spark.sql("CREATE TABLE lake.db.upserted (city string, hour timestamp, n int) USING iceberg"
              " TBLPROPERTIES ('format-version' = '2')")
    spark.sql("INSERT INTO lake.db.upserted SELECT concat('c', id % 3),"
              " timestamp_seconds(3600 * id), nullif(int(id), 4) FROM range(8)")
    group = project.external_feature_group(
        "upserted", source=tc.source.iceberg(spark.lake / "db/upserted"), primary_key=["city"],
        event_time="hour")
    before = theirs(spark, "lake.db.upserted")
    assert ours(group) == before
    file = spark.lake / "db/upserted/data/deletes.parquet"
    number = pa.field("n", pa.int32(), metadata={"PARQUET:field_id": "3"})
    pq.write_table(pa.table([pa.array([1, 5], pa.int32())], schema=pa.schema([number])), file)
    spark.ask({"table": "lake.db.upserted", "columns": [3], "file": str(file), "rows": 2})
    after = theirs(spark, "lake.db.upserted")
    assert len(after) == len(before) - 2
    with pytest.raises(tc.NotSupportedError, match="deleted by equality.*rewrite_data_files"):
        group.read()
    assert ours(group, as_of=group.commits()[0]) == before
    spark.sql("CALL lake.system.rewrite_data_files(table => 'db.upserted', options => map("
              "'delete-file-threshold', '1', 'remove-dangling-deletes', 'true'))")
    assert ours(group) == theirs(spark, "lake.db.upserted") == after


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
