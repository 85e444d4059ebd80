import datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from frames import hours, weather

import tercet as tc


@pytest.fixture
def group(project):
    return project.feature_group("weather", version=1, primary_key=["city"], event_time="hour",
                                 ttl="3h", online=True, description="Rain", tags={"team": "a"})


def test_insert_read_and_travel(group):
    first = group.insert(weather(3))
    assert (first.operation, first.rows_inserted) == ("upsert", 3)
    changed = weather(3).assign(rain=9.0).tail(1)
    second = group.insert(changed)
    assert second.rows_updated == 1
    assert group.read().to_pandas()["rain"].tolist() == [0.0, 1.0, 9.0]
    assert group.read(as_of=first).to_pandas()["rain"].tolist() == [0.0, 1.0, 2.0]
    assert group.read(as_of=first.version).to_pandas()["rain"].tolist() == [0.0, 1.0, 2.0]
    assert len(group.read(as_of=first.commit_time)) == 3
    assert group.read(["rain"], start=hours(3)[1], end=hours(3)[2]).to_rows() == [{"rain": 1.0}]
    assert [commit.operation for commit in group.commits()][-2:] == ["upsert", "upsert"]


def test_modes_and_delete(group):
    group.insert(weather(3), mode="append")
    group.insert(weather(5), mode="overwrite")
    assert len(group.read()) == 5
    group.delete({"city": ["Oslo"], "hour": [hours(1)[0]]})
    assert len(group.read()) == 4
    group.delete([{"city": "Oslo"}])
    assert len(group.read()) == 0


def test_changes(group):
    first = group.insert(weather(2))
    group.insert(weather(2).assign(rain=5.0).tail(1))
    changes = group.changes(first).to_pandas()
    assert sorted(changes["_change_type"]) == ["update_postimage", "update_preimage"]


def test_idempotency_key(group):
    assert not group.insert(weather(2), mode="append", idempotency_key="a").already_applied
    assert group.insert(weather(2), mode="append", idempotency_key="a").already_applied
    assert len(group.read()) == 2


@pytest.mark.parametrize("convert", [
    lambda frame: frame, pa.Table.from_pandas, pl.from_pandas,
    lambda frame: frame.to_dict("list"), lambda frame: frame.to_dict("records")])
def test_any_frame_goes_in(group, convert):
    group.insert(convert(weather(3)))
    assert group.read().to_pandas()["rain"].tolist() == [0.0, 1.0, 2.0]


def test_frames_come_out_as_one_likes(group):
    group.insert(weather(3))
    frame = group.read(["rain"])
    assert frame.to_arrow().num_rows == 3
    assert frame.to_polars().shape == (3, 1)
    assert isinstance(frame.to_numpy(), np.ndarray)
    assert pl.DataFrame(frame).shape == (3, 1)
    assert "3 rows × 1 columns" in repr(frame)
    assert "<table>" in frame._repr_html_()


def test_all_types_survive(project):
    table = pa.table({
        "k": pa.array([1, 2, 3], pa.int32()),
        "i8": pa.array([1, None, -3], pa.int8()), "u8": pa.array([1, None, 255], pa.uint8()),
        "u32": pa.array([1, None, 2**32 - 1], pa.uint32()),
        "u64": pa.array([1, None, 2**64 - 1], pa.uint64()),
        "f32": pa.array([1.5, None, -0.0], pa.float32()),
        "b": pa.array([True, None, False]), "s": pa.array(["a", None, "ø"]),
        "bin": pa.array([b"\0", None, b""], pa.binary()),
        "d": pa.array([datetime.date(2024, 1, 1), None, datetime.date(1900, 1, 1)]),
        "ts": pa.array([0, None, 1], pa.timestamp("us")),
        "tz": pa.array([0, None, 1], pa.timestamp("us", "UTC")),
        "dec": pa.array([1, None, 2], pa.decimal128(10, 2)),
        "l": pa.array([[1, 2], None, []], pa.list_(pa.int64()))})
    group = project.feature_group("types", version=1, primary_key=["k"])
    group.insert(table)
    assert group.read().to_arrow().equals(table)


