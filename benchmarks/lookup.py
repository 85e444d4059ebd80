"""Feature vectors by key: embedded, and over HTTP against Feast's feature server.

    ./dev bench lookup [--entities N] [--feast-entities N] [--runs N]

Three online groups of eight float64 features; a request asks all 24 of one random entity. Tercet
has 1 M entities, Feast (which keeps a row a feature in SQLite) 100,000. Feast runs at its best: one
worker that is never restarted, no access log. Both servers are asked by the same compiled client
over one keep-alive connection, in turns; every answer is checked.

ratio feast   requests per CPU second of the server's processes, ours ÷ Feast's (median of the runs)
ratio noop    p50 of an endpoint of our own server that does nothing (/v2/health/live) ÷ p50 of ours
embedded_*    p50 and p99 of a vector in process, from C++ and from Python
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable

from served import Served, cpu_seconds, free_port, run

ROOT = Path(__file__).resolve().parent.parent
CLIENT = ROOT / "build" / "release" / "benchmarks" / "lookup"
FEAST = ROOT / ".deps" / "venv-feast" / "bin"
OUR_PATH = "/api/v1/feature-views/all/1/vectors"
OUR_BODY = '{"entities":{"entity":#}}'
FEAST_PATH = "/get-online-features"
FEAST_BODY = '{"feature_service":"all","entities":{"entity":[#]}}'

BUILD = """
import sys
import numpy as np, pyarrow as pa
import tercet as tc
project, entities = tc.open(sys.argv[1]), int(sys.argv[2])
number = np.arange(entities)
groups = []
for g in range(3):
    group = project.feature_group(f"g{g}", version=1, primary_key=["entity"], event_time="at",
                                  online=True, ttl="3650d")
    columns = {"entity": number, "at": pa.array(np.full(entities, 1735689600_000000)).cast(
        pa.timestamp("us", "UTC"))}
    for f in range(8):
        columns[f"f{g}{f}"] = (number * 24 + g * 8 + f) + 0.5
    group.insert(pa.table(columns), wait_online=True)
    groups.append(group.select(*[f"f{g}{f}" for f in range(8)]))
