"""The joins of a feature view as Spark does them, by its recipe (src/view/view_recipe.h).

An as-of join is a union and a window: left and right rows of a key, ordered by time, and of each
left row the last right row before it. (The field calls that a union as-of join; it moves each row
once, and Spark spills what does not fit.)
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Sequence

from tercet._spark_rows import source_rows
from tercet.errors import NotSupportedError, WrongTypeError

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

#: left rows' column by which the view's rows are in order
PLACE = "_tercet_place"

_FIRST, _LAST = -2**63, 2**63 - 1  # of time, in microseconds
_ORDER = ("_rank", "_block", "_row")  # a file's age, a place in it, a row there
_FEW_FILES = 16  # that are looked through for each row; of more Spark makes a hash table


def path_of(path: str, group: str) -> str:
    """A table's path as Spark calls it. NotSupportedError for one that is not on this machine."""
    if path.startswith("s3://"):
        return "s3a" + path[2:]
    if os.path.isdir(path):
        return path
    raise NotSupportedError(
        f"Spark reads tables where they are, and there is no '{path}' here, where the server has "
        f"feature group '{group}': mount that disk under the same path, keep the project in a "
        "bucket, or read without an engine")


def between(frame: "DataFrame", first: int | None, last: int | None,
            time: str = "t") -> "DataFrame":
    """The rows with first ≤ time < last, in microseconds."""
    from pyspark.sql import functions as F

    if first is not None:
        frame = frame.where(F.col(time) >= first)
    return frame if last is None else frame.where(F.col(time) < last)


