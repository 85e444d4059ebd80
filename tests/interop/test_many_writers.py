"""Processes of ours and of delta-rs change one table at once. The log's order is the serial order:
replaying in it what each commit was to do must give the table, key by key, offline and online."""

from __future__ import annotations

import json
import multiprocessing
import random
import time
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError

import tercet as tc
from engines import READERS, table_path
from local_server import until

KEYS = 60
ROUNDS = 12


def frame(values: dict[int, int]) -> pa.Table:
    return pa.table({"key": pa.array(list(values), pa.int64()),
                     "value": pa.array(list(values.values()), pa.float64()),
                     "text": pa.array(["x"] * len(values))})


def draw(random_: random.Random, writer: int, round_: int) -> dict:
    """What a writer does next."""
    kind = random_.choice(["upsert", "upsert", "delete", "append"])
    if kind == "append":  # never of a key that others have
        return {"append": {1000 * (writer + 1) + round_: writer}}
    keys = random_.sample(range(KEYS), random_.randint(1, 8))
    if kind == "delete":
        return {"delete": keys}
    return {"upsert": {key: 1000 * writer + round_ for key in keys}}


def ours(location: str, writer: int, seed: int, done: str) -> None:
    random_ = random.Random(seed)
    log = []
    with tc.open(location) as project:
        group = project.feature_group("numbers")
        for round_ in range(ROUNDS):
            operation = draw(random_, writer, round_)
            if "delete" in operation:
                commit = group.delete({"key": operation["delete"]})
            else:
                kind = next(iter(operation))
                commit = group.insert(frame(operation[kind]), mode=kind,
                                      idempotency_key=f"{writer}-{round_}")
            # A delete that found nothing made no commit: it names the newest, anybody's.
            if "delete" not in operation or commit.rows_deleted:
                log.append((commit.version, operation))
            if round_ % 5 == 4:
                group.compact()
    Path(done).write_text(json.dumps(log))


def theirs(path: str, writer: int, seed: int, done: str) -> None:
    random_ = random.Random(seed)
    for round_ in range(ROUNDS):
        operation = draw(random_, writer, round_)
        named = CommitProperties(custom_metadata={"meant": json.dumps(operation)})
        while True:
            try:
                if "append" in operation:
                    write_deltalake(path, frame(operation["append"]), mode="append",
                                    commit_properties=named)
                elif "delete" in operation:
                    keys = ", ".join(str(key) for key in operation["delete"])
                    DeltaTable(path).delete(f"key in ({keys})", commit_properties=named)
                else:
                    (DeltaTable(path)
                     .merge(frame(operation["upsert"]), predicate="t.key = s.key",
                            source_alias="s", target_alias="t", commit_properties=named)
                     .when_matched_update_all().when_not_matched_insert_all().execute())
                break
            except (CommitFailedError, DeltaError):
                time.sleep(random_.random() * 0.05)  # it gives up where a file that it read is gone
    Path(done).write_text("[]")


def apply(operation: dict, table: dict[int, int]) -> None:
    for key in operation.get("delete", []):
        table.pop(key, None)
    for kind in ("upsert", "append"):
        table.update({int(key): value for key, value in operation.get(kind, {}).items()})


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_table_is_what_its_log_says_in_order(tmp_path, seed):
    with tc.open(tmp_path / "project") as project:
        group = project.feature_group("numbers", version=1, primary_key=["key"], online=True)
        first = group.insert(frame({key: -1 for key in range(KEYS // 2)}))
        path = table_path(project, group)
        view = project.feature_view("v", query=group.select("value"))
        context = multiprocessing.get_context("spawn")  # delta-rs panics after a fork
        done = [str(tmp_path / f"done-{writer}") for writer in range(4)]
        workers = [context.Process(target=ours, args=(project.location, n, 10 * seed + n, done[n]))
                   for n in range(2)]
        workers += [context.Process(target=theirs, args=(path, n, 10 * seed + n, done[n]))
                    for n in range(2, 4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
            assert worker.exitcode == 0

        by_version = {first.version: {"upsert": {key: -1 for key in range(KEYS // 2)}}}
        for text in done:
            for version, operation in json.loads(Path(text).read_text()):
                assert version not in by_version
                by_version[version] = operation
        for file in sorted(Path(path, "_delta_log").glob("*.json")):
            for line in file.read_text().splitlines():
                info = json.loads(line).get("commitInfo", {})
                named = None if info.get("engineInfo") == "tercet" else _named(info)
                if named is not None:
                    assert int(file.stem) not in by_version
                    by_version[int(file.stem)] = named
        expected: dict[int, int] = {}
        for version in sorted(by_version):
            apply(by_version[version], expected)

        table = group.read().to_arrow()
        assert dict(zip(table["key"].to_pylist(), table["value"].to_pylist())) == expected
        assert table.num_rows == len(expected)  # no key twice
        for name, reader in READERS.items():
            assert reader(path, None)[0] == len(expected), name
        # Online follows, foreign commits too.
        keys = sorted({*range(KEYS), *expected})
        wanted = [{"value": expected.get(key)} for key in keys]
        until(lambda: view.vectors({"key": keys}).to_rows() == wanted)


def _named(info: dict) -> dict | None:
    """What a commit of delta-rs was to do, which it keeps beside its own words."""
    for value in info.values():
        if isinstance(value, str) and value.startswith("{"):
            try:
                operation = json.loads(value)
            except ValueError:
                continue
            if set(operation) <= {"upsert", "delete", "append"}:
                return operation
    return None


def test_a_foreign_delete_of_one_of_two_rows_leaves_the_other_online(tmp_path):
    with tc.open(tmp_path / "project") as project:
        group = project.feature_group("numbers", version=1, primary_key=["key"], online=True)
        group.insert(frame({1: 1, 2: 1}), mode="append", wait_online=True)
        group.insert(frame({1: 2}), mode="append", wait_online=True)
        view = project.feature_view("v", query=group.select("value"))
        DeltaTable(table_path(project, group)).delete("key = 1 and value = 2.0")
        assert group.read().to_arrow()["value"].to_pylist() == [1.0, 1.0]
        until(lambda: view.vectors({"key": [1, 2]}).to_rows() == [{"value": 1.0}, {"value": 1.0}])
