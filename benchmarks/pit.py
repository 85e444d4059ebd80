"""The point-in-time join against DuckDB's ASOF LEFT JOIN and Polars' join_asof.

    ./dev bench pit [--rows N] [--labels N] [--keys N] [--runs N] [--keep DIRECTORY]

5 M labels are joined to one feature group of 5 M rows with 100,000 keys and eight nullable float64
columns, 5 % of them null. Labels are a feature group as well, from which a view's read begins. Each
side reads the same files in a process of its own, the sorted Parquet files that our tables wrote in
their default layout; and ends with labels and features as Arrow, all of them held at once. All have
two threads. Runs alternate; ratios are medians of CPU seconds, peer ÷ ours.

duckdb           labels sorted by (key, time); DuckDB may answer in any order
duckdb_shuffled  labels in random order, answered in that order
polars           labels sorted
duckdb_default   the same as `duckdb`: our default layout is the one that all sides read here. How
                 large it is beside the same rows as DuckDB itself writes them is told in figures.

Beside them:

duckdb_file, duckdb_shuffled_file
                 the same with the labels in one Parquet file as pyarrow writes it (Snappy,
                 dictionaries), which is a spine for us
duckdb_streamed, polars_streamed
                 as `duckdb` and `polars`, but ours gives one record batch after another and never
                 holds the whole answer, and the reader drops each; the peer is the cheaper of
                 itself held and itself streamed in the same way

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
        js.make_labels(folder, options.labels, options.keys, sorted_too=True, groups=True)
        js.make_group(folder, "history", FEATURES, options.rows, options.keys, seed=8)
    groups = {"history": FEATURES}

    def side(name: str, labels: str, streamed: bool = False) -> js.Side:
        order = "label" if labels.startswith("shuffled") else "any"
        return js.Side(folder, groups, name, labels, order, streamed)

    sides = {s.name: s for s in [
        side("tercet", "labels"), side("duckdb", "labels"), side("polars", "labels"),
        side("tercet_shuffled", "shuffled"), side("duckdb_shuffled", "shuffled"),
        side("tercet_file", "labels.parquet"), side("duckdb_file", "labels.parquet"),
        side("tercet_shuffled_file", "shuffled.parquet"),
        side("duckdb_shuffled_file", "shuffled.parquet"),
        side("tercet_streamed", "labels", True), side("duckdb_streamed", "labels", True),
        side("polars_streamed", "labels", True)]}
    js.check_answers(list(sides.values()), folder, options.labels)
    js.run_all(list(sides.values()), options.runs)

    def ratio(ours: str, *peers: str) -> float:
        return (min(sides[peer].median("cpu_seconds") for peer in peers)
                / sides[ours].median("cpu_seconds"))

    js.print_result(
        "pit",
        {"duckdb": ratio("tercet", "duckdb"),
         "duckdb_shuffled": ratio("tercet_shuffled", "duckdb_shuffled"),
         "polars": ratio("tercet", "polars"),
         "duckdb_default": ratio("tercet", "duckdb"),
         "duckdb_file": ratio("tercet_file", "duckdb_file"),
         "duckdb_shuffled_file": ratio("tercet_shuffled_file", "duckdb_shuffled_file"),
         "duckdb_streamed": ratio("tercet_streamed", "duckdb", "duckdb_streamed"),
         "polars_streamed": ratio("tercet_streamed", "polars", "polars_streamed")},
        {"labels": options.labels, "rows": options.rows, "keys": options.keys,
         "runs": options.runs,
         "history_megabytes":
             sum(os.path.getsize(file) for file in js.files_of(folder, "history")) / 1e6,
         "history_as_duckdb_writes_it_megabytes": duckdb_megabytes(folder),
         **js.figures_of(list(sides.values()))})


if __name__ == "__main__":
    main()
