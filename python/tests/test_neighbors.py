"""Nearest neighbours of embeddings, against brute force in NumPy."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import tercet as tc
from local_server import Server, until

DIMENSION = 12


def items(count: int, seed: int = 1) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return pd.DataFrame({
        "item": np.arange(count),
        "vector": list(random.normal(size=(count, DIMENSION)).astype(np.float32)),
        "price": random.integers(0, 100, count).astype(float),
        "city": random.choice(["Oslo", "Bergen", "Turku"], count),
    })


def group_of(project: tc.Project, metric: str = "cosine", name: str = "items") -> tc.FeatureGroup:
    return project.feature_group(
        name, primary_key=["item"], online=True,
        embeddings={"vector": tc.embedding(metric, dimension=DIMENSION)})


def distances(frame: pd.DataFrame, query: np.ndarray, metric: str) -> np.ndarray:
    vectors = np.stack(frame["vector"]).astype(float)
    if metric == "l2":
        return np.linalg.norm(vectors - query, axis=1)
    products = vectors @ query
    if metric == "inner_product":
        return -products
    return 1 - products / np.linalg.norm(vectors, axis=1) / np.linalg.norm(query)


def nearest(frame: pd.DataFrame, query: np.ndarray, metric: str, k: int) -> list[int]:
    order = np.argsort(distances(frame, query, metric), kind="stable")[:k]
    return frame["item"].to_numpy()[order].tolist()


@pytest.mark.parametrize("metric", ["cosine", "l2", "inner_product"])
def test_finds_what_brute_force_finds(project, metric):
    frame = items(400)
    group = group_of(project, metric)
    group.insert(frame, wait_online=True)
    query = np.random.default_rng(7).normal(size=DIMENSION)
    near = group.find_neighbors(query, k=5)
    assert near.columns == ["_distance", "item", "vector", "price", "city"]
    found = near.to_pandas()
    assert found["item"].tolist() == nearest(frame, query, metric, 5)
    np.testing.assert_allclose(found["_distance"],
                               np.sort(distances(frame, query, metric))[:5], rtol=1e-9)
    assert near.commit == group.commits()[-1].version

    few = frame[(frame.price < 30) & (frame.city == "Oslo")]
    found = group.find_neighbors(query, k=8, filter="price < 30 and city = 'Oslo'",
                                 columns=["item"], exact=True)
    assert found.to_pandas()["item"].tolist() == nearest(few, query, metric, 8)


def test_many_vectors_at_once(project):
    frame = items(300)
    group = group_of(project)
    group.insert(frame, wait_online=True)
    queries = np.random.default_rng(3).normal(size=(4, DIMENSION))
    found = group.find_neighbors(queries, k=3, columns=["item"]).to_pandas()
    assert found["_query"].tolist() == [number for number in range(4) for _ in range(3)]
    for number, query in enumerate(queries):
        assert found[found._query == number]["item"].tolist() == nearest(frame, query, "cosine", 3)
    one = group.find_neighbors([queries[0].tolist()], k=3, columns=["item"]).to_pandas()
    assert one["_query"].tolist() == [0, 0, 0]


def test_follows_what_is_written(project):
    frame = items(200)
    group = group_of(project, "l2")
    group.insert(frame, wait_online=True)
    query = frame["vector"][17]
    assert group.find_neighbors(query, k=1, columns=["item"]).to_pandas()["item"].tolist() == [17]
    group.delete({"item": [17]}, wait_online=True)
    left = frame[frame.item != 17]
    found = group.find_neighbors(query, k=3, columns=["item"]).to_pandas()
    assert found["item"].tolist() == nearest(left, query, "l2", 3)
    # A vector that is written over is found where it is now, and no longer where it was.
    moved = pd.DataFrame({"item": [3, 1000], "vector": [query, query + np.float32(0.01)],
                          "price": [1.0, 2.0], "city": ["Oslo", "Oslo"]})
    commit = group.insert(moved, wait_online=True)
    near = group.find_neighbors(query, k=2, columns=["item", "price"])
    assert near.to_pandas()["item"].tolist() == [3, 1000]
    assert near.commit == commit.version
    old = frame["vector"][3]
    assert 3 not in group.find_neighbors(old, k=3, columns=["item"]).to_pandas()["item"].tolist()
    group.insert(items(50, seed=2), mode="overwrite", wait_online=True)
    found = group.find_neighbors(query, k=4, columns=["item"]).to_pandas()
    assert found["item"].tolist() == nearest(items(50, seed=2), query, "l2", 4)
    group.add_features({"stock": "int64"}, defaults={"stock": 5})
    # Altering waits for nobody online; what is inserted afterwards does.
    group.insert(items(1, seed=4).assign(stock=6), wait_online=True)
    found = group.find_neighbors(query, k=100, filter="stock = 5", columns=["item"]).to_pandas()
    assert sorted(found["item"]) == list(range(1, 50))


def test_embeddings_are_declared_and_altered(project):
    group = project.feature_group("items", primary_key=["item"], online=True)
    frame = items(30)
    group.insert(frame, wait_online=True)
    with pytest.raises(tc.NotFoundError, match="declares no embedding"):
        group.find_neighbors([0.0] * DIMENSION)
    with pytest.raises(tc.InvalidError, match="declare the embedding's dimension"):
        group.alter(embeddings={"vector": "l2"})
    with pytest.raises(tc.NotFoundError, match="did you mean 'vector'"):
        group.alter(embeddings={"vectr": tc.embedding("l2", dimension=DIMENSION)})
    with pytest.raises(tc.WrongTypeError, match="lists of float or double"):
        group.alter(embeddings={"price": tc.embedding("l2", dimension=DIMENSION)})
    with pytest.raises(tc.InvalidError, match="there is no metric 'cosin' .*cosine"):
        group.alter(embeddings={"vector": tc.embedding("cosin", dimension=DIMENSION)})
    group.alter(embeddings={"vector": tc.embedding("l2", dimension=DIMENSION)})
    assert group.embeddings == {"vector": tc.embedding("l2", dimension=DIMENSION)}
    query = frame["vector"][0] * 2
    for metric in ("l2", "cosine"):
        group.alter(embeddings={"vector": tc.embedding(metric, dimension=DIMENSION)})
        found = group.find_neighbors(query, k=3, columns=["item"]).to_pandas()
        assert found["item"].tolist() == nearest(frame, query, metric, 3)
    group.alter(embeddings={"vector": None})
    with pytest.raises(tc.NotFoundError, match="declares no embedding"):
        group.find_neighbors(query)
    with pytest.raises(tc.InvalidError, match="online=True"):
        project.feature_group("offline", primary_key=["item"], embeddings={"vector": "l2"})
    typed = project.feature_group(
        "typed", primary_key=["item"], online=True, embeddings={"vector": "l2"},
        schema={"item": "int64", "vector": f"fixed_size_list<item: double>[{DIMENSION}]"})
    lists = pa.FixedSizeListArray.from_arrays(
        pa.array(np.concatenate(frame["vector"].to_list()).astype(float)), DIMENSION)
    typed.insert(pa.table({"item": frame["item"].to_numpy(), "vector": lists}), wait_online=True)
    found = typed.find_neighbors(query, k=3).to_pandas()
    assert found["item"].tolist() == nearest(frame, query, "l2", 3)
    with pytest.raises(tc.ConflictError, match="embeddings"):
        group_of(project, "l2", "typed")


def test_says_what_is_wrong(project):
    group = group_of(project)
    group.insert(items(10), wait_online=True)
    good = [1.0] * DIMENSION
    for vector, error, text in [
            ([1.0], tc.InvalidError, "has 1 elements; embedding 'vector' has 12"),
            ([0.0] * DIMENSION, tc.InvalidError, "no direction"),
            ("text", tc.WrongTypeError, "list of numbers"),
            ([], tc.InvalidError, "no vector"),
            ([["a"]], tc.WrongTypeError, "elements are numbers")]:
        with pytest.raises(error, match=text):
            group.find_neighbors(vector)
    for arguments, error, text in [
            ({"k": 0}, tc.InvalidError, "k must be from 1"),
            ({"column": "vectors"}, tc.NotFoundError, "did you mean 'vector'"),
            ({"columns": ["prize"]}, tc.NotFoundError, "did you mean 'price'"),
            ({"filter": "prize < 3"}, tc.NotFoundError, "did you mean 'price'"),
            ({"filter": "price"}, tc.WrongTypeError, "not a condition"),
            ({"candidates": 0}, tc.InvalidError, "candidates must be")]:
        with pytest.raises(error, match=text):
            group.find_neighbors(good, **arguments)
    # A row without a vector that can be compared is nobody's neighbour.
    vectors = pa.array([None, [1.0], [float("nan")] * DIMENSION, [1.0, None] * (DIMENSION // 2)],
                       pa.list_(pa.float32()))
    group.insert(pa.table({"item": [100, 101, 102, 103], "vector": vectors,
                           "price": [1.0] * 4, "city": ["Oslo"] * 4}), wait_online=True)
    assert len(group.find_neighbors(good, k=50).to_pandas()) == 10


def test_an_index_is_lost_with_its_process(tmp_path):
    frame = items(100)
    query = frame["vector"][5]
    for first in (True, False):
        with tc.open(tmp_path / "project") as project:
            group = group_of(project)
            if first:
                group.insert(frame, wait_online=True)
            found = group.find_neighbors(query, k=3, columns=["item"]).to_pandas()
            assert found["item"].tolist() == nearest(frame, query, "cosine", 3)


def test_a_graph_outlives_a_killed_server(tmp_path):
    """The next server has it at once, and sees what was written in between."""
    frame = items(4000)
    query = frame["vector"][5]
    path = tmp_path / "project"

    def in_graph(project: tc.Project) -> int:
        return json.loads(project._core.neighbor_indexes())[0]["in_graph"]

    def find(group: tc.FeatureGroup) -> list[int]:
        return group.find_neighbors(query, k=5, columns=["item"]).to_pandas()["item"].tolist()

    def files() -> list[Path]:
        return list((path / "neighbors").glob("items@1-*.index"))

    server = Server(path)
    try:
        with tc.open(server.location) as project:
            group = group_of(project)
            group.insert(frame, wait_online=True)
            first = find(group)
            assert first[0] == 5
            until(lambda: in_graph(project) == len(frame))
            until(files)
    finally:
        server.process.kill()
        server.process.wait()
    with tc.open(path) as project:
        project.feature_group("items").delete({"item": [5]}, wait_online=True)
    server = Server(path)
    try:
        with tc.open(server.location) as project:
            group = project.feature_group("items")
            assert find(group) == nearest(frame[frame.item != 5], query, "cosine", 5)
            assert in_graph(project) == len(frame)
            group.drop()
            assert not files()
    finally:
        server.stop()


def test_erased_rows_leave_the_disk(tmp_path):
    with tc.open(tmp_path / "project") as project:
        group = group_of(project)
        group.insert(items(2500), wait_online=True)
        group.find_neighbors([1.0] * DIMENSION)
        folder = tmp_path / "project" / "neighbors"
        until(lambda: list(folder.glob("*.index")))
        project.erase({"item": [7]})
        assert not list(folder.glob("*.index"))

        def rows() -> int:
            group.find_neighbors([1.0] * DIMENSION)
            return json.loads(project._core.neighbor_indexes())[0]["rows"]

        until(lambda: rows() == 2499)
        until(lambda: list(folder.glob("*.index")))


def test_processes_follow_each_other(tmp_path):
    server = Server(tmp_path / "project")
    try:
        with tc.open(server.location) as remote, tc.open(tmp_path / "project") as local:
            frame = items(80)
            group_of(remote, "l2").insert(frame, wait_online=True)
            query = frame["vector"][11]
            for project in (remote, local):
                found = project.feature_group("items").find_neighbors(query, k=2, columns=["item"])
                assert found.to_pandas()["item"].tolist() == nearest(frame, query, "l2", 2)
            local.feature_group("items").delete({"item": [11]}, wait_online=True)
            left = frame[frame.item != 11]
            for project in (remote, local):
                found = project.feature_group("items").find_neighbors(query, k=2, columns=["item"])
                assert found.to_pandas()["item"].tolist() == nearest(left, query, "l2", 2)
            # Another group of the same name is another one.
            remote.feature_group("items").drop()
            group_of(remote, "l2").insert(items(20, seed=3), wait_online=True)
            for project in (remote, local):
                found = project.feature_group("items").find_neighbors(query, k=2, columns=["item"])
                assert (found.to_pandas()["item"].tolist()
                        == nearest(items(20, seed=3), query, "l2", 2))
    finally:
        server.stop()


def test_over_http_and_from_the_command_line(tmp_path):
    server = Server(tmp_path / "project")
    try:
        with tc.open(server.location) as project:
            group = group_of(project, "l2")
            frame = items(60)
            group.insert(frame, wait_online=True)
        query = frame["vector"][9].tolist()
        base = f"http://127.0.0.1:{server.http}"
        request = urllib.request.Request(
            f"{base}/api/v1/feature-groups/items/latest/neighbors", method="POST",
            data=json.dumps({"vectors": [query, query], "k": 2, "columns": ["item"]}).encode(),
            headers={"Content-Type": "application/json"})
        answer = json.load(urllib.request.urlopen(request))
        assert answer["commit"] == 1
        assert len(answer["neighbors"]) == 2
        assert answer["neighbors"][0] == answer["neighbors"][1]
        assert answer["neighbors"][0][0] == {"_distance": 0, "item": 9}
        metrics = urllib.request.urlopen(f"{base}/metrics").read().decode()
        assert 'tercet_neighbor_index_rows{feature_group="items@1",column="vector"} 60' in metrics
        indexes = json.load(urllib.request.urlopen(f"{base}/api/v1/neighbor-indexes"))["items"]
        assert indexes[0]["rows"] == 60 and indexes[0]["searches"] == 2
        printed = subprocess.run(
            [os.environ.get("TERCET_BINARY") or str(Path(tc.__file__).parent / "bin" / "tercet"),
             "--project", server.location, "--json", "neighbors", "items", json.dumps(query),
             "-k", "1"],
            check=True, capture_output=True, text=True).stdout
        assert json.loads(printed)["item"] == 9 and "vector" not in printed
    finally:
        server.stop()
