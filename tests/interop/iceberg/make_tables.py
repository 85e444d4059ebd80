"""Makes tables.tar.xz: Iceberg tables as PyIceberg writes them, and what it reads of each snapshot.

Run by hand, with PyIceberg 0.12 (`pip install "pyiceberg[pyarrow,sql-sqlite]"`):
`python make_tables.py FOLDER`. Its catalog is a database, so the tables have no version hint; and
they are read in another folder than the one that their metadata names.
"""

from __future__ import annotations

import json
import sys
import tarfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import DoubleType, LongType, StringType

FOLDER = Path(sys.argv[1])
START = datetime(2024, 1, 1, tzinfo=timezone.utc)
HOURS = pa.schema([("city", pa.string()), ("hour", pa.timestamp("us", tz="UTC")),
                   ("rain", pa.float32()), ("n", pa.int32()), ("day", pa.date32())])

warehouse = FOLDER / "made-elsewhere"
warehouse.mkdir(parents=True)
catalog = SqlCatalog("lake", uri=f"sqlite:///{FOLDER}/catalog.db", warehouse=f"file://{warehouse}")
catalog.create_namespace("db")


def rows(first: int, last: int, **changed) -> pa.Table:
    hours = [START + timedelta(hours=i) for i in range(first, last)]
    columns = {"city": [f"c{i % 3}" for i in range(first, last)], "hour": hours,
               "rain": [i / 4 for i in range(first, last)],
               "n": [None if i % 7 == 0 else i for i in range(first, last)],
               "day": [hour.date() for hour in hours]}
    return pa.table(columns, schema=HOURS)


def record(table) -> dict:
    """Each snapshot as PyIceberg reads it."""
    return {str(one.snapshot_id): plain(table.scan(snapshot_id=one.snapshot_id).to_arrow())
            for one in table.snapshots()}


def plain(found: pa.Table) -> list[dict]:
    found = found.sort_by([("city", "ascending"), ("hour", "ascending")])
    return [{name: str(value) if hasattr(value, "year") else value for name, value in row.items()}
            for row in found.to_pylist()]


def evolved():
    """Partitions that change, columns that are renamed, widened, dropped and added, rows that are
    deleted and written over."""
    table = catalog.create_table("db.evolved", rows(0, 1).schema)
    table.append(rows(0, 30))
    with table.update_spec() as spec:
        spec.add_field("day", IdentityTransform(), "on_day")
    table.append(rows(30, 60))
    with table.update_schema() as schema:
        schema.rename_column("rain", "wet")
        schema.update_column("rain", DoubleType())
        schema.update_column("n", LongType())
        schema.add_column("kind", StringType())
    table.delete("n >= 20 and n < 40")
    with table.update_spec() as spec:
        spec.add_field("city", IdentityTransform())
        spec.remove_field("on_day")
    table.append(rows(60, 70).rename_columns(["city", "hour", "wet", "n", "day"])
                 .set_column(3, "n", pa.array([5_000_000_000 + i for i in range(10)]))
                 .set_column(2, "wet", pa.array([i / 8 for i in range(10)], pa.float64()))
                 .append_column("kind", pa.array(["x"] * 10)))
    with table.update_schema() as schema:
        schema.delete_column("kind")
        schema.move_first("n")
    table.append(rows(70, 72).rename_columns(["city", "hour", "wet", "n", "day"])
                 .select(["n", "city", "hour", "wet", "day"])
                 .set_column(0, "n", pa.array([1, 2], pa.int64()))
                 .set_column(3, "wet", pa.array([1.0, 2.0], pa.float64())))
    return table


def adopted():
    """Files that were there before they were a table's: their columns have no ids."""
    table = catalog.create_table("db.adopted", rows(0, 1).schema)
    folder = warehouse / "db/adopted/data"
    folder.mkdir(parents=True)
    for i, part in enumerate([rows(0, 10), rows(10, 20).select(["n", "hour", "city", "day"])]):
        pq.write_table(part, folder / f"found-{i}.parquet")
        table.add_files([f"file://{folder}/found-{i}.parquet"])
    with table.update_schema() as schema:
        schema.rename_column("rain", "wet")
        schema.rename_column("n", "number")
    table.append(rows(20, 30).rename_columns(["city", "hour", "wet", "number", "day"]))
    table.delete("number = 4 or number = 23")
    return table


answers = {make.__name__: record(make()) for make in (evolved, adopted)}
(warehouse / "answers.json").write_text(json.dumps(answers, indent=0))
with tarfile.open(Path(__file__).with_name("tables.tar.xz"), "w:xz") as tables:
    for name in ("answers.json", "db"):
        tables.add(warehouse / name, name)
