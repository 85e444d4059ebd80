"""Feature vectors of what is near, against brute force in NumPy and the view's own vectors."""

from __future__ import annotations

import json
import os
import subprocess

import numpy as np
import pandas as pd
import pytest

import tercet as tc
from local_server import Server
from serving import call

DIMENSION = 8
ITEMS = 60


def catalog(seed: int = 1) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return pd.DataFrame({
        "item": np.arange(ITEMS),
        "vector": list(random.normal(size=(ITEMS, DIMENSION)).astype(np.float32)),
        "price": random.integers(1, 100, ITEMS).astype(float),
        "shop": random.choice(["north", "south"], ITEMS),
    })


def groups_of(project: tc.Project) -> tuple[tc.FeatureGroup, tc.FeatureGroup, tc.FeatureGroup]:
    items = project.feature_group(
        "items", primary_key=["item"], online=True,
        embeddings={"vector": tc.embedding("l2", dimension=DIMENSION)})
    items.insert(catalog(), wait_online=True)
    users = project.feature_group("users", primary_key=["user"], online=True)
    users.insert(pd.DataFrame({"user": [1, 2], "age": [20.0, 60.0]}), wait_online=True)
    ratings = project.feature_group("ratings", primary_key=["user", "item"], online=True)
    ratings.insert(pd.DataFrame({"user": [1, 2], "item": [3, 4], "stars": [5.0, 1.0]}),
                   wait_online=True)
    return items, users, ratings


def nearest(frame: pd.DataFrame, query: np.ndarray, k: int) -> list[int]:
    distances = np.linalg.norm(np.stack(frame["vector"]).astype(float) - query, axis=1)
    return frame["item"].to_numpy()[np.argsort(distances, kind="stable")[:k]].tolist()


def ranking(project: tc.Project) -> tc.FeatureView:
    """Of a user and an item, with a feature that the request's budget gives."""
    items, users, ratings = groups_of(project)
    return project.feature_view(
        "ranking",
        query=ratings.select("stars").join(items.select("price", "shop"), on="item")
        .join(users.select("age"), on="user"),
        on_demand={"affordable": "budget - price", "dear": "price * age"},
        request_parameters={"budget": "double"})


def test_vectors_of_the_root_groups_rows(project):
    items, _, _ = groups_of(project)
    view = project.feature_view("similar", query=items.select("price", "shop"))
    frame = catalog()
    query = frame["vector"][7]
    near = view.find_neighbors(query, k=5)
    wanted = nearest(frame, query, 5)
    assert near.entities.to_pandas()["item"].tolist() == wanted
    assert near.columns == ["price", "shop"]
    assert near.to_pandas()["price"].tolist() == frame["price"][wanted].tolist()
    assert near.distances.columns == ["_distance"]
    assert near.distances.to_pandas()["_distance"].is_monotonic_increasing
    assert set(near.status.to_pandas()["price"]) == {"present"}
    assert near.commit == items.commits()[-1].version

    cheap = frame[(frame.price < 40) & (frame.shop == "north")]
    near = view.find_neighbors(query, k=4, filter="price < 40 and shop = 'north'")
    assert near.entities.to_pandas()["item"].tolist() == nearest(cheap, query, 4)


def test_candidates_are_joined_with_the_user_who_asks(project):
    view = ranking(project)
    frame = catalog()
    queries = np.stack([frame["vector"][3], frame["vector"][4]])
    near = view.find_neighbors(queries[0], k=6, entity={"user": 1, "budget": 50.0})
    wanted = nearest(frame, queries[0], 6)
    entities = near.entities.to_pandas()
    assert sorted(entities.columns) == ["budget", "item", "user"]
    assert entities["item"].tolist() == wanted
    # The same as asking for the vectors of these entities.
    again = view.vectors(entities).to_pandas()
    pd.testing.assert_frame_equal(near.to_pandas(), again)
    found = near.to_pandas()
    assert found["stars"][0] == 5.0 and found["stars"][1:].isna().all()
    assert near.status.to_pandas()["stars"].tolist() == ["present"] + ["missing"] * 5
    assert found["affordable"].tolist() == (50.0 - found["price"]).tolist()

    # An entity for each vector.
    near = view.find_neighbors(queries, k=2, entity=pd.DataFrame({"user": [1, 2],
                                                                  "budget": [10.0, 90.0]}))
    assert near.distances.to_pandas()["_query"].tolist() == [0, 0, 1, 1]
    assert near.entities.to_pandas()["user"].tolist() == [1, 1, 2, 2]
    assert near.to_pandas()["age"].tolist() == [20.0, 20.0, 60.0, 60.0]
    assert near.to_pandas()["stars"].dropna().tolist() == [5.0, 1.0]


