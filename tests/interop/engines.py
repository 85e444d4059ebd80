"""Other engines' views of one table, each reduced to the same facts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Callable

import duckdb
import duckdb_extension_delta
import polars
import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder

# Rows, sum of the values, sum of the keys, and of a text column's lengths: what a lost, doubled
# or stale row would change.
Facts = tuple[int, float, int, int]


def facts(table: pa.Table) -> Facts:
    frame = polars.from_arrow(table)
    return (frame.height, round(float(frame["value"].sum()), 6), int(frame["key"].sum()),
            int(frame["text"].str.len_bytes().sum()))


def delta_rs(path: str, version: int | None) -> Facts:
    """delta-rs through its query engine, which knows deletion vectors."""
    table = DeltaTable(path, version=version)
    reader = QueryBuilder().register("t", table).execute("select key, value, text from t")
    return facts(pa.table(reader.read_all()))


def delta_extension() -> Path:
    """The file of DuckDB's extension that reads Delta tables."""
    folder = Path(duckdb_extension_delta.__path__[0]) / "extensions"
    return next(folder.rglob("delta.duckdb_extension"))


def duckdb_delta(path: str, version: int | None) -> Facts:
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    connection.execute(f"LOAD '{delta_extension()}'")
    at = "" if version is None else f", version => {version}"
    query = f"select key, value, text from delta_scan('{path}'{at})"
    return facts(connection.execute(query).to_arrow_table())


def polars_delta(path: str, version: int | None) -> Facts:
    frame = polars.scan_delta(path, version=version).select("key", "value", "text").collect()
    return facts(frame.to_arrow())


READERS: dict[str, Callable[[str, int | None], Facts]] = {
    "delta-rs": delta_rs, "duckdb": duckdb_delta, "polars": polars_delta}


def table_path(project, group) -> str:
    return os.path.join(project.location, "feature_groups", group.name, str(group.version))


def uses_vectors(path: str) -> bool:
    return any(add.get("deletionVector") for add in _adds(path))


def _adds(path: str) -> list[dict]:
    import json
    adds = []
    for file in sorted(Path(path, "_delta_log").glob("*.json")):
        for line in file.read_text().splitlines():
            action = json.loads(line)
            if "add" in action:
                adds.append(action["add"])
    return adds
