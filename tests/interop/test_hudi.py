"""Hudi tables as external groups: every instant as Hudi's own reader in Spark has it.

The tables are of Apache Hudi 0.15 (version 6) and 1.1 (8 and 9); hudi/make_tables.py made them.
"""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path

import pandas as pd
import pytest

import tercet as tc

VERSIONS = [6, 8, 9]


@pytest.fixture(scope="module")
def golden(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("hudi")
    with tarfile.open(Path(__file__).with_name("hudi") / "tables.tar.xz") as tables:
        tables.extractall(folder, filter="data")
    return folder


@pytest.fixture
def project(tmp_path):
    with tc.open(tmp_path / "project") as project:
        yield project


def answers(golden: Path, name: str) -> dict:
    return json.loads((golden / f"{name}.json").read_text())


def external(project, path: Path, **options):
    options = {"primary_key": ["city"], "event_time": "hour", **options}
    return project.external_feature_group("weather", source=tc.source.hudi(path), **options)


def plain(value):
    """A value as the answers have it."""
    if isinstance(value, pd.Timestamp):
        return str(value.tz_convert("UTC").tz_localize(None))
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list) and value and isinstance(value[0], tuple):
        return dict(value)  # a map
    if isinstance(value, (dict, list, str, bool, int, float)) or value is None:
        return value
    return str(value)


def rows(group, **options) -> list[dict]:
    table = group.read(**options).to_arrow()
    found = [{name: plain(pd.Timestamp(value) if hasattr(value, "hour") else value)
              for name, value in row.items()} for row in table.to_pylist()]
    return sorted(found, key=lambda row: [str(row[name]) for name in sorted(row)])


def timeline(path: Path) -> Path:
    versioned = path / ".hoodie" / "timeline"
    return versioned if versioned.exists() else path / ".hoodie"


@pytest.mark.parametrize("version", VERSIONS)
def test_each_instant_as_spark_reads_it(golden, project, version):
    """Inserts, upserts, deletes, new and wider columns, overwritten and deleted partitions,
    clustering."""
    name = f"weather-{version}"
    expected = answers(golden, name)
    group = external(project, golden / name)
    commits = group.commits()
    assert [str(commit.version) for commit in commits] == list(expected["rows"])
    assert [commit.operation for commit in commits] == [
        "bulk_insert", "upsert", "delete", "upsert", "insert_overwrite", "insert", "cluster",
        "upsert", "delete_partition"]
    assert (commits[0].rows_inserted, commits[2].rows_deleted) == (24, 3)
    for commit in commits:
        kept = expected["rows"][str(commit.version)]
        assert rows(group, as_of=commit) == kept, commit
        assert rows(group, as_of=commit.commit_time) == kept
    assert rows(group) == kept and len(kept) > 0
    with pytest.raises(tc.NotFoundError, match="no completed write 7"):
        group.read(as_of=7)
    with pytest.raises(tc.NotFoundError, match="keeps no write of that time"):
        group.read(as_of=pd.Timestamp("2020-01-01", tz="UTC"))
    with pytest.raises(tc.NotSupportedError, match="kept by another system"):
        group.insert(pd.DataFrame(kept))


@pytest.mark.parametrize("version", VERSIONS)
def test_cleaned_and_archived(golden, project, version):
    """Files that are older than the timeline count; what was cleaned away is said to be gone."""
    name = f"cleaned-{version}"
    expected = answers(golden, name)
    group = external(project, golden / name)
    assert rows(group) == list(expected["rows"].values())[-1]
    refused = []
    for instant, kept in expected["rows"].items():
        try:
            assert rows(group, as_of=int(instant)) == kept, instant
        except tc.NotFoundError as error:
            assert "have been cleaned away" in str(error)
            refused.append(instant)
    assert refused and set(refused) <= set(expected["cleaned"])


@pytest.mark.parametrize("version", VERSIONS)
def test_types(golden, project, version):
    name = f"types-{version}"
    group = external(project, golden / name, primary_key=["k"], event_time=None)
    (kept,) = answers(golden, name)["rows"].values()
    assert rows(group) == kept
    assert str(group.read(["money"]).to_arrow().schema.field("money").type) == "decimal128(10, 2)"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["logged", "compacted", "merged-event", "merged-commit"])
