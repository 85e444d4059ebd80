"""Feature views run by Spark: for data that outgrows a machine.

Spark reads the groups' Delta tables as of one commit each and does the point-in-time joins
(`_spark_joins.py`); the view's expressions, filter and transformations are evaluated by Tercet's
own code in Spark's Python workers, so they are those of training and serving. Rows are divided and
fitted to by the native engine, which the driver streams them to (`_spark_rows.py`). Workers need
this package installed; PySpark 4 with Delta's jars is only imported here when it is used.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Iterator

from tercet import _core
from tercet._entities import Entities
from tercet._progress import Progress
from tercet._spark_joins import PLACE, Joins, between
from tercet._spark_rows import NUMBER, Stream, columns_of, evaluated, finished, kept
from tercet.errors import InvalidError, NotSupportedError
from tercet.frame import to_stream

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from tercet.split import Split

_FORMATS = ("parquet", "csv", "orc", "json", "delta")


class SparkTrainingData:
    """Training data as Spark's DataFrames, one a part: `data.train`, `data["test"]`. Each has the
    features, transformed, the labels and helper columns, and the left keys and "event_time" as far
    as no other column has their name. Parts are computed when Spark is asked for rows."""

    def __init__(self, recipe: dict[str, Any], parts: "dict[str, DataFrame]",
                 definition: dict[str, Any] | None = None, rows: "_Kept | None" = None):
        self._parts = parts
        self._rows = rows
        #: names of the model's inputs before transformation, and of the labels
        self.features: list[str] = recipe["features"]
        self.labels: list[str] = recipe["labels"]
        #: group → commit that is read: later commits change nothing
        self.pins: dict[str, int] = recipe["pins"]
        self._definition = definition

    @property
    def definition(self) -> dict[str, Any]:
        """The training dataset that was registered, as `TrainingData.definition`. InvalidError when
        none was."""
        if self._definition is None:
            raise InvalidError("these rows were not registered as a training dataset; leave out "
                               "training_dataset")
        return self._definition

    @property
    def version(self) -> int | None:
        """Of the training dataset, for `rebuild`; None when none was registered."""
        return self._definition["version"] if self._definition else None

    @property
    def view(self) -> str:
        """The view as 'name@version'. InvalidError when nothing was registered."""
        return self.definition["view"]

    @property
    def parts(self) -> "dict[str, DataFrame]":
        return dict(self._parts)

    def folds(self) -> "Iterator[SparkTrainingData]":
        """Each fold of a k-fold or purged split in turn, as `TrainingData.folds`: parts `train` and
        `test`, with transformations fitted on the fold's own training rows. InvalidError for
        another split, or when nothing was registered."""
        count = self.definition["split"].get("folds")
        if not count or self._rows is None:
            raise InvalidError("the dataset was not split into folds; split it by tc.split.k_fold "
                               "or tc.split.purged")
        for fold in range(count):
            yield self._rows.fold(self.definition["version"], fold)

    def unpersist(self) -> None:
        """Lets go of the rows that Spark keeps on its executors' disks since they were registered;
        the parts can't be read any more. What was registered and saved stays."""
        if self._rows is not None:
            self._rows.unpersist()

    def save(self, directory: str | os.PathLike[str],
             format: str = "parquet") -> None:  # noqa: A002: the field's name
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


@dataclass(frozen=True)
class Request:
    """What training data is made of, times in microseconds."""

    view: tuple[str, int]
    split: "Split"
    seed: int
    start: int | None
    end: int | None
    known_at: bool


def training_data(core: Any, request: Request, spine: Any, spark: "SparkSession | None",
                  training_dataset: int | None) -> SparkTrainingData:
    """`FeatureView.training_data(engine="spark")`. `spine`: a frame of Spark's, anything that the
    core reads, or Entities."""
    from pyspark.sql import SparkSession

    ranges = {} if training_dataset is None else _ranges(request.split)
    session = spark or (spine.sparkSession if hasattr(spine, "sparkSession")
                        else SparkSession.getActiveSession())
    if session is None:
        raise InvalidError("there is no active Spark session; pass one as spark=…")
    of_entities = isinstance(spine, Entities)
    if spine is not None and not of_entities and not hasattr(spine, "sparkSession"):
        spine = _sparks(session, spine)
    columns = None
    if of_entities:
        columns = _entity_columns(core, request.view)
    elif spine is not None:
        columns = columns_of(spine)
    recipe = json.loads(core.view_recipe(*request.view, columns, training_dataset,
                                         request.known_at))
    joins = Joins(session, recipe)
    if of_entities:
        spine = joins.entities(spine.times)
    if training_dataset is None:
        return _registered(core, request, recipe, joins, spine)
    joined = joins.joined(spine, request.start, request.end, in_order=False)
    return SparkTrainingData(recipe, {
        name: evaluated(between(joined, first, last), recipe["program"], "run", recipe["output"])
        for name, (first, last) in ranges.items()})


