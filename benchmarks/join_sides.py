"""What the benchmarks of the point-in-time join share: inputs, the sides that answer, their check.

A side answers in a process of its own from the same files: labels (label, key, time) and features
in the Parquet files of our tables, or labels in one Parquet file beside them. CPU and wall seconds
are taken inside the process around the query alone, which ends with labels and features as Arrow:
all of them at once, or, where it is streamed, one record batch after another, each let go when it
has come.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

ROOT = Path(__file__).resolve().parent.parent
BINARY = ROOT / "build" / "release" / "benchmarks" / "pit"
THREADS = "2"
YEAR_US = 365 * 86_400_000_000
BEGIN_US = 1_700_000_000_000_000

MEASURE = """
import json, resource, sys, time
def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
def measured(query):
    wall, before = time.perf_counter(), cpu()
    answer, rows, kept = query(), 0, []
    if not streamed:
        rows = answer.num_rows
    else:
        for batch in answer:
            rows += batch.num_rows
            if out:
                kept.append(batch)
        answer = None
    print(json.dumps({"cpu_seconds": cpu() - before, "wall_seconds": time.perf_counter() - wall,
                      "rows": rows}))
    if kept:
        import pyarrow as pa
        answer = pa.concat_tables(pa.table(batch) for batch in kept)
    return answer
