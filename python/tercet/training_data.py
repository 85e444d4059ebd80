"""Training data: a training dataset's parts in memory, in files, and in batches."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Iterator

from tercet import _core
from tercet._batches import Batches, xgboost_iterator
from tercet._progress import Progress
from tercet._slips import Noun, checked, missing
from tercet.errors import InvalidError
from tercet.frame import Frame, to_stream

if TYPE_CHECKING:
    from tercet.project import Project


#: name, features, labels, helpers and keys of a part, as the core has them
Part = tuple[str, Any, Any, Any, Any]


class TrainingPart(Noun):
    """One part ("train", "test" …). Rows of all its frames are aligned, in the view's order."""

    def __init__(self, name: str, features: Any, labels: Any, helpers: Any, keys: Any,
                 library: str, class_balance: dict[str, Any] | None = None):
        self.name = name
        #: label → [{"class", "rows", "share", "weight"} …], for labels of at most 100 values
        self.class_balance = class_balance or {}
        self.features = Frame(features)  #: transformed features
        self.labels = Frame(labels)
        self.helpers = Frame(helpers)  #: helper columns
        self.keys = Frame(keys)  #: left keys and event_time
        self._library = library

    @property
    def X(self) -> Any:  # noqa: N802: the field's name for it
        """Features, as `Project.frames` said: a pandas or Polars DataFrame, or a pyarrow.Table."""
        return self.features.to(self._library)

    @property
    def y(self) -> Any:
        """Labels: one column (Series or Arrow array) for one label, a frame for several."""
        frame = self.labels.to(self._library)
        if len(self.labels.columns) != 1:
            return frame
        name = self.labels.columns[0]
        if self._library == "arrow":
            return frame.column(name).combine_chunks()
        return frame[name]

    @checked
    def batches(self, size: int = 1024, *, shuffle: bool = False, seed: int = 0,
                drop_last: bool = False) -> "Batches":
        """The rows in batches, as (X, y): NumPy arrays of float32, (rows, features) and (rows,), or
        (rows, labels) for several labels; null is NaN. Iterable any number of times; with `shuffle`
        each pass has another order, which `seed` decides.

        PyTorch: `DataLoader(part.batches(256).torch(), batch_size=None)`. JAX takes the arrays as
        they are. Columns must be numbers or bools: InvalidError names one that isn't.
        """
        return Batches(self, size, shuffle=shuffle, seed=seed, drop_last=drop_last)

    @checked
    def xgboost_iterator(self, size: int = 65536, *, cache: str | None = None,
                         weights: Any = None) -> Any:
        """An `xgboost.DataIter` for XGBoost's external memory: `xgboost.ExtMemQuantileDMatrix(it)`
        or `xgboost.DMatrix(it)`. `cache`: prefix of its cache files; `weights`: one a row."""
        return xgboost_iterator(self, size, cache, weights)

    def balanced_weights(self, label: str | None = None) -> Any:
        """A weight a row (NumPy float64), with which all classes of the label count the same:
        rows ÷ (classes · rows of the class), as scikit-learn's class_weight="balanced"; 0 where
        the label is null. InvalidError for a label of more than a hundred classes."""
        import numpy as np

        label = label or (self.labels.columns[0] if len(self.labels.columns) == 1 else None)
        classes = self.class_balance.get(label) if label else None
        if classes is None:
            raise InvalidError(f"part '{self.name}' has no classes of a label '{label}' (there are "
                               f"those of {', '.join(self.class_balance) or 'none'})")
        weight = {one["class"]: one["weight"] for one in classes}
        values = self.labels.to_arrow().column(label).to_pylist()
        return np.array([0.0 if value is None else weight[value] for value in values])

    def __len__(self) -> int:
        return len(self.features)

    def __repr__(self) -> str:
        rows, columns = self.features.shape
        return f"<TrainingPart '{self.name}': {rows:,} rows × {columns} features>"


