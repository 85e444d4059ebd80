"""The point-in-time join against DuckDB's ASOF LEFT JOIN and Polars' join_asof.

    ./dev bench pit [--rows N] [--labels N] [--keys N] [--runs N] [--keep DIRECTORY]

5 M labels are joined to one feature group of 5 M rows with 100,000 keys and eight nullable float64
columns, 5 % of them null. Each side reads the same files in a process of its own: the labels from
one Parquet file, the features from the sorted Parquet files that our table wrote; and ends with
labels and features as Arrow. All have two threads. CPU and wall seconds are taken inside the
process around the query alone; runs alternate; ratios are medians of CPU seconds, peer ÷ ours.

duckdb           labels sorted by (key, time); DuckDB may answer in any order
duckdb_shuffled  labels in random order, answered in that order
polars           labels sorted

Before anything is timed the three answers, and those to shuffled labels, are compared row by row.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BINARY = ROOT / "build" / "release" / "benchmarks" / "pit"
THREADS = "2"

FEATURES = [f"f{i}" for i in range(8)]

MEASURE = """
import json, resource, sys, time
def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
def measured(query):
    wall, before = time.perf_counter(), cpu()
    answer = query()
    print(json.dumps({"cpu_seconds": cpu() - before, "wall_seconds": time.perf_counter() - wall,
                      "rows": answer.num_rows}))
    return answer