def test_empty_frames(group):
    group.insert(weather(0))
    assert len(group.read()) == 0
    group.insert(weather(2))
    assert len(group.read()) == 2


def test_describe_statistics_compact(group):
    for hour in range(5):
        group.insert(weather(5).iloc[[hour]])
    assert group.describe()["rows"] == 5
    before = group.read().to_arrow()
    group.compact()
    assert group.read().to_arrow().equals(before)
    assert group.statistics()["rain"]["mean"] == pytest.approx(2.0)


def test_definitions_get_or_create(project, group):
    same = project.feature_group("weather", version=1, primary_key=["city"], event_time="hour",
                                 ttl=datetime.timedelta(hours=3), online=True, description="Rain",
                                 tags={"team": "a"})
    assert repr(same) == repr(group)
    assert project.feature_group("weather").ttl == datetime.timedelta(hours=3)
    with pytest.raises(tc.ConflictError, match="ttl"):
        project.feature_group("weather", version=1, primary_key=["city"], event_time="hour",
                              ttl="4h", online=True, description="Rain", tags={"team": "a"})


def test_drop_says_who_depends(project, group):
    group.insert(weather(2))
    view = project.feature_view("rain", version=1, query=group.select("rain"))
    with pytest.raises(tc.InvalidError, match="rain"):
        group.drop()
    view.drop()
    group.drop()
    assert project.feature_groups() == []


@pytest.mark.parametrize("rows, message", [
    ({"city": ["Oslo"], "hour": hours(1)}, "rain"),
    ({"city": ["Oslo"], "hour": hours(1), "rain": [1.0], "snow": [1.0]}, "snow"),
    ({"city": ["Oslo"], "hour": hours(1), "rain": ["much"]}, "rain"),
    ({"city": [None], "hour": hours(1), "rain": [1.0]}, "city"),
    ({"city": ["Oslo"] * 2, "hour": hours(1).append(hours(1)), "rain": [1.0, 2.0]}, "Oslo"),
    ({"city": ["Oslo"], "hour": [pd.NaT], "rain": [1.0]}, "hour"),
    ({"city": ["Oslo"], "hour": hours(1).tz_localize(None), "rain": [1.0]}, "hour"),
])
def test_bad_rows_change_nothing(group, rows, message):
    group.insert(weather(2))
    commits = len(group.commits())
    with pytest.raises((tc.InvalidError, tc.WrongTypeError, tc.NotFoundError), match=message):
        group.insert(pd.DataFrame(rows))
    assert len(group.commits()) == commits
    assert len(group.read()) == 2


def test_names(project, group):
    with pytest.raises(tc.NotFoundError, match="did you mean 'weather'"):
        project.feature_group("wether")
    for name in ("../escape", "a/b", "", "a b"):
        with pytest.raises(tc.InvalidError, match="name"):
            project.feature_group(name, version=1, primary_key=["k"])
    group.insert(weather(2))
    with pytest.raises(tc.NotFoundError, match="rain"):
        group.read(["rian"])
    with pytest.raises(tc.NotFoundError, match="99"):
        group.read(as_of=99)
    with pytest.raises(tc.InvalidError, match="upsert"):
        group.insert(weather(1), mode="upsrt")
    with pytest.raises(tc.WrongTypeError):
        group.insert(42)


def test_corrupt_files_are_named(tmp_path):
    with tc.open(tmp_path / "p") as project:
        group = project.feature_group("g", version=1, primary_key=["k"])
        group.insert({"k": [1, 2], "v": [1.0, 2.0]})
    data = next((tmp_path / "p").rglob("*.parquet"))
    data.write_bytes(data.read_bytes()[:-20])
    with tc.open(tmp_path / "p") as project:
        with pytest.raises(tc.StorageError, match=data.name):
            project.feature_group("g").read()
        assert len(project.feature_groups()) == 1


def test_a_directory_of_other_things_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(tc.StorageError, match="notes.txt"):
        tc.open(tmp_path)