@pytest.mark.parametrize("condition, fits", [
    ("price < 30", lambda row: row["price"] < 30),                       # the index asks
    ("affordable > 20", lambda row: 70 - row["price"] > 20),             # computed
    ("dear < 500 and shop = 'south'",
     lambda row: row["price"] * 20 < 500 and row["shop"] == "south"),
    ("age = 20.0 and item != 9", lambda row: row["item"] != 9),          # joined, and a key
    ("affordable > 1000", lambda row: False)])
def test_filters_over_the_views_features(project, condition, fits):
    view = ranking(project)
    frame = catalog()
    query = frame["vector"][9]
    near = view.find_neighbors(query, k=5, entity={"user": 1, "budget": 70.0}, filter=condition)
    few = frame[[bool(fits(row)) for _, row in frame.iterrows()]]
    wanted = nearest(few, query, 5) if len(few) else []
    assert near.entities.to_pandas()["item"].tolist() == wanted
    assert len(near.to_pandas()) == len(wanted)


def test_transformations_of_a_training_dataset(project):
    items, _, _ = groups_of(project)
    view = project.feature_view("scaled", query=items.select("price"),
                                transformations=[tc.standard_scaler("price")])
    view.training_data()
    frame = catalog()
    query = frame["vector"][7]
    plain = view.find_neighbors(query, k=4, filter="price > 20")
    scaled = view.find_neighbors(query, k=4, filter="price > 20", training_dataset=0)
    assert scaled.entities.to_pandas().equals(plain.entities.to_pandas())
    assert scaled.to_pandas().equals(
        view.vectors(plain.entities.to_pandas(), training_dataset=0).to_pandas())
    assert not scaled.to_pandas().equals(plain.to_pandas())


def test_says_what_is_wrong(project):
    view = ranking(project)
    query = [1.0] * DIMENSION
    user = {"user": 1, "budget": 1.0}
    for arguments, error, text in [
            ({"entity": {"user": 1}}, tc.InvalidError, "budget"),
            ({"entity": {**user, "item": 3}}, tc.InvalidError, "'item' is said by the rows"),
            ({"entity": pd.DataFrame([user, user])}, tc.InvalidError, "2 rows for 1 vectors"),
            ({"entity": user, "column": "vectr"}, tc.NotFoundError, "did you mean 'vector'"),
            ({"entity": user, "filter": "prize < 3"}, tc.NotFoundError, "did you mean 'price'"),
            ({"entity": user, "filter": "price <"}, tc.InvalidError, "filter 'price <'"),
            ({"entity": user, "k": 0}, tc.InvalidError, "k must be from 1")]:
        with pytest.raises(error, match=text):
            view.find_neighbors(query, **arguments)
    users = project.feature_view("users", query=project.feature_group(
        "users", primary_key=["user"], online=True).select("age"))
    with pytest.raises(tc.NotFoundError, match="no group with an embedding"):
        users.find_neighbors(query)


def test_rest_and_command_line(tmp_path):
    server = Server(tmp_path / "project")
    try:
        with tc.open(server.location) as project:
            ranking(project)
        frame = catalog()
        query = [float(element) for element in frame["vector"][3]]
        body = {"vectors": [query], "k": 2, "entities": {"user": 1, "budget": 50}}
        _, found, _ = call(server, "/api/v1/feature-views/ranking/1/neighbors", body)
        first = found["neighbors"][0][0]
        assert first["_distance"] == 0
        assert first["entity"] == {"item": 3, "user": 1, "budget": 50.0}
        assert first["vector"]["features"]["stars"] == 5
        assert first["vector"]["features"]["price"] == frame["price"][3]
        assert found["neighbors"][0][1]["vector"]["missing"] == {"stars": "missing"}
    finally:
        server.stop()
    binary = os.environ["TERCET_BINARY"]
    printed = subprocess.run(
        [binary, "--project", str(tmp_path / "project"), "--json", "views", "neighbors", "ranking",
         json.dumps(query), "user=1", "budget=50.0", "-k", "2", "--filter", "price > 0"],
        check=True, capture_output=True, text=True).stdout
    rows = [json.loads(line) for line in printed.splitlines()]
    assert [row["item"] for row in rows] == nearest(frame, np.array(query), 2)
    assert rows[0]["_distance"] == 0 and rows[0]["stars"] == 5
