"""Tables that we write, read by other engines: at head, by version, after each kind of change."""

from __future__ import annotations

import datetime

import numpy as np
import pyarrow as pa
import pytest

import tercet as tc
from engines import READERS, facts, table_path, uses_vectors

ROWS = 150_000  # large enough that a small upsert makes a deletion vector


def rows(first: int, count: int, seed: int) -> pa.Table:
    random = np.random.default_rng(seed)
    return pa.table({
        "key": pa.array(range(first, first + count), pa.int64()),
        "value": pa.array(random.integers(0, 1000, count) / 4, mask=random.random(count) < 0.05),
        "text": pa.array([f"t{n}é" for n in random.integers(0, 500, count)])})


@pytest.fixture(scope="module", params=[True, False], ids=["vectors", "copies"])
def history(request, tmp_path_factory):
    """A table after every kind of change: its path, and what we read at each version."""
    project = tc.open(tmp_path_factory.mktemp("project"))
    group = project.feature_group("numbers", version=1, primary_key=["key"],
                                  deletion_vectors=request.param)
    versions = [group.insert(rows(0, ROWS, 1)).version]
    versions.append(group.insert(rows(ROWS - 10, 500, 2)).version)                # upsert
    versions.append(group.insert(rows(100, 10, 3), mode="append").version)        # duplicates …
    versions.append(group.insert(rows(90, 30, 4)).version)                        # … taken out
    versions.append(group.delete(pa.table({"key": [5, 6, 7, 8_000_000]})).version)
    for number in range(18):                                                      # a checkpoint
        versions.append(group.insert(rows(1_000_000 + 10 * number, 10, number)).version)
    versions.append(group.compact().version)
    versions.append(group.insert(rows(50, 3, 5)).version)
    path = table_path(project, group)
    assert uses_vectors(path) == request.param
    expected = {version: facts(group.read(as_of=version).to_arrow()) for version in versions}
    # Other engines don't resolve the duplicates of an append, so that version is not compared.
    del expected[versions[2]]
    yield path, expected, versions[-1]
    project.close()


@pytest.mark.parametrize("engine", READERS)
def test_head(history, engine):
    path, expected, newest = history
    assert READERS[engine](path, None) == expected[newest]


@pytest.mark.parametrize("engine", READERS)
def test_every_version(history, engine):
    path, expected, _ = history
    for version, answer in expected.items():
        assert READERS[engine](path, version) == answer, version


def test_delta_rs_reads_our_change_feed(history):
    from deltalake import DeltaTable
    path, _, newest = history
    feed = DeltaTable(path).load_cdf(starting_version=newest, ending_version=newest)
    kinds = pa.table(feed.read_all())["_change_type"].to_pylist()
    assert sorted(kinds) == ["update_postimage"] * 3 + ["update_preimage"] * 3


def test_types_arrive_as_delta_has_them(tmp_path):
    """Types that Delta lacks arrive as wider ones, and come back to us as they were."""
    from deltalake import DeltaTable
    utc, day = datetime.timezone.utc, datetime.datetime(2024, 5, 17, 12, 30, 15, 250000)
    table = pa.table({
        "key": pa.array([1, 2], pa.uint32()),
        "u8": pa.array([255, None], pa.uint8()),
        "u64": pa.array([2**64 - 1, None], pa.uint64()),
        "f16": pa.array([np.float16(1.5), None], pa.float16()),
        "day": pa.array([day.date(), None], pa.date32()),
        "clock": pa.array([day.time(), None], pa.time64("us")),
        "span": pa.array([datetime.timedelta(seconds=3), None], pa.duration("s")),
        "zoned": pa.array([day.replace(tzinfo=utc), None], pa.timestamp("ns", "Europe/Oslo")),
        "naive": pa.array([day, None], pa.timestamp("ms")),
        "money": pa.array([12, None], pa.int64()).cast(pa.decimal128(30, 2)),
        "list": pa.array([[1, None], None], pa.list_(pa.uint16())),
        "bytes": pa.array([b"\x00\xff", None], pa.large_binary())})
    project = tc.open(tmp_path / "project")
    group = project.feature_group("types", version=1, primary_key=["key"])
    group.insert(table)
    back = group.read().to_arrow()
    assert back.cast(table.schema).equals(table)
    assert [f.type for f in back.schema] == [f.type for f in table.schema]

    seen = pa.table(DeltaTable(table_path(project, group)).to_pyarrow_table())
    row = seen.sort_by("key").to_pylist()[0]
    assert row["u8"] == 255 and row["u64"] == 2**64 - 1 and row["f16"] == 1.5
    assert row["day"] == day.date() and row["list"] == [1, None]
    assert row["zoned"] == day.replace(tzinfo=utc) and row["naive"] == day
    assert row["span"] == 3 and row["clock"] == (12 * 3600 + 30 * 60 + 15) * 10**6 + 250000
    assert row["money"] == 12 and row["bytes"] == b"\x00\xff"
    project.close()


def test_leftovers_of_a_killed_writer_disturb_nobody(tmp_path):
    from pathlib import Path
    project = tc.open(tmp_path / "project")
    group = project.feature_group("numbers", version=1, primary_key=["key"])
    group.insert(rows(0, 100, 1))
    path = Path(table_path(project, group))
    (path / "_delta_log" / f"{1:020d}.json.tmp-0b0c").write_text("{")
    (path / "_delta_log" / f"{2:020d}.json.tmp-0b0d").write_text("{")
    (path / "part-00000-0b0e.parquet").write_bytes(b"PAR1")
    expected = facts(group.read().to_arrow())
    for name, reader in READERS.items():
        assert reader(str(path), None) == expected, name
    assert group.insert(rows(100, 5, 2)).version == 2
    project.close()


def test_other_engines_skip_files_by_our_statistics(tmp_path):
    """A filter that our statistics decide gives the same rows as one that they don't."""
    import polars
    project = tc.open(tmp_path / "project")
    group = project.feature_group("skips", version=1, primary_key=["key"], event_time="at")
    start = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)
    for day in range(5):
        hours = [start + datetime.timedelta(days=day, hours=h, microseconds=999_999)
                 for h in range(24)]
        group.insert(pa.table({"key": list(range(24)), "at": hours,
                               "value": [float(day)] * 24}), mode="append")
    path = table_path(project, group)
    edge = start + datetime.timedelta(days=2, hours=23, microseconds=999_999)
    frame = polars.scan_delta(path).filter(polars.col("at") >= edge).collect()
    assert frame.height == 1 + 2 * 24
    frame = polars.scan_delta(path).filter(polars.col("value") > 3.5).collect()
    assert frame.height == 24
    project.close()