class TrainingData(Noun):
    """A training dataset: `data.train.X`, `data.train.y`, `data["test"]`."""

    def __init__(self, project: "Project", definition: dict[str, Any], parts: list[Part]):
        self._project = project
        #: what it was made of: pinned commits, split, seed, fitted parameters, statistics
        self.definition = definition
        library = project.frames
        balance = definition.get("class_balance") or {}
        self._tuples = parts
        self._parts = {part[0]: TrainingPart(*part, library=library,
                                             class_balance=balance.get(part[0]))
                       for part in parts}

    @property
    def version(self) -> int:
        """Counts the training datasets of the view."""
        return self.definition["version"]

    @property
    def view(self) -> str:
        """The view as 'name@version'."""
        return self.definition["view"]

    @property
    def parts(self) -> dict[str, TrainingPart]:
        return dict(self._parts)

    @property
    def statistics(self) -> dict[str, Any]:
        """Part → column → statistics of the features before transformation, and of the labels."""
        return self.definition["statistics"]

    @property
    def fitted_transformations(self) -> list[dict[str, Any]]:
        """The transformations with the parameters fitted on the training part."""
        return self.definition["fitted_transformations"]

    @property
    def transformations(self) -> "list[FittedTransformation]":
        """The same, a readable object each: `kind`, `columns`, `options`, `parameters`."""
        return [FittedTransformation(one) for one in self.fitted_transformations]

    @property
    def class_balance(self) -> dict[str, Any]:
        """Part → label → [{"class", "rows", "share", "weight"} …]."""
        return self.definition.get("class_balance") or {}

    def folds(self) -> "Iterator[TrainingData]":
        """Each fold of a k-fold or purged split in turn: training data with the parts `train` and
        `test`. Transformations are fitted anew on each fold's training rows, so that its test rows
        have no part in them. The rows are read again, as `rebuild` does: one fold is in memory at
        a time. InvalidError when the dataset was not split into folds."""
        split = self.definition["split"]
        if "folds" not in split:
            raise InvalidError(f"the dataset is split by '{split.get('method')}', not into folds; "
                               "use tc.split.k_fold(5) or tc.split.purged(5)")
        return (self._fold(fold) for fold in range(split["folds"]))

    def _fold(self, fold: int) -> "TrainingData":
        name, _, version = self.view.partition("@")
        with Progress(f"fold {fold} of '{self.view}'") as progress:
            text, parts = self._project._core.training_fold(name, int(version), self.version, fold,
                                                            progress)
        return TrainingData(self._project, json.loads(text), parts)

    def save(self, directory: str | os.PathLike[str],
             format: str = "parquet") -> None:  # noqa: A002: the field's name
        """Writes the parts as files in a folder, "train.parquet" …, and "dataset.json" with the
        definition. Formats: "parquet" and "arrow", which `Project.training_dataset` reads back, and
        "csv" and "tfrecord" (tf.train.Example; floats have 32 bits there) for others."""
        _core.Project.save_training_data(json.dumps(self.definition), list(self._tuples),
                                         os.fspath(directory), format)

    def inverse_transform(self, features: Any) -> Frame:
        """Features as they were before the transformations: of any frame with feature columns,
        some or all. Numbers come back as doubles; InvalidError for a transformation of one of the
        columns that can't be undone, such as a hash."""
        return Frame(_core.Project.undo_transformations(json.dumps(self.definition),
                                                        to_stream(features)))

    def diff(self, other: "TrainingData") -> list[dict[str, Any]]:
        """What differs from another dataset, but for statistics: [{"path": "pins.weather@1",
        "left": 3, "right": 5} …] of definition, pins, fitted parameters, rows and bytes. Equal
        "sha256" means equal rows."""
        return json.loads(_core.Project.diff_training_data(json.dumps(self.definition),
                                                           json.dumps(other.definition)))

    def describe(self, part: str | None = None) -> Frame:
        """The statistics of a part (by default the first), a row a column: count, nulls, distinct,
        mean, std, min, quantiles and max."""
        name = self[part].name if part is not None else next(iter(self._parts))
        return _statistics_table(self.statistics[name])

    def __getitem__(self, name: str) -> TrainingPart:
        if name not in self._parts:
            raise InvalidError(f"training data has no part '{name}' "
                               f"(there is {', '.join(self._parts)})")
        return self._parts[name]

    def __getattr__(self, name: str) -> TrainingPart:
        parts = self.__dict__.get("_parts", {})
        if name.startswith("_") or name not in parts:
            hint = missing("TrainingData", name, dir(type(self)))
            raise AttributeError(f"training data has no part '{name}'{hint} (there is "
                                 f"{', '.join(parts)}: data.{next(iter(parts), 'train')}.X)")
        return parts[name]

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._parts]

    def __repr__(self) -> str:
        parts = ", ".join(f"{part.name} {len(part):,}" for part in self._parts.values())
        return f"<TrainingData of '{self.view}' version {self.version}: {parts}>"

    def to_json(self) -> str:
        """The definition as JSON text."""
        return json.dumps(self.definition, indent=2)


class FittedTransformation:
    """A transformation with its fitted parameters."""

    def __init__(self, definition: dict[str, Any]):
        self.kind: str = definition["kind"]
        self.columns: list[str] = definition["columns"]
        self.options: dict[str, Any] = definition.get("options") or {}
        #: column → fitted values, {"mean": …, "std": …} and the like
        self.parameters: dict[str, Any] = definition.get("parameters") or {}

    def __repr__(self) -> str:
        def short(value: Any) -> str:
            if isinstance(value, list) and len(value) > 6:
                return f"[{len(value)} values]"
            return f"{value:.6g}" if isinstance(value, float) else repr(value)

        lines = [f"{column}: " + (", ".join(f"{name} {short(value)}"
                                            for name, value in fitted.items()) or "nothing fitted")
                 for column, fitted in self.parameters.items()]
        return f"<{self.kind} of " + "; ".join(lines) + ">"


def _statistics_table(columns: dict[str, Any]) -> Frame:
    import pyarrow

    quantiles = ["0.05", "0.25", "0.5", "0.75", "0.95"]
    rows: dict[str, list[Any]] = {name: [] for name in (
        "column", "count", "nulls", "distinct", "mean", "std", "min", *quantiles, "max")}
    for name, one in columns.items():
        rows["column"].append(name)
        for key in ("count", "nulls", "mean", "std"):
            rows[key].append(one.get(key))
        rows["distinct"].append(one.get("distinct", one.get("distinct_estimate")))
        for key in ("min", "max"):
            value = one.get(key)
            rows[key].append(None if value is None else str(value))
        for key in quantiles:
            rows[key].append((one.get("quantiles") or {}).get(key))
    return Frame(_core.frame(pyarrow.table(rows)))