query = groups[0].join(groups[1], on="entity").join(groups[2], on="entity")
project.feature_view("all", version=1, query=query)
project.close()
"""

PYTHON = """
import json, random, sys, time
import tercet as tc
project, entities, count = tc.open(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
view = project.feature_view("all", version=1)
random.seed(17)
nanos = []
for i in range(-count // 5, count):
    entity = random.randrange(entities)
    begun = time.perf_counter_ns()
    vector = view.vector({"entity": entity})
    took = time.perf_counter_ns() - begun
    if i >= 0:
        nanos.append(took)
    assert list(vector.values()) == [entity * 24 + f + 0.5 for f in range(24)], vector
nanos.sort()
print(json.dumps({"p50_us": nanos[count // 2] / 1e3, "p99_us": nanos[count * 99 // 100] / 1e3}))
project.close()
"""

# Feast, with so many groups of so many features.
FEAST_BUILD = """
import datetime, sys
import numpy as np, pandas as pd
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource
from feast.types import Float64
from feast.value_type import ValueType
folder, (entities, groups, features) = sys.argv[1], map(int, sys.argv[2:5])
store = FeatureStore(folder)
entity = Entity(name="entity", join_keys=["entity"], value_type=ValueType.INT64)
views, frames = [], []
number = np.arange(entities)
for g in range(groups):
    frame = pd.DataFrame({"entity": number,
                          "at": pd.Timestamp(1735689600_000000, unit="us", tz="UTC")})
    for f in range(features):
        frame[f"f{g}{f}"] = (number * groups * features + g * features + f) + 0.5
    path = f"{folder}/g{g}.parquet"
    frame.to_parquet(path)
    frames.append(frame)
    views.append(FeatureView(
        name=f"g{g}", entities=[entity], ttl=datetime.timedelta(days=3650),
        schema=[Field(name=f"f{g}{f}", dtype=Float64) for f in range(features)],
        source=FileSource(name=f"s{g}", path=path, timestamp_field="at"), online=True))
store.apply([entity, *views, FeatureService(name="all", features=views)])
for view, frame in zip(views, frames):
    for begin in range(0, entities, 20_000):
        store.write_to_online_store(view.name, frame.iloc[begin:begin + 20_000])
"""

FEAST_CONFIG = """project: lookup
provider: local
registry: {folder}/registry.db
online_store:
  type: sqlite
  path: {folder}/online.db
offline_store:
  type: file
entity_key_serialization_version: 3
"""


def ask(port: int, path: str, body: str, entities: int, count: int, seed: int) -> dict:
    return json.loads(run(CLIENT, "http", port, path, body, entities, count, seed))


class Server(Served):
    """A server under test, until the block ends."""

    def __init__(self, command: list[str], port: int, ready: str, path: str, body: str,
                 entities: int, vector: Callable[[dict], dict], **options):
        super().__init__(command, port, ready, **options)
        self.path, self.body, self.entities = path, body, entities
        self.vector = vector  # feature → value, of an answer

    def __enter__(self) -> "Server":
        super().__enter__()
        self.check(self.entities // 3)
        return self

    def check(self, entity: int) -> None:
        """Every feature has its own value."""
        got = self.vector(self.post(self.path, json.loads(self.body.replace("#", str(entity)))))
        wanted = {f"f{g}{f}": entity * 24 + g * 8 + f + 0.5 for g in range(3) for f in range(8)}
        if got != wanted:
            raise SystemExit(f"{self.path} answers {got} for entity {entity}")

    def burst(self, count: int, seed: int) -> dict:
        """Asks `count` times; adds "per_cpu_second"."""
        before = cpu_seconds(self.process.pid)
        answer = ask(self.port, self.path, self.body, self.entities, count, seed)
        answer["per_cpu_second"] = count / max(cpu_seconds(self.process.pid) - before, 1e-9)
        return answer


def feast_vector(answer: dict) -> dict:
    names = answer["metadata"]["feature_names"]
    vector = {name: one["values"][0] for name, one in zip(names, answer["results"])}
    del vector["entity"]
    return vector


def feast_server(folder: Path, entities: int) -> Server:
    folder.mkdir()
    (folder / "feature_store.yaml").write_text(FEAST_CONFIG.format(folder=folder))
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment["FEAST_USAGE"] = "False"
    run(FEAST / "python", "-c", FEAST_BUILD, folder, entities, 3, 8, env=environment)
    port = free_port()
    return Server([str(FEAST / "feast"), "--chdir", str(folder), "serve", "--port", str(port),
                   "--max-requests", "0", "--no-access-log"],
                  port, "/health", FEAST_PATH, FEAST_BODY, entities, feast_vector,
                  env=environment, cwd=folder)


def our_server(project: Path, entities: int) -> Server:
    import tercet

    binary = Path(tercet.__file__).parent / "bin" / "tercet"
    port = free_port()
    return Server([str(binary), "serve", str(project), "--http", f"127.0.0.1:{port}",
                   "--flight", "127.0.0.1:0", "--grpc", "127.0.0.1:0"],
                  port, "/v2/health/ready", OUR_PATH, OUR_BODY, entities,
                  lambda answer: answer["features"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entities", type=int, default=1_000_000)
    parser.add_argument("--feast-entities", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--requests", type=int, default=40_000, help="to our server, a run")
    parser.add_argument("--feast-requests", type=int, default=1_500, help="to Feast's, a run")
    options = parser.parse_args()

    folder = Path(tempfile.mkdtemp(prefix="tercet-lookup-"))
    project = folder / "project"
    try:
        begun = time.perf_counter()
        run(sys.executable, "-c", BUILD, project, options.entities)
        build_seconds = time.perf_counter() - begun
        native = json.loads(run(CLIENT, "embedded", project, options.entities, 100_000))
        python = json.loads(run(sys.executable, "-c", PYTHON, project, options.entities, 30_000))
        ours: list[dict] = []
        noops: list[dict] = []
        theirs: list[dict] = []
        with our_server(project, options.entities) as server, \
                feast_server(folder / "feast", options.feast_entities) as feast:
            server.burst(options.requests // 4, 1)
            feast.burst(options.feast_requests // 4, 1)
            for turn in range(2, options.runs + 2):
                ours.append(server.burst(options.requests, turn))
                noops.append(ask(server.port, "/v2/health/live", "-", 1, options.requests, turn))
                theirs.append(feast.burst(options.feast_requests, turn))
    finally:
        shutil.rmtree(folder, ignore_errors=True)

    def median(values) -> float:
        return statistics.median(values)

    ratios = {
        "feast": median(a["per_cpu_second"] / b["per_cpu_second"] for a, b in zip(ours, theirs)),
        "noop": median(b["p50_us"] / a["p50_us"] for a, b in zip(ours, noops))}
    figures = {
        "embedded_cpp_p50_us": native["p50_us"],
        "embedded_cpp_p99_us": native["p99_us"],
        "embedded_python_p50_us": python["p50_us"],
        "embedded_python_p99_us": python["p99_us"],
        "http_p50_us": median(a["p50_us"] for a in ours),
        "http_p99_us": median(a["p99_us"] for a in ours),
        "noop_p50_us": median(a["p50_us"] for a in noops),
        "http_requests_per_cpu_second": median(a["per_cpu_second"] for a in ours),
        "feast_p50_us": median(b["p50_us"] for b in theirs),
        "feast_p99_us": median(b["p99_us"] for b in theirs),
        "feast_requests_per_cpu_second": median(b["per_cpu_second"] for b in theirs),
        "build_three_groups_seconds": build_seconds}
    ratios = {name: round(value, 2) for name, value in ratios.items()}
    figures = {name: round(value, 1) for name, value in figures.items()}
    for name, value in {**ratios, **figures}.items():
        print(f"{name:32} {value}")
    print(json.dumps({"benchmark": "lookup", "answers_checked": True, "ratios": ratios,
                      "figures": figures}))


if __name__ == "__main__":
    main()
