"""Feature vectors in process: C++ beside RocksDB, Python beside Feast's SDK.

    ./dev bench lookup_embedded [--entities N] [--feast-entities N] [--hot N] [--rounds N]

Five online groups of ten float64 features; a request asks all 50 of one entity. The requests go to
a set of hot entities, so that what is timed is memory, not the disk, on every side.

ratio rocksdb   CPU time of RocksDB's MultiGet of the same five rows and of taking the 50 values
                out of their bytes ÷ CPU time of our vector, in one C++ program, in turns. RocksDB
                is our store's own, opened for reading, its block cache as large as our row cache
ratio feast     CPU time of Feast's get_online_features, its answer's numbers put into a NumPy array
                straight from its message, ÷ CPU time of view.vector_array, both from Python: what a
                model is given. Feast has 100,000 entities in a Redis, whose CPU is not counted
ratio feast_dict
                the same for dicts, name → value: Feast's to_dict ÷ view.vector
figures         p50 and p99 of single calls

The default is 2 M entities. The offline rows, which nothing here reads, are removed once they are
online, so that --entities 10000000 needs some 8 GB of disk.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from lookup import FEAST, FEAST_BUILD
from served import Redis, run

ROOT = Path(__file__).resolve().parent.parent
NATIVE = ROOT / "build" / "release" / "benchmarks" / "lookup_embedded"

FEAST_CONFIG = """project: lookup
provider: local
registry: {folder}/registry.db
online_store:
  type: redis
  connection_string: "127.0.0.1:{port}"
offline_store:
  type: file
entity_key_serialization_version: 3
"""

BUILD = """
import pathlib, sys
import numpy as np, pyarrow as pa
import tercet as tc
project, entities = tc.open(sys.argv[1]), int(sys.argv[2])
at = pa.scalar(1735689600_000000, pa.timestamp("us", "UTC"))
groups = []
for g in range(5):
    group = project.feature_group(f"g{g}", version=1, primary_key=["entity"], event_time="at",
                                  online=True, ttl="3650d")
    for begin in range(0, entities, 1_000_000):
        number = np.arange(begin, min(begin + 1_000_000, entities))
        columns = {"entity": number, "at": pa.repeat(at, len(number))}
        for f in range(10):
            columns[f"f{g}{f}"] = (number * 50 + g * 10 + f) + 0.5
        group.insert(pa.table(columns), wait_online=True)
    for file in pathlib.Path(sys.argv[1], "feature_groups").glob("**/*.parquet"):
        if "_delta_log" not in file.parts:
            file.unlink()
    groups.append(group.select(*[f"f{g}{f}" for f in range(10)]))
query = groups[0]
for group in groups[1:]:
    query = query.join(group, on="entity")
project.feature_view("all", version=1, query=query)
project.close()
"""

# Both sides of Python run this, after these are defined: `ask_dict(entity)` gives feature → value,
# `ask_array(entity)` the same numbers as an array.
TIME = """
import json, random, time
random.seed(17)
hot = [random.randrange(entities) for _ in range(min(hot, count))]
names = [f"f{g}{f}" for g in range(5) for f in range(10)]
def check(entity, vector):
    wanted = [entity * 50 + place + 0.5 for place in range(50)]
    if isinstance(vector, dict):
        wanted = dict(zip(names, wanted))
    else:
        vector = vector.tolist()
    assert vector == wanted, (entity, vector)
