"""An append of 10 M rows × ten columns, sorted and with statistics, against deltalake's.

    ./dev bench append [--rows N] [--runs N]

The rows are shuffled. Tercet sorts them and has them on disk (fsync) when it returns; deltalake
does neither. Wall seconds; runs alternate; ratio `deltalake`: theirs ÷ ours, medians.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import deltalake
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import tercet as tc

FEATURES = [f"f{i}" for i in range(8)]


def frame(rows: int) -> pa.Table:
    """Shuffled keys, times, and eight features with 5 % nulls."""
    random = np.random.default_rng(7)
    at = 1_700_000_000_000_000 + random.integers(0, 365 * 86_400_000_000, rows)
    columns = {"key": random.permutation(rows), "at": pa.array(at, pa.timestamp("us", "UTC"))}
    for name in FEATURES:
        columns[name] = pa.array(random.integers(0, 1_000_000, rows).astype("float64"),
                                 mask=random.random(rows) < 0.05)
    return pa.table(columns)


def facts(table: pa.Table) -> list:
    return [table.num_rows, pc.sum(table["key"]).as_py(),
            *[pc.sum(table[name]).as_py() for name in FEATURES],
            *[table[name].null_count for name in FEATURES]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    rows = frame(arguments.rows)
    answer = facts(rows)
    folder = Path(tempfile.mkdtemp(prefix="tercet-append-", dir=os.environ.get("TMPDIR")))
    ours: list[float] = []
    theirs: list[float] = []
    try:
        with tc.open(folder / "project") as project:
            for run in range(arguments.runs):
                group = project.feature_group("rows", version=1, primary_key=["key"],
                                              event_time="at", schema=rows.schema)
                started = time.perf_counter()
                group.insert(rows, mode="append")
                ours.append(time.perf_counter() - started)
                if run == 0:
                    read = group.read().to_arrow()
                    assert facts(read) == answer
                    assert read["key"].slice(0, 1000).to_pylist() == list(range(1000))
                    del read
                group.drop()

                peer = str(folder / "peer")
                deltalake.DeltaTable.create(peer, schema=rows.schema)
                started = time.perf_counter()
                deltalake.write_deltalake(peer, rows, mode="append")
                theirs.append(time.perf_counter() - started)
                if run == 0:
                    assert facts(deltalake.DeltaTable(peer).to_pyarrow_table()) == answer
                shutil.rmtree(peer)
                print(f"  tercet {ours[-1]:.2f} s, deltalake {theirs[-1]:.2f} s", flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    figures = {"append_seconds": round(statistics.median(ours), 3),
               "deltalake_seconds": round(statistics.median(theirs), 3),
               "rows": arguments.rows, "runs": arguments.runs}
    ratio = figures["deltalake_seconds"] / figures["append_seconds"]
    print(json.dumps({"benchmark": "append", "answers_checked": True,
                      "ratios": {"deltalake": round(ratio, 2)}, "figures": figures}))


if __name__ == "__main__":
    main()
