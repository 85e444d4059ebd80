"""Transformations of view columns. Formulas are scikit-learn's where it has them; parameters are
fitted on the training part only. docs/reference/transformations.md has each kind's formula and
says what nulls and unseen values become.

`|` makes a chain, in which the later ones take the columns of the first:

>>> tc.impute_mean("temp", "wind") | tc.standard_scaler()
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from numbers import Integral, Real
from typing import Any, Iterable, Sequence, Union

from tercet._slips import checked
from tercet.errors import InvalidError, WrongTypeError


@dataclass(frozen=True)
class Transformation:
    """One transformation of one or more view columns, each by itself."""

    kind: str
    columns: tuple[str, ...]
    options: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        if not self.columns:
            raise InvalidError(f"{self.kind} needs the names of columns: {self.kind}('temp'); only "
                               "after a | does it take those before it")
        return {"kind": self.kind, "columns": list(self.columns), "options": self.options}

    def __or__(self, later: Union["Transformation", "Chain"]) -> "Chain":
        return Chain((self,)) | later


@dataclass(frozen=True)
class Chain:
    """Transformations one after the other; those without columns take the first one's."""

    steps: tuple[Transformation, ...]

    def __or__(self, later: Union[Transformation, "Chain"]) -> "Chain":
        if not isinstance(later, (Transformation, Chain)):
            return NotImplemented
        columns = self.steps[0].columns
        added = later.steps if isinstance(later, Chain) else (later,)
        return Chain(self.steps + tuple(step if step.columns else replace(step, columns=columns)
                                        for step in added))


def flatten(transformations: Iterable[Any]) -> list[Transformation]:
    """The transformations of a list of them and of chains, in order."""
    flat: list[Transformation] = []
    if isinstance(transformations, (Transformation, Chain)):
        raise WrongTypeError("transformations must be a list: [tc.standard_scaler('temp')]")
    for one in transformations:
        if isinstance(one, Chain):
            flat.extend(one.steps)
        elif isinstance(one, Transformation):
            flat.append(one)
        else:
            raise WrongTypeError("transformations are made by tc.standard_scaler('temp') and its "
                                 f"like, not {type(one).__name__}")
    return flat


def _make(kind: str, columns: tuple[Any, ...], **options: Any) -> Transformation:
    for column in columns:
        if not isinstance(column, str):
            raise InvalidError(f"{kind} takes the names of columns, not {column!r}: {kind}('temp')")
    for name, value in options.items():
        if isinstance(value, Real) and not math.isfinite(value):
            raise InvalidError(f"{kind}: {name} must be a finite number, not {value!r}")
    return Transformation(kind, columns, {name: value for name, value in options.items()
                                          if value is not None})


# -- numbers ----------------------------------------------------------------------------------

@checked
def min_max_scaler(*columns: str) -> Transformation:
    """(x − min) / (max − min); x − min where max = min."""
    return _make("min_max_scaler", columns)


@checked
def max_abs_scaler(*columns: str) -> Transformation:
    """x / max |x|."""
    return _make("max_abs_scaler", columns)


@checked
def standard_scaler(*columns: str) -> Transformation:
    """(x − mean) / population standard deviation."""
    return _make("standard_scaler", columns)


@checked
def robust_scaler(*columns: str) -> Transformation:
    """(x − median) / (75 % quantile − 25 % quantile)."""
    return _make("robust_scaler", columns)


@checked
def log1p(*columns: str) -> Transformation:
    """ln(1 + x)."""
    return _make("log1p", columns)


@checked
def quantile_transformer(*columns: str, n_quantiles: int = 1000,
                         output: str = "uniform") -> Transformation:
    """The share of training values below, from 0 to 1; output "normal": the normal quantile of it.
    As scikit-learn's QuantileTransformer with subsample=None."""
    return _make("quantile_transformer", columns, n_quantiles=n_quantiles, output=output)


