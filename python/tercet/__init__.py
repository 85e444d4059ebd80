"""Tercet: feature, training and inference pipelines that meet in one store.

>>> import tercet as tc
>>> project = tc.open("flights")

`open` gives a `Project`; everything else starts there. Arrow, pandas and Polars are imported only
when a frame is turned into theirs.
"""

from tercet import source, split
from tercet.deployment import Deployment, Predictions
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
from tercet.feature_view import FeatureView, Vector, Vectors
from tercet.frame import Frame
from tercet.model import Model, Signature, predictor
from tercet.project import Project, open
from tercet.query import Query
from tercet.run import Run
from tercet.training_data import TrainingData, TrainingPart
from tercet.transformation import (
    Transformation,
    impute,
    label_encoder,
    log1p,
    min_max_scaler,
    one_hot_encoder,
    robust_scaler,
    standard_scaler,
)

__version__ = "0.1.0"

__all__ = [
    "Commit", "ConflictError", "Deployment", "Error", "FeatureGroup", "FeatureView", "Frame",
    "InternalError", "InvalidError", "LimitError", "Model", "NotFoundError", "NotSupportedError",
    "Predictions", "PredictorError", "Project", "Query", "Run", "Signature", "StorageError",
    "TrainingData", "TrainingPart", "Transformation", "Vector", "Vectors", "WrongTypeError",
    "impute", "label_encoder", "log1p", "min_max_scaler", "one_hot_encoder", "open", "predictor",
    "robust_scaler", "split", "standard_scaler",
]
