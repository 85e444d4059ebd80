"""Tables that another engine partitioned: values that are in the log, as text, and not in files."""

from __future__ import annotations

import datetime
import decimal

import pyarrow as pa
import pytest
from deltalake import write_deltalake

import tercet as tc

MOMENT = datetime.datetime(2020, 1, 1, 8, 9, 10, 1000)
VALUES = {
    "timestamp": pa.array([MOMENT, None, MOMENT + datetime.timedelta(days=1)],
                          pa.timestamp("us", "UTC")),
    "whole_seconds": pa.array([MOMENT.replace(microsecond=0)] * 2 + [None],
                              pa.timestamp("us", "UTC")),
    "local": pa.array([MOMENT, None, MOMENT], pa.timestamp("us")),
    "date": pa.array([MOMENT.date(), None, datetime.date(1969, 12, 31)]),
    "int64": pa.array([1, None, -(1 << 40)]),
    "double": pa.array([1.5, None, -2.25]),
    "bool": pa.array([True, None, False]),
    "decimal": pa.array([decimal.Decimal("1.50"), None, decimal.Decimal("22.25")],
                        pa.decimal128(10, 2)),
    "text": pa.array(["a b/ü", None, "%20="]),
}


@pytest.mark.parametrize("kind", VALUES)
def test_partition_values_of_every_type(tmp_path, kind):
    theirs = pa.table({"key": [1, 2, 3], "value": [0.5, 1.5, 2.5], "part": VALUES[kind]})
    write_deltalake(tmp_path / "theirs", theirs, partition_by=["part"])
    with tc.open(tmp_path / "project") as project:
        source = tc.source.delta(tmp_path / "theirs")
        group = project.external_feature_group("theirs", source=source, primary_key=["key"])
        rows = group.read().to_arrow().select(theirs.column_names)
        assert rows.to_pylist() == theirs.to_pylist()
