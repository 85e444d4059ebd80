"""Nearest neighbours of one vector: our search of an online group beside FAISS and brute force.

    ./dev bench neighbors [--rows N] [--dimension D] [--queries N] [--rounds N]

Rows with a vector (clustered, of length one), a price and a city are searched for the 10 nearest by
inner product, one query after another, from Python, on one thread each: ours as
`group.find_neighbors`, whose answer is rows of the online store with their prices, after asking
whether the group has changed; FAISS's HNSW (venv-neighbors: faiss-cpu, as many links and as large
an efConstruction) as `index.search`, which answers row numbers; NumPy as one product with the
matrix. Both graphs weigh the smallest power of two of candidates with which they find 99 % of the
nearest, which is measured against brute force before anything is printed.

ratio numpy     NumPy's CPU time ÷ ours
ratio faiss     FAISS's CPU time ÷ ours
ratio filtered  NumPy's CPU time with a mask ÷ ours with a filter that one row in ten fits
ratio build     FAISS's CPU time to build its graph on two threads ÷ ours on all cores, rows read
figures         recall, CPU time of a search in microseconds, seconds until our index was ready, and
                until the next process had it again
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one thread on every side

import numpy as np  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
FAISS = ROOT / ".deps" / "venv-neighbors" / "bin" / "python"
K = 10
RECALL = 0.99

# Answers each line with its recall, microseconds of CPU a search, and its efSearch.
PEER = """
import json, sys, time
import faiss, numpy as np
faiss.omp_set_num_threads(2)
data = np.load(sys.argv[1])
rows, queries, truth = data["rows"], data["queries"], data["truth"]
index = faiss.IndexHNSWFlat(rows.shape[1], 16, faiss.METRIC_INNER_PRODUCT)
index.hnsw.efConstruction = 128
started, spent = time.perf_counter(), time.process_time()
index.add(rows)
built = time.perf_counter() - started, time.process_time() - spent
faiss.omp_set_num_threads(1)
print(json.dumps(built), flush=True)
def search():
    started = time.process_time()
    found = [index.search(query[None], truth.shape[1])[1][0] for query in queries]
    spent = time.process_time() - started
    hits = sum(len(set(a) & set(b)) for a, b in zip(found, truth))
    return hits / truth.size, spent / len(queries) * 1e6
ef = 16
while True:
    index.hnsw.efSearch = ef
    if search()[0] >= float(sys.argv[2]) or ef >= 4096:
        break
    ef *= 2
for line in sys.stdin:
    print(json.dumps([*search(), ef]), flush=True)
