"""Statistics of every column against DuckDB's SUMMARIZE.

    ./dev bench statistics [--rows N] [--runs N] [--keep DIRECTORY]

10 M rows of twenty columns, 5 % of them null: ten of doubles (uniform and lognormal), ten of int64
with ten to a million different values. Each side has the rows in memory, in a process of its own
and in its own form (Arrow; a DuckDB table), and two threads. SUMMARIZE gives count, nulls,
approximate distinct, min, max, mean, standard deviation and approximate quartiles; ours gives those
with seven quantiles, a histogram and correlations. Runs alternate; the ratio is of the medians of
CPU seconds.

Before a figure counts: counts, nulls, min, max equal, means and deviations equal to 1e-9, and the
errors are compared with exact answers: of the quartiles by rank, and of the distinct counts.

duckdb   CPU seconds of SUMMARIZE ÷ ours
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

THREADS = 2
QUARTILES = ("0.25", "0.5", "0.75")

MAKE = """
import duckdb, sys
path, rows = sys.argv[1], int(sys.argv[2])
connection = duckdb.connect()
connection.execute("SET threads=1; SET enable_progress_bar=false; SELECT setseed(0.5)")
columns = [f"CASE WHEN random() < 0.05 THEN NULL ELSE random() * {i + 1} END AS u{i}"
           for i in range(5)]
columns += ["CASE WHEN random() < 0.05 THEN NULL ELSE "
            f"exp(random() + random() + random()) * {i + 1} END AS l{i}" for i in range(5)]
columns += ["CASE WHEN random() < 0.05 THEN NULL ELSE "
            f"CAST(floor(random() * {10 ** (1 + i % 6)}) AS BIGINT) END AS i{i}" for i in range(10)]
connection.execute(f"COPY (SELECT {', '.join(columns)} FROM range({rows})) TO '{path}' "
                   "(FORMAT parquet, COMPRESSION uncompressed)")
"""

DUCKDB = """
import duckdb, json, resource, sys, time
path, threads = sys.argv[1], int(sys.argv[2])
def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
connection = duckdb.connect()
connection.execute(f"SET threads={threads}; SET enable_progress_bar=false")
connection.execute(f"CREATE TABLE t AS SELECT * FROM read_parquet('{path}')")
for line in sys.stdin:
    started, wall = cpu(), time.perf_counter()
    rows = connection.execute("SUMMARIZE t").fetchall()
    print(json.dumps({"cpu_seconds": cpu() - started, "wall_seconds": time.perf_counter() - wall,
                      "rows": [[str(value) for value in row] for row in rows]}), flush=True)
"""


def exact(path: Path, name: str):
    """The column's valid values in order."""
    import numpy as np
    import pyarrow.parquet as pq

    column = pq.read_table(path, columns=[name]).column(0).drop_null()
    return np.sort(column.to_numpy())


def rank_error(values, quantile: float, fraction: float) -> float:
    """How far its rank is from the one asked for, as a share; 0 within a run of equals."""
    import numpy as np

    first = np.searchsorted(values, quantile, "left")
    last = np.searchsorted(values, quantile, "right")
    place = fraction * (len(values) - 1)
    return float(max(first - place, place - last, 0)) / len(values)


def check(path: Path, ours: dict, theirs: list) -> dict:
    """Compares the answers; the worst and mean errors of both sides."""
    import numpy as np

    errors = {"tercet": {"rank": [], "distinct": []}, "duckdb": {"rank": [], "distinct": []}}
    for row in theirs:
        (name, _, least, most, distinct, mean, deviation, *quartiles, count, nulls) = row
        one = ours[name]
        values = exact(path, name)
        assert one["count"] == len(values) and one["count"] + one["nulls"] == int(count), name
        assert float(least) == one["min"] == values[0], name
        assert float(most) == one["max"] == values[-1], name
        assert abs(float(nulls) - 100 * one["nulls"] / int(count)) < 0.01, name
        assert abs(float(mean) / one["mean"] - 1) < 1e-9, name
        assert abs(float(deviation) / one["std"] - 1) < 1e-9, name
        different = len(np.unique(values))
        approximate = one.get("distinct", one.get("distinct_estimate"))
        errors["tercet"]["distinct"].append(abs(approximate / different - 1))
        errors["duckdb"]["distinct"].append(abs(int(distinct) / different - 1))
        for fraction, quartile in zip(QUARTILES, quartiles):
            # Our integers' quantiles may lie between two of them, as numpy's do.
            errors["tercet"]["rank"].append(
                rank_error(values, one["quantiles"][fraction], float(fraction)))
            errors["duckdb"]["rank"].append(rank_error(values, float(quartile), float(fraction)))
    figures = {}
    for kind in ("rank", "distinct"):
        for side in ("tercet", "duckdb"):
            figures[f"{side}_{kind}_error_worst"] = max(errors[side][kind])
            figures[f"{side}_{kind}_error_mean"] = statistics.mean(errors[side][kind])
        for figure in ("worst", "mean"):
            assert figures[f"tercet_{kind}_error_{figure}"] <= \
                figures[f"duckdb_{kind}_error_{figure}"], figures
    return figures


def measure(path: Path, runs: int) -> dict:
    binary = Path("build/release/benchmarks/statistics")
    ours, theirs = [], []
    duckdb = subprocess.Popen([sys.executable, "-c", DUCKDB, str(path), str(THREADS)],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        for run in range(runs):
            # Twice in one process, of which the second counts: DuckDB's is warm as well.
            done = subprocess.run([str(binary), str(path), str(THREADS), "2"], check=True,
                                  stdout=subprocess.PIPE, text=True)
            ours.append(json.loads(done.stdout.splitlines()[-1]))
            duckdb.stdin.write("again\n")
            duckdb.stdin.flush()
            theirs.append(json.loads(duckdb.stdout.readline()))
            for side, answer in (("ours", ours[-1]), ("DuckDB", theirs[-1])):
                print(f"run {run + 1}: {side} {answer['cpu_seconds']:.2f} CPU s, "
                      f"{answer['wall_seconds']:.2f} s", flush=True)
    finally:
        duckdb.stdin.close()
        duckdb.wait()
    figures = check(path, ours[-1]["statistics"], theirs[-1]["rows"])
    for side, answers in (("tercet", ours), ("duckdb", theirs)):
        for figure in ("cpu_seconds", "wall_seconds"):
            figures[f"{side}_{figure}"] = statistics.median(one[figure] for one in answers)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--keep", help="a folder for the input, kept and used again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(options.keep or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"columns-{options.rows}.parquet"
        if not path.exists():
            print("making inputs", flush=True)
            subprocess.run([sys.executable, "-c", MAKE, str(path), str(options.rows)], check=True)
        figures = measure(path, options.runs)
    ratio = figures["duckdb_cpu_seconds"] / figures["tercet_cpu_seconds"]
    print(json.dumps({"benchmark": "statistics", "answers_checked": True,
                      "ratios": {"duckdb": round(ratio, 2)},
                      "figures": {"rows": options.rows, "columns": 20, "runs": options.runs,
                                  **figures}}))


if __name__ == "__main__":
    main()
