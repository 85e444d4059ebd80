"""Feature views: the contract between training and inference."""

from __future__ import annotations

import functools
import json
import os
import warnings
from typing import TYPE_CHECKING, Any, Literal, Mapping, overload

from tercet._entities import Entities
from tercet._progress import Progress
from tercet._times import Time, to_micros
from tercet._versioned import Versioned
from tercet.errors import InvalidError, WrongTypeError
from tercet.feature_group import integer_of
from tercet.frame import Frame, rows_to_stream, to_stream
from tercet.neighbors import VectorLike, to_vectors
from tercet.split import Split, none
from tercet.training_data import TrainingData

if TYPE_CHECKING:
    import numpy as np
    from pyspark.sql import DataFrame, SparkSession

    from tercet._core import VectorAsker
    from tercet.project import Project
    from tercet.spark import SparkTrainingData


def _warn_of_no_rows(data: TrainingData) -> None:
    """Says so where the times that were given leave nothing, in all parts or in one."""
    empty = [name for name, part in data.parts.items() if len(part) == 0]
    if len(empty) == len(data.parts):
        warnings.warn(f"training data of '{data.view}' has no rows: none was found, or none in the "
                      "range of time", stacklevel=4)
    elif empty:
        warnings.warn(f"training data of '{data.view}' has no rows in its part "
                      f"'{', '.join(empty)}': none has an event time there", stacklevel=4)


class Vector(dict[str, Any]):
    """One feature vector: feature → value, with `status` and `helpers` beside it."""

    def __init__(self, values: Any = (), status: dict[str, Any] | None = None,
                 helpers: dict[str, Any] | None = None):
        super().__init__(values)
        if status is not None:
            self.status = status
        if helpers is not None:
            self.helpers = helpers

    @functools.cached_property
    def status(self) -> dict[str, str]:
        """Feature → "present", "missing", "expired", "stale" or "unavailable"."""
        return dict.fromkeys(self, "present")

    @functools.cached_property
    def helpers(self) -> dict[str, Any]:
        """Helper column → value."""
        return {}


class Vectors(Frame):
    """Feature vectors, a row an entity, with `status` and `helpers` frames of as many rows."""

    def __init__(self, features: Any, status: Any, helpers: Any):
        super().__init__(features)
        self.status = Frame(status)
        self.helpers = Frame(helpers)


class NearVectors(Vectors):
    """Feature vectors of what is near, nearest first, a row an entity, with `status` and `helpers`
    frames, and `distances` (`_distance`, and first, where several vectors were asked for, `_query`,
    the number of the vector) and `entities` (as `Deployment.predict` takes them), of as many rows.
    """

    def __init__(self, distances: Any, entities: Any, features: Any, status: Any, helpers: Any,
                 commit: int):
        super().__init__(features, status, helpers)
        self.distances = Frame(distances)
        self.entities = Frame(entities)
        self._commit = commit

    @property
    def commit(self) -> int:
        """All rows of this commit of the embedding's group were looked at; single ones may be
        newer."""
        return self._commit


