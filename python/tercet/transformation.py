"""Transformations of view columns. Formulas are scikit-learn's; parameters are fitted on the
training part only. docs/reference/transformations.md says what nulls and unseen values become."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tercet.errors import InvalidError


@dataclass(frozen=True)
class Transformation:
    """One transformation of one or more view columns, each by itself."""

    kind: str
    columns: tuple[str, ...]
    options: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "columns": list(self.columns), "options": self.options}


def _make(kind: str, columns: tuple[str, ...], **options: Any) -> Transformation:
    if not columns or not all(isinstance(column, str) for column in columns):
        raise InvalidError(f"{kind} needs the names of columns: {kind}('temp')")
    return Transformation(kind, columns, options)


def min_max_scaler(*columns: str) -> Transformation:
    """(x − min) / (max − min); 0 where max = min."""
    return _make("min_max_scaler", columns)


def standard_scaler(*columns: str) -> Transformation:
    """(x − mean) / population standard deviation."""
    return _make("standard_scaler", columns)


def robust_scaler(*columns: str) -> Transformation:
    """(x − median) / (75 % quantile − 25 % quantile)."""
    return _make("robust_scaler", columns)


def log1p(*columns: str) -> Transformation:
    """ln(1 + x)."""
    return _make("log1p", columns)


def one_hot_encoder(*columns: str) -> Transformation:
    """One column a category, named "column_category"; unseen and null give zeros."""
    return _make("one_hot_encoder", columns)


def label_encoder(*columns: str) -> Transformation:
    """Index of the category in sorted order, int64; unseen give −1, null stays null."""
    return _make("label_encoder", columns)


def impute(*columns: str, strategy: str = "mean", fill_value: Any = None) -> Transformation:
    """Nulls and NaN become the mean, median, most_frequent or a constant `fill_value`."""
    if fill_value is not None:
        return _make("impute", columns, strategy="constant", fill_value=fill_value)
    return _make("impute", columns, strategy=strategy)