def test_logs_are_merged_as_spark_merges_them(golden, project, name, version):
    """Updates, late ones among them, deletes of three kinds, blocks of Avro and of Parquet, new and
    wider columns, a rollback, compactions that are planned and that are done: at each instant."""
    path = golden / f"{name}-{version}"
    expected = answers(golden, path.name)["rows"]
    group = external(project, path)
    for instant, kept in expected.items():
        assert rows(group, as_of=int(instant)) == kept, instant
    assert rows(group) == kept
    assert list(path.rglob(".*.log.*"))
    # The rows of one key are asked for in base files and logs alike, however they are ordered.
    view = project.feature_view("weather", version=1, query=group.select("rain", "region"))
    spine = pd.DataFrame({"city": ["c1", "c7"], "hour": pd.Timestamp("2024-06-01", tz="UTC")})
    newest = max((row for row in kept if row["city"] == "c1"), key=lambda row: row["hour"])
    asked = view.training_data(spine=spine).train.X["rain"]
    assert len(asked) == 2 and asked.dropna().tolist() == [newest["rain"]]


@pytest.mark.parametrize("version", VERSIONS)
def test_types_in_logs(golden, project, version):
    path = golden / f"logged-types-{version}"
    group = external(project, path, primary_key=["k"], event_time=None)
    for instant, kept in answers(golden, path.name)["rows"].items():
        assert rows(group, as_of=int(instant)) == kept, instant


def test_inserts_in_logs(golden, project):
    """Where keys are placed by a hash, new ones go to the logs of their file group."""
    group = external(project, golden / "buckets-6")
    for instant, kept in answers(golden, "buckets-6")["rows"].items():
        assert rows(group, as_of=int(instant)) == kept, instant


@pytest.mark.parametrize("version", VERSIONS)
def test_payload_classes(golden, project, version):
    """Nulls and unknown values that the earlier record fills, late rows, deletes that a column
    marks: by Hudi's own classes, and by what version 9 makes of them."""
    paths = sorted(golden.glob(f"payload-*-{version}"))
    assert len(paths) == 6
    for number, path in enumerate(paths):
        of = {"source": tc.source.hudi(path), "primary_key": ["k"]}
        if path.name == "payload-PostgresDebezium-8":  # of which Spark itself keeps the marker
            with pytest.raises(tc.NotSupportedError, match="code of its own .PostgresDebezium"):
                project.external_feature_group("refused", **of)
            continue
        group = project.external_feature_group(f"table{number}", **of)
        for instant, kept in answers(golden, path.name)["rows"].items():
            assert rows(group, as_of=int(instant)) == kept, (path.name, instant)
        assert group.read(["b"], as_of=int(instant)).to_arrow().num_rows == len(kept)


@pytest.mark.parametrize("version", VERSIONS[1:])
@pytest.mark.parametrize("mode", ["event", "commit"])
def test_rows_of_some_columns_alone(golden, project, mode, version):
    """MERGE INTO logs the columns that it sets; the others are those of earlier records."""
    path = golden / f"partial-{mode}-{version}"
    group = external(project, path, primary_key=["k"], event_time=None)
    for instant, kept in answers(golden, path.name)["rows"].items():
        assert rows(group, as_of=int(instant)) == kept, instant
    kept = {row["k"]: row["b"] for row in kept}
    assert {row["k"]: row["b"] for row in group.read(["k", "b"]).to_rows()} == kept


def test_logs_that_are_not_read(golden, project, tmp_path):
    path = tmp_path / "weather"
    shutil.copytree(golden / "merged-event-9", path)
    group = external(project, path)
    properties = path / ".hoodie" / "hoodie.properties"
    kept = properties.read_text()
    properties.write_text(kept.replace("EVENT_TIME_ORDERING", "CUSTOM"))
    with pytest.raises(tc.NotSupportedError, match="(?s)code of its own.*run_compaction"):
        group.read()
    properties.write_text(kept)
    log = max(path.rglob(".*.log.*"))
    whole = log.read_bytes()
    log.write_bytes(whole.replace(b'"fields"', b'"felder"'))
    with pytest.raises(tc.InvalidError, match=f"{log.name}', block at byte 0: a record has no"):
        group.read()
    # What a writer left half-written does not count.
    log.write_bytes(whole[:-1])
    assert 0 < len(rows(group)) <= len(answers(golden, "merged-event-9")["rows"].popitem()[1])