"""


def made(rows: int, dimension: int, queries: int) -> tuple[np.ndarray, np.ndarray]:
    """Vectors around a thousand centres, which more of them share the nearer they are to none."""
    random = np.random.default_rng(17)
    centres = random.normal(size=(1000, dimension))

    def some(count: int) -> np.ndarray:
        vectors = (centres[random.integers(0, len(centres), count)]
                   + random.normal(size=(count, dimension)))
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    return some(rows), some(queries)


def brute_force(vectors: np.ndarray, query: np.ndarray) -> np.ndarray:
    scores = vectors @ query
    best = np.argpartition(scores, -K)[-K:]
    return best[np.argsort(-scores[best])]


def timed(ask, queries: np.ndarray) -> tuple[float, list]:
    started = time.process_time()
    answers = [ask(query) for query in queries]
    return (time.process_time() - started) / len(queries) * 1e6, answers


def recall_of(found: list, truth: np.ndarray) -> float:
    return sum(len(set(a) & set(b)) for a, b in zip(found, truth)) / truth.size


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=128)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if not FAISS.exists():
        raise SystemExit(f"{FAISS} is missing: ./dev setup venv-neighbors")
    import pyarrow as pa

    import tercet as tc

    vectors, queries = made(options.rows, options.dimension, options.queries)
    prices = np.random.default_rng(1).integers(0, 100, options.rows).astype(float)
    truth = np.stack([brute_force(vectors, query) for query in queries])
    cheap = np.flatnonzero(prices < 10)
    cheap_truth = np.stack([cheap[brute_force(vectors[cheap], query)] for query in queries])

    with tempfile.TemporaryDirectory() as folder:
        np.savez(f"{folder}/data.npz", rows=vectors, queries=queries, truth=truth)
        peer = subprocess.Popen([FAISS, "-c", PEER, f"{folder}/data.npz", str(RECALL)], text=True,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        faiss_seconds, faiss_cpu_seconds = json.loads(peer.stdout.readline())
        project = tc.open(f"{folder}/project")
        items = project.feature_group("items", primary_key=["item"], online=True,
                                      embeddings={"vector": "inner_product"})
        lists = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), options.dimension)
        items.insert(pa.table({"item": np.arange(options.rows), "vector": lists,
                               "price": prices}), wait_online=True)
        started, spent = time.perf_counter(), time.process_time()

        def ours(query: np.ndarray, **arguments) -> list[int]:
            return items.find_neighbors(query, K, columns=["item", "price"],
                                        **arguments).to_arrow()["item"].to_pylist()

        ours(queries[0])
        first = time.perf_counter() - started
        while json.loads(project._core.neighbor_indexes())[0]["in_graph"] < options.rows:
            time.sleep(0.05)
        ready, ready_cpu = time.perf_counter() - started, time.process_time() - spent

        candidates = 16
        while recall_of([ours(query, candidates=candidates) for query in queries], truth) < RECALL:
            candidates *= 2

        figures: dict[str, list] = {}
        ratios: dict[str, list] = {"numpy": [], "faiss": [], "filtered": []}
        for _ in range(options.rounds):
            micros, found = timed(lambda query: ours(query, candidates=candidates), queries)
            recall = recall_of(found, truth)
            numpy_micros, exact = timed(lambda query: brute_force(vectors, query), queries)
            assert recall_of(exact, truth) == 1
            filtered_micros, filtered = timed(
                lambda query: ours(query, filter="price < 10", candidates=candidates), queries)
            filtered_recall = recall_of(filtered, cheap_truth)
            mask_micros, masked = timed(
                lambda query: cheap[brute_force(vectors[prices < 10], query)], queries)
            assert recall_of(masked, cheap_truth) == 1
            peer.stdin.write("\n")
            peer.stdin.flush()
            faiss_recall, faiss_micros, ef = json.loads(peer.stdout.readline())
            if min(recall, faiss_recall) < RECALL or filtered_recall < 0.95:
                raise SystemExit(f"recall: ours {recall}, filtered {filtered_recall}, FAISS "
                                 f"{faiss_recall} at efSearch {ef}")
            ratios["numpy"].append(numpy_micros / micros)
            ratios["faiss"].append(faiss_micros / micros)
            ratios["filtered"].append(mask_micros / filtered_micros)
            for name, value in {
                    "recall": recall, "filtered_recall": filtered_recall,
                    "candidates": candidates, "faiss_recall": faiss_recall,
                    "faiss_ef_search": ef, "us": micros,
                    "filtered_us": filtered_micros, "numpy_us": numpy_micros,
                    "faiss_us": faiss_micros}.items():
                figures.setdefault(name, []).append(value)
        peer.stdin.close()
        peer.wait()
        project.close()
        # The next process: until it has answered by the graph that this one wrote.
        started = time.perf_counter()
        with tc.open(f"{folder}/project") as project:
            project.feature_group("items").find_neighbors(queries[0], K, columns=["item"])
            again = json.loads(project._core.neighbor_indexes())[0]["in_graph"]
        restart = time.perf_counter() - started
        if again != options.rows:
            raise SystemExit(f"the next process has {again} of {options.rows} rows in its graph")
    ratios["build"] = [faiss_cpu_seconds / ready_cpu]
    print(json.dumps({
        "benchmark": "neighbors", "answers_checked": True,
        "ratios": {name: round(statistics.median(one), 3) for name, one in ratios.items()},
        "figures": {**{name: round(statistics.median(one), 3) for name, one in figures.items()},
                    "first_search_seconds": round(first, 2), "graph_seconds": round(ready, 1),
                    "graph_cpu_seconds": round(ready_cpu, 1),
                    "faiss_build_seconds": round(faiss_seconds, 1),
                    "faiss_build_cpu_seconds": round(faiss_cpu_seconds, 1),
                    "restart_seconds": round(restart, 2)}}))


if __name__ == "__main__":
    main()
