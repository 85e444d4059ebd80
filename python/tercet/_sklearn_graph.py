"""From a scikit-learn model to an ONNX graph that answers as the model does."""

from __future__ import annotations

import tempfile
import warnings
from itertools import product
from typing import Any

from tercet.errors import InvalidError, NotSupportedError

_ROWS = 32
# Of as many rows some may lie on a border, where a graph of 32-bit numbers decides otherwise.
_LEAST_EQUAL = 30


def to_onnx(model: Any, features: int | None) -> bytes:
    """The graph, whose answers to a few rows were compared with the model's: skl2onnx makes graphs
    that can't be loaded, and some that answer otherwise. `features`: how many inputs the model
    takes, where that is known."""
    try:
        import skl2onnx
        from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
        from sklearn.base import is_classifier
    except ImportError as error:
        raise NotSupportedError("scikit-learn models are registered through ONNX: "
                                "pip install skl2onnx") from error
    count = getattr(model, "n_features_in_", None) or features
    if count is None:
        raise InvalidError("this scikit-learn model does not say how many features it takes; "
                           "give training_data=")
    # Trees compare float32 thresholds, as ONNX's operators do; linear models need float64 to
    # agree with scikit-learn to the last digits. What has no operator for that gets float32.
    last = _last_step(model)
    trees = "tree" in type(last).__module__ or "ensemble" in type(last).__module__
    kinds = [FloatTensorType] if trees else [DoubleTensorType, FloatTensorType]
    # A matrix of probabilities or scores, not a list of maps, where the converter has a choice.
    options = [{id(last): {"zipmap": False}}, None] if is_classifier(last) else [None]
    why = ""
    for kind, opset, option in product(kinds, [None, {"": 17, "ai.onnx.ml": 3}], options):
        try:
            graph = skl2onnx.convert_sklearn(model, initial_types=_inputs(model, count, kind),
                                             options=option,
                                             target_opset=opset).SerializeToString()
            difference = _difference(model, graph, count)
        except Exception as error:  # noqa: BLE001: converters raise whatever comes
            why = why or str(error)
            continue
        if not difference:
            return graph
        why = f"its graph answers {difference}"
    raise NotSupportedError(
        f"skl2onnx {skl2onnx.__version__} makes no ONNX graph of this {type(model).__name__}: "
        f"{why[:300]}; serve it as a Python class, tc.predictor('file.py', 'ClassName')")


def _last_step(model: Any) -> Any:
    return model.steps[-1][1] if hasattr(model, "steps") else model


def _inputs(model: Any, count: int, kind: Any) -> list[tuple[str, Any]]:
    if "ColumnTransformer" in repr(model):  # which goes by names: an input each
        return [(str(name), kind([None, 1])) for name in model.feature_names_in_]
    return [("features", kind([None, count]))]


def _difference(model: Any, graph: bytes, count: int) -> str:
    """How the graph's answers differ from the model's, as Tercet gives them; empty if they don't,
    or the model answers no such rows."""
    import numpy as np

    random = np.random.default_rng(0)
    for rows in random.normal(size=(_ROWS, count)), random.integers(0, 2, (_ROWS, count)):
        rows = rows.astype(np.float32).astype(np.float64)
        try:
            wanted = _answers(model, rows)
        except Exception:  # noqa: BLE001: some take counts or categories only
            continue
        break
    else:
        return ""
    got = _served(graph, rows)
    for name, expected in wanted.items():
        columns = got[:, :1] if name == "labels" else got[:, -expected.shape[1]:]
        if columns.shape != expected.shape:
            return f"{got.shape[1]} values for {name} of the model"
        equal = _equal(columns, expected).all(axis=1)
        if equal.sum() < _LEAST_EQUAL:
            row = int(np.argmin(equal))
            return f"{columns[row].tolist()} where the model's {name} are {expected[row].tolist()}"
    return ""


def _equal(got: Any, expected: Any) -> Any:
    import numpy as np

    if expected.dtype.kind not in "fiub":
        return got.astype(str) == expected.astype(str)
    values = expected.astype(float)
    return np.isclose(got.astype(float), values, rtol=1e-3, atol=1e-3 * max(
        1e-6, float(np.nanmax(np.abs(values)))), equal_nan=True)


def _answers(model: Any, rows: Any) -> dict[str, Any]:
    """What the model says: an array of (rows, columns) of each kind of answer."""
    import numpy as np

    if hasattr(model, "feature_names_in_"):
        import pandas as pd
        rows = pd.DataFrame(rows, columns=model.feature_names_in_)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        answers: dict[str, Any] = {}
        if not hasattr(model, "predict"):
            return answers
        predicted = np.asarray(model.predict(rows)).reshape(len(rows), -1)
        if predicted.shape[1] > 1:
            return {"values": predicted}
        answers["labels"] = predicted
        if hasattr(model, "predict_proba"):
            probabilities = model.predict_proba(rows)
            if isinstance(probabilities, np.ndarray):
                answers["probabilities"] = probabilities
        return answers


def _served(graph: bytes, rows: Any) -> Any:
    """The graph's answers from a project that is there for this alone."""
    import numpy as np

    import tercet

    with tempfile.TemporaryDirectory() as folder, tercet.open(folder) as project:
        registered = project.register_model("graph", graph)
        project.deploy("graph", registered)
        names = list(registered.signature.inputs or {})
        answers = project.predict("graph", [dict(zip(names, row)) for row in rows.tolist()])
        return np.array([list(answer.values()) for answer in answers], dtype=object)