@pytest.mark.parametrize("version", VERSIONS)
def test_a_writer_that_failed_left_nothing(golden, project, tmp_path, version):
    """Files of a write that is not completed are there, and do not count."""
    path = tmp_path / "weather"
    shutil.copytree(golden / f"weather-{version}", path)
    instants = answers(golden, f"weather-{version}")["rows"]
    group = external(project, path)
    for instant in sorted(instants, reverse=True)[:-1]:
        before = [one for one in instants if one < instant]
        (done,) = [file for file in timeline(path).iterdir() if file.name.startswith(instant)
                   and not file.suffix in (".requested", ".inflight")]
        done.unlink()
        assert rows(group) == instants[before[-1]], instant


def test_feeds_training_data(golden, project):
    """Joined point-in-time, and rebuilt as of its instant."""
    expected = answers(golden, "weather-9")["rows"]
    group = external(project, golden / "weather-9")
    labels = project.feature_group("labels", version=1, primary_key=["label"], event_time="at")
    head = pd.DataFrame(list(expected.values())[-1])
    head["hour"] = pd.to_datetime(head["hour"]).dt.tz_localize("UTC")
    labels.insert(pd.DataFrame({"label": range(len(head)), "city": head.city,
                                "at": head.hour + pd.Timedelta("1min"), "late": True}))
    view = project.feature_view("late", version=1, labels=["late"],
                                query=labels.select("late", "city").join(group.select("rain"),
                                                                         on="city"))
    data = view.training_data()
    assert data.definition["pins"]["weather@1"] == int(list(expected)[-1])
    assert data.train.features.to_pandas().rain.tolist() == head.rain.tolist()
    assert view.rebuild(data.version).definition["sha256"] == data.definition["sha256"]


@pytest.mark.parametrize("old, new, match", [
    ("hoodie.table.version=9", "hoodie.table.version=12", "has version 12"),
    ("hoodie.table.base.file.format=PARQUET", "hoodie.table.base.file.format=ORC", "format ORC"),
    ("drop.partition.columns=false", "drop.partition.columns=true", "in paths alone"),
    ("#Properties", "hoodie.bootstrap.base.path=s3\\://old\n#", "was bootstrapped"),
])
def test_refuses_what_it_would_read_wrong(golden, project, tmp_path, old, new, match):
    path = tmp_path / "weather"
    shutil.copytree(golden / "weather-9", path)
    properties = path / ".hoodie" / "hoodie.properties"
    assert old in properties.read_text()
    properties.write_text(properties.read_text().replace(old, new))
    with pytest.raises(tc.NotSupportedError, match=match):
        external(project, path)


def test_renamed_columns_are_refused(golden, project):
    """Files have the old name; what was written before is read."""
    path = golden / "renamed-9"
    first, renamed = sorted(file.name.split("_")[0] for file in timeline(path).glob("*_*.commit"))
    with pytest.raises(tc.NotSupportedError, match="told apart by ids"):
        external(project, path)
    with pytest.raises(tc.NotFoundError):
        project.feature_group("weather")
    (done,) = timeline(path).glob(f"{renamed}_*.commit")
    kept = done.read_bytes()
    done.unlink()
    group = external(project, path)
    done.write_bytes(kept)
    assert group.read(["rain"], as_of=int(first)).to_rows() == [
        {"rain": 0.0}, {"rain": 0.25}, {"rain": 0.5}]
    with pytest.raises(tc.NotSupportedError, match="told apart by ids"):
        group.read(["rain"])


def test_says_what_is_wrong(golden, project, tmp_path):
    with pytest.raises(tc.NotFoundError, match="no Hudi table in .*hoodie.properties"):
        external(project, tmp_path)
    path = tmp_path / "weather"
    shutil.copytree(golden / "weather-9", path)
    group = external(project, path)
    newest = max(timeline(path).glob("*.replacecommit"))
    newest.write_bytes(newest.read_bytes()[:-20])
    with pytest.raises(tc.InvalidError, match="Hudi commit .*replacecommit"):
        group.read()
