"""Feature vectors over the network: one, and a hundred at once.

    ./dev bench lookup_remote [--entities N] [--feast-entities N] [--runs N]

Five online groups of ten float64 features; a request asks all 50 of each of its entities. All
servers are asked by compiled clients over one connection, in turns, and every value is checked.

ratio noop         p50 of our own server's endpoint that does nothing (/v2/health/live) ÷ p50 of
                   one vector as JSON
ratio feast        one vector: requests per CPU second of the server's processes, ours ÷ Feast's.
                   Feast keeps its rows in Redis, whose CPU is not counted, and runs at its best:
                   two workers that are never restarted, no access log (its packages: venv-feast)
ratio redis_batch  a hundred vectors: CPU seconds of client and server for the same 500 rows from a
                   Redis by five pipelined MGETs of hiredis, ten doubles taken out of each ÷ CPU
                   seconds of client and server for ours as binary tensors
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Callable

from lookup import FEAST, FEAST_BUILD
from lookup_embedded import BUILD, FEAST_CONFIG
from served import ROOT, Redis, Served, cpu_seconds, free_port, our_server, run

CLIENT = ROOT / "build" / "release" / "benchmarks" / "lookup_remote"
FEATURES = [f"f{g}{f}" for g in range(5) for f in range(10)]

def feast_server(folder: Path, redis: Redis, entities: int) -> Served:
    folder.mkdir()
    (folder / "feature_store.yaml").write_text(
        FEAST_CONFIG.format(folder=folder, port=redis.port))
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment["FEAST_USAGE"] = "False"
    run(FEAST / "python", "-c", FEAST_BUILD, folder, entities, 5, 10, env=environment)
    port = free_port()
    return Served([str(FEAST / "feast"), "--chdir", str(folder), "serve", "--port", str(port),
                   "--workers", "2", "--max-requests", "0", "--no-access-log"],
                  port, "/health", env=environment, cwd=folder)


def bodies(path: Path, entities: int, body: str, first: Callable[[int], float]) -> Path:
    """Requests of some entities, each with the first number of its answer, which is checked."""
    step = max(entities // 1000, 1)
    path.write_text("".join(f"{first(entity)}\t{body.replace('#', str(entity))}\n"
                            for entity in range(0, entities, step)))
    return path


def check(server: Served, path: str, body: str, entity: int, vector) -> None:
    """Every feature has its own value."""
    got = vector(server.post(path, json.loads(body.replace("#", str(entity)))))
    wanted = {name: entity * 50 + i + 0.5 for i, name in enumerate(FEATURES)}
    if got != wanted:
        raise SystemExit(f"{path} answers {got} for entity {entity}")


def feast_vector(answer: dict) -> dict:
    vector = {name: one["values"][0] for name, one in
              zip(answer["metadata"]["feature_names"], answer["results"])}
    del vector["entity"]
    return vector


def batch(kind: str, port: int, pid: int, entities: int, count: int, seed: int) -> dict:
    """A hundred vectors, `count` times; adds "cpu_us" of client and server a request."""
    before = cpu_seconds(pid)
    answer = json.loads(run(CLIENT, kind, port, entities, count, seed))
    spent = cpu_seconds(pid) - before + answer["client_cpu_seconds"]
    answer["cpu_us"] = spent * 1e6 / count
    return answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entities", type=int, default=200_000)
    parser.add_argument("--feast-entities", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--requests", type=int, default=40_000, help="of one vector, a run")
    parser.add_argument("--feast-requests", type=int, default=1_500, help="to Feast, a run")
    parser.add_argument("--batches", type=int, default=4_000, help="of a hundred vectors, a run")
    options = parser.parse_args()
    path, body = "/api/v1/feature-views/all/1/vectors", '{"entities":{"entity":#}}'
    feast_path = "/get-online-features"
    feast_body = '{"feature_service":"all","entities":{"entity":[#]}}'

    folder = Path(tempfile.mkdtemp(prefix="tercet-lookup-remote-"))
    ours, noops, theirs, our_batches, redis_batches = [], [], [], [], []
    try:
        run(sys.executable, "-c", BUILD, folder / "project", options.entities)
        with Redis(folder / "redis") as redis, Redis(folder / "feast-redis") as feast_redis, \
                our_server(folder / "project") as server, \
                feast_server(folder / "feast", feast_redis, options.feast_entities) as feast:
            run(CLIENT, "load", redis.port, options.entities)
            check(server, path, body, options.entities // 3, lambda answer: answer["features"])
            check(feast, feast_path, feast_body, options.feast_entities // 3, feast_vector)
            our_bodies = bodies(folder / "ours", options.entities, body, lambda e: e * 50 + 0.5)
            feast_bodies = bodies(folder / "theirs", options.feast_entities, feast_body, float)
            server.latency(path, our_bodies, options.requests // 4, 1)
            feast.latency(feast_path, feast_bodies, options.feast_requests // 4, 1)
            for turn in range(1, options.runs + 2):
                turns = (
                    (our_batches, "ours", server.port, server.process.pid),
                    (redis_batches, "redis", redis.port, redis.process.pid))
                for kept, kind, port, pid in turns:
                    kept.append(batch(kind, port, pid, options.entities, options.batches, turn))
                ours.append(server.latency(path, our_bodies, options.requests, turn))
                noops.append(server.latency("/v2/health/live", "-", options.requests, turn))
                theirs.append(feast.latency(feast_path, feast_bodies, options.feast_requests,
                                            turn))
    finally:
        shutil.rmtree(folder, ignore_errors=True)

    # The first turn warms up.
    def median(values) -> float:
        return statistics.median(list(values)[1:])

    ratios = {
        "noop": median(b["p50_us"] / a["p50_us"] for a, b in zip(ours, noops)),
        "feast": median(a["per_cpu_second"] / b["per_cpu_second"]
                        for a, b in zip(ours, theirs)),
        "redis_batch": median(b["cpu_us"] / a["cpu_us"]
                              for a, b in zip(our_batches, redis_batches))}
    figures = {
        "p50_us": median(a["p50_us"] for a in ours),
        "p99_us": median(a["p99_us"] for a in ours),
        "noop_p50_us": median(a["p50_us"] for a in noops),
        "requests_per_cpu_second": median(a["per_cpu_second"] for a in ours),
        "feast_p50_us": median(a["p50_us"] for a in theirs),
        "feast_requests_per_cpu_second": median(a["per_cpu_second"] for a in theirs),
        "batch_p50_us": median(a["p50_us"] for a in our_batches),
        "batch_cpu_us": median(a["cpu_us"] for a in our_batches),
        "redis_batch_p50_us": median(a["p50_us"] for a in redis_batches),
        "redis_batch_cpu_us": median(a["cpu_us"] for a in redis_batches)}
    ratios = {name: round(value, 2) for name, value in ratios.items()}
    figures = {name: round(value, 1) for name, value in figures.items()}
    for name, value in {**ratios, **figures}.items():
        print(f"{name:34} {value}")
    print(json.dumps({"benchmark": "lookup_remote", "answers_checked": True, "ratios": ratios,
                      "figures": figures}))


if __name__ == "__main__":
    main()
