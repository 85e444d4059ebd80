"""Batch prediction from tables to a file, against the same done by hand.

    ./dev bench batch_predict [--rows N] [--runs N] [--keep DIRECTORY]

10 M rows of one feature group are joined, as of their time, to another of a fifth as many rows;
ten of the 30 features are scaled by what was fitted in training, an XGBoost model of 300 trees of
depth 6 predicts, and keys, times and predictions are written to one Parquet file, as they are
(PLAIN, which is fastest for both).

by_hand   wall seconds of DuckDB's ASOF LEFT JOIN over the same Parquet files, numpy, XGBoost's
          inplace_predict and pyarrow's writer ÷ ours (Model.batch_to_file, which also syncs the
          file to the disk before it has its name)

Both have two threads, and a process of their own a run; runs alternate. The predictions are
equal bit for bit, row by row, before a figure is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import join_sides as js

BUILD = """
import sys
import numpy as np, pandas as pd, pyarrow as pa, xgboost
import tercet as tc
folder, rows = sys.argv[1], int(sys.argv[2])
random = np.random.default_rng(3)
begin, span = 1_700_000_000_000_000, 30 * 86_400_000_000
entities = max(rows // 100, 10)
project = tc.open(folder + "/project")

def floats(count):
    return random.standard_normal(count).astype(np.float32).astype(np.float64)

def times(count):
    return pa.array(np.sort(random.integers(0, span, count)) + begin, pa.timestamp("us", "UTC"))

count = rows // 5
profiles = project.feature_group("profiles", version=1, primary_key=["entity"], event_time="time")
profiles.insert(pa.table({"entity": random.integers(0, entities, count), "time": times(count),
                          **{f"p{i}": floats(count) for i in range(25)}}), mode="append")
events = project.feature_group("events", version=1, primary_key=["id"], event_time="time")
own = {f"e{i}": floats(rows) for i in range(5)}
events.insert(pa.table({"id": np.arange(rows), "time": times(rows),
                        "entity": random.integers(0, entities, rows), **own,
                        "y": own["e0"] + own["e1"] * own["e2"] > 0.2}), mode="append")
view = project.feature_view(
    "scores", version=1, labels=["y"],
    query=events.select(*own, "y").join(profiles.select(*(f"p{i}" for i in range(25))),
                                        on="entity"),
    transformations=[tc.standard_scaler(*(f"p{i}" for i in range(10)))])
data = view.training_data(start=pd.Timestamp(begin + span - span // 200, unit="us", tz="UTC"))
booster = xgboost.train({"objective": "binary:logistic", "max_depth": 6, "nthread": 2},
                        xgboost.DMatrix(data.train.X, data.train.y), 300)
project.register_model("scores", booster, training_data=data)
booster.save_model(folder + "/model.ubj")
project.close()
"""

OURS = """
import json, sys, time
import tercet as tc
folder, out = sys.argv[1:]
begin, cpu = time.perf_counter(), time.process_time()
with tc.open(folder + "/project") as project:
    project.model("scores", version=1).batch_to_file(out, compression="none")
print(json.dumps({"wall_seconds": time.perf_counter() - begin,
                  "cpu_seconds": time.process_time() - cpu}))
"""

BY_HAND = """
import json, sys, time
import duckdb, numpy as np, pyarrow as pa, pyarrow.parquet as pq, xgboost
folder, out, scaling, events, profiles = sys.argv[1:]
begin, cpu = time.perf_counter(), time.process_time()
database = duckdb.connect(config={"threads": 2, "temp_directory": out + ".spill"})
own, joined = [f"e{i}" for i in range(5)], [f"p{i}" for i in range(25)]
table = database.execute(
    f"SELECT l.id, l.time, {', '.join('l.' + name for name in own)},"
    f" {', '.join('r.' + name for name in joined)} FROM read_parquet({events}) l"
    f" ASOF LEFT JOIN read_parquet({profiles}) r ON l.entity = r.entity AND l.time >= r.time"
).to_arrow_table()
matrix = np.empty((table.num_rows, 30), np.float32)
scaling = json.loads(scaling)
for i, name in enumerate(own + joined):
    values = table[name].to_numpy()
    if name in scaling:
        mean, deviation = scaling[name]
        values = (values - mean) / deviation
    matrix[:, i] = values
booster = xgboost.Booster({"nthread": 2}, model_file=folder + "/model.ubj")
predictions = booster.inplace_predict(matrix)
pq.write_table(pa.table({"id": table["id"], "event_time": table["time"],
                         "prediction": predictions}), out,
               compression="none", use_dictionary=False)
print(json.dumps({"wall_seconds": time.perf_counter() - begin,
                  "cpu_seconds": time.process_time() - cpu}))
"""

SCALING = """
import json, sys
import tercet as tc
with tc.open(sys.argv[1] + "/project") as project:
    [dataset] = project.feature_view("scores", version=1).training_datasets()
    [scaler] = dataset["fitted_transformations"]
    print(json.dumps({name: [fitted["mean"], fitted["std"]]
                      for name, fitted in scaler["parameters"].items()}))
"""


def python(code: str, *arguments: str) -> str:
    """Runs code in a process of its own; the last line that it prints."""
    environment = dict(os.environ, TERCET_THREADS=js.THREADS, OMP_NUM_THREADS=js.THREADS)
    output = subprocess.run([sys.executable, "-c", code, *arguments], check=True, text=True,
                            stdout=subprocess.PIPE, env=environment).stdout
    return output.strip().splitlines()[-1] if output.strip() else ""


def check(ours: Path, theirs: Path, rows: int) -> None:
    import pyarrow.parquet as pq

    left = pq.read_table(ours).select(["id", "prediction"]).sort_by("id")
    right = pq.read_table(theirs).select(["id", "prediction"]).sort_by("id")
    if left.num_rows != rows:
        raise SystemExit(f"{left.num_rows} predictions, not {rows}")
    for name in left.schema.names:
        if not right[name].cast(left.schema.field(name).type).equals(left[name]):
            raise SystemExit(f"the two sides' '{name}' differ")
    print("predictions are equal bit for bit, row by row", flush=True)


def measure(options: argparse.Namespace, folder: Path) -> None:
    if not (folder / "model.ubj").exists():
        print("making inputs and a model", flush=True)
        python(BUILD, str(folder), str(options.rows))
    scaling = python(SCALING, str(folder))
    files = [str(js.files_of(folder, name)) for name in ("events", "profiles")]
    outs = {side: folder / f"{side}.parquet" for side in ("ours", "by_hand")}
    taken: dict[str, list[dict[str, float]]] = {"ours": [], "by_hand": []}
    for turn in range(options.runs):
        for side, code in (("ours", OURS), ("by_hand", BY_HAND)):
            more = [scaling, *files] if side == "by_hand" else []
            answer = json.loads(python(code, str(folder), str(outs[side]), *more))
            taken[side].append(answer)
            print(f"  {side:8} {answer['wall_seconds']:.2f} s, {answer['cpu_seconds']:.2f} s CPU",
                  flush=True)
        if turn == 0:
            check(outs["ours"], outs["by_hand"], options.rows)
    for out in outs.values():
        out.unlink()
    medians = {f"{side}_{unit}": statistics.median(run[unit] for run in runs)
               for side, runs in taken.items() for unit in ("wall_seconds", "cpu_seconds")}
    js.print_result("batch_predict",
                    {"by_hand": medians["by_hand_wall_seconds"] / medians["ours_wall_seconds"]},
                    {"rows": options.rows, "runs": options.runs, **medians})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--keep", help="a folder for the inputs, kept and used again")
    options = parser.parse_args()
    with js.inputs_folder(options.keep, "batch_predict") as folder:
        measure(options, folder)


if __name__ == "__main__":
    main()
