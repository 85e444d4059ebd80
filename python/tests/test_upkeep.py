"""What keeps a feature group in shape: alterations, properties, vacuum, erasure."""

from __future__ import annotations

import datetime

import numpy as np
import pyarrow as pa
import pytest
from local_server import until

import tercet as tc

START = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)


def rows(*values: tuple[str, int, int]) -> pa.Table:
    """(city, hour, count), counts as int32."""
    return pa.table({"city": [v[0] for v in values],
                     "hour": [START + datetime.timedelta(hours=v[1]) for v in values],
                     "count": pa.array([v[2] for v in values], pa.int32())})


@pytest.fixture
def group(project):
    group = project.feature_group("visits", version=1, primary_key=["city"], event_time="hour",
                                  ttl="5h", online=True)
    group.insert(rows(("Oslo", 0, 1), ("Bergen", 0, 2)), wait_online=True)
    return group


def test_added_features_have_their_default_offline_and_online(project, group):
    view = project.feature_view("v", query=group.select("count"))
    before = group.commits()[-1]
    group.add_features({"score": "double", "note": "string"}, defaults={"score": 0.5})
    assert list(group.schema) == ["city", "hour", "count", "score", "note"]
    read = group.read().to_arrow()
    assert read["score"].to_pylist() == [0.5, 0.5] and read["note"].null_count == 2
    assert group.read(as_of=before).to_arrow().column_names == ["city", "hour", "count"]
    # A pipeline that knows nothing of the new columns goes on, and so does a view.
    group.insert(rows(("Oslo", 1, 3)), wait_online=True)
    wide = project.feature_view("wide", query=group.select("count", "score"))
    at = START + datetime.timedelta(hours=2)
    assert view.vectors([{"city": "Oslo"}, {"city": "Bergen"}],
                        event_time=at).to_rows() == [{"count": 3}, {"count": 2}]
    assert wide.vectors([{"city": "Oslo"}, {"city": "Bergen"}], event_time=at).to_rows() == [
        {"count": 3, "score": 0.5}, {"count": 2, "score": 0.5}]
    with pytest.raises(tc.ConflictError, match="score"):
        group.add_features({"score": "double"})
    with pytest.raises(tc.WrongTypeError, match="default.*'level'"):
        group.add_features({"level": "int64"}, defaults={"level": "high"})
    with pytest.raises(tc.InvalidError, match="_change_type"):
        group.add_features({"_change_type": "string"})


def test_defaults_and_definitions_may_be_numpys_and_pythons_values(project, group):
    noon = datetime.datetime(2024, 3, 1, 12, tzinfo=datetime.timezone.utc)
    defaults = {"a": (np.float32(0.5), "double", 0.5), "b": (np.int64(4), "int64", 4),
                "c": (noon, "timestamp[us, tz=UTC]", noon),
                "d": (np.datetime64("2024-03-01T12"), "timestamp[us]", noon.replace(tzinfo=None)),
                "e": (noon.date(), "date32[day]", noon.date()), "f": (np.True_, "bool", True)}
    group.add_features({name: kind for name, (_, kind, _) in defaults.items()},
                       defaults={name: value for name, (value, _, _) in defaults.items()})
    read = group.read().to_arrow()
    assert {name: read[name].to_pylist() for name in defaults} == {
        name: [value] * 2 for name, (_, _, value) in defaults.items()}
    project.feature_view("few", query=group.select("count"), transformations=[
        tc.bins("count", edges=np.array([0, 1, 2]))])
    with pytest.raises(tc.WrongTypeError, match="not finite"):
        group.add_features({"g": "double"}, defaults={"g": float("nan")})
    with pytest.raises(tc.WrongTypeError, match="date"):
        group.alter(tags={"since": noon.date()})


def test_widened_features_keep_old_datasets_and_online_answers(project, group):
    view = project.feature_view("v", query=group.select("count"))
    dataset = view.training_data()
    assert dataset.train.features.to_arrow().schema.field("count").type == pa.int32()
    group.widen({"count": "int64"})
    assert group.schema["count"] == "int64"
    large = pa.table({"city": ["Oslo"], "hour": [START + datetime.timedelta(hours=1)],
                      "count": [2**40]})
    group.insert(large, wait_online=True)
    at = START + datetime.timedelta(hours=2)
    assert view.vectors([{"city": "Oslo"}, {"city": "Bergen"}],
                        event_time=at).to_rows() == [{"count": 2**40}, {"count": 2}]
    rebuilt = view.rebuild(dataset.version)
    assert rebuilt.train.features.to_arrow().equals(dataset.train.features.to_arrow())
    assert rebuilt.train.features.to_arrow().schema.field("count").type == pa.int32()
    for column, kind, error in (("count", "float", tc.WrongTypeError),
                                ("city", "large_string", tc.InvalidError),
                                ("cuont", "int64", tc.NotFoundError)):
        with pytest.raises(error, match=column):
            group.widen({column: kind})


def test_a_changed_ttl_counts_from_now_on(project, group):
    view = project.feature_view("v", query=group.select("count"))
    late = pa.table({"city": ["Oslo"], "event_time": [START + datetime.timedelta(hours=4)]})
    dataset = view.training_data(late)
    group.alter(description="how many", tags={"team": "a"}, ttl="1h")
    again = project.feature_group("visits")
    assert (again.description, again.tags) == ("how many", {"team": "a"})
    assert again.ttl == datetime.timedelta(hours=1)
    assert dataset.train.features.to_arrow()["count"].to_pylist() == [1]
    assert view.training_data(late).train.features.to_arrow()["count"].to_pylist() == [None]
    rebuilt = view.rebuild(dataset.version)
    assert rebuilt.train.features.to_arrow()["count"].to_pylist() == [1]
    group.alter(ttl=None)
    assert project.feature_group("visits").ttl is None


