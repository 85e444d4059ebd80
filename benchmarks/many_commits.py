"""Opening a table of 100,000 files in a thousand commits, and reading ten of them.

    ./dev bench many_commits [--files N] [--runs N]

The table is a feature group whose log is generated: every file has statistics and an hour of event
times of its own; the ten files of the hours that are read are real, and no reader has a reason to
open another. deltalake wrote the checkpoint, ten commits before the newest. A run opens the table
anew and reads those hours: Tercet with `read(start=…, end=…)`, deltalake by a filter on its Arrow
dataset and by SQL in its query engine, of which the faster counts. Wall seconds; runs alternate;
ratio `deltalake`: theirs ÷ ours, medians. `open` is the same without the read.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import deltalake
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

import tercet as tc

ROWS = 100
READ = 10
START = datetime.datetime(2000, 1, 1, tzinfo=datetime.timezone.utc)
HOUR = datetime.timedelta(hours=1)


def rows_of(hour: int) -> pa.Table:
    """One hour: keys and values follow from its number."""
    first = START + hour * HOUR
    return pa.table({
        "key": pa.array(range(hour * ROWS, (hour + 1) * ROWS)),
        "at": pa.array([first + datetime.timedelta(seconds=s) for s in range(ROWS)],
                       pa.timestamp("us", "UTC")),
        "value": pa.array([float(hour % 97)] * ROWS)})


def position(key: int, at: datetime.datetime) -> str:
    """A row's place in Tercet's order, as its tags have it."""
    micros = (at - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)) \
        // datetime.timedelta(microseconds=1)
    return f"{key ^ (1 << 63):016x}{micros ^ (1 << 63):016x}"


def generated(template: dict, hour: int) -> dict:
    """The entry of an hour's file that is never opened."""
    add = json.loads(json.dumps(template))
    add["path"] = f"part-{hour:06d}-generated.parquet"
    first, last = START + hour * HOUR, START + hour * HOUR + datetime.timedelta(seconds=ROWS - 1)
    low, high = hour * ROWS, (hour + 1) * ROWS - 1
    stats = json.loads(add["stats"])
    for name, value in (("minValues", (low, first)), ("maxValues", (high, last))):
        stats[name]["key"] = value[0]
        stats[name]["at"] = value[1].strftime("%Y-%m-%dT%H:%M:%S.000Z")
        stats[name]["value"] = float(hour % 97)
    add["stats"] = json.dumps(stats)
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    tags = add["tags"]
    tags["tercet.low"], tags["tercet.high"] = position(low, first), position(high, last)
    tags["tercet.time_min_us"] = str((first - epoch) // datetime.timedelta(microseconds=1))
    tags["tercet.time_max_us"] = str((last - epoch) // datetime.timedelta(microseconds=1))
    tags.pop("tercet.version", None)
    return add


def make_table(folder: Path, files: int) -> str:
    """The generated group; its table's path."""
    with tc.open(folder / "project") as project:
        group = project.feature_group("hours", version=1, primary_key=["key"], event_time="at",
                                      schema=rows_of(0).schema)
        group.alter(properties={"delta.checkpointInterval": "1000000",
                                "tercet.auto_compact_files": "0"})
        middle = files // 2
        for hour in range(middle, middle + READ):
            group.insert(rows_of(hour), mode="append")
        newest = group.commits()[-1].version
    path = folder / "project" / "feature_groups" / "hours" / "1"
    log = path / "_delta_log"
    actions = [json.loads(line)
               for line in (log / f"{newest:020d}.json").read_text().splitlines()]
    info = next(a for a in actions if "commitInfo" in a)["commitInfo"]
    template = next(a for a in actions if "add" in a)["add"]
    hours = [hour for hour in range(files) if not middle <= hour < middle + READ]
    per_commit = max(1, files // 1000)
    commits = [hours[i:i + per_commit] for i in range(0, len(hours), per_commit)]
    for number, chunk in enumerate(commits):
        newest += 1
        info["timestamp"] += 1000
        info["tercet"]["commit_time_us"] = info["timestamp"] * 1000
        info["txnId"] = f"generated-{newest}"
        lines = [json.dumps({"commitInfo": info})]
        lines += [json.dumps({"add": generated(template, hour)}) for hour in chunk]
        (log / f"{newest:020d}.json").write_text("\n".join(lines) + "\n")
        if number == len(commits) - 11:
            deltalake.DeltaTable(str(path)).create_checkpoint()
    return str(path)


def facts(table: pa.Table) -> list:
    return [table.num_rows, pc.sum(table["key"]).as_py(), pc.sum(table["value"]).as_py()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="tercet-commits-", dir=os.environ.get("TMPDIR")))
    middle = arguments.files // 2
    start, end = START + middle * HOUR, START + (middle + READ) * HOUR
    answer = facts(pa.concat_tables([rows_of(hour) for hour in range(middle, middle + READ)]))
    try:
        path = make_table(folder, arguments.files)

        def ours() -> pa.Table:
            with tc.open(folder / "project") as project:
                return project.feature_group("hours").read(start=start, end=end).to_arrow()

        def opened() -> pa.Table:
            with tc.open(folder / "project") as project:
                assert project.feature_group("hours").describe()["files"] == arguments.files

        def by_dataset() -> pa.Table:
            wanted = (ds.field("at") >= pa.scalar(start, pa.timestamp("us", "UTC"))) & (
                ds.field("at") < pa.scalar(end, pa.timestamp("us", "UTC")))
            return deltalake.DeltaTable(path).to_pyarrow_dataset().to_table(filter=wanted)

        def by_sql() -> pa.Table:
            low, high = (f"timestamp '{t.strftime('%Y-%m-%d %H:%M:%S')}Z'" for t in (start, end))
            return pa.table(deltalake.QueryBuilder().register(
                "t", deltalake.DeltaTable(path)).execute(
                    f"select * from t where at >= {low} and at < {high}").read_all())

        sides = {"tercet": ours, "deltalake_dataset": by_dataset, "deltalake_sql": by_sql,
                 "tercet_open": opened, "deltalake_open": lambda: deltalake.DeltaTable(path)}
        seconds: dict[str, list[float]] = {name: [] for name in sides}
        for run in range(arguments.runs + 1):  # the first warms up
            for name, side in sides.items():
                started = time.perf_counter()
                table = side()
                took = time.perf_counter() - started
                if isinstance(table, pa.Table):
                    assert facts(table) == answer, (name, facts(table), answer)
                if run > 0:
                    seconds[name].append(took)
                    print(f"  {name:18} {took:.3f} s", flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    figures = {f"{name}_seconds": round(statistics.median(values), 4)
               for name, values in seconds.items()}
    figures["files"], figures["runs"] = arguments.files, arguments.runs
    theirs = min(figures["deltalake_dataset_seconds"], figures["deltalake_sql_seconds"])
    print(json.dumps({
        "benchmark": "many_commits", "answers_checked": True,
        "ratios": {"deltalake": round(theirs / figures["tercet_seconds"], 2),
                   "open": round(figures["deltalake_open_seconds"]
                                 / figures["tercet_open_seconds"], 2)},
        "figures": figures}))


if __name__ == "__main__":
    main()
