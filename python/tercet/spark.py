"""Feature views run by Spark: for data that outgrows a machine.

Spark reads the groups' Delta tables as of one commit each and does the point-in-time joins; the
view's expressions, filter and transformations are evaluated by Tercet's own code in Spark's Python
workers, so they are those of training and serving. Workers need this package installed; PySpark 4
with Delta's jars is only imported here when it is used.

An as-of join is a union and a window: left and right rows of a key, ordered by time, and of each
left row the last right row before it. (The field calls that a union as-of join; it moves each row
once, and Spark spills what does not fit.)
"""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any, Callable, Iterator

from tercet import _core
from tercet.errors import InvalidError, NotSupportedError, WrongTypeError

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

    from tercet.split import Split

_FIRST, _LAST = -2**63, 2**63 - 1  # of time, in microseconds
_ORDER = ("_rank", "_block", "_row")  # a file's age, a place in it, a row there
_FEW_FILES = 16  # that are looked through for each row; of more Spark makes a hash table
_FORMATS = ("parquet", "csv", "orc", "json", "delta")


class SparkTrainingData:
    """Training data as Spark's DataFrames, one a part: `data.train`, `data["test"]`. Each has the
    features, transformed, the labels and helper columns, and the left keys and "event_time" as far
    as no other column has their name. Nothing is computed before Spark is asked for rows."""

    def __init__(self, recipe: dict[str, Any], parts: "dict[str, DataFrame]"):
        self._parts = parts
        #: names of the model's inputs before transformation, and of the labels
        self.features: list[str] = recipe["features"]
        self.labels: list[str] = recipe["labels"]
        #: group → commit that is read: later commits change nothing
        self.pins: dict[str, int] = recipe["pins"]

    @property
    def parts(self) -> "dict[str, DataFrame]":
        return dict(self._parts)

    def save(self, directory: str | os.PathLike, format: str = "parquet") -> None:  # noqa: A002
        """Spark writes each part into a folder of its name: "parquet", "csv", "orc", "json" or
        "delta". InvalidError for other formats; Spark's own error when a folder is there."""
        if format not in _FORMATS:
            raise InvalidError(f"Spark writes no '{format}' (formats: {', '.join(_FORMATS)})")
        for name, frame in self._parts.items():
            writer = frame.write.format(format)
            if format == "csv":
                writer = writer.option("header", True)
            writer.save(os.path.join(os.fspath(directory), name))

    def __getitem__(self, name: str) -> "DataFrame":
        if name not in self._parts:
            raise InvalidError(f"training data has no part '{name}' "
                               f"(there is {', '.join(self._parts)})")
        return self._parts[name]

    def __getattr__(self, name: str) -> "DataFrame":
        if name.startswith("_") or name not in self.__dict__.get("_parts", {}):
            raise AttributeError(f"training data has no part '{name}'")
        return self._parts[name]

    def __repr__(self) -> str:
        return f"<SparkTrainingData: {', '.join(self._parts)}>"


def training_data(core: Any, view: tuple[str, int], spine: Any, spark: "SparkSession | None",
                  split: "Split", start: int | None, end: int | None,
                  training_dataset: int | None) -> SparkTrainingData:
    """`FeatureView.training_data(engine="spark")`."""
    from pyspark.sql import SparkSession

    ranges = _ranges(split)
    if spine is not None and not hasattr(spine, "sparkSession"):
        raise WrongTypeError('with engine="spark" a spine is a Spark DataFrame, not '
                             f"{type(spine).__name__}; spark.createDataFrame(…) makes one")
    session = spark or (spine.sparkSession if spine is not None
                        else SparkSession.getActiveSession())
    if session is None:
        raise InvalidError("there is no active Spark session; pass one as spark=…")
    columns = None
    if spine is not None:
        from pyspark.sql.pandas.types import to_arrow_schema

        columns = to_arrow_schema(spine.schema).empty_table()
    recipe = json.loads(core.export_view(*view, columns, training_dataset))
    joined = _Read(session, recipe).joined(spine, start, end)
    return SparkTrainingData(recipe, {
        name: _finished(_between(joined, first, last), recipe)
        for name, (first, last) in ranges.items()})


