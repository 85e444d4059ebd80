"""From a model object, as a training library made it, to the files that Tercet evaluates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tercet._json import definition_to_json
from tercet._sklearn_graph import to_onnx
from tercet.composite import Composite
from tercet.errors import InvalidError, NotFoundError, WrongTypeError
from tercet.model import PredictorFiles

_FORMAT_OF_SUFFIX = {".onnx": ("onnx", "model.onnx"), ".json": ("xgboost", "model.json"),
                     ".ubj": ("xgboost", "model.ubj"), ".txt": ("lightgbm", "model.txt")}


def files_of(model: Any, features: int | None) -> tuple[str, dict[str, bytes]]:
    """(format, files) of a model. `features`: how many inputs it takes, where that is known."""
    if isinstance(model, PredictorFiles):
        return "python", _predictor_files(model)
    if isinstance(model, Composite):
        return "composite", {"composite.json": definition_to_json(model.to_json()).encode()}
    if isinstance(model, (str, Path)):
        return _file(Path(model))
    if isinstance(model, (bytes, bytearray)):
        return "onnx", {"model.onnx": bytes(model)}
    library = type(model).__module__.partition(".")[0]
    if library == "xgboost":
        booster = model.get_booster() if hasattr(model, "get_booster") else model
        return "xgboost", {"model.ubj": bytes(booster.save_raw("ubj"))}
    if library == "lightgbm":
        booster = getattr(model, "booster_", model)
        return "lightgbm", {"model.txt": booster.model_to_string().encode()}
    if library == "onnx":
        return "onnx", {"model.onnx": model.SerializeToString()}
    if library == "sklearn":
        return "onnx", {"model.onnx": to_onnx(model, features)}
    raise WrongTypeError(
        f"cannot register a {type(model).__module__}.{type(model).__name__}; Tercet takes XGBoost, "
        "LightGBM, scikit-learn and ONNX models, a model file's path, or "
        "tc.predictor('file.py', 'ClassName')")


def _file(path: Path) -> tuple[str, dict[str, bytes]]:
    if path.suffix not in _FORMAT_OF_SUFFIX:
        raise InvalidError(f"model file '{path}' must end in {', '.join(_FORMAT_OF_SUFFIX)}")
    if not path.is_file():
        raise NotFoundError(f"there is no model file '{path}'")
    kind, name = _FORMAT_OF_SUFFIX[path.suffix]
    return kind, {name: path.read_bytes()}


def _predictor_files(model: PredictorFiles) -> dict[str, bytes]:
    files = {model.path.name: model.path.read_bytes(),
             "predictor.json": json.dumps({"module": model.path.stem,
                                           "class": model.class_name,
                                           **({"python": model.python} if model.python else {}),
                                           **({"step": model.step} if model.step else {})}
                                          ).encode()}
    for path in model.files:
        if path.name in files:
            raise InvalidError(f"predictor has two files named '{path.name}'")
        files[path.name] = path.read_bytes()
    return files
