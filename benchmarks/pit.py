"""The point-in-time join against DuckDB's ASOF LEFT JOIN and Polars' join_asof.

    ./dev bench pit [--rows N] [--labels N] [--keys N] [--runs N] [--keep DIRECTORY]

5 M labels are joined to one feature group of 5 M rows with 100,000 keys and eight nullable float64
columns, 5 % of them null. Each side reads the same files in a process of its own: the labels from
one Parquet file, the features from the sorted Parquet files that our table wrote, in its default
layout; and ends with labels and features as Arrow. All have two threads. Runs alternate; ratios are
medians of CPU seconds, peer ÷ ours.

duckdb           labels sorted by (key, time); DuckDB may answer in any order
duckdb_shuffled  labels in random order, answered in that order
polars           labels sorted
duckdb_default   the same as `duckdb`: our default layout is the one that all sides read here. How
                 large it is beside the same rows as DuckDB itself writes them is told in figures.

Before anything is timed the answers, and those to shuffled labels, are compared row by row.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import join_sides as js

FEATURES = [f"f{i}" for i in range(8)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--labels", type=int, default=5_000_000)
    parser.add_argument("--keys", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--keep", help="a folder for the inputs, kept and used again")
    options = parser.parse_args()
    with js.inputs_folder(options.keep, "pit") as folder:
        measure(options, folder)


def duckdb_megabytes(folder: Path) -> float:
    """The group's rows as DuckDB writes them by default: Snappy and dictionaries."""
    import duckdb

    out = folder / "duckdb.parquet"
    duckdb.sql(f"COPY (FROM read_parquet({js.files_of(folder, 'history')})) TO '{out}'"
               " (FORMAT parquet)")
    size = os.path.getsize(out)
    out.unlink()
    return size / 1e6


def measure(options: argparse.Namespace, folder: Path) -> None:
    if not (folder / "project").exists():
        print("making inputs", flush=True)
        js.make_labels(folder, options.labels, options.keys, sorted_too=True)
        js.make_group(folder, "history", FEATURES, options.rows, options.keys, seed=8)
    groups = {"history": FEATURES}
    ours = js.Side(folder, groups, "tercet", "labels", "any")
    ours_shuffled = js.Side(folder, groups, "tercet_shuffled")
    duckdb = js.Side(folder, groups, "duckdb", "labels", "any")
    duckdb_shuffled = js.Side(folder, groups, "duckdb_shuffled")
    polars = js.Side(folder, groups, "polars", "labels", "any")
    sides = [ours, duckdb, polars, ours_shuffled, duckdb_shuffled]
    js.check_answers(sides, folder, options.labels)
    js.run_all(sides, options.runs)
    sorted_ratio = duckdb.median("cpu_seconds") / ours.median("cpu_seconds")
    js.print_result(
        "pit",
        {"duckdb": sorted_ratio,
         "duckdb_shuffled":
             duckdb_shuffled.median("cpu_seconds") / ours_shuffled.median("cpu_seconds"),
         "polars": polars.median("cpu_seconds") / ours.median("cpu_seconds"),
         "duckdb_default": sorted_ratio},
        {"labels": options.labels, "rows": options.rows, "keys": options.keys,
         "runs": options.runs,
         "history_megabytes":
             sum(os.path.getsize(file) for file in js.files_of(folder, "history")) / 1e6,
         "history_as_duckdb_writes_it_megabytes": duckdb_megabytes(folder),
         **js.figures_of(sides)})


if __name__ == "__main__":
    main()