def _ranges(split: "Split") -> dict[str, tuple[int | None, int | None]]:
    """Part → its event times, [first, last)."""
    definition = split.definition
    if definition["method"] == "none":
        return {"train": (None, None)}
    if "boundaries" not in definition:
        how = definition["method"] + (" by shares" if definition["method"] == "time" else "")
        raise NotSupportedError(
            f"Spark divides rows by times alone, not {how}: name the times at which the parts end, "
            'tc.split.by_time(train="2024-01-01", test="2024-02-01"), or read without an engine')
    ranges, first = {}, None
    for name, text in definition["boundaries"]:
        last = None if text is None else _core.parse_time(text)
        ranges[name] = (first, last)
        first = last
    return ranges


def _between(frame: "DataFrame", first: int | None, last: int | None) -> "DataFrame":
    from pyspark.sql import functions as F

    if first is not None:
        frame = frame.where(F.col("t") >= first)
    return frame if last is None else frame.where(F.col("t") < last)


def _finished(joined: "DataFrame", recipe: dict[str, Any]) -> "DataFrame":
    """The view's rows of joined ones, by our own evaluator in Spark's workers."""
    from pyspark.sql.types import StructType

    return joined.mapInArrow(_runner(json.dumps(recipe["program"])),
                             StructType.fromJson(recipe["output"]))