def test_properties(group):
    assert group.properties["delta.enableChangeDataFeed"] == "true"
    group.alter(properties={"tercet.compression": "zstd", "owner": "weather team"})
    assert group.properties["tercet.compression"] == "zstd"
    group.alter(properties={"owner": None})
    assert "owner" not in group.properties
    for bad in ({"tercet.compression": "zip"}, {"tercet.layout": "{}"}, {"delta.nonsense": "1"}):
        with pytest.raises(tc.InvalidError, match=next(iter(bad))):
            group.alter(properties=bad)


def test_history_switched_on_keeps_what_is_left(project, group):
    asks = project.feature_group("asks", version=1, primary_key=["ask"], event_time="at",
                                 schema={"ask": "int64", "at": "timestamp[us, tz=UTC]",
                                         "city": "string"})
    view = project.feature_view("asked", version=1,
                                query=asks.select().join(group.select("count"), on="city"))
    commits = [group.commits()[-1]]
    for count in (5, 6, 7):
        commits.append(group.insert(rows(("Oslo", 0, count))))

    def known(*times: datetime.datetime) -> list:
        # The rows' own times are those of the commits, so a TTL would hide what they know.
        spine = pa.table({"ask": list(range(len(times))), "city": ["Oslo"] * len(times),
                          "event_time": pa.array(times, pa.timestamp("us", "UTC"))})
        part = view.training_data(spine, known_at=True).train
        return part.features.to_arrow()["count"].to_pylist()

    group.alter(ttl=None)
    with pytest.raises(tc.InvalidError, match=r"alter\(history=True\)"):
        known(commits[0].commit_time)
    group.vacuum(retention="0s")  # takes all commits but the newest
    group.alter(history=True)
    assert group.history and "tercet.history_since" in group.properties
    commits.append(group.insert(rows(("Oslo", 0, 8))))
    commits.append(group.insert(rows(("Oslo", 0, 9))))
    group.compact()
    group.vacuum(retention="0s")
    assert known(commits[-2].commit_time, commits[-1].commit_time) == [8, 9]
    with pytest.raises(tc.InvalidError, match="history is kept since commit"):
        known(commits[0].commit_time, commits[-1].commit_time)
    with pytest.raises(tc.InvalidError, match="make a new version of the group"):
        group.alter(history=False)


def test_history_switched_on_before_a_vacuum_is_whole(project, group):
    group.insert(rows(("Oslo", 0, 5)))
    group.alter(history=True)
    assert "tercet.history_since" not in group.properties
    group.insert(rows(("Oslo", 0, 6)))
    before = [group.read(as_of=commit).to_arrow() for commit in group.commits()]
    group.vacuum(retention="0s")
    assert [group.read(as_of=commit).to_arrow() for commit in group.commits()] == before


def test_vacuum_keeps_what_datasets_pin(project, group):
    view = project.feature_view("v", query=group.select("count"))
    dataset = view.training_data()
    pinned = group.commits()[-1].version
    second = group.insert(rows(("Oslo", 0, 5), ("Bergen", 0, 6)))
    third = group.insert(rows(("Oslo", 0, 7), ("Bergen", 0, 8)), wait_online=True)
    assert group.vacuum().files == []  # 30 days
    planned = group.vacuum(retention="0s", dry_run=True)
    assert len(planned.files) > 0 and len(group.read(as_of=second)) == 2
    report = group.vacuum(retention="0s")
    assert report.files == planned.files and not report.dry_run
    assert list(report.pinned) == [pinned] and "v@1" in report.pinned[pinned][0]
    with pytest.raises(tc.StorageError, match="vacuum"):
        group.read(as_of=second)
    assert len(group.read(as_of=third)) == 2
    rebuilt = view.rebuild(dataset.version)
    assert rebuilt.train.features.to_arrow().equals(dataset.train.features.to_arrow())


def test_erasure_names_what_is_lost(project, group):
    view = project.feature_view("v", query=group.select("count"))
    dataset = view.training_data()
    other = project.feature_group("trips", version=1, primary_key=["city", "day"])
    other.insert([{"city": "Oslo", "day": 1, "km": 5}, {"city": "Bergen", "day": 1, "km": 6}])
    erased = project.erase({"city": ["Oslo"]})
    assert set(erased.groups) == {"visits@1", "trips@1"}
    assert erased.groups["visits@1"].rows == 1 and erased.groups["trips@1"].rows == 1
    assert len(erased.lost_datasets) == 1 and erased.lost_datasets[0].startswith("v@1")
    assert group.read().to_arrow()["city"].to_pylist() == ["Bergen"]
    assert other.read().to_arrow()["city"].to_pylist() == ["Bergen"]
    answer = view.vectors([{"city": "Oslo"}, {"city": "Bergen"}], event_time=START)
    assert answer.to_rows() == [{"count": None}, {"count": 2}]
    with pytest.raises(tc.StorageError):
        view.rebuild(dataset.version)
    with pytest.raises(tc.NotFoundError, match="town"):
        project.erase({"town": ["Oslo"]})
    with pytest.raises(tc.InvalidError, match="count"):
        group.erase({"count": [1]})


def test_many_small_writes_are_merged_by_themselves(project):
    group = project.feature_group("small", version=1, primary_key=["key"])
    group.insert([{"key": -1}])
    group.alter(properties={"tercet.auto_compact_files": "5"})
    for number in range(8):
        group.insert([{"key": number}])
    until(lambda: any(commit.operation == "compact" for commit in group.commits()))
    assert len(group.read()) == 9