@checked
def rank(*columns: str) -> Transformation:
    """The mean rank among the training values ÷ their number, as pandas' rank(pct=True)."""
    return _make("rank", columns)


@checked
def power_transformer(*columns: str, method: str = "yeo_johnson",
                      standardize: bool = True) -> Transformation:
    """Yeo-Johnson (2000) or "box_cox" (1964; positive numbers) with the exponent of greatest
    likelihood, then mean 0 and standard deviation 1."""
    return _make("power_transformer", columns, method=method, standardize=standardize)


@checked
def winsorizer(*columns: str, lower: float = 0.05, upper: float = 0.95) -> Transformation:
    """Held between two quantiles of the training values."""
    return _make("winsorizer", columns, lower=lower, upper=upper)


@checked
def clip(*columns: str, min: float | None = None,  # noqa: A002: numpy's names
         max: float | None = None) -> Transformation:  # noqa: A002
    """Held between given limits."""
    return _make("clip", columns, min=min, max=max)


@checked
def binarizer(*columns: str, threshold: float = 0.0) -> Transformation:
    """1 above the threshold, else 0."""
    return _make("binarizer", columns, threshold=threshold)


# -- bins -------------------------------------------------------------------------------------

@checked
def equal_width_bins(*columns: str, bins: int = 10) -> Transformation:
    """Index (int64) of one of so many intervals of equal width between min and max."""
    return _make("equal_width_bins", columns, bins=bins)


@checked
def equal_frequency_bins(*columns: str, bins: int = 10) -> Transformation:
    """Index (int64) of one of so many intervals with equally many training values."""
    return _make("equal_frequency_bins", columns, bins=bins)


@checked
def bins(*columns: str, edges: Sequence[float]) -> Transformation:
    """How many of the edges are at or below x (int64)."""
    return _make("bins", columns, edges=list(edges))


# -- categories -------------------------------------------------------------------------------

@checked
def one_hot_encoder(*columns: str) -> Transformation:
    """One column a category, named "column_category"; unseen and null give zeros."""
    return _make("one_hot_encoder", columns)


@checked
def label_encoder(*columns: str) -> Transformation:
    """Index of the category in sorted order, int64; unseen give −1, null stays null."""
    return _make("label_encoder", columns)


@checked
def ordinal_encoder(*columns: str, categories: Sequence[Any]) -> Transformation:
    """Index of the category in the given order, int64; others give −1, null stays null."""
    return _make("ordinal_encoder", columns, categories=list(categories))


@checked
def top_k(*columns: str, k: int = 10, other: Any = None) -> Transformation:
    """The k categories that come most often stay; all others become `other` ("other", −1)."""
    return _make("top_k", columns, k=k, other=other)


@checked
def frequency_encoder(*columns: str, normalize: bool = True) -> Transformation:
    """The category's share of the training rows (or their number); 0 for unseen."""
    return _make("frequency_encoder", columns, normalize=normalize)


@checked
def target_encoder(*columns: str, target: str | None = None, smooth: str | float = "auto",
                   folds: int = 5, shuffle: bool = True) -> Transformation:
    """The mean label of the category's training rows, shrunk towards the mean of all
    (Micci-Barreca 2001), as scikit-learn's TargetEncoder. The training rows themselves are encoded
    out of fold, so that no row sees its own label. `target`: a label of numbers or bools, by
    default the only one."""
    return _make("target_encoder", columns, target=target, smooth=smooth, folds=folds,
                 shuffle=shuffle)


@checked
def hash_bucket(*columns: str, buckets: int = 1024) -> Transformation:
    """MurmurHash3 of the category modulo the number of buckets, int64; nothing is fitted."""
    return _make("hash_bucket", columns, buckets=buckets)


