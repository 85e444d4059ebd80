"""The streamed point-in-time join within a memory limit, against itself without one.

    ./dev bench pit_memory [--labels N] [--rows N] [--limit-megabytes N] [--keep DIRECTORY]

10 M labels in random order are joined to three groups of 20 M rows with 100,000 keys and four
nullable float64 columns each, and streamed to one Parquet file in the labels' order. Inputs and
answers take about 7 GB of disk. Both files are compared row by row.

unlimited   wall seconds without a limit ÷ with it, medians: what is kept of the speed
limited_peak_anonymous_megabytes   of the process with the limit, at its highest in any run
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

import join_sides as js

MUCH = 1 << 40


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--labels", type=int, default=10_000_000)
    parser.add_argument("--rows", type=int, default=20_000_000, help="of each group")
    parser.add_argument("--keys", type=int, default=100_000)
    parser.add_argument("--limit-megabytes", type=int, default=1024)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--keep", help="a folder for the inputs, kept and used again")
    options = parser.parse_args()
    with js.inputs_folder(options.keep, "pit-memory") as folder:
        measure(options, folder)


def stream(folder: Path, groups: list[str], limit_bytes: int, out: Path) -> dict:
    command = [str(js.BINARY), "stream", str(folder / "project"), ",".join(groups),
               str(folder / "shuffled.parquet"), str(out), str(limit_bytes)]
    return js.measured_process("tercet", command, watch_memory=True)


def check_equal(limited: Path, unlimited: Path, labels: int) -> None:
    import pyarrow.parquet as pq

    ours, theirs = pq.ParquetFile(limited), pq.ParquetFile(unlimited)
    rows = 0
    for a, b in zip(ours.iter_batches(100_000), theirs.iter_batches(100_000), strict=True):
        if not a.equals(b):
            raise SystemExit(f"the answers differ behind row {rows}")
        if a["label"][0].as_py() != rows:
            raise SystemExit(f"the labels are not in their order behind row {rows}")
        rows += a.num_rows
    if rows != labels:
        raise SystemExit(f"{rows} rows, not {labels}")
    print("answers are equal, row by row", flush=True)


def measure(options: argparse.Namespace, folder: Path) -> None:
    groups = {f"group{g}": [f"g{g}_f{i}" for i in range(4)] for g in range(3)}
    if not (folder / "project").exists():
        print("making inputs", flush=True)
        js.make_labels(folder, options.labels, options.keys, sorted_too=False)
        for seed, (name, features) in enumerate(groups.items()):
            js.make_group(folder, name, features, options.rows, options.keys, seed)
    limit_bytes = options.limit_megabytes << 20
    limited_out, unlimited_out = folder / "limited.parquet", folder / "unlimited.parquet"
    stream(folder, list(groups), limit_bytes, limited_out)
    stream(folder, list(groups), MUCH, unlimited_out)
    check_equal(limited_out, unlimited_out, options.labels)
    limited, unlimited = [], []
    for _ in range(options.runs):
        for name, limit, runs in (("limited", limit_bytes, limited),
                                  ("unlimited", MUCH, unlimited)):
            runs.append(stream(folder, list(groups), limit, folder / f"{name}.parquet"))
            print(f"  {name:10} {runs[-1]['cpu_seconds']:.3f} s of CPU, "
                  f"{runs[-1]['wall_seconds']:.3f} s, "
                  f"{runs[-1]['peak_anonymous_megabytes']:.0f} MB", flush=True)
    figures = {"labels": options.labels, "rows": options.rows, "runs": options.runs,
               "limit_megabytes": limit_bytes / 1e6}
    for name, runs in (("limited", limited), ("unlimited", unlimited)):
        for what in ("cpu_seconds", "wall_seconds"):
            figures[f"{name}_{what}"] = statistics.median(run[what] for run in runs)
        figures[f"{name}_peak_anonymous_megabytes"] = max(
            run["peak_anonymous_megabytes"] for run in runs)
    for out in (limited_out, unlimited_out):
        out.unlink()
    js.print_result("pit_memory",
                    {"unlimited":
                         figures["unlimited_wall_seconds"] / figures["limited_wall_seconds"]},
                    figures)


if __name__ == "__main__":
    main()
