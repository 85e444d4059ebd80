"""An upsert of random keys into a large table, against deltalake's merge, and the read after it.

    ./dev bench upsert [--rows N] [--runs N]

20 M rows of one int64 key and nine float64 columns; each run upserts 1 % of them, random keys, one
in a hundred of them new. Both tables keep a change feed; ours is durable (fsync) when it returns.
Wall seconds; runs alternate. ratio `deltalake`: theirs ÷ ours, medians.

`next_read`: wall seconds of reading all rows and columns right after an upsert ÷ those of a second
group with the same rows that was never upserted, so has no vectors and no rows in between: what a
full compaction would leave. Read alternately, five times after each upsert, medians; the upserted
group is compacted between runs.

After the first upsert all rows of both tables are compared: equal counts, keys and sums of every
column.
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

FEATURES = [f"f{i}" for i in range(9)]
CHUNK = 2_000_000
READS = 5  # after each upsert; single pairs differ tenfold on a machine that is shared


def rows_of(keys: np.ndarray, seed: int) -> pa.Table:
    random = np.random.default_rng(seed)
    columns = {"key": keys}
    for name in FEATURES:
        columns[name] = random.integers(0, 1_000_000, len(keys)).astype("float64")
    return pa.table(columns)


def batch_of(rows: int, run: int) -> pa.Table:
    random = np.random.default_rng(1000 + run)
    count = rows // 100
    known = random.choice(rows, count - count // 100, replace=False)
    new = rows * (2 + run) + np.arange(count // 100)
    keys = np.concatenate([known, new])
    random.shuffle(keys)
    return rows_of(keys, 5000 + run)


def facts(batches) -> list:
    """Rows and whole-number sums, which are exact in any order."""
    count, sums = 0, [0] * (1 + len(FEATURES))
    for batch in batches:
        count += batch.num_rows
        for i, name in enumerate(["key", *FEATURES]):
            sums[i] += int(pc.sum(batch.column(name).cast(pa.int64())).as_py() or 0)
    return [count, *sums]


def seconds(call) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def merge(path: str, batch: pa.Table) -> None:
    (deltalake.DeltaTable(path)
     .merge(batch, predicate="t.key = s.key", source_alias="s", target_alias="t")
     .when_matched_update_all().when_not_matched_insert_all().execute())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="tercet-upsert-", dir=os.environ.get("TMPDIR")))
    ours, theirs, after, compacted = [], [], [], []
    try:
        with tc.open(folder / "project") as project:
            schema = rows_of(np.arange(1), 0).schema
            group, pristine = (
                project.feature_group(name, version=1, primary_key=["key"], schema=schema)
                for name in ("numbers", "pristine"))
            peer = str(folder / "peer")
            deltalake.DeltaTable.create(peer, schema=schema,
                                        configuration={"delta.enableChangeDataFeed": "true"})
            for first in range(0, arguments.rows, CHUNK):
                chunk = rows_of(np.arange(first, min(first + CHUNK, arguments.rows)), first)
                group.insert(chunk, mode="append")
                pristine.insert(chunk, mode="append")
                deltalake.write_deltalake(peer, chunk, mode="append")

            def read(group) -> float:
                started = time.perf_counter()
                table = group.read().to_arrow()
                assert table.num_rows >= arguments.rows
                return time.perf_counter() - started

            read(group), read(pristine)
            for run in range(arguments.runs):
                batch = batch_of(arguments.rows, run)
                ours.append(seconds(lambda: group.insert(batch)))
                for _ in range(READS):
                    after.append(read(group))
                    compacted.append(read(pristine))
                theirs.append(seconds(lambda: merge(peer, batch)))
                print(f"  tercet {ours[-1]:.2f} s, deltalake {theirs[-1]:.2f} s; "
                      f"read after it {after[-1]:.2f} s, of a compacted table "
                      f"{compacted[-1]:.2f} s", flush=True)
                if run == 0:
                    # One table in memory at a time.
                    answer = facts(group.read().to_arrow().to_batches())
                    reader = deltalake.QueryBuilder().register(
                        "t", deltalake.DeltaTable(peer)).execute("select * from t")
                    peers = facts(pa.record_batch(b) for b in reader)
                    assert answer == peers, (answer, peers)
                group.compact()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    medians = {"upsert_seconds": ours, "merge_seconds": theirs, "next_read_seconds": after,
               "compacted_read_seconds": compacted}
    figures = {name: round(statistics.median(values), 3) for name, values in medians.items()}
    figures["rows"], figures["runs"] = arguments.rows, arguments.runs
    print(json.dumps({
        "benchmark": "upsert", "answers_checked": True,
        "ratios": {
            "deltalake": round(figures["merge_seconds"] / figures["upsert_seconds"], 2),
            "next_read": round(figures["next_read_seconds"] / figures["compacted_read_seconds"],
                               2)},
        "figures": figures}))


if __name__ == "__main__":
    main()
