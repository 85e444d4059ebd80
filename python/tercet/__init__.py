"""Tercet: feature, training and inference pipelines that meet in one store.

>>> import tercet as tc
>>> project = tc.open("flights")

`open` gives a `Project`; everything else starts there. Arrow, pandas and Polars are imported only
when a frame is turned into theirs.
"""

from typing import TYPE_CHECKING

from tercet import composite, sink, source, split
from tercet._entities import Entities, entities
from tercet._slips import missing as _missing
from tercet.deployment import Deployment, Prediction, Predictions, Predictor
from tercet.errors import (
    ConflictError,
    Error,
    InternalError,
    InvalidError,
    LimitError,
    NotFoundError,
    NotSupportedError,
    PredictorError,
    StorageError,
    WrongTypeError,
)
from tercet.feature_group import Commit, FeatureGroup
from tercet.feature_view import FeatureView, NearVectors, Vector, Vectors
from tercet.frame import Frame
from tercet.lineage import Annotation, Hit, Impact, Lineage
from tercet.model import Model, Signature, predictor
from tercet.neighbors import Embedding, Neighbors, embedding
from tercet.on_demand import BoundUdf, Udf, udf
from tercet.project import Project, open
from tercet.query import Query
from tercet.run import Run
from tercet.training_data import TrainingData, TrainingPart
from tercet.transformation import (
    Chain,
    Transformation,
    binarizer,
    bins,
    clip,
    cyclical,
    date_parts,
    equal_frequency_bins,
    equal_width_bins,
    frequency_encoder,
    hash_bucket,
    hashed_ngrams,
    hashing_encoder,
    impute,
    impute_constant,
    impute_mean,
    impute_median,
    impute_most_frequent,
    label_encoder,
    log1p,
    max_abs_scaler,
    min_max_scaler,
    missing_indicator,
    one_hot_encoder,
    ordinal_encoder,
    power_transformer,
    quantile_transformer,
    rank,
    robust_scaler,
    standard_scaler,
    target_encoder,
    text_length,
    top_k,
    winsorizer,
)
from tercet.trial import Canary, Experiment

__version__ = "0.1.0"

__all__ = [
    "Annotation", "BoundUdf", "Canary", "Chain", "Commit", "ConflictError", "Deployment",
    "Embedding", "Entities", "Error", "Experiment", "FeatureGroup", "FeatureView", "Frame", "Hit",
    "Impact", "InternalError", "InvalidError", "LimitError", "Lineage", "Model", "NearVectors",
    "Neighbors", "NotFoundError", "NotSupportedError", "Prediction", "Predictions", "Predictor",
    "PredictorError", "Project", "Query", "Run", "Signature", "StorageError", "TrainingData",
    "TrainingPart", "Transformation", "Udf", "Vector", "Vectors", "WrongTypeError", "binarizer",
    "bins", "clip", "composite", "cyclical", "date_parts", "embedding", "entities",
    "equal_frequency_bins", "equal_width_bins", "frequency_encoder", "hash_bucket", "hashed_ngrams",
    "hashing_encoder", "impute", "impute_constant", "impute_mean", "impute_median",
    "impute_most_frequent", "label_encoder", "log1p", "max_abs_scaler", "min_max_scaler",
    "missing_indicator", "one_hot_encoder", "open", "ordinal_encoder", "power_transformer",
    "predictor", "quantile_transformer", "rank", "robust_scaler", "sink", "source", "split",
    "standard_scaler", "target_encoder", "text_length", "top_k", "udf", "winsorizer",
]


def __dir__() -> list[str]:
    """What completion offers: the public names, not the modules that they come from."""
    return [*__all__, "__version__"]


if not TYPE_CHECKING:
    def __getattr__(name: str) -> None:
        raise AttributeError(f"tercet has no '{name}'{_missing('tercet', name, __all__)}")
