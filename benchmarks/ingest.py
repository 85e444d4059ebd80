"""Rows a second into a feature group, against deltalake's append of the same rows.

    ./dev bench ingest

Each run writes one shuffled frame into a new table with either, alternately. Tercet sorts it by
(primary key, event time), and has it on disk (fsync) when it returns; deltalake does neither.

ratio deltalake         rows a second of `insert(mode="append")`, offline alone, ÷ write_deltalake's
upsert_rows_per_second  the default mode, into an empty group
online_rows_per_second  `insert(…, wait_online=True)` of a smaller frame into an online group
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Callable

import deltalake
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import tercet as tc

KEYS = 100_000
FEATURES = [f"f{i}" for i in range(8)]


def frame(rows: int) -> pa.Table:
    """Events in order of arrival: sorted by time, not by key."""
    random = np.random.default_rng(7)
    # Unique times, so that no (key, event time) comes twice and an upsert takes the same frame.
    micros = np.arange(rows, dtype=np.int64) * 1_000_000
    columns = {"key": pa.array(random.integers(0, KEYS, rows)),
               "at": pa.array(micros).cast(pa.timestamp("us", "UTC"))}
    for name in FEATURES:
        columns[name] = pa.array(random.normal(size=rows), mask=random.random(rows) < 0.05)
    return pa.table(columns)


def facts(table: pa.Table) -> list[float]:
    """What a lost, doubled or changed row would change; sums are of integers, so exact."""
    scaled = [pc.sum(pc.floor(pc.multiply(table[name], 1e6))).as_py() for name in FEATURES]
    nulls = [table[name].null_count for name in FEATURES]
    return [table.num_rows, pc.sum(table["key"]).as_py(), *scaled, *nulls]


class Stopwatch:
    """Wall and CPU seconds of one call."""

    def __init__(self, call: Callable[[], object]):
        wall, cpu = time.perf_counter(), time.process_time()
        call()
        self.wall, self.cpu = time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--online-rows", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()

    rows = frame(arguments.rows)
    online_rows = rows.slice(0, arguments.online_rows)
    answer = facts(rows)
    folder = Path(tempfile.mkdtemp())
    ours: list[Stopwatch] = []
    theirs: list[Stopwatch] = []
    upserts: list[Stopwatch] = []
    online: list[Stopwatch] = []
    try:
        with tc.open(folder / "project") as project:

            def group(name: str, *, online: bool = False):
                return project.feature_group(name, version=1, primary_key=["key"],
                                             event_time="at", schema=rows.schema, online=online)

            for run in range(arguments.runs + 1):
                peer = str(folder / "peer")
                deltalake.DeltaTable.create(peer, schema=rows.schema)
                watch = Stopwatch(lambda: deltalake.write_deltalake(peer, rows, mode="append"))
                theirs.append(watch)
                if run == 0:
                    assert facts(deltalake.DeltaTable(peer).to_pyarrow_table()) == answer
                shutil.rmtree(peer)

                for mode, watches in (("append", ours), ("upsert", upserts)):
                    target = group(mode)
                    watches.append(Stopwatch(lambda: target.insert(rows, mode=mode)))
                    if run == 0:
                        assert facts(target.read().to_arrow()) == answer
                    target.drop()

                target = group("online", online=True)
                online.append(Stopwatch(lambda: target.insert(online_rows, wait_online=True)))
                if run == 0:
                    assert facts(target.read().to_arrow()) == facts(online_rows)
                target.drop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)

    def rate(watches: list[Stopwatch], count: int) -> float:
        return count / statistics.median(watch.wall for watch in watches[1:])  # the first warms up

    def cpu(watches: list[Stopwatch]) -> float:
        return round(statistics.median(watch.cpu for watch in watches[1:]), 3)

    count = arguments.rows
    figures = {"offline_rows_per_second": round(rate(ours, count)),
               "deltalake_rows_per_second": round(rate(theirs, count)),
               "upsert_rows_per_second": round(rate(upserts, count)),
               "online_rows_per_second": round(rate(online, arguments.online_rows)),
               "offline_cpu_seconds": cpu(ours), "deltalake_cpu_seconds": cpu(theirs)}
    for name, value in figures.items():
        print(f"{name:28} {value}")
    ratio = rate(ours, count) / rate(theirs, count)
    print(json.dumps({"benchmark": "ingest", "answers_checked": True,
                      "ratios": {"deltalake": round(ratio, 2)}, "figures": figures}))


if __name__ == "__main__":
    main()
