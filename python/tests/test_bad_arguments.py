"""Every argument of what defines something, with values that are none: each is refused by an error
that names the argument, or kept as what it is; never by a crash, never as something else."""

from __future__ import annotations

import datetime
import inspect
import math
import warnings

import numpy as np
import pandas as pd
import pytest

import tercet as tc
from tercet import split, transformation

BAD = [-1, 0, 1.5, math.nan, math.inf, "", "nope", True, [], [1], ["x", "x"], {}, object, b"x",
       2**70, (1,), ("a",), {"a": 1}, np.array([1, 2]), datetime.datetime(2024, 1, 1),
       datetime.timedelta(-1), [None], [math.nan], [2, 1], set(), np.float32(2), -0.5, "1"]

REQUIRED = {"bins": {"edges": [1.0]}, "ordinal_encoder": {"categories": ["a"]},
            "cyclical": {"period": 24}, "impute_constant": {"value": 0}}
KINDS = [name for name, made in vars(transformation).items()
         if inspect.isfunction(made) and made.__module__ == transformation.__name__
         and not name.startswith("_") and name != "flatten"]


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    with tc.open(tmp_path_factory.mktemp("bad")) as project:
        group = project.feature_group("rows", version=1, primary_key=["id"], event_time="t")
        group.insert(pd.DataFrame({
            "id": range(40), "t": pd.date_range("2024-01-01", periods=40, freq="h", tz="UTC"),
            "x": [float(i) for i in range(40)], "s": ["a", "b", "c", "d"] * 10,
            "unique": [f"u{i}" for i in range(40)], "one": 1}))
        yield project, group.select("x", "s", "unique", "one")


def refused(call) -> str | None:
    """What a call is refused with, if it is; any other error fails."""
    try:
        call()
    except tc.Error as error:
        return str(error)
    return None


@pytest.mark.parametrize("kind", KINDS)
def test_options_of_transformations(rows, kind):
    project, query = rows
    make, number = getattr(tc, kind), 0
    options = [name for name, one in inspect.signature(make).parameters.items()
               if one.kind is one.KEYWORD_ONLY]
    for option in options:
        for bad in BAD:
            said = refused(lambda: make("x", **{**REQUIRED.get(kind, {}), option: bad}).to_json())
            if said is not None:
                assert option in said
                continue
            number += 1
            given = make("x", **{**REQUIRED.get(kind, {}), option: bad})
            refused(lambda: project.feature_view(f"{kind}_{number}", version=1, query=query,
                                                 transformations=[given]))


def test_what_is_not_said_is_not_something_else(rows):
    with pytest.raises(tc.InvalidError, match="value must be what nulls become, not None"):
        tc.impute_constant("x", value=None)
    assert tc.hashed_ngrams("s", norm=None).options["norm"] == "none"  # as scikit-learn's
    with pytest.raises(tc.WrongTypeError, match="categories must be a list: .'nope'.*'nope'"):
        tc.ordinal_encoder("s", categories="nope")
    with pytest.raises(tc.WrongTypeError, match="period must be a number.*not None"):
        tc.cyclical("x", period=None)
    with pytest.raises(tc.InvalidError, match=r"ngram_range must be two whole numbers.*\(1,\)"):
        tc.hashed_ngrams("s", ngram_range=(1,))
    project, query = rows
    with pytest.raises(tc.WrongTypeError, match="history must be True or False, not 'false'"):
        project.feature_group("kept", version=1, primary_key=["id"], history="false")
    for argument in ("primary_key", "event_time", "online", "deletion_vectors", "history", "tags",
                     "embeddings", "description", "version"):
        for bad in (0.5, object, datetime.timedelta(1)):
            said = refused(lambda: project.feature_group(
                "kept", **{"version": 1, "primary_key": ["id"], argument: bad}))
            assert said is not None and argument in said
    assert "kept" not in [group.name for group in project.feature_groups()]


@pytest.mark.parametrize("name", ["stratified", "by_group", "k_fold", "purged"])
def test_arguments_of_splits(rows, name):
    project, query = rows
    view = project.feature_view("split", version=1, query=query)
    make = getattr(split, name)
    for argument, one in inspect.signature(make).parameters.items():
        if one.kind is one.VAR_KEYWORD:
            continue
        for bad in BAD:
            given = {argument: bad} | ({"train": 0.8, "test": 0.2} if "column" in
                                       inspect.signature(make).parameters else {})
            said = refused(lambda: view.training_data(split=make(**given)))
            assert said is not None


def test_splits_that_leave_a_part_without_rows(rows):
    project, query = rows
    view = project.feature_view("split", version=1, query=query)
    shares = {"train": 0.8, "test": 0.2}
    for given, said in [
            (tc.split.stratified("unique", **shares), "'test' would have none of the 40"),
            (tc.split.k_fold(5, stratify="unique"), "'unique' has too few rows"),
            (tc.split.by_group("one", **shares), "'one' has too few different values"),
            (tc.split.k_fold(5, group="s"), "'s' has too few different values")]:
        with pytest.raises(tc.InvalidError, match=said):
            view.training_data(split=given)
    assert view.training_datasets() == []
    with pytest.warns(UserWarning, match="no rows in its part 'test'"):
        view.training_data(split=tc.split.by_time(train="2025-01-01", test=None))
    with pytest.warns(UserWarning, match="has no rows: none was found"):
        view.training_data(start="2025-01-01")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = view.training_data(split=tc.split.stratified("s", **shares))
    assert [len(part) for part in data.parts.values()] == [32, 8]


def test_a_range_that_ends_before_it_starts(local):
    group = local.feature_group("ranged", version=1, primary_key=["id"], event_time="t",
                                schema={"id": int, "t": "timestamp[us, tz=UTC]", "x": float})
    view = local.feature_view("ranged", version=1, query=group.select("x"))
    later, earlier = "2024-02-01", "2024-01-01"
    for call in (group.read, group.statistics, view.training_data):
        with pytest.raises(tc.InvalidError, match="end, 2024-01-01.* before the start, 2024-02-01"):
            call(start=later, end=earlier)
    with pytest.raises(tc.InvalidError, match=f"end, {earlier}, must be after start, {later}"):
        tc.entities(start=later, end=earlier, every="1h")
    with pytest.raises(tc.InvalidError, match="more than 1,000,000 times"):
        tc.entities(start=earlier, end=later, every="1ms")
    with pytest.raises(tc.InvalidError, match="at has None"):
        tc.entities([None])
    with pytest.raises(tc.InvalidError, match="a format .'csv'. goes with a location"):
        view.training_data(format="csv")
    with pytest.raises(tc.InvalidError, match="n must be a number of rows, 0 or more, not -1"):
        group.head(-1)