def _runner(program: str) -> "Callable[[Iterator[Any]], Iterator[Any]]":
    # What is pickled for the workers is this text and nothing of the project.
    def run(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow

        from tercet import _core

        compiled = _core.ViewProgram(program)
        for batch in batches:
            yield from pyarrow.table(compiled.run(batch)).to_batches()

    return run


class _Read:
    """One read of a view: left rows with a column "t" (event time in microseconds, or null), to
    which each join adds a struct of what it found, or null."""

    def __init__(self, spark: "SparkSession", recipe: dict[str, Any]):
        self._spark = spark
        self._recipe = recipe
        #: (group's number, column) → where the rows so far have it, and of which type
        self._places: dict[tuple[int, str], tuple[str, Any]] = {}
        self._tables: dict[str, DataFrame] = {}

    def joined(self, spine: "DataFrame | None", start: int | None,
               end: int | None) -> "DataFrame":
        """The columns that the program takes, by place, then "t"."""
        from pyspark.sql import functions as F

        recipe = self._recipe
        rows = self._left(spine)
        if recipe["time"]:
            rows = _between(rows, start, end)
        rows = self._looked_up(rows)
        for number, join in enumerate(recipe["joins"], 1):
            keys = [self._places[key["group"], key["column"]] for key in join["left_keys"]]
            rows = self._as_of(rows, keys, join, f"j{number}")
            types = self._types(join["table"])
            for place, column in enumerate(join["columns"]):
                self._places[number, column] = (f"j{number}.v{place}", types[column])
            if join["inner"]:
                rows = rows.where(F.col(f"j{number}").isNotNull())
        columns = [F.col(self._places[one["group"], one["column"]][0]).alias(f"c{place}")
                   for place, one in enumerate(recipe["inputs"])]
        return rows.select(*columns, F.col("t"))

    def _left(self, spine: "DataFrame | None") -> "DataFrame":
        from pyspark.sql import functions as F
        from pyspark.sql.window import Window

        recipe = self._recipe
        time = recipe["time"]
        if spine is None:
            table = recipe["tables"][recipe["root"]]
            rows = self._table(recipe["root"])
            by = [F.col(_quoted(name))
                  for name in [*table["key"], *([table["event_time"]] if time else [])]]
            # Of rows of one key and time, the one that every reader sees.
            newest = Window.partitionBy(*by).orderBy(
                *[F.desc(name) for name in _ORDER])
            rows = (rows.withColumn("_newest", F.row_number().over(newest))
                    .where(F.col("_newest") == 1))
            micros = _micros(rows, time) if time else F.lit(None).cast("bigint")
        else:
            rows = spine
            micros = F.lit(None).cast("bigint")
            if time:
                micros = F.coalesce(_micros(rows, time), F.raise_error(
                    F.lit("a spine row has no event time")).cast("bigint"))
        types = {field.name: field.dataType for field in rows.schema.fields}
        columns = []
        for one in [*recipe["left"], *recipe["unknown"]]:
            name, wanted = one["name"], _type(one["type"])
            source = one.get("column")
            column = (F.lit(None).cast(wanted) if source is None
                      else _cast(F.col(_quoted(source)), source, types[source], wanted))
            place = f"l{len(columns)}"
            self._places[0, name] = (place, wanted)
            columns.append(column.alias(place))
        return rows.select(*columns, micros.alias("t"))

    def _looked_up(self, rows: "DataFrame") -> "DataFrame":
        """Root columns that a spine lacks, by the root's primary key."""
        recipe = self._recipe
        if not recipe["look_up"]:
            return rows
        keys = [self._places[0, name] for name in recipe["tables"][recipe["root"]]["key"]]
        found = {"table": recipe["root"], "columns": recipe["look_up"], "moved": False,
                 "ttl_us": recipe["ttl_us"]}
        types = self._types(recipe["root"])
        for place, name in enumerate(recipe["look_up"]):
            self._places[0, name] = (f"j0.v{place}", types[name])
        return self._as_of(rows, keys, found, "j0")

    def _table(self, name: str) -> "DataFrame":
        """A group's table as of its commit, with the columns _ORDER: of rows of one key and time
        the last in their order wins."""
        from pyspark.sql import functions as F

        if name in self._tables:
            return self._tables[name]
        table = self._recipe["tables"][name]
        path = re.sub("^s3://", "s3a://", table["path"])
        rows = (self._spark.read.format("delta").option("versionAsOf", table["version"]).load(path)
                .select("*", F.col("_metadata.file_name").alias("_file"),
                        # Delta hides the rows' numbers in their file; but the rows of a block are
                        # read in their order, by one task, which counts them.
                        F.col("_metadata.file_block_start").alias("_block"),
                        F.monotonically_increasing_id().alias("_row")))
        files = table["files"]
        if len(set(files)) < len(files) or not all(re.fullmatch(r"[\w.=-]+", one)
                                                   for one in files):
            raise NotSupportedError(f"files of feature group '{name}' can't be told apart by their "
                                    "names; compact it, or read without an engine")
        if len(files) <= _FEW_FILES:
            rank = F.array_position(F.lit(files or [""]), F.col("_file"))
        else:
            ranks = self._spark.range(1, len(files) + 1).select(
                F.element_at(F.lit(files), F.col("id").cast("int")).alias("_file"),
                F.col("id").alias("_rank"))
            rows = rows.join(F.broadcast(ranks), "_file", "left")
            rank = F.coalesce("_rank", F.lit(0))
        other = F.raise_error(F.concat(F.lit(f"a file of '{name}' is not of its commit: "),
                                       F.col("_file"))).cast("bigint")
        self._tables[name] = rows.withColumn("_rank", F.when(rank > 0, rank).otherwise(other))
        return self._tables[name]

    def _types(self, name: str) -> dict[str, Any]:
        return {field.name: field.dataType for field in self._table(name).schema.fields}

    def _as_of(self, left: "DataFrame", keys: list[tuple[str, Any]], join: dict[str, Any],
               into: str) -> "DataFrame":
        """The left rows with a struct `into`: of the row that each sees its time "e" and the
        columns "v0" …, or null."""
        from pyspark.sql import functions as F
        from pyspark.sql.window import Window

        table = self._recipe["tables"][join["table"]]
        right = self._table(join["table"])
        names = [f"_k{place}" for place in range(len(keys))]
        right_keys = [F.col(_quoted(name)) for name in table["key"]]
        event_time = (_micros(right, table["event_time"]) if table["event_time"]
                      else F.lit(_FIRST).cast("bigint"))
        value = F.struct(event_time.alias("e"),
                         *[F.col(_quoted(column)).alias(f"v{place}")
                           for place, column in enumerate(join["columns"])])
        history = right.select(
            *[key.alias(name) for key, name in zip(right_keys, names)],
            F.lit(0).cast("bigint").alias("_alone"), event_time.alias("_t"),
            F.lit(0).alias("_side"), *_ORDER, value.alias("_seen"),
        ).where(_all_known([*names, "_t"]))

        types = {field.name: field.dataType for field in history.schema.fields}
        seen_at = self._seen_at(join)
        left_keys = [_cast(F.col(key), column, found, types[name])
                     for (key, found), column, name in zip(keys, table["key"], names)]
        asked = left.select(
            *[key.alias(name) for key, name in zip(left_keys, names)], seen_at.alias("_t"),
            F.struct(*[F.col(column) for column in left.columns]).alias("_left"))
        # A row that can find nothing goes to a partition of its own, not all to one.
        asked = asked.withColumn("_alone", F.when(_all_known([*names, "_t"]), F.lit(0))
                                 .otherwise(F.monotonically_increasing_id() + 1).cast("bigint"))
        no_left = F.lit(None).cast(asked.schema["_left"].dataType)
        both = asked.withColumns({
            "_side": F.lit(1), **{name: F.lit(0).cast(types[name]) for name in _ORDER},
            "_seen": F.lit(None).cast(types["_seen"]),
        }).unionByName(history.withColumn("_left", no_left))
        before = (Window.partitionBy(*names, "_alone").orderBy("_t", "_side", *_ORDER)
                  .rowsBetween(Window.unboundedPreceding, Window.currentRow))
        rows = both.withColumn("_seen", F.last("_seen", ignorenulls=True).over(before)).where(
            F.col("_side") == 1)
        if join["ttl_us"] is not None and self._recipe["time"]:
            # Ages may need 65 bits.
            age = F.col("_t").cast("decimal(20)") - F.col("_seen.e").cast("decimal(20)")
            rows = rows.withColumn("_seen", F.when(age <= join["ttl_us"], F.col("_seen")))
        return rows.select("_left.*", F.col("_seen").alias(into))

    def _seen_at(self, join: dict[str, Any]) -> "Column":
        """As of when left rows see a group; null where nothing is to be seen."""
        from pyspark.sql import functions as F

        if not self._recipe["time"]:
            return F.lit(_LAST).cast("bigint")
        if not join["moved"]:
            return F.col("t")
        moved = F.col("t").cast("decimal(20)") + F.lit(join["moved_us"]).cast("decimal(20)")
        last = _LAST
        if join["has_horizon"]:
            if join["newest_us"] is None:
                return F.lit(None).cast("bigint")
            last = join["newest_us"]
        fits = (moved >= F.lit(_FIRST)) & (moved <= F.lit(last))
        return F.when(fits, moved.cast("bigint"))


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _type(delta: Any) -> Any:
    """A type of Delta's schema as Spark's."""
    from pyspark.sql.types import StructType

    field = {"name": "value", "type": delta, "nullable": True, "metadata": {}}
    return StructType.fromJson({"type": "struct", "fields": [field]}).fields[0].dataType


def _all_known(names: list[str]) -> "Column":
    from pyspark.sql import functions as F

    known = F.lit(True)
    for name in names:
        known = known & F.col(name).isNotNull()
    return known


def _cast(column: "Column", name: str, found: Any, to: Any) -> "Column":
    """A column of type `found` as another; Spark fails where a value does not fit."""
    from pyspark.sql import functions as F
    from pyspark.sql.types import NullType, TimestampNTZType, TimestampType

    if found == to:
        return column
    times = (TimestampType, TimestampNTZType)
    if isinstance(found, times) and isinstance(to, times):
        raise WrongTypeError(f"column '{name}' is {found.simpleString()}, not {to.simpleString()}: "
                             "which time that is depends on the session's zone; convert it")
    cast = column.try_cast(to)
    if isinstance(found, NullType):
        return cast
    wrong = F.concat(F.lit(f"column '{name}' has a value that is no {to.simpleString()}: "),
                     column.cast("string"))
    return F.when(column.isNotNull() & cast.isNull(),
                  F.raise_error(wrong).cast(to)).otherwise(cast)


def _micros(rows: "DataFrame", name: str) -> "Column":
    """An event time in microseconds since the epoch; times without a zone are UTC, whatever the
    session's zone."""
    from pyspark.sql import functions as F
    from pyspark.sql.types import DateType, TimestampNTZType, TimestampType

    column, found = F.col(_quoted(name)), rows.schema[name].dataType
    day = 86_400_000_000
    if isinstance(found, TimestampType):
        return F.unix_micros(column)
    if isinstance(found, DateType):
        return F.unix_date(column).cast("bigint") * F.lit(day)
    if isinstance(found, TimestampNTZType):
        seconds = (F.hour(column) * 3600 + F.minute(column) * 60).cast("bigint")
        micros = (F.date_part(F.lit("SECOND"), column) * 1_000_000).cast("bigint")
        return (F.unix_date(column.cast("date")).cast("bigint") * F.lit(day)
                + seconds * 1_000_000 + micros)
    raise WrongTypeError(f"column '{name}' is {found.simpleString()}, no event time (timestamp, "
                         "timestamp_ntz or date)")
