"""Few keys with many rows each: a small join that others blow up.

    ./dev bench pit_hot [--rows N] [--labels N] [--keys N] [--runs N] [--feast-runs N]

10,000 labels in random order are joined to one group of 100,000 rows of 20 keys with four nullable
float64 columns, and answered in their order. Sides and measure are those of `pit`; Feast 0.67 reads
the same rows from one Parquet file through `get_historical_features` in an environment of its own,
and ends with a data frame. Labels begin a month after the features, since Feast leaves out those
that see no row.

duckdb, feast                     medians of CPU seconds, peer ÷ ours
tercet_peak_anonymous_megabytes   of the whole process; the goal is 300
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import join_sides as js

FEAST_PYTHON = js.ROOT / ".deps" / "venv-feast" / "bin" / "python"
FEATURES = [f"f{i}" for i in range(4)]

FEAST = js.MEASURE + """
import datetime, pathlib
import pandas as pd, pyarrow as pa, pyarrow.parquet as pq
from feast import Entity, FeatureStore, FeatureView, Field, FileSource
from feast.types import Float64
from feast.value_type import ValueType
(files, features), = groups
folder = pathlib.Path(labels).parent / "feast"
history = folder / "history.parquet"
if not folder.exists():
    folder.mkdir()
    pq.write_table(pa.concat_tables(pq.read_table(file) for file in files), history)
    (folder / "feature_store.yaml").write_text(
        f"project: hot\\nprovider: local\\nregistry: {folder}/registry.db\\n"
        f"online_store:\\n  type: sqlite\\n  path: {folder}/online.db\\n"
        "offline_store:\\n  type: file\\nentity_key_serialization_version: 3\\n")
    entity = Entity(name="key", join_keys=["key"], value_type=ValueType.INT64)
    FeatureStore(str(folder)).apply([entity, FeatureView(
        name="history", entities=[entity], ttl=datetime.timedelta(days=3650),
        schema=[Field(name=feature, dtype=Float64) for feature in features],
        source=FileSource(name="rows", path=str(history), timestamp_field="time"))])
store = FeatureStore(str(folder))
def query():
    left = pd.read_parquet(labels).rename(columns={"time": "event_timestamp"})
    joined = store.get_historical_features(
        left, [f"history:{feature}" for feature in features]).to_df()
    return pa.Table.from_pandas(joined.drop(columns="event_timestamp"), preserve_index=False)
answer = measured(query)
if out:
    save(answer.replace_schema_metadata(None), out)
"""


class FeastSide(js.Side):
    """Without our package on its path."""

    def run(self, out: str = "", watch_memory: bool = False) -> dict:
        return js.measured_process(self.name, self.command(out), watch_memory,
                                   {"PYTHONPATH": "", "FEAST_USAGE": "False"})

    def command(self, out: str) -> list[str]:
        groups = [[js.files_of(self.folder, name), features]
                  for name, features in self.groups.items()]
        return [str(FEAST_PYTHON), "-W", "ignore", "-c", FEAST, json.dumps(groups),
                str(self.folder / self.labels), self.order, out, str(self.folder)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--labels", type=int, default=10_000)
    parser.add_argument("--keys", type=int, default=20)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--feast-runs", type=int, default=3)
    parser.add_argument("--keep", help="a folder for the inputs, kept and used again")
    options = parser.parse_args()
    with js.inputs_folder(options.keep, "pit-hot") as folder:
        measure(options, folder)


def measure(options: argparse.Namespace, folder: Path) -> None:
    groups = {"history": FEATURES}
    if not (folder / "project").exists():
        print("making inputs", flush=True)
        js.make_labels(folder, options.labels, options.keys, sorted_too=False, first_day=30)
        js.make_group(folder, "history", FEATURES, options.rows, options.keys, seed=8)
    ours, duckdb = js.Side(folder, groups, "tercet"), js.Side(folder, groups, "duckdb")
    feast = FeastSide(folder, groups, "feast", order="any")
    js.check_answers([ours, duckdb, feast], folder, options.labels)
    js.run_all([ours, duckdb, feast], options.feast_runs)
    js.run_all([ours, duckdb], max(0, options.runs - options.feast_runs))
    js.print_result(
        "pit_hot",
        {"duckdb": duckdb.median("cpu_seconds") / ours.median("cpu_seconds"),
         "feast": feast.median("cpu_seconds") / ours.median("cpu_seconds")},
        {"labels": options.labels, "rows": options.rows, "keys": options.keys,
         "runs": options.runs, "feast_runs": options.feast_runs,
         **js.figures_of([ours, duckdb, feast])})


if __name__ == "__main__":
    main()
