"""Other engines write to our tables, and we read what they did."""

from __future__ import annotations

import multiprocessing

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError

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
    group.insert(rows(0, 1000, 1))
    return group


def agree(project, group) -> pa.Table:
    """All engines and we read the same; the rows."""
    ours = group.read().to_arrow()
    for name, reader in READERS.items():
        assert reader(table_path(project, group), None) == facts(ours), name
    return ours


def test_append(project, group):
    path = table_path(project, group)
    write_deltalake(path, rows(5000, 300, 2), mode="append")
    table = agree(project, group)
    assert table.num_rows == 1300
    assert table["key"].to_pylist() == sorted(table["key"].to_pylist())
    newest = group.commits()[-1]
    assert (newest.operation, newest.rows_inserted) == ("append", 300)
    changes = group.changes(since=newest.version - 1).to_arrow()
    assert set(changes["_change_type"].to_pylist()) == {"insert"} and changes.num_rows == 300


def test_foreign_duplicates_are_resolved_and_tidied_up(project, group):
    path = table_path(project, group)
    theirs = rows(900, 200, 3)
    write_deltalake(path, theirs, mode="append")
    table = group.read().to_arrow()
    assert table.num_rows == 1100
    assert facts(table.slice(900)) == facts(theirs)
    group.compact()
    assert group.read().to_arrow().equals(table)
    agree(project, group)  # now that no duplicate is stored, for all


def test_upsert_and_delete_of_foreign_rows(project, group):
    path = table_path(project, group)
    write_deltalake(path, rows(2000, 100, 3), mode="append")
    commit = group.insert(rows(1990, 20, 4))
    assert (commit.rows_inserted, commit.rows_updated) == (10, 10)
    assert group.delete(pa.table({"key": [2050, 3, 9_999_999]})).rows_deleted == 2
    table = agree(project, group)
    assert table.num_rows == 1000 + 110 - 2


def test_delete_and_update(project, group):
    path = table_path(project, group)
    before = group.commits()[-1].version
    DeltaTable(path).delete("key < 100")
    DeltaTable(path).update(predicate="key = 500", updates={"value": "-1.0"})
    table = agree(project, group)
    assert table.num_rows == 900
    assert table.filter(pa.compute.equal(table["key"], 500))["value"].to_pylist() == [-1.0]
    changes = group.changes(since=before).to_arrow().to_pylist()
    deleted = {c["key"] for c in changes if c["_change_type"] == "delete"}
    assert set(range(100)) <= deleted
    # Delta does not order the two images of a row within one commit.
    new = [c for c in changes if c["key"] == 500
           and c["_change_type"] in ("insert", "update_postimage")]
    assert [c["value"] for c in new] == [-1.0]


def test_optimize_and_checkpoint(project, group):
    path = table_path(project, group)
    for number in range(5):
        group.insert(rows(3000 + number * 10, 10, number))
    before = group.read().to_arrow()
    DeltaTable(path).optimize.compact()
    DeltaTable(path).create_checkpoint()
    assert agree(project, group).equals(before)
    group.insert(rows(3000, 5, 9))  # a foreign file holds these keys now
    assert agree(project, group).num_rows == before.num_rows
    # A reader that begins with their checkpoint.
    with tc.open(project.location) as again:
        assert again.feature_group("numbers").read().to_arrow().equals(group.read().to_arrow())


def test_a_table_with_vectors_stays_writable(project):
    group = project.feature_group("large", version=1, primary_key=["key"])
    group.insert(rows(0, 150_000, 1))
    group.delete(pa.table({"key": [1, 2, 3]}))
    path = table_path(project, group)
    write_deltalake(path, rows(500_000, 10, 2), mode="append")
    assert agree(project, group).num_rows == 150_007


def append_theirs(path: str, first: int) -> None:
    for number in range(8):
        while True:
            try:
                write_deltalake(path, rows(first + number, 1, number), mode="append")
                break
            except CommitFailedError:
                pass  # delta-rs gives up where a concurrent upsert removed any file


def upsert_ours(location: str, writer: int) -> None:
    with tc.open(location) as project:
        group = project.feature_group("numbers")
        for number in range(8):
            keys = [*range(50), 100_000 * (writer + 1) + number]
            group.insert(pa.table({"key": keys, "value": [float(writer)] * 51,
                                   "text": ["x"] * 51}))


def test_races_with_delta_rs_lose_nothing(project, group):
    path = table_path(project, group)
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=append_theirs, args=(path, 10_000_000 + 1000 * n))
               for n in range(2)]
    workers += [context.Process(target=upsert_ours, args=(project.location, n)) for n in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    table = agree(project, group)  # equal counts: no duplicate is stored
    assert table.num_rows == 1000 + 16 + 16
    keys = table["key"].to_pylist()
    assert len(set(keys)) == len(keys)


def test_a_foreign_feature_is_refused_by_name(project, group):
    path = table_path(project, group)
    version = DeltaTable(path).version() + 1
    with open(f"{path}/_delta_log/{version:020d}.json", "w") as log:
        log.write('{"protocol":{"minReaderVersion":3,"minWriterVersion":7,'
                  '"readerFeatures":["variantType"],"writerFeatures":["variantType"]}}\n')
    with pytest.raises(tc.NotSupportedError, match="variantType"):
        group.read()