@checked
def hashing_encoder(*columns: str, n_features: int = 8,
                    alternate_sign: bool = True) -> Transformation:
    """±1 in one of n columns "column_h0" … by the category's hash, as scikit-learn's
    FeatureHasher."""
    return _make("hashing_encoder", columns, n_features=n_features, alternate_sign=alternate_sign)


# -- times and texts --------------------------------------------------------------------------

@checked
def date_parts(*columns: str, parts: Sequence[str] = ()) -> Transformation:
    """A column (int64) each of year, quarter, month, week, day, hour, minute, second, day_of_week,
    day_of_year in UTC; by default year, month, day, day_of_week and hour."""
    return _make("date_parts", columns, parts=None if parts is None else list(parts))


@checked
def cyclical(*columns: str, period: Union[float, str, Sequence[str]]) -> Transformation:
    """Sine and cosine of 2π x / period: of numbers (24 for hours), or of times "hour", "day",
    "week", "month", "year" or a list of these."""
    if not isinstance(period, (str, int, float, Real)):
        try:
            period = list(period)
        except TypeError:
            raise WrongTypeError("cyclical(): period must be a number, a text such as 'hour', or a "
                                 f"list of texts, not {period!r}") from None
    return _make("cyclical", columns, period=period)


@checked
def text_length(*columns: str, unit: str = "characters") -> Transformation:
    """Number (int64) of characters, words or bytes."""
    return _make("text_length", columns, unit=unit)


@checked
def hashed_ngrams(*columns: str, n_features: int = 32, analyzer: str = "word",
                  ngram_range: tuple[int, int] = (1, 1), norm: str | None = "l2",
                  alternate_sign: bool = True, lowercase: bool = True) -> Transformation:
    """n-grams of words or characters ("char") hashed into n columns "column_h0" …, as
    scikit-learn's HashingVectorizer. `ngram_range`: (fewest, most) words or characters of one."""
    sizes = [] if ngram_range is None else list(ngram_range)
    if len(sizes) != 2 or not all(isinstance(size, Integral) for size in sizes):
        raise InvalidError("hashed_ngrams(): ngram_range must be two whole numbers, as (1, 2), "
                           f"not {ngram_range!r}")
    return _make("hashed_ngrams", columns, n_features=n_features, analyzer=analyzer,
                 min_n=sizes[0], max_n=sizes[1],
                 norm="none" if norm is None else norm,
                 alternate_sign=alternate_sign, lowercase=lowercase)


# -- what is missing --------------------------------------------------------------------------

@checked
def impute(*columns: str, strategy: str = "mean", fill_value: Any = None,
           indicator: bool = False) -> Transformation:
    """Nulls and NaN become the mean, median, most_frequent or a constant `fill_value`. With an
    `indicator`, a column "column_missing" is 1 where they were."""
    if fill_value is not None:
        strategy = "constant"
    return _make("impute", columns, strategy=strategy, fill_value=fill_value,
                 indicator=indicator or None)


@checked
def impute_mean(*columns: str, indicator: bool = False) -> Transformation:
    """Nulls and NaN become the mean."""
    return impute(*columns, strategy="mean", indicator=indicator)


@checked
def impute_median(*columns: str, indicator: bool = False) -> Transformation:
    """Nulls and NaN become the median."""
    return impute(*columns, strategy="median", indicator=indicator)


@checked
def impute_most_frequent(*columns: str, indicator: bool = False) -> Transformation:
    """Nulls and NaN become the value that comes most often."""
    return impute(*columns, strategy="most_frequent", indicator=indicator)


@checked
def impute_constant(*columns: str, value: Any, indicator: bool = False) -> Transformation:
    """Nulls and NaN become `value`."""
    if value is None:
        raise InvalidError("impute_constant(): value must be what nulls become, not None")
    return impute(*columns, fill_value=value, indicator=indicator)


@checked
def missing_indicator(*columns: str) -> Transformation:
    """The column stays, and a column "column_missing" is 1 where it is null or NaN, else 0."""
    return _make("missing_indicator", columns)
