"""What values of Python, NumPy and pandas become in a group, and come back as."""

import datetime
import decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import tercet as tc

UTC = datetime.timezone.utc
NOON = datetime.datetime(2024, 2, 29, 12, tzinfo=UTC)
LAST = datetime.datetime(1969, 12, 31, 23, 59, 59, 999999)

VALUES = {
    "int8": [-128, 127], "uint64": [2**64 - 1, 0], "float": [0.5, -0.0], "halffloat": [1.5, 2.0],
    "bool": [True, False], "string": ["", "a\0b"], "binary": [b"", b"\0\xff"],
    "fixed_size_binary[2]": [b"ab", b"\0\0"], "date32[day]": [datetime.date(1, 1, 1), LAST.date()],
    "date64[ms]": [datetime.date(2024, 2, 29), LAST.date()], "timestamp[us]": [LAST, LAST],
    "timestamp[ms, tz=Asia/Kathmandu]": [NOON, NOON], "time32[s]": [datetime.time(23, 59, 59)] * 2,
    "time64[us]": [datetime.time(0, 0, 0, 1), datetime.time(12)],
    "duration[us]": [datetime.timedelta(microseconds=-1), datetime.timedelta(days=1)],
    "decimal128(20, 3)": [decimal.Decimal("-0.125"), decimal.Decimal(10) ** 16],
    "list<float>": [[0.1], []], "list<int16>": [[1, None], [-1]],
    "list<timestamp[us]>": [[LAST], []],
}


@pytest.fixture
def group(project):
    schema = {"key": "int32", "at": "timestamp[us]"}
    schema.update((f"c{i}", kind) for i, kind in enumerate(VALUES) if kind != "halffloat")
    return project.feature_group("values", version=1, primary_key=["key"], event_time="at",
                                 schema=schema)


def test_plain_rows_take_the_types_of_the_columns_and_come_back_equal(group):
    rows = [{"key": key, "at": LAST,
             **{f"c{i}": VALUES[kind][key] for i, kind in enumerate(VALUES)
                if kind != "halffloat"}} for key in (0, 1)]
    rows.append({**dict.fromkeys(rows[0]), "key": 2, "at": LAST})
    group.insert(rows)
    back = group.read().to_rows()
    narrow = f"c{list(VALUES).index('list<float>')}"
    assert np.float32(back[0][narrow]) == np.float32(0.1)
    rows[0][narrow] = back[0][narrow]
    assert back == rows
    group.insert(back)
    assert group.read().to_rows() == back
    group.delete([{"key": 0, "at": LAST}])
    assert len(group.read()) == 2


def test_bytes_of_one_length_are_keys_online(project):
    group = project.feature_group("hashed", version=1, primary_key=["id"], online=True)
    group.insert(pa.table({"id": pa.array([b"ab", b"\0\xff"], pa.binary(2)), "x": [1.5, 2.5]}),
                 wait_online=True)
    view = project.feature_view("hashed", version=1, query=group.select("x"))
    assert view.vector({"id": b"\0\xff"})["x"] == 2.5
    assert [row["x"] for row in view.vectors([{"id": b"ab"}, {"id": b"\0\xff"}]).to_rows()] == \
        [1.5, 2.5]
    with pytest.raises(tc.InvalidError, match="3 bytes"):
        view.vector({"id": b"abc"})


def test_halves_come_back_as_floats(local):
    group = local.feature_group("halves", version=1, primary_key=["key"])
    group.insert(pd.DataFrame({"key": [0, 1], "x": np.array(VALUES["halffloat"], "float16")}))
    assert [row["x"] for row in group.read().to_rows()] == VALUES["halffloat"]
    assert local.sql("SELECT sum(x) AS x FROM halves").to_rows() == [{"x": 3.5}]


def test_numpy_and_pandas_values_are_what_they_hold(local):
    group = local.feature_group("scalars", version=1, primary_key=["key"], event_time="at")
    group.insert([
        {"key": np.int8(1), "at": pd.Timestamp(NOON), "x": np.uint64(2**64 - 1),
         "t": np.datetime64("2024-02-29T12:00", "ns"), "d": pd.Timedelta("1s"), "n": pd.NA,
         "day": np.datetime64("2024-02-29"), "all": np.array(["2024-02-29T12"], "datetime64[ns]")},
        {"key": 2, "at": NOON, "x": None, "t": pd.NaT, "d": np.timedelta64(2, "m"), "n": 1.5}])
    assert group.read(["x", "t", "d", "n", "day", "all"]).to_rows() == [
        {"x": 2**64 - 1, "t": NOON, "d": datetime.timedelta(seconds=1), "n": None,
         "day": NOON.date(), "all": [NOON]},
        {"x": None, "t": None, "d": datetime.timedelta(minutes=2), "n": 1.5, "day": None,
         "all": None}]


@pytest.mark.parametrize("value, said", [
    ("\ud800", "surrogate"), (np.datetime64(1, "ns"), "microseconds"), (2**64, "64 bits"),
    ({1}, "set"), (decimal.Decimal("NaN"), "x"), (decimal.Decimal(10) ** 40, "x"),
    (datetime.time(1, tzinfo=UTC), "zone")])