def _sparks(session: "SparkSession", spine: Any) -> "DataFrame":
    """A spine that is here as a frame of Spark's."""
    import pyarrow
    from pyspark.sql.pandas.types import from_arrow_schema

    data = to_stream(spine)
    if hasattr(data, "__arrow_c_stream__"):
        table = pyarrow.table(data)
    else:
        table = pyarrow.Table.from_pylist(data if isinstance(data, list) else [data])
    larger = {pyarrow.uint8(): pyarrow.int16(), pyarrow.uint16(): pyarrow.int32(),
              pyarrow.uint32(): pyarrow.int64(), pyarrow.uint64(): pyarrow.decimal128(20)}
    fields = [field.with_type(larger.get(field.type, field.type)) for field in table.schema]
    table = table.cast(pyarrow.schema(fields))
    # Times without a zone stay such, whatever the session's is.
    schema = from_arrow_schema(table.schema, prefer_timestamp_ntz=True)
    return session.createDataFrame(table, schema)


def _entity_columns(core: Any, view: tuple[str, int]) -> Any:
    """The columns of a spine of all entities; their names are what counts."""
    import pyarrow

    definition = json.loads(core.feature_view(*view))
    name, _, version = definition["root"]["group"].partition("@")
    group = json.loads(core.feature_group(name, int(version or 0)))
    return pyarrow.schema([
        *[pyarrow.field(key, pyarrow.int64()) for key in group["primary_key"]],
        pyarrow.field("event_time", pyarrow.timestamp("us", "UTC"))]).empty_table()


class _Kept:
    """The rows of a registered dataset, kept by Spark."""

    def __init__(self, core: Any, view: tuple[str, int], recipe: dict[str, Any],
                 spine: "DataFrame | None", rows: "DataFrame"):
        self._core = core
        self._view = view
        self._recipe = recipe
        self._spine = spine
        self._rows = rows

    def register(self, request: Request) -> SparkTrainingData:
        stream = Stream(self._spine, self._rows)
        with Progress(f"training data of '{request.view[0]}'") as progress:
            answer = self._core.dataset_of_rows(
                *request.view, json.dumps(request.split.definition), request.seed, request.start,
                request.end, request.known_at, self._recipe["pins"], stream.reader(), progress)
        return self._data(answer, stream)

    def fold(self, version: int, fold: int) -> SparkTrainingData:
        spine = None if self._spine is None else self._spine.limit(0)  # its columns are enough
        stream = Stream(spine, self._rows)
        with Progress(f"fold {fold} of '{self._view[0]}'") as progress:
            answer = self._core.fold_of_rows(*self._view, version, fold, self._recipe["pins"],
                                             stream.reader(), progress)
        return self._data(answer, stream)

    def _data(self, answer: tuple[str, str, Any], stream: Stream) -> SparkTrainingData:
        import pyarrow

        definition, how = json.loads(answer[0]), json.loads(answer[1])
        places = pyarrow.table(answer[2])
        return SparkTrainingData(self._recipe, {
            name: finished(self._rows, stream.offsets, how, places, number)
            for number, name in enumerate(how["parts"])}, definition, self)

    def unpersist(self) -> None:
        self._rows.unpersist()
        if self._spine is not None:
            self._spine.unpersist()


def _registered(core: Any, request: Request, recipe: dict[str, Any], joins: Joins,
                spine: "DataFrame | None") -> SparkTrainingData:
    kept_spine = None
    if spine is not None:
        # Computed once: what is recorded is what was joined, in the same order.
        kept_spine = kept(spine)
        spine = kept_spine.withColumnRenamed(NUMBER, PLACE)
    joined = joins.joined(spine, request.start, request.end, in_order=True)
    rows = kept(evaluated(joined, recipe["program"], "rows", recipe["rows"]))
    whole = _Kept(core, request.view, recipe, kept_spine, rows)
    try:
        rows.count()  # all partitions at once; a stream would make one after another
        return whole.register(request)
    except BaseException:
        whole.unpersist()
        raise


def _ranges(split: "Split") -> dict[str, tuple[int | None, int | None]]:
    """Part → its event times, [first, last)."""
    definition = split.definition
    if definition["method"] == "none":
        return {"train": (None, None)}
    if "boundaries" not in definition:
        how = definition["method"] + (" by shares" if definition["method"] == "time" else "")
        raise NotSupportedError(
            f"rows that are not registered are divided by times alone, not {how}: name the times "
            'at which the parts end, tc.split.by_time(train="2024-01-01", test="2024-02-01"), or '
            "leave out training_dataset")
    ranges: dict[str, tuple[int | None, int | None]] = {}
    first = None
    for name, text in definition["boundaries"]:
        last = None if text is None else _core.parse_time(text)
        ranges[name] = (first, last)
        first = last
    return ranges
