"""Sources: where the rows of external feature groups are (`Project.external_feature_group`)."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """A place with rows that another system keeps. Made by the functions of this module."""

    kind: str
    location: str
    table: str = ""

    def to_json(self) -> dict[str, str]:
        """The source as a group's definition has it."""
        record = {"kind": self.kind, "location": self.location}
        return {**record, "table": self.table} if self.table else record


def find_extensions() -> None:
    """Tells the core where the installed packages of DuckDB's extensions have their files."""
    folders = []
    for name in ("avro", "iceberg", "postgres"):
        package = importlib.util.find_spec(f"duckdb_extension_{name}")
        for root in (package.submodule_search_locations or ()) if package else ():
            folders.append(os.path.join(root, "extensions", "v1.5.5"))
    if folders:
        os.environ.setdefault("TERCET_DUCKDB_EXTENSIONS", ":".join(folders))


def _path(path: str | os.PathLike[str]) -> str:
    # Whoever opens the project later stands in another folder.
    return os.path.abspath(os.fspath(path))


def parquet(path: str | os.PathLike[str]) -> Source:
    """Parquet files: one, or a pattern of several ("/data/*.parquet")."""
    return Source("parquet", _path(path))


def csv(path: str | os.PathLike[str]) -> Source:
    """CSV files with a header: one, or a pattern of several. Types are inferred."""
    return Source("csv", _path(path))


def json(path: str | os.PathLike[str]) -> Source:
    """JSON files, an object a line or an array of objects: one, or a pattern of several."""
    return Source("json", _path(path))


def delta(path: str | os.PathLike[str]) -> Source:
    """A Delta table by its folder: read natively, with time travel."""
    return Source("delta", _path(path))


def hudi(path: str | os.PathLike[str]) -> Source:
    """A Hudi table by its folder, with time travel to its instants; log files are merged."""
    return Source("hudi", _path(path))


def iceberg(path: str | os.PathLike[str]) -> Source:
    """An Iceberg table by its folder, or by the metadata file that a catalog names as the table's
    (PyIceberg's `table.metadata_location`), which then stays the one that is read."""
    return Source("iceberg", _path(os.fspath(path).removeprefix("file:")))


def duckdb(path: str | os.PathLike[str], table: str) -> Source:
    """A table or view ("name" or "schema.name") in a DuckDB file, which is opened read-only."""
    return Source("duckdb", _path(path), table)


def postgres(connection: str, table: str) -> Source:
    """A table or view ("name" or "schema.name") of a PostgreSQL database.

    `connection`: "host=… dbname=… user=…" without a password, which comes from PGPASSWORD or
    ~/.pgpass of the process that reads. Needs the package duckdb-extension-postgres 1.5.5.
    """
    return Source("postgres", connection, table)