def test_values_that_no_column_has_are_named(local, value, said):
    group = local.feature_group("refused", version=1, primary_key=["key"])
    with pytest.raises(tc.Error, match=said):
        group.insert([{"key": 1, "x": value}])


@pytest.mark.parametrize("frame, said", [
    (lambda: {"key": [1], "x": ["\ud800"]}, "surrogate"),
    (lambda: pl.DataFrame({"key": [1], "x": pl.Series([1], dtype=pl.Int128)}), "cast")])
def test_columns_that_no_table_has_are_named(local, frame, said):
    group = local.feature_group("refused", version=1, primary_key=["key"])
    with pytest.raises(tc.Error, match=said):
        group.insert(frame())


def test_integers_that_pandas_made_floats_stay_integers(project):
    group = project.feature_group("visits", version=1, primary_key=["user"], event_time="at",
                                  online=True)
    group.insert(pd.DataFrame({"user": [1, 2], "at": [NOON, NOON], "visits": [3, 4]}))
    missing = pd.DataFrame({"user": [2.0, 3.0], "at": [NOON, NOON], "visits": [np.nan, 5]})
    group.insert(missing, wait_online=True)
    assert [row["visits"] for row in group.read().to_rows()] == [3, None, 5]
    with pytest.raises(tc.InvalidError, match="'visits'.*1.5"):
        group.insert(missing.assign(visits=1.5))
    view = project.feature_view("visits", version=1, query=group.select("visits"))
    spine = pd.DataFrame({"user": [1.0, np.nan, 3.0], "at": NOON})
    data = view.training_data(spine)
    assert data.train.features.to_rows() == [{"visits": 3}, {"visits": None}, {"visits": 5}]
    assert view.vectors(spine).to_rows() == data.train.features.to_rows()
    assert view.vector({"user": 3.0})["visits"] == 5
    with pytest.raises(tc.InvalidError, match="'user'.*2.5"):
        view.training_data(spine.assign(user=2.5))


def test_columns_without_values_have_any_type(project):
    """pandas makes floats of what is missing throughout; frames without rows have no types."""
    schema = {"key": "int64", "at": "timestamp[us, tz=UTC]", "name": "string", "good": "bool",
              "since": "date32", "scores": "list<double>"}
    group = project.feature_group("sparse", version=1, primary_key=["key"], event_time="at",
                                  schema=schema)
    missing = dict.fromkeys(["name", "good", "since", "scores"])
    group.insert(pd.DataFrame({"key": [1], "at": [pd.Timestamp(NOON)], **missing}).assign(
        name=np.nan, since=pd.NaT, scores=np.nan))
    assert group.read().to_rows() == [{"key": 1, "at": NOON, **missing}]
    columns = group.read().columns
    for nothing in (pd.DataFrame(columns=columns), {name: [] for name in columns},
                    pl.DataFrame({name: [] for name in columns})):
        group.insert(nothing)
    assert len(group.read()) == 1
    with pytest.raises(tc.InvalidError, match="'name'.*double can't become string"):
        group.insert([{"key": 2, "at": NOON, **missing, "name": 1.5}])
    with pytest.raises(tc.WrongTypeError, match="'at' .*string in the frame; parse it first"):
        group.insert([{"key": 2, "at": "2024-02-29", **missing}])


@pytest.mark.parametrize("time", [pd.NaT, np.datetime64("NaT"), 1709208000, np.int64(0)])
def test_what_is_no_time_is_neither_now_nor_1970(local, time):
    group = local.feature_group("timed", version=1, primary_key=["key"], online=True,
                                schema={"key": "int64", "x": "double"})
    view = local.feature_view("timed", version=1, query=group.select("x"))
    for ask in (view.vector, view.vectors):
        with pytest.raises(tc.WrongTypeError, match="event_time (is NaT|must be)"):
            ask({"key": 1}, event_time=time)


def test_parts_end_one_after_the_other():
    with pytest.raises(tc.InvalidError, match="'test' ends at 2024-03-01"):
        tc.split.by_time(train="2024-04-01", test="2024-03-01")


def test_a_label_of_categories_is_one_of_its_values(local):
    group = local.feature_group("labels", version=1, primary_key=["key"], event_time="at")
    group.insert({"key": [1], "at": [NOON], "late": [True]})
    view = local.feature_view("labels", version=1, query=group.select("late"), labels=["late"])
    late = pa.array([False, True]).dictionary_encode()
    data = view.training_data(pa.table({"key": [1, 1], "at": [NOON, NOON], "late": late}))
    assert data.train.labels.to_rows() == [{"late": False}, {"late": True}]


def test_rows_without_columns_are_as_many_as_there_are(local):
    group = local.feature_group("keys", version=1, primary_key=["key"])
    group.insert({"key": [1, 2]})
    data = local.feature_view("keys", version=1, query=group.select()).training_data()
    assert data.train.features.to_rows() == [{}, {}]