class FeatureView(Versioned):
    """A selection of joined features with labels, filters and transformations."""

    @property
    def labels(self) -> list[str]:
        return list(self._definition.get("labels") or [])

    @overload
    def training_data(self, spine: Any = None, *, split: Split | None = None, seed: int = 0,
                      start: Time | None = None, end: Time | None = None, known_at: bool = False,
                      location: str | os.PathLike[str] | None = None, format: str = "parquet",
                      engine: None = None, spark: None = None,
                      training_dataset: None = None) -> TrainingData: ...

    @overload
    def training_data(self, spine: "DataFrame | None" = None, *, split: Split | None = None,
                      seed: int = 0, start: Time | None = None, end: Time | None = None,
                      known_at: bool = False, location: str | os.PathLike[str] | None = None,
                      format: str = "parquet", engine: Literal["spark"],
                      spark: "SparkSession | None" = None,
                      training_dataset: int | None = None) -> "SparkTrainingData": ...

    def training_data(self, spine: Any = None, *, split: Split | None = None, seed: int = 0,
                      start: Time | None = None, end: Time | None = None, known_at: bool = False,
                      location: str | os.PathLike[str] | None = None,
                      format: str = "parquet",  # noqa: A002: the field's name
                      engine: str | None = None, spark: Any = None,
                      training_dataset: int | None = None) -> "TrainingData | SparkTrainingData":
        """Point-in-time correct training data, registered as a new training dataset version. With
        a `location` also written there as files (`TrainingData.save`).

        Rows are the root group's with event times in [start, end), or those of `spine`: a frame
        of keys, event time, labels and whatever request parameters the view has, or a query in
        SQL that gives one (`Project.sql`). Each spine row comes back once, in its order. Or all
        entities as of some times: `tc.entities(…)`.
        With `known_at`, only what was committed by a row's event time counts for it, of all groups
        that are looked up but labels with a horizon: InvalidError unless they are made with
        `history=True`.
        Transformations are fitted on the part "train" (else the
        first). The dataset keeps its spine, commits, seed and fitted parameters, so that
        `rebuild` makes the same bytes again.

        With `engine="spark"` Spark reads the rows, for histories that outgrow a machine, in the
        session `spark` (the active one); a spine may be a DataFrame of Spark's, in the order in
        which it collects. Everything else is as above, and equal bit for bit: the driver streams
        the rows to the native engine, which divides them, fits to them and registers them in
        bounded memory, with scratch files as large as the rows. Parts are Spark's own DataFrames
        (`SparkTrainingData`). With a `training_dataset` version of this view (0: the newest)
        nothing is registered and nothing streamed: the transformations are those fitted for it, and
        parts are divided by named times. NotSupportedError for what only the native engine reads.
        """
        split = none() if split is None else split
        if not isinstance(split, Split):
            raise WrongTypeError("split is made by tc.split.random(train=0.8, test=0.2) and its "
                                 f"like, not {type(split).__name__}")
        if not hasattr(seed, "__index__"):
            raise WrongTypeError(f"seed must be an integer, not {type(seed).__name__}")
        if not -2**63 <= int(seed) < 2**63:
            raise InvalidError(f"seed must be an integer of 64 bits, below 2**63, not {int(seed)}")
        if location is None and format != "parquet":
            raise InvalidError(f"training_data(): a format ({format!r}) goes with a location, "
                               "which is where files are written")
        if engine is not None:
            return self._by_engine(engine, spine, spark, split, int(seed), start, end, known_at,
                                   training_dataset, location, format)
        if spark is not None or training_dataset is not None:
            raise InvalidError('`spark` and `training_dataset` go with engine="spark"')
        times: list[int] = []
        if isinstance(spine, Entities):
            times, spine = list(spine.times), None
        spine = self._project._spine(spine)
        self._project._saw(spine)
        until = split.until(to_micros(end))
        with Progress(f"training data of '{self.name}'") as progress:
            text, parts = self._core.create_training_dataset(
                self.name, self.version, json.dumps(split.definition), int(seed),
                to_micros(start), until, to_stream(spine), times, known_at, progress)
        data = TrainingData(self._project, json.loads(text), parts)
        _warn_of_no_rows(data)
        self._project._record(
            inputs=[f"feature_group {group} commit {commit}"
                    for group, commit in data.definition["pins"].items()],
            outputs=[f"training_dataset {data.view}@{data.version}"])
        if location is not None:
            data.save(location, format)
        return data

    def _by_engine(self, engine: str, spine: Any, session: Any, split: Split, seed: int,
                   start: Time | None, end: Time | None, known_at: bool,
                   training_dataset: int | None, location: str | os.PathLike[str] | None,
                   file_format: str) -> "SparkTrainingData":
        from tercet import spark

        if engine != "spark":
            raise InvalidError(f"there is no engine '{engine}' (engines: spark; without one rows "
                               "are read by Tercet itself)")
        until = split.until(to_micros(end))
        request = spark.Request((self.name, self.version), split, seed, to_micros(start), until,
                                known_at)
        data = spark.training_data(self._core, request, self._project._spine(spine), session,
                                   training_dataset)
        made = [] if data.version is None else [f"training_dataset {data.view}@{data.version}"]
        self._project._record(inputs=[f"feature_group {group} commit {commit}"
                                      for group, commit in data.pins.items()], outputs=made)
        if location is not None:
            data.save(location, file_format)
        return data

    def rebuild(self, version: int = 0) -> TrainingData:
        """Makes a registered training dataset (0: the newest) again from its pinned commits and
        proves that every byte is equal. StorageError when it isn't."""
        with Progress(f"rebuild of '{self.name}'") as progress:
            text, parts = self._core.rebuild_training_dataset(self.name, self.version, version,
                                                              progress)
        return TrainingData(self._project, json.loads(text), parts)

    def training_datasets(self) -> list[dict[str, Any]]:
        """Definitions of all training datasets made of this view."""
        return json.loads(self._core.training_datasets(self.name, self.version))

    def drop_training_dataset(self, version: int) -> None:
        """Removes a training dataset. InvalidError when a model was trained on it."""
        self._core.drop_training_dataset(self.name, self.version, version)

    def vector(self, entity: Mapping[str, Any], *, event_time: Time | None = None,
               training_dataset: int | None = None) -> Vector:
        """The feature vector of one entity from the online store, as of `event_time` (now).

        `entity`: keys, request parameters, and any feature to pass in instead of looking it up.
        With a `training_dataset` version (0: the newest), its transformations are applied.
        """
        event_time_us = None if event_time is None else to_micros(event_time, "event_time")
        if training_dataset is not None and not 0 <= (
                -1 if (version := integer_of(training_dataset)) is None else version) < 2**63:
            raise WrongTypeError("vector(): training_dataset must be a version, a whole number, "
                                 f"not {training_dataset!r}")
        if type(entity) is not dict:
            if not hasattr(entity, "keys"):  # a pandas row has them, too
                raise WrongTypeError("vector takes one entity as a dict, {'city': 'Oslo'}, not "
                                     f"{type(entity).__name__}; vectors takes many")
            entity = dict(entity)
        if training_dataset is None:
            vector = Vector()
            if self._asker.fill(vector, entity, event_time_us):
                return vector
        features, status, helpers = self._core.vector_rows(self.name, self.version, entity,
                                                           event_time_us, training_dataset)
        return Vector(features[0], status[0], helpers[0])

    def vector_array(self, entity: Mapping[str, Any], *, event_time: Time | None = None,
                     training_dataset: int | None = None) -> "np.ndarray[Any, Any]":
        """The feature vector of one entity as a NumPy row: what a model takes that was trained on
        arrays.

        As `vector` gives it, but cheaper: float64 of shape (features,), in the order of the view's
        features; NaN where a value is null, or not there (`vector` says which, and why). TypeError
        when a feature is no number or boolean.
        """
        if type(entity) is dict and training_dataset is None:
            row = self._asker.row(
                entity, None if event_time is None else to_micros(event_time, "event_time"))
            if row is not None:
                return row
        import numpy as np

        vector = self.vector(entity, event_time=event_time, training_dataset=training_dataset)
        for name, value in vector.items():
            if not isinstance(value, (bool, int, float, type(None))):
                raise WrongTypeError(f"feature '{name}' is a {type(value).__name__}, which a row "
                                     "of numbers can't have; ask for the vector instead")
        return np.array([np.nan if value is None else value for value in vector.values()],
                        dtype=np.float64)

    @functools.cached_property
    def _asker(self) -> "VectorAsker":
        return self._project._core.vector_asker(self.name, self.version)

    def __getstate__(self) -> dict[str, Any]:
        # What asks is this process's own; a copy makes another.
        return {name: value for name, value in vars(self).items() if name != "_asker"}

    def vectors(self, entities: Any, *, event_time: Time | None = None,
                training_dataset: int | None = None) -> Vectors:
        """Feature vectors of many entities at once, a row each, in their order."""
        return Vectors(*self._core.vectors(self.name, self.version, rows_to_stream(entities),
                                           to_micros(event_time, "event_time"), training_dataset))

    def find_neighbors(self, vector: VectorLike, k: int = 10, *, entity: Any = None,
                       column: str | None = None,
                       filter: str | None = None,  # noqa: A002: the field's name
                       training_dataset: int | None = None, exact: bool = False,
                       candidates: int | None = None) -> NearVectors:
        """Feature vectors of the `k` entities that are nearest to a vector, or to each of several,
        nearest first: candidates, and what a model needs to rank them.

        The vector is compared with an embedding of one of the view's groups (`column`: its name in
        the view, where there are several; it need not be selected), as
        `FeatureGroup.find_neighbors` does. The rows found say which entities are meant; `entity`
        has what they don't: other keys and request parameters, as a dict for all, or as many rows
        as there are vectors.

        `filter`: a condition on the view's features before transformation, on its entity columns,
        or on columns of the embedding's group. Where that group has all that it names, k are found
        where k fit; else among the 10,000 nearest. `training_dataset`, as in `vectors`;
        `exact` and `candidates`, as in `FeatureGroup.find_neighbors`.

        Raises NotFoundError where no group of the view has such an embedding, InvalidError where
        what is found and `entity` don't say which entity is meant, and what
        `FeatureGroup.find_neighbors` and `vectors` raise.
        """
        vectors, single = to_vectors(vector)
        found = self._core.vector_neighbors(
            self.name, self.version, vectors, k, column or "", filter or "", exact, candidates,
            None if entity is None else rows_to_stream(entity), training_dataset, single)
        return NearVectors(*found)

    def drop(self) -> None:
        """Removes the view. InvalidError when a dataset, model or release depends on it."""
        self._core.drop_feature_view(self.name, self.version)

    def __repr__(self) -> str:
        groups = [self._definition["root"]["group"],
                  *(join["group"] for join in self._definition.get("joins") or [])]
        return f"<FeatureView '{self.name}' version {self.version} of {', '.join(groups)}>"
