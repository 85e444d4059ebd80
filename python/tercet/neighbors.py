"""Embeddings: columns of vectors whose nearest neighbours can be searched for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Sequence, Union

from tercet.errors import InvalidError, WrongTypeError
from tercet.frame import Frame


@dataclass(frozen=True)
class Embedding:
    """How the vectors of a column are compared. Made by `embedding`."""

    metric: str
    dimension: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The embedding as a group's definition has it."""
        return {"metric": self.metric, "dimension": self.dimension}


def embedding(metric: str = "cosine", *, dimension: int | None = None) -> Embedding:
    """Declares a column of vectors, lists of float or double, for `Project.feature_group`.

    `metric`: "cosine" (1 − cosine similarity), "l2" (Euclidean), or "inner_product" (its negative);
    in each, smaller is nearer. `dimension`: how many elements a vector has; told by the column's
    type where that is a list of fixed size. Rows whose vector is null, of another length, not
    finite or (cosine) of length zero are nobody's neighbours.
    """
    return Embedding(metric, dimension)


def embeddings_to_json(embeddings: Any) -> dict[str, Any]:
    """{column: Embedding, a metric's name, or None} as a definition or a change has it."""
    record: dict[str, Any] = {}
    for column, one in dict(embeddings).items():
        if isinstance(one, str):
            one = Embedding(one)
        if one is not None and not isinstance(one, Embedding):
            raise WrongTypeError(f"embedding '{column}' is made by tercet.embedding('cosine') or "
                                 f"named by its metric, not {type(one).__name__}")
        record[column] = None if one is None else one.to_json()
    return record


class Neighbors(Frame):
    """Rows that are near, nearest first: `_distance` and the group's columns, and first, where
    several vectors were asked for, `_query`, the number of the vector."""

    def __init__(self, core: Any, commit: int):
        super().__init__(core)
        self._commit = commit

    @property
    def commit(self) -> int:
        """All rows of this commit of the group were looked at; single ones may be newer."""
        return self._commit


#: One vector, or several: a list of numbers or of such lists, or a NumPy array of one or two
#: dimensions.
VectorLike = Union[Sequence[float], Sequence[Sequence[float]], Any]


def to_vectors(vector: Any) -> tuple[list[list[float]], bool]:
    """Vectors (`VectorLike`) as lists, and whether it was a single one."""
    items = vector.tolist() if hasattr(vector, "tolist") else vector
    if getattr(getattr(vector, "dtype", None), "kind", "") == "f" and vector.size:
        if vector.ndim == 1:
            return [items], True  # the usual case, and quick
        if vector.ndim == 2:
            return items, False
    if isinstance(items, (str, bytes)) or not hasattr(items, "__iter__"):
        raise WrongTypeError("a vector is a list of numbers or an array, not "
                             f"{type(vector).__name__}")
    items = [one.tolist() if hasattr(one, "tolist") else one for one in items]
    if not items:
        raise InvalidError("there is no vector to find neighbours of")
    single = not hasattr(items[0], "__iter__") or isinstance(items[0], (str, bytes))
    rows = [items] if single else items
    try:
        return [[float(element) for element in row] for row in rows], single
    except (TypeError, ValueError) as error:
        raise WrongTypeError(f"a vector's elements are numbers: {error}") from None