class Joins:
    """One read of a view: left rows with a column "t" (event time in microseconds, or null), to
    which each join adds a struct of what it found, or null."""

    def __init__(self, spark: "SparkSession", recipe: dict[str, Any]):
        self._spark = spark
        self._recipe = recipe
        #: (group's number, column) → where the rows so far have it, and of which type
        self._places: dict[tuple[int, str], tuple[str, Any]] = {}
        self._tables: dict[tuple[str, int], DataFrame] = {}
        #: group → the numbers of its commits, from 1, that rows read as known then
        self._known: dict[str, list[int]] = {}

    def joined(self, spine: "DataFrame | None", start: int | None, end: int | None,
               in_order: bool) -> "DataFrame":
        """The columns that the program takes, by place, then "t". With `in_order` the rows are in
        the order that the view's rows have, which is that of PLACE in a spine."""
        from pyspark.sql import functions as F

        recipe = self._recipe
        rows = self._left(spine, in_order)
        if recipe["time"]:
            rows = between(rows, start, end)
        self._find_known(rows)
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
        if in_order:
            rows = rows.sort(PLACE)
        return rows.select(*columns, F.col("t"))

    def entities(self, times: Sequence[int]) -> "DataFrame":
        """A spine of all entities of the root group that are visible at each of the times: the
        primary key and "event_time", in order of the times, then of the keys."""
        from pyspark.sql import functions as F

        table = self._recipe["tables"][self._recipe["root"]]
        rows = self._table(self._recipe["root"])
        keys = [f"k{place}" for place in range(len(table["key"]))]
        time = (_micros(rows, table["event_time"]) if table["event_time"]
                else F.lit(_FIRST).cast("bigint"))
        rows = rows.select(*[F.col(_quoted(name)).alias(key)
                             for name, key in zip(table["key"], keys)], time.alias("t"))
        rows = rows.where(_all_known([*keys, "t"]))
        asked = F.broadcast(self._spark.createDataFrame(
            list(enumerate(times)), "number int, at bigint"))
        ttl = self._recipe["ttl_us"] if table["event_time"] else None
        visible = F.col("t") <= F.col("at")
        if ttl is None:
            rows = rows.groupBy(*keys).agg(F.min("t").alias("t"))
        else:
            age = F.col("at").cast("decimal(20)") - F.col("t").cast("decimal(20)")
            visible = visible & (age <= ttl)
        seen = rows.join(asked, visible).select(*keys, "number", "at").distinct()
        return seen.sort("number", *keys).select(
            *[F.col(key).alias(name) for key, name in zip(keys, table["key"])],
            F.timestamp_micros("at").alias("event_time"))

    def _find_known(self, left: "DataFrame") -> None:
        """Which commits of each group some left row is the last to know."""
        for name, table in self._recipe["tables"].items():
            if table.get("known") is not None:
                used = left.select(_commit_of(table).alias("known")).distinct().collect()
                self._known[name] = sorted(row["known"] for row in used if row["known"])

    def _left(self, spine: "DataFrame | None", in_order: bool) -> "DataFrame":
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
            rows = rows.withColumn(PLACE, F.struct(*by))
            micros = _micros(rows, time) if time else F.lit(None).cast("bigint")
        else:
            rows = spine
            micros = F.lit(None).cast("bigint")
            if time:
                micros = F.coalesce(_micros(rows, time), F.raise_error(
                    F.lit("a spine row has no event time")).cast("bigint"))
        types = {field.name: field.dataType for field in rows.schema.fields}
        columns: list[Any] = []
        for one in [*recipe["left"], *recipe["unknown"]]:
            name, wanted = one["name"], _type(one["type"])
            source = one.get("column")
            column = (F.lit(None).cast(wanted) if source is None
                      else _cast(F.col(_quoted(source)), source, types[source], wanted))
            place = f"l{len(columns)}"
            self._places[0, name] = (place, wanted)
            columns.append(column.alias(place))
        return rows.select(*columns, micros.alias("t"), *([PLACE] if in_order else []))

    def _looked_up(self, rows: "DataFrame") -> "DataFrame":
        """Root columns that a spine lacks, by the root's primary key."""
        recipe = self._recipe
        if not recipe["look_up"]:
            return rows
        keys = [self._places[0, name] for name in recipe["tables"][recipe["root"]]["key"]]
        found = {"table": recipe["root"], "columns": recipe["look_up"], "moved": False,
                 "has_horizon": False, "ttl_us": recipe["ttl_us"]}
        types = self._types(recipe["root"])
        for place, name in enumerate(recipe["look_up"]):
            self._places[0, name] = (f"j0.v{place}", types[name])
        return self._as_of(rows, keys, found, "j0")

    def _table(self, name: str, known: int = 0) -> "DataFrame":
        """A group's table as of its commit, or of its commit number `known`, with the columns
        _ORDER: of rows of one key and time the last in their order wins."""
        from pyspark.sql import functions as F

        if (name, known) in self._tables:
            return self._tables[name, known]
        table = self._recipe["tables"][name]
        if "source" in table:  # each key and time is there once
            self._tables[name, known] = source_rows(
                self._spark, table, self._columns_of(name)).withColumns(
                    {order: F.lit(0).cast("bigint") for order in _ORDER})
            return self._tables[name, known]
        commit = table["known"][known - 1] if known else table
        path = path_of(table["path"], name)
        rows = (self._spark.read.format("delta").option("versionAsOf", commit["version"]).load(path)
                .select("*", F.col("_metadata.file_name").alias("_file"),
                        # Delta hides the rows' numbers in their file; but the rows of a block are
                        # read in their order, by one task, which counts them.
                        F.col("_metadata.file_block_start").alias("_block"),
                        F.monotonically_increasing_id().alias("_row")))
        files = commit["files"]
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
        rows = rows.withColumn("_rank", F.when(rank > 0, rank).otherwise(other))
        self._tables[name, known] = rows
        return rows

    def _columns_of(self, name: str) -> list[str]:
        """The columns of a table that are read."""
        recipe = self._recipe
        table = recipe["tables"][name]
        columns = [*table["key"], *([table["event_time"]] if table["event_time"] else [])]
        for join in recipe["joins"]:
            columns += join["columns"] if join["table"] == name else []
        if name == recipe["root"]:
            columns += [*recipe["look_up"], *[one["column"] for one in recipe["left"]]]
        there = {field["name"] for field in table["schema"]["fields"]}
        return [column for column in dict.fromkeys(columns) if column in there]

    def _history(self, join: dict[str, Any], names: list[str], types: dict[str, Any],
                 known: int) -> "DataFrame":
        """What can be seen of a table: keys, time "_t", order, and the struct "_seen"."""
        from pyspark.sql import functions as F

        table = self._recipe["tables"][join["table"]]
        rows = self._table(join["table"], known)
        event_time = (_micros(rows, table["event_time"]) if table["event_time"]
                      else F.lit(_FIRST).cast("bigint"))

        def now(column: str) -> "Column":  # as the group has it now, of an earlier commit too
            there = column in rows.columns
            return (F.col(_quoted(column)) if there else F.lit(None)).cast(types[column])

        value = F.struct(event_time.alias("e"), *[now(column).alias(f"v{place}")
                                                  for place, column in enumerate(join["columns"])])
        return rows.select(
            *[now(key).alias(name) for key, name in zip(table["key"], names)],
            F.lit(0).cast("bigint").alias("_alone"), F.lit(known).alias("_known"),
            event_time.alias("_t"), F.lit(0).alias("_side"), *_ORDER, value.alias("_seen"),
        ).where(_all_known([*names, "_t"]))

    def _types(self, name: str) -> dict[str, Any]:
        return {field.name: field.dataType for field in self._table(name).schema.fields}

    def _as_of(self, left: "DataFrame", keys: list[tuple[str, Any]], join: dict[str, Any],
               into: str) -> "DataFrame":
        """The left rows with a struct `into`: of the row that each sees its time "e" and the
        columns "v0" …, or null."""
        from pyspark.sql import functions as F
        from pyspark.sql.window import Window

        table = self._recipe["tables"][join["table"]]
        names = [f"_k{place}" for place in range(len(keys))]
        columns = self._types(join["table"])
        as_known = not join["has_horizon"] and join["table"] in self._known
        commits = self._known[join["table"]] if as_known else [0]
        history = self._history(join, names, columns, commits[0] if commits else 0)
        for known in commits[1:]:
            history = history.unionByName(self._history(join, names, columns, known))

        types = {field.name: field.dataType for field in history.schema.fields}
        left_keys = [_cast(F.col(key), column, found, types[name])
                     for (key, found), column, name in zip(keys, table["key"], names)]
        asked = left.select(
            *[key.alias(name) for key, name in zip(left_keys, names)],
            (_commit_of(table) if as_known else F.lit(0)).alias("_known"),
            self._seen_at(join).alias("_t"),
            F.struct(*[F.col(column) for column in left.columns]).alias("_left"))
        # A row that can find nothing goes to a partition of its own, not all to one.
        finds = _all_known([*names, "_t"])
        if as_known:
            finds = finds & (F.col("_known") > 0)
        asked = asked.withColumn("_alone", F.when(finds, F.lit(0)).otherwise(
            F.monotonically_increasing_id() + 1).cast("bigint"))
        no_left = F.lit(None).cast(asked.schema["_left"].dataType)
        both = asked.withColumns({
            "_side": F.lit(1), **{name: F.lit(0).cast(types[name]) for name in _ORDER},
            "_seen": F.lit(None).cast(types["_seen"]),
        }).unionByName(history.withColumn("_left", no_left))
        before = (Window.partitionBy(*names, "_known", "_alone").orderBy("_t", "_side", *_ORDER)
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


def _commit_of(table: dict[str, Any]) -> "Column":
    """The number, from 1, of the last commit that a left row knows; 0: it knows none."""
    from pyspark.sql import functions as F

    times = F.lit([commit["time_us"] for commit in table["known"]] or [_LAST])
    number = F.size(F.filter(times, lambda time: time <= F.col("t")))
    if table["since_us"] is None:
        return number
    lost = F.raise_error(F.lit(
        f"the history of '{table['path']}' is not kept so far back: nobody can say what was known "
        "at some row's time; ask for later rows")).cast("int")
    return F.when(F.col("t") < table["since_us"], lost).otherwise(number)


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
