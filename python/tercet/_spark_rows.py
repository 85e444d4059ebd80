"""Rows of a view that Spark keeps while the native engine divides them and fits to them.

Rows before transformation are sorted and kept on the executors' disks, each with a number. The
driver streams them, a partition at a time, as messages of Arrow (src/training/engine_rows.h); what
comes back says of each row its part and by which parameters it is transformed, which is done by our
own evaluator in Spark's workers.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Callable, Iterator

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

NUMBER = "_tercet_number"  # the partition's, then the row's in it, as Spark makes them
_ROW_BITS = 33
_SPINE, _ROWS = 0, 1


def evaluated(joined: "DataFrame", program: dict[str, Any], step: str,
              schema: dict[str, Any]) -> "DataFrame":
    """A step of a view's program, "run" or "rows", over joined rows, in Spark's workers."""
    from pyspark.sql.types import StructType

    return joined.mapInArrow(_runner(json.dumps(program), step), StructType.fromJson(schema))


def kept(rows: "DataFrame") -> "DataFrame":
    """The rows with a NUMBER, on the executors' disks from the first use on, in their order."""
    from pyspark.sql import functions as F
    from pyspark.storagelevel import StorageLevel

    return (rows.withColumn(NUMBER, F.monotonically_increasing_id())
            .persist(StorageLevel.DISK_ONLY))


def source_rows(session: "SparkSession", table: dict[str, Any],
                columns: list[str]) -> "DataFrame":
    """These columns of a table that is no Delta table, as our own reader has them in one of Spark's
    workers."""
    from pyspark.sql.types import StructType

    schema = StructType.fromJson(table["schema"])
    fields = [schema[name] for name in columns]
    return session.range(0, 1, 1, 1).mapInArrow(_source_reader(json.dumps(table), columns),
                                                StructType(fields))


def _source_reader(table: str,
                   columns: list[str]) -> "Callable[[Iterator[Any]], Iterator[Any]]":
    def read(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow

        from tercet import _core

        for _ in batches:
            yield from pyarrow.table(_core.source_rows(table, columns)).to_batches()

    return read


def _program(text: str) -> Any:
    """A view's program in this worker; its functions run in processes of this Python."""
    import sys

    from tercet import _core

    return _core.ViewProgram(text, sys.executable)


def _runner(program: str, step: str) -> "Callable[[Iterator[Any]], Iterator[Any]]":
    # What is pickled for the workers is this text and nothing of the project.
    def run(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow

        compiled = _program(program)
        for batch in batches:
            yield from pyarrow.table(getattr(compiled, step)(batch)).to_batches()

    return run


def _packer(schema: Any) -> "Callable[[Iterator[Any]], Iterator[Any]]":
    """Each batch as a row: its first NUMBER, how many rows, and an Arrow IPC stream of the rest."""
    def pack(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow

        for batch in batches:
            if batch.num_rows == 0:
                continue
            table = pyarrow.Table.from_batches([batch])
            # Times are named after the session's zone, which is no matter of the rows.
            rows = table.drop_columns([NUMBER]).cast(schema)
            yield pyarrow.record_batch({
                "first": table[NUMBER].combine_chunks().slice(0, 1),
                "rows": pyarrow.array([batch.num_rows], pyarrow.int64()),
                "ipc": pyarrow.array([_ipc(rows)], pyarrow.binary())})

    return pack


def _ipc(table: Any) -> bytes:
    import pyarrow

    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue().to_pybytes()


class Stream:
    """The messages of a spine (None: the root's rows) and of rows, both kept. `offsets` says, once
    they are read, how many rows lie before each partition's."""

    def __init__(self, spine: "DataFrame | None", rows: "DataFrame | None"):
        self._spine = spine
        self._rows = rows
        self.offsets: dict[int, int] = {}

    def reader(self) -> Any:
        import pyarrow

        schema = pyarrow.schema([("of", pyarrow.int8()), ("ipc", pyarrow.binary())])

        def batches() -> Iterator[Any]:
            for of, ipc in self._messages():
                yield pyarrow.record_batch([pyarrow.array([of], pyarrow.int8()),
                                            pyarrow.array([ipc], pyarrow.binary())], schema=schema)

        return pyarrow.RecordBatchReader.from_batches(schema, batches())

    def _messages(self) -> Iterator[tuple[int, bytes]]:
        if self._spine is not None:
            yield _SPINE, _ipc(columns_of(self._spine))
            for row in self._batches(self._spine):
                yield _SPINE, bytes(row["ipc"])
        count = 0
        for row in self._batches(self._rows):
            self.offsets.setdefault(row["first"] >> _ROW_BITS, count)
            count += row["rows"]
            yield _ROWS, bytes(row["ipc"])

    @staticmethod
    def _batches(frame: "DataFrame") -> Iterator[Any]:
        pack = _packer(columns_of(frame).schema)
        return frame.mapInArrow(pack, "first long, rows long, ipc binary").toLocalIterator()


def columns_of(frame: "DataFrame") -> Any:
    """An Arrow table with the frame's columns, as workers get them, and no rows."""
    from pyspark.sql.pandas.types import to_arrow_schema

    return to_arrow_schema(frame.drop(NUMBER).schema).empty_table()


def finished(rows: "DataFrame", offsets: dict[int, int], how: dict[str, Any], places: Any,
             part: int) -> "DataFrame":
    """The rows of a part, transformed. `how` and `places`: as the core gave them."""
    from pyspark.sql.types import StructType

    programs = [json.dumps(program) for program in how["programs"]]
    part_of = places["part"].to_numpy().tobytes()
    variant_of = places["variant"].to_numpy().tobytes() if len(programs) > 1 else b""
    return rows.mapInArrow(_finisher(programs, offsets, part_of, variant_of, part),
                           StructType.fromJson(how["output"]))


def _finisher(programs: list[str], offsets: dict[int, int], part_of: bytes, variant_of: bytes,
              part: int) -> "Callable[[Iterator[Any]], Iterator[Any]]":
    def finish(batches: Iterator[Any]) -> Iterator[Any]:
        import numpy
        import pyarrow

        parts = numpy.frombuffer(part_of, numpy.uint8)
        variants = numpy.frombuffer(variant_of, numpy.uint8)
        before = numpy.zeros(max(offsets, default=0) + 1, numpy.int64)
        for partition, rows in offsets.items():
            before[partition] = rows
        compiled: dict[int, Any] = {}
        for batch in batches:
            table = pyarrow.Table.from_batches([batch])
            number = table[NUMBER].to_numpy()
            place = before[number >> _ROW_BITS] + (number & ((1 << _ROW_BITS) - 1))
            mine = numpy.flatnonzero(parts[place] == part)
            table = table.drop_columns([NUMBER])
            by = variants[place[mine]] if len(variants) else numpy.zeros(len(mine), numpy.uint8)
            tables, chosen = [], []
            for variant in numpy.unique(by):
                if variant not in compiled:
                    compiled[variant] = _program(programs[variant])
                chosen.append(mine[by == variant])
                some = table.take(pyarrow.array(chosen[-1])).combine_chunks()
                tables.append(pyarrow.table(compiled[variant].finish(some.to_batches()[0])))
            if len(tables) == 1:
                yield from tables[0].to_batches()
            elif tables:
                order = numpy.argsort(numpy.concatenate(chosen))
                yield from pyarrow.concat_tables(tables).take(pyarrow.array(order)).to_batches()

    return finish
