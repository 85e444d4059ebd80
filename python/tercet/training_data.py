"""Training data: a training dataset's parts in memory."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tercet.errors import InvalidError
from tercet.frame import Frame

if TYPE_CHECKING:
    from tercet.project import Project


class TrainingPart:
    """One part ("train", "test" …). Rows of all its frames are aligned, in the view's order."""

    def __init__(self, name: str, features: Any, labels: Any, helpers: Any, keys: Any,
                 library: str):
        self.name = name
        self.features = Frame(features)  #: transformed features
        self.labels = Frame(labels)
        self.helpers = Frame(helpers)  #: helper columns
        self.keys = Frame(keys)  #: left keys and event_time
        self._library = library

    @property
    def X(self) -> Any:  # noqa: N802: the field's name for it
        """Features in the library of the input: a pandas or Polars DataFrame, else Arrow."""
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

    def __len__(self) -> int:
        return len(self.features)

    def __repr__(self) -> str:
        rows, columns = self.features.shape
        return f"<TrainingPart '{self.name}': {rows:,} rows × {columns} features>"


class TrainingData:
    """A training dataset: `data.train.X`, `data.train.y`, `data["test"]`."""

    def __init__(self, project: "Project", definition: dict[str, Any], parts: list[tuple]):
        self._project = project
        #: what it was made of: pinned commits, split, seed, fitted parameters, statistics
        self.definition = definition
        library = project._library
        self._parts = {part[0]: TrainingPart(*part, library=library) for part in parts}

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

    def __getitem__(self, name: str) -> TrainingPart:
        if name not in self._parts:
            raise InvalidError(f"training data has no part '{name}' "
                               f"(there is {', '.join(self._parts)})")
        return self._parts[name]

    def __getattr__(self, name: str) -> TrainingPart:
        if name.startswith("_") or name not in self.__dict__.get("_parts", {}):
            raise AttributeError(f"training data has no part '{name}'")
        return self._parts[name]

    def __repr__(self) -> str:
        parts = ", ".join(f"{part.name} {len(part):,}" for part in self._parts.values())
        return f"<TrainingData of '{self.view}' version {self.version}: {parts}>"

    def to_json(self) -> str:
        """The definition as JSON text."""
        return json.dumps(self.definition, indent=2)