def timed(ask):
    for entity in hot:
        check(entity, ask(entity))
    asked = [random.choice(hot) for _ in range(count)]
    cpu = time.process_time()
    for entity in asked:
        ask(entity)
    cpu = time.process_time() - cpu
    nanos = []
    for entity in asked:
        begun = time.perf_counter_ns()
        vector = ask(entity)
        nanos.append(time.perf_counter_ns() - begun)
        check(entity, vector)
    nanos.sort()
    return {"cpu_us": cpu * 1e6 / count, "p50_us": nanos[count // 2] / 1e3,
            "p99_us": nanos[count * 99 // 100] / 1e3}
turns = [(timed(ask_dict), timed(ask_array)) for _ in range(3)]
best = [min(side, key=lambda one: one["cpu_us"]) for side in zip(*turns)]
print(json.dumps({"dict": best[0], "array": best[1]}))
"""

OURS = """
import sys
import tercet as tc
project = tc.open(sys.argv[1])
entities, hot, count = map(int, sys.argv[2:5])
view = project.feature_view("all", version=1)
def ask_dict(entity):
    return view.vector({"entity": entity})
def ask_array(entity):
    return view.vector_array({"entity": entity})
""" + TIME + "project.close()\n"

FEAST_TIME = """
import sys
import numpy as np
from feast import FeatureStore
store = FeatureStore(sys.argv[1])
entities, hot, count = map(int, sys.argv[2:5])
service = store.get_feature_service("all")
def ask_dict(entity):
    answer = store.get_online_features(features=service, entity_rows=[{"entity": entity}])
    vector = {name: values[0] for name, values in answer.to_dict().items()}
    del vector["entity"]
    return vector
# Where the features are in an answer, in the order of their names; the key is before them.
first = store.get_online_features(features=service, entity_rows=[{"entity": 0}])
places = np.argsort(list(first.proto.metadata.feature_names.val))[1:].tolist()
def ask_array(entity):
    answer = store.get_online_features(features=service, entity_rows=[{"entity": entity}])
    results = answer.proto.results
    return np.array([results[place].values[0].double_val for place in places])
""" + TIME


def feast(folder: Path, redis: Redis, entities: int, hot: int, count: int) -> dict:
    folder.mkdir()
    (folder / "feature_store.yaml").write_text(
        FEAST_CONFIG.format(folder=folder, port=redis.port))
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment["FEAST_USAGE"] = "False"
    run(FEAST / "python", "-c", FEAST_BUILD, folder, entities, 5, 10, env=environment)
    timed = run(FEAST / "python", "-c", FEAST_TIME, folder, entities, hot, count, env=environment)
    return json.loads(timed.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entities", type=int, default=2_000_000)
    parser.add_argument("--feast-entities", type=int, default=100_000)
    parser.add_argument("--hot", type=int, default=100_000, help="entities that are asked for")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=50_000, help="from C++, a round")
    options = parser.parse_args()

    folder = Path(tempfile.mkdtemp(prefix="tercet-lookup-embedded-"))
    project = folder / "project"
    try:
        begun = time.perf_counter()
        run(sys.executable, "-c", BUILD, project, options.entities)
        build_seconds = time.perf_counter() - begun
        native = json.loads(run(NATIVE, project, options.entities, options.hot, options.requests,
                                options.rounds))
        python = json.loads(run(sys.executable, "-c", OURS, project, options.entities,
                                options.hot, 50_000))
        with Redis(folder / "redis") as redis:
            peer = feast(folder / "feast", redis, options.feast_entities, options.hot, 1_000)
    finally:
        shutil.rmtree(folder, ignore_errors=True)

    ratios = {"rocksdb": native["ratio"],
              "feast": peer["array"]["cpu_us"] / python["array"]["cpu_us"],
              "feast_dict": peer["dict"]["cpu_us"] / python["dict"]["cpu_us"]}
    figures = {"entities": options.entities,
               "cpp_p50_us": native["p50_us"],
               "cpp_p99_us": native["p99_us"],
               "cpp_cpu_us": native["cpu_us"],
               "rocksdb_p50_us": native["rocksdb_p50_us"],
               "rocksdb_cpu_us": native["rocksdb_cpu_us"],
               "build_five_groups_seconds": build_seconds}
    for side, timed in (("python", python), ("feast", peer)):
        for form, of_form in timed.items():
            figures |= {f"{side}_{form}_{name}": value for name, value in of_form.items()}
    ratios = {name: round(value, 2) for name, value in ratios.items()}
    figures = {name: round(value, 2) for name, value in figures.items()}
    for name, value in {**ratios, **figures}.items():
        print(f"{name:32} {value}")
    print(json.dumps({"benchmark": "lookup_embedded", "answers_checked": True, "ratios": ratios,
                      "figures": figures}))


if __name__ == "__main__":
    main()
