"""Alterations, vacuum and cleanup of the log, as other engines see them; and faults of a real disk
and of other writers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import polars
import pyarrow as pa
import pytest
from deltalake import DeltaTable, QueryBuilder, write_deltalake

import tercet as tc
from engines import READERS, facts, table_path
from test_others_read import rows


@pytest.fixture
def project(tmp_path):
    with tc.open(tmp_path / "project") as project:
        yield project


@pytest.fixture
def group(project):
    group = project.feature_group("numbers", version=1, primary_key=["key"])
    group.insert(rows(0, 1000, 1).append_column("small", pa.array(range(1000), pa.int32())))
    return group


def everywhere(path: str, columns: str) -> list[dict]:
    """The first rows as each engine has them; they agree."""
    import duckdb_extension_delta
    query = f"select {columns} from t order by key limit 5"
    reader = QueryBuilder().register("t", DeltaTable(path)).execute(query)
    answers = [pa.table(reader.read_all()).to_pylist()]
    folder = Path(duckdb_extension_delta.__path__[0]) / "extensions"
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    connection.execute(f"LOAD '{next(folder.rglob('delta.duckdb_extension'))}'")
    answers.append(connection.execute(
        query.replace("from t", f"from delta_scan('{path}')")).to_arrow_table().to_pylist())
    answers.append(polars.scan_delta(path).sort("key").select(columns.split(", ")).head(5)
                   .collect().to_dicts())
    assert answers[0] == answers[1] == answers[2]
    return answers[0]


def test_added_and_widened_columns(project, group):
    path = table_path(project, group)
    before = group.commits()[-1].version
    old = facts(group.read().to_arrow())
    group.add_features({"score": "double", "label": "string"}, defaults={"score": 2.5})
    group.widen({"small": "int64"})
    assert everywhere(path, "key, small, score, label") == [
        {"key": n, "small": n, "score": 2.5, "label": None} for n in range(5)]
    group.widen({"small": "decimal128(21, 2)"})
    assert float(everywhere(path, "key, small")[3]["small"]) == 3.0
    for name, reader in READERS.items():
        assert reader(path, before) == old, name
    # They go on writing, with the new columns and without.
    table = DeltaTable(path)
    table.update(predicate="key = 1", updates={"score": "7.0"})
    assert group.read().to_arrow()["score"].to_pylist()[:3] == [2.5, 7.0, 2.5]
    theirs = rows(5000, 10, 2)
    write_deltalake(path, theirs, mode="append", schema_mode="merge")
    assert group.read().to_arrow().num_rows == 1010
    group.insert(rows(6000, 10, 3).append_column("small", pa.array([1] * 10, pa.int32())))
    assert group.read().to_arrow()["score"].to_pylist()[-1] == 2.5


def test_a_column_that_another_engine_adds(project, group):
    path = table_path(project, group)
    write_deltalake(path, rows(5000, 10, 2)
                    .append_column("small", pa.array(range(10), pa.int32()))
                    .append_column("extra", pa.array([1.5] * 10)),
                    mode="append", schema_mode="merge")
    read = group.read().to_arrow()
    assert read["extra"].null_count == 1000 and read["extra"].to_pylist()[-1] == 1.5
    assert "extra" in group.schema
    # Who doesn't know it need not say it; who does, may.
    small = pa.array([1] * 10, pa.int32())
    group.insert(rows(6000, 10, 3).append_column("small", small))
    group.insert(rows(7000, 10, 3).append_column("small", small)
                 .append_column("extra", pa.array([2.5] * 10)))
    assert group.read().to_arrow()["extra"].to_pylist()[-20:] == [None] * 10 + [2.5] * 10
    group.add_features({"more": "double"})
    group.insert(rows(8000, 10, 3).append_column("small", small))
    assert group.read().to_arrow().num_rows == 1040
    with pytest.raises(tc.InvalidError, match="no column 'small'"):
        group.insert(rows(9000, 10, 3))


def test_vacuum_and_log_cleanup(project, group):
    path = table_path(project, group)
    group.alter(properties={"delta.logRetentionDuration": "interval 0 seconds",
                            "delta.checkpointInterval": "3"})
    for number in range(9):
        group.insert(rows(0, 100, number).append_column("small", pa.array([1] * 100, pa.int32())))
    report = group.vacuum(retention="0s")
    assert report.files and report.log_files > 0 and report.oldest_version > 0
    expected = facts(group.read().to_arrow())
    for name, reader in READERS.items():
        assert reader(path, None) == expected, name
    assert not (Path(path) / "_delta_log" / f"{0:020d}.json").exists()
    with tc.open(project.location) as again:
        other = again.feature_group("numbers")
        assert facts(other.read().to_arrow()) == expected
        assert other.commits()[0].version == report.oldest_version
        with pytest.raises(tc.NotFoundError, match="no longer kept"):
            other.read(as_of=1)
    write_deltalake(path, rows(9000, 5, 1).append_column("small", pa.array([1] * 5, pa.int32())),
                    mode="append")
    assert len(group.read()) == 1005


def test_another_engines_vacuum_leaves_our_head(project, group):
    path = table_path(project, group)
    group.insert(rows(0, 10, 5).append_column("small", pa.array([1] * 10, pa.int32())))
    expected = facts(group.read().to_arrow())
    gone = DeltaTable(path).vacuum(retention_hours=0, dry_run=False,
                                   enforce_retention_duration=False)
    assert gone
    for name, reader in READERS.items():
        assert reader(path, None) == expected, name
    assert facts(group.read().to_arrow()) == expected
    with pytest.raises(tc.StorageError, match="missing"):
        group.read(as_of=1)


def test_unknown_writer_features_are_refused_for_writes_only(project, group):
    path = table_path(project, group)
    version = DeltaTable(path).version() + 1
    with open(f"{path}/_delta_log/{version:020d}.json", "w") as log:
        log.write('{"protocol":{"minReaderVersion":1,"minWriterVersion":7,'
                  '"writerFeatures":["appendOnly","icebergCompatV2"]}}\n')
    with tc.open(project.location) as again:
        other = again.feature_group("numbers")
        assert len(other.read()) == 1000
        for change in (lambda: other.delete({"key": [1]}), other.compact, other.vacuum,
                       lambda: other.add_features({"x": "int64"}),
                       lambda: other.erase({"key": [1]})):
            with pytest.raises(tc.NotSupportedError, match="icebergCompatV2"):
                change()


def test_clocks_of_writers_that_disagree(project, group):
    """A commit from a clock that is a day ahead: times stay in order, and time travel with them."""
    path = table_path(project, group)
    ahead = int((time.time() + 86_400) * 1000)
    version = DeltaTable(path).version() + 1
    write_deltalake(path, rows(5000, 5, 2).append_column("small", pa.array([1] * 5, pa.int32())),
                    mode="append")
    file = Path(path, "_delta_log", f"{version:020d}.json")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    for line in lines:
        if "commitInfo" in line:
            line["commitInfo"]["timestamp"] = ahead
    file.write_text("\n".join(json.dumps(line) for line in lines) + "\n")
    with tc.open(project.location) as again:
        other = again.feature_group("numbers")
        last = other.insert(rows(6000, 5, 3).append_column("small", pa.array([1] * 5, pa.int32())))
        times = [commit.commit_time for commit in other.commits()]
        assert times == sorted(set(times))
        assert last.commit_time == times[-1]
        assert len(other.read(as_of=times[-2])) == 1005
        assert len(other.read(as_of=times[-1])) == 1010


LIMITED = """
import resource, signal, sys
import numpy, pyarrow as pa, tercet as tc
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with tc.open(sys.argv[1]) as project:
    group = project.feature_group("numbers")
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
    n = 20_000
    try:
        group.insert(pa.table({"key": numpy.arange(n), "value": numpy.random.rand(n),
                               "text": ["t"] * n, "small": pa.array([1] * n, pa.int32())}))
    except tc.StorageError as error:
        print("refused")
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
"""


@pytest.mark.parametrize("limit", [100, 1_000, 50_000, 300_000])
def test_a_file_that_can_t_grow_leaves_the_table_as_it_was(project, group, limit):
    path = table_path(project, group)
    expected, files = facts(group.read().to_arrow()), sorted(os.listdir(path))
    location = project.location
    project.close()
    ran = subprocess.run([sys.executable, "-c", LIMITED, location, str(limit)],
                         capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == "refused"
    assert sorted(os.listdir(path)) == files
    with tc.open(location) as again:
        other = again.feature_group("numbers")
        assert facts(other.read().to_arrow()) == expected
        other.insert(rows(5000, 5, 1).append_column("small", pa.array([1] * 5, pa.int32())))
        assert len(other.read()) == 1005