def save(table, path):
    import pyarrow as pa
    with pa.OSFile(path, "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
files, labels, order, out = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
"""

DUCKDB = MEASURE + """
import duckdb, pyarrow
database = duckdb.connect(config={"threads": 2})
database.execute("SET preserve_insertion_order = false")
features = ", ".join(f"h.f{i}" for i in range(8))
query = f'''SELECT l.label, l.key, {features} FROM read_parquet('{labels}') l
            ASOF LEFT JOIN read_parquet({files}) h ON l.key = h.key AND l.time >= h.time'''
if order == "label":
    query += " ORDER BY l.label"
answer = measured(lambda: database.execute(query).to_arrow_table())
if out:
    save(answer, out)
"""

POLARS = MEASURE + """
import polars as pl
def query():
    left = pl.scan_parquet(labels)
    right = pl.scan_parquet(files)
    joined = left.join_asof(right, on="time", by="key", strategy="backward", check_sortedness=False)
    return joined.drop("time").collect().to_arrow()
answer = measured(query)
if out:
    save(answer, out)
"""


def make_inputs(folder: Path, rows: int, labels: int, keys: int) -> None:
    """History in random order, and labels sorted and shuffled, numbered in the file's order."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    random = np.random.default_rng(7)
    year_us = 365 * 86_400_000_000
    time_type = pa.timestamp("us", "UTC")

    def times(count):
        return pa.array(random.integers(0, year_us, count) + 1_700_000_000_000_000, time_type)

    history = {"key": pa.array(random.integers(0, keys, rows)), "time": times(rows)}
    for name in FEATURES:
        history[name] = pa.array(random.standard_normal(rows), mask=random.random(rows) < 0.05)
    table = pa.table(history)
    # One row for each key and time, as a feature group has it.
    keep = pa.array(np.unique(np.stack([table["key"].to_numpy(),
                                        table["time"].cast("int64").to_numpy()]),
                              axis=1, return_index=True)[1])
    pq.write_table(table.take(keep), folder / "history.parquet", compression="none")

    left = pa.table({"key": pa.array(random.integers(0, keys, labels)), "time": times(labels)})
    number = pa.array(np.arange(labels))
    ordered = left.sort_by([("key", "ascending"), ("time", "ascending")])
    pq.write_table(ordered.add_column(0, "label", number), folder / "labels.parquet")
    pq.write_table(left.add_column(0, "label", number), folder / "shuffled.parquet")


class Side:
    """One way to answer; each call is a fresh process."""

    def __init__(self, folder: Path, files: list[str], name: str, order: str = "any"):
        self.folder, self.files, self.name, self.order = folder, files, name, order
        self.runs: list[dict] = []

    def command(self, out: str) -> list[str]:
        labels = self.folder / ("shuffled.parquet" if "shuffled" in self.name else "labels.parquet")
        if self.name.startswith("tercet"):
            return [str(BINARY), "read", str(self.folder / "project"), str(labels)] + (
                [out] if out else [])
        code = DUCKDB if self.name.startswith("duckdb") else POLARS
        return [sys.executable, "-c", code, json.dumps(self.files), str(labels), self.order, out]

    def run(self, out: str = "", watch_memory: bool = False) -> dict:
        environment = dict(os.environ, TERCET_THREADS=THREADS, POLARS_MAX_THREADS=THREADS,
                           OMP_NUM_THREADS=THREADS)
        process = subprocess.Popen(self.command(out), stdout=subprocess.PIPE, text=True,
                                   env=environment)
        peak = 0
        if watch_memory:
            watching = threading.Event()

            def watch():
                nonlocal peak
                while not watching.wait(0.002):
                    peak = max(peak, anonymous_bytes(process.pid))

            watcher = threading.Thread(target=watch)
            watcher.start()
        output = process.communicate()[0]
        if watch_memory:
            watching.set()
            watcher.join()
        if process.returncode != 0:
            raise SystemExit(f"{self.name} failed with {process.returncode}")
        measured = json.loads(output.strip().splitlines()[-1])
        measured["peak_anonymous_megabytes"] = peak / 1e6
        return measured

    def median(self, what: str) -> float:
        return statistics.median(run[what] for run in self.runs)


def anonymous_bytes(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass  # it has just ended
    return 0


def check_answers(sides: list[Side], folder: Path, labels: int) -> None:
    """All answers to sorted labels are equal row by row, and all to shuffled ones."""
    import pyarrow as pa

    expected: dict[bool, pa.Table] = {}
    for side in sides:
        out = folder / "answer.arrow"
        side.run(str(out))
        with pa.memory_map(str(out)) as source:
            table = pa.ipc.open_file(source).read_all()
            if side.order == "any" and not side.name.startswith("tercet"):
                table = table.sort_by("label")
            table = table.select(["label", "key", *FEATURES]).combine_chunks()
            if table.num_rows != labels:
                raise SystemExit(f"{side.name}: {table.num_rows} rows, not {labels}")
            shuffled = "shuffled" in side.name
            if shuffled not in expected:
                # Ours comes first; it must have the labels' order.
                if not table["label"].equals(pa.chunked_array([pa.array(range(labels))])):
                    raise SystemExit(f"{side.name}: labels are not in their order")
                expected[shuffled] = table
                table = None
            elif not table.cast(expected[shuffled].schema).equals(expected[shuffled]):
                raise SystemExit(f"{side.name}: another answer than {sides[0].name}")
            if table is None:
                expected[shuffled] = pa.ipc.open_stream(
                    serialized(expected[shuffled])).read_all()
        out.unlink()


def serialized(table):
    """A copy that stays when the file that `table` is mapped from is removed."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--labels", type=int, default=5_000_000)
    parser.add_argument("--keys", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--keep", help="a folder for the inputs, kept and used again")
    options = parser.parse_args()

    folder = Path(options.keep or tempfile.mkdtemp(prefix="tercet-pit-"))
    try:
        measure(options, folder)
    finally:
        if not options.keep:
            shutil.rmtree(folder)


def measure(options: argparse.Namespace, folder: Path) -> None:
    if not (folder / "project").exists():
        folder.mkdir(parents=True, exist_ok=True)
        print("making inputs", flush=True)
        make_inputs(folder, options.rows, options.labels, options.keys)
        started = time.perf_counter()
        subprocess.run([str(BINARY), "write", str(folder / "project"),
                        str(folder / "history.parquet")], check=True)
        (folder / "history.parquet").unlink()
        print(f"wrote the feature group in {time.perf_counter() - started:.1f} s", flush=True)
    table = folder / "project" / "feature_groups" / "history" / "1"
    files = sorted(str(path) for path in table.glob("*.parquet"))

    ours, ours_shuffled = Side(folder, files, "tercet"), Side(folder, files, "tercet_shuffled")
    duckdb = Side(folder, files, "duckdb")
    duckdb_shuffled = Side(folder, files, "duckdb_shuffled", order="label")
    polars = Side(folder, files, "polars")
    sides = [ours, duckdb, polars, ours_shuffled, duckdb_shuffled]
    check_answers(sides, folder, options.labels)
    print("answers are equal, row by row", flush=True)

    for _ in range(options.runs):
        for side in sides:
            side.runs.append(side.run())
            print(f"  {side.name:16} {side.runs[-1]['cpu_seconds']:.3f} s of CPU, "
                  f"{side.runs[-1]['wall_seconds']:.3f} s", flush=True)
    figures = {"labels": options.labels, "rows": options.rows, "keys": options.keys,
               "runs": options.runs,
               "history_megabytes": sum(os.path.getsize(file) for file in files) / 1e6}
    for side in sides:
        figures[f"{side.name}_cpu_seconds"] = side.median("cpu_seconds")
        figures[f"{side.name}_wall_seconds"] = side.median("wall_seconds")
        peak = side.run(watch_memory=True)["peak_anonymous_megabytes"]
        figures[f"{side.name}_peak_anonymous_megabytes"] = peak
    ratios = {
        "duckdb": duckdb.median("cpu_seconds") / ours.median("cpu_seconds"),
        "duckdb_shuffled":
            duckdb_shuffled.median("cpu_seconds") / ours_shuffled.median("cpu_seconds"),
        "polars": polars.median("cpu_seconds") / ours.median("cpu_seconds"),
    }
    print(json.dumps({
        "benchmark": "pit", "answers_checked": True,
        "ratios": {name: round(value, 2) for name, value in ratios.items()},
        "figures": {name: round(value, 3) for name, value in figures.items()}}))


if __name__ == "__main__":
    main()
