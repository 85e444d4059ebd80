"""A feature vector as a NumPy row: what `vector` says, as numbers."""

from __future__ import annotations

import math
import pickle
import threading

import numpy as np
import pyarrow as pa
import pytest

import tercet as tc

ROWS = 40


def group(project, group_name, columns):
    made = project.feature_group(group_name, version=1, primary_key=["id"], online=True)
    made.insert(pa.table({"id": pa.array(range(ROWS), pa.int64()), **columns}), wait_online=True)
    return made


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    with tc.open(str(tmp_path_factory.mktemp("arrays") / "project")) as opened:
        doubles = group(opened, "doubles", {
            "a": pa.array([None if i == 5 else i / 2 for i in range(ROWS)], pa.float64()),
            "b": pa.array([i * 3.0 for i in range(ROWS)], pa.float64())})
        mixed = group(opened, "mixed", {
            "share": pa.array([i / 4 for i in range(ROWS)], pa.float32()),
            "small": pa.array([-i for i in range(ROWS)], pa.int8()),
            "large": pa.array([2**60 + i for i in range(ROWS)], pa.uint64()),
            "open": pa.array([i % 3 == 0 for i in range(ROWS)], pa.bool_()),
            "name": pa.array([f"n{i}" for i in range(ROWS)])})
        opened.feature_view("doubles", version=1, query=doubles.select("a", "b"))
        opened.feature_view(
            "mixed", version=1,
            query=doubles.select("b").join(mixed.select("share", "small", "large", "open")),
            on_demand={"twice": "b * 2.0 + bonus"}, request_parameters={"bonus": "double"})
        opened.feature_view("named", version=1, query=mixed.select("small", "name"))
        yield opened


def numbers(vector):
    return [math.nan if value is None else float(value) for value in vector.values()]


@pytest.mark.parametrize("view, more", [("doubles", {}), ("mixed", {"bonus": 1.5})])
def test_a_row_has_the_numbers_of_the_vector(project, view, more):
    view = project.feature_view(view)
    for i in [*range(ROWS), ROWS + 7]:  # the last is unknown
        row = view.vector_array({"id": i, **more})
        assert row.dtype == np.float64 and row.ndim == 1
        np.testing.assert_array_equal(row, numbers(view.vector({"id": i, **more})))


def test_a_row_is_the_callers_own(project):
    view = project.feature_view("doubles")
    first, second = view.vector_array({"id": 1}), view.vector_array({"id": 2})
    assert first.flags.writeable and first.flags.owndata
    first[:] = -1
    assert second.tolist() == [1.0, 6.0] == view.vector_array({"id": 2}).tolist()


def test_other_ways_to_ask_give_the_same_row(project):
    view = project.feature_view("doubles")
    expected = [3.5, 21.0]
    assert view.vector_array({"id": 7}, event_time="2100-01-01").tolist() == expected
    assert view.vector_array({"id": np.int64(7)}).tolist() == expected
    # A feature that is passed in is taken as it is.
    assert view.vector_array({"id": 7, "a": 9.0}).tolist() == [9.0, 21.0]


def test_what_is_no_number_is_refused(project):
    with pytest.raises(tc.WrongTypeError, match="'name' is a str"):
        project.feature_view("named").vector_array({"id": 1})
    with pytest.raises(tc.errors.Error, match="id"):
        project.feature_view("doubles").vector_array({})
    with pytest.raises(tc.WrongTypeError, match="one entity"):
        project.feature_view("doubles").vector_array([1])


def test_a_view_follows_its_group(tmp_path):
    with tc.open(str(tmp_path / "project")) as project:
        grown = project.feature_group("grown", version=1, primary_key=["id"], online=True)
        grown.insert(pa.table({"id": [1], "x": [1.0]}), wait_online=True)
        view = project.feature_view("grown", version=1, query=grown.select("x"))
        assert view.vector_array({"id": 1}).tolist() == [1.0]
        grown.insert(pa.table({"id": [1], "x": [2.0]}), mode="upsert", wait_online=True)
        assert view.vector_array({"id": 1}).tolist() == [2.0]
        assert view.vector({"id": 1}) == {"x": 2.0}
    with pytest.raises(tc.InvalidError, match="closed"):
        view.vector_array({"id": 1})


def test_threads_ask_at_once(project):
    view = project.feature_view("mixed")
    wrong = []

    def ask(first):
        for turn in range(300):
            i = (first + turn) % ROWS
            row = view.vector_array({"id": i, "bonus": float(first)})
            if row[0] != i * 3.0 or row[-1] != i * 6.0 + first:
                wrong.append((i, row))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_view_that_was_asked_can_be_pickled(project):
    view = project.feature_view("doubles", version=1)
    row = view.vector_array({"id": 7})
    again = pickle.loads(pickle.dumps(view))
    assert (again.vector_array({"id": 7}) == row).all()