def save(table, path):
    import pyarrow as pa
    with pa.OSFile(path, "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
groups, labels, order, out = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
folder, streamed = sys.argv[5], sys.argv[6:] == ["streamed"]
"""

# Every group brings its own names of features; `groups` maps them to the group's files.
DUCKDB = MEASURE + """
import duckdb, pyarrow
# What it spills goes beside the inputs, not into the folder that we stand in.
database = duckdb.connect(config={"threads": 2, "temp_directory": folder + "/duckdb-spill"})
database.execute("SET enable_progress_bar = false")  # it goes to the standard output
database.execute("SET preserve_insertion_order = false")
columns, joins = ["l.label", "l.key"], ""
for i, (files, features) in enumerate(groups):
    columns += [f"h{i}.{feature}" for feature in features]
    joins += (f" ASOF LEFT JOIN read_parquet({files}) h{i}"
              f" ON l.key = h{i}.key AND l.time >= h{i}.time")
query = f"SELECT {', '.join(columns)} FROM read_parquet('{labels}') l{joins}"
if order == "label":
    query += " ORDER BY l.label"
def arrow(result):
    return result.to_arrow_reader(1 << 18) if streamed else result.to_arrow_table()
answer = measured(lambda: arrow(database.execute(query)))
if out:
    save(answer, out)
"""

# The same for many groups as an expert would have it: a chain sorts all columns that it has so far
# at each of its joins, and spills them. So each group is joined to the bare labels, and the
# answers, in the order of the labels, are put side by side.
DUCKDB_APART = MEASURE + """
import duckdb, pyarrow
database = duckdb.connect(config={"threads": 2, "temp_directory": folder + "/duckdb-spill"})
database.execute("SET enable_progress_bar = false")  # it goes to the standard output
def query():
    database.execute(f"CREATE TABLE labels AS FROM read_parquet('{labels}')")
    database.execute("CREATE TABLE joined AS SELECT label, key FROM labels ORDER BY label")
    rows = "joined"
    for i, (files, features) in enumerate(groups):
        database.execute(f"CREATE TABLE joined{i} AS SELECT {', '.join(features)} FROM labels l"
                         f" ASOF LEFT JOIN read_parquet({files}) h"
                         " ON l.key = h.key AND l.time >= h.time ORDER BY l.label")
        rows += f" POSITIONAL JOIN joined{i}"
    result = database.execute(f"FROM {rows}")
    return result.to_arrow_reader(1 << 18) if streamed else result.to_arrow_table()
answer = measured(query)
if out:
    save(answer, out)
"""

POLARS = MEASURE + """
import polars as pl
def query():
    left = pl.scan_parquet(labels)
    if order == "label":
        left = left.sort("key", "time")
    for files, features in groups:
        left = left.join_asof(pl.scan_parquet(files), on="time", by="key", strategy="backward",
                              check_sortedness=False)
    if order == "label":
        left = left.sort("label")
    left = left.drop("time")
    if streamed:
        return (frame.to_arrow() for frame in left.collect_batches(engine="streaming"))
    return left.collect().to_arrow()
answer = measured(query)
if out:
    save(answer, out)
"""


@contextmanager
def inputs_folder(keep: str | None, name: str) -> Iterator[Path]:
    """The folder to keep, or one that goes away in the end."""
    folder = Path(keep or tempfile.mkdtemp(prefix=f"tercet-{name}-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    finally:
        if not keep:
            shutil.rmtree(folder)


def write_group(folder: Path, name: str, key: str, path: Path) -> None:
    subprocess.run([str(BINARY), "write", str(folder / "project"), name, key, str(path)],
                   check=True)


def make_group(folder: Path, name: str, features: list[str], rows: int, keys: int,
               seed: int) -> None:
    """A feature group of random rows, one for each key and time; 5 % of the values are null."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    random = np.random.default_rng(seed)
    table = {"key": pa.array(random.integers(0, keys, rows)),
             "time": pa.array(random.integers(0, YEAR_US, rows) + BEGIN_US,
                              pa.timestamp("us", "UTC"))}
    for feature in features:
        table[feature] = pa.array(random.standard_normal(rows), mask=random.random(rows) < 0.05)
    table = pa.table(table)
    # One number for key and time; exact as long as keys are fewer than 290,000.
    position = table["key"].to_numpy() * YEAR_US + table["time"].cast("int64").to_numpy() - BEGIN_US
    keep = np.unique(position, return_index=True)[1]
    if len(keep) < rows:
        table = table.take(pa.array(keep))
    path = folder / f"{name}.parquet"
    pq.write_table(table, path, compression="none")
    write_group(folder, name, "key", path)
    path.unlink()


def make_labels(folder: Path, labels: int, keys: int, sorted_too: bool,
                first_day: int = 0, groups: bool = False) -> None:
    """labels.parquet sorted by (key, time), and shuffled.parquet; numbered in the file's order.
    Features begin on day 0. With `groups` they are feature groups of these names, too."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    random = np.random.default_rng(7)
    left = pa.table({"key": pa.array(random.integers(0, keys, labels)),
                     "time": pa.array(
                         random.integers(first_day * 86_400_000_000, YEAR_US, labels) + BEGIN_US,
                         pa.timestamp("us", "UTC"))})
    number = pa.array(np.arange(labels))
    if sorted_too:
        ordered = left.sort_by([("key", "ascending"), ("time", "ascending")])
        pq.write_table(ordered.add_column(0, "label", number), folder / "labels.parquet")
    pq.write_table(left.add_column(0, "label", number), folder / "shuffled.parquet")
    if groups:
        for name in ["labels", "shuffled"] if sorted_too else ["shuffled"]:
            write_group(folder, name, "label", folder / f"{name}.parquet")


def files_of(folder: Path, group: str) -> list[str]:
    return sorted(str(path) for path in
                  (folder / "project" / "feature_groups" / group / "1").glob("*.parquet"))


class Side:
    """One way to answer; each call is a fresh process. The name begins with the engine's. Labels
    are a file (.parquet) or a group."""

    def __init__(self, folder: Path, groups: dict[str, list[str]], name: str,
                 labels: str = "shuffled.parquet", order: str = "label", streamed: bool = False):
        self.folder, self.groups, self.name = folder, groups, name
        self.labels, self.order, self.streamed = labels, order, streamed
        self.runs: list[dict] = []

    @property
    def ours(self) -> bool:
        return self.name.startswith("tercet")

    def command(self, out: str) -> list[str]:
        file = self.labels.endswith(".parquet")
        if self.ours:
            return [str(BINARY), "batches" if self.streamed else "read",
                    str(self.folder / "project"), ",".join(self.groups),
                    str(self.folder / self.labels) if file else self.labels,
                    *([out] if out else [])]
        groups = [[files_of(self.folder, name), features]
                  for name, features in self.groups.items()]
        code = (DUCKDB_APART if self.name.startswith("duckdb_apart") else
                DUCKDB if self.name.startswith("duckdb") else POLARS)
        labels = (self.folder / self.labels if file else
                  self.folder / "project" / "feature_groups" / self.labels / "1" / "*.parquet")
        return [sys.executable, "-c", code, json.dumps(groups), str(labels), self.order, out,
                str(self.folder)] + (["streamed"] if self.streamed else [])

    def run(self, out: str = "", watch_memory: bool = False) -> dict:
        return measured_process(self.name, self.command(out), watch_memory)

    def median(self, what: str) -> float:
        return statistics.median(run[what] for run in self.runs)


def measured_process(name: str, command: list[str], watch_memory: bool = False,
                     more_environment: dict[str, str] | None = None) -> dict:
    """Runs a command whose last line says what it took; its peak of anonymous memory if asked."""
    environment = dict(os.environ, TERCET_THREADS=THREADS, POLARS_MAX_THREADS=THREADS,
                       OMP_NUM_THREADS=THREADS, **(more_environment or {}))
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
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
        raise SystemExit(f"{name} failed with {process.returncode}")
    measured = json.loads(output.strip().splitlines()[-1])
    measured["peak_anonymous_megabytes"] = peak / 1e6
    return measured


def anonymous_bytes(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass  # it has just ended
    return 0


def check_answers(sides: list[Side], folder: Path, labels: int) -> None:
    """All answers to the same labels are equal row by row. The first side of each is ours."""
    import pyarrow as pa

    paths = {side.name: folder / f"{side.name}.arrow" for side in sides if side.ours}
    first: dict[str, Side] = {}
    for side in sides:
        out = paths.get(side.name, folder / "answer.arrow")
        side.run(str(out))
        expected = first.setdefault(side.labels.removesuffix(".parquet"), side)
        with pa.memory_map(str(out)) as source:
            table = pa.ipc.open_file(source).read_all()
            if table.num_rows != labels:
                raise SystemExit(f"{side.name}: {table.num_rows} rows, not {labels}")
            if side.ours:  # it must have the labels' order
                if not table["label"].equals(pa.chunked_array([pa.array(range(labels))])):
                    raise SystemExit(f"{side.name}: labels are not in their order")
            if side is expected:
                continue
            if side.order == "any":
                table = table.sort_by("label")
            with pa.memory_map(str(paths[expected.name])) as ours:
                wanted = pa.ipc.open_file(ours).read_all()
                for name in wanted.schema.names:  # column by column: answers may be large
                    column = table[name].cast(wanted.schema.field(name).type)
                    if not column.equals(wanted[name]):
                        raise SystemExit(f"{side.name}: another '{name}' than {expected.name}")
        out.unlink()
    for path in paths.values():
        path.unlink(missing_ok=True)
    print("answers are equal, row by row", flush=True)


def run_all(sides: list[Side], runs: int) -> None:
    for _ in range(runs):
        for side in sides:
            side.runs.append(side.run())
            print(f"  {side.name:16} {side.runs[-1]['cpu_seconds']:.3f} s of CPU, "
                  f"{side.runs[-1]['wall_seconds']:.3f} s", flush=True)


def figures_of(sides: list[Side]) -> dict[str, float]:
    figures = {}
    for side in sides:
        figures[f"{side.name}_cpu_seconds"] = side.median("cpu_seconds")
        figures[f"{side.name}_wall_seconds"] = side.median("wall_seconds")
        peak = side.run(watch_memory=True)["peak_anonymous_megabytes"]
        figures[f"{side.name}_peak_anonymous_megabytes"] = peak
    return figures


def print_result(name: str, ratios: dict[str, float], figures: dict[str, float]) -> None:
    print(json.dumps({
        "benchmark": name, "answers_checked": True,
        "ratios": {key: round(value, 2) for key, value in ratios.items()},
        "figures": {key: round(value, 3) for key, value in figures.items()}}))


def timed(what: str, call) -> None:
    started = time.perf_counter()
    call()
    print(f"{what} in {time.perf_counter() - started:.1f} s", flush=True)
