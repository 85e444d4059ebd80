"""scikit-learn models are served as they answer, or refused."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC

import tercet as tc

X, Y = make_classification(150, 5, n_informative=4, n_redundant=0, n_classes=3, random_state=1)
X = X.astype(np.float32).astype(np.float64)
WORDS = np.array(["no", "maybe", "yes"])[Y]
ROWS = X[:20]


def served(project, model):
    registered = project.register_model("model", model)
    project.deploy("model", registered)
    names = list(registered.signature.inputs)
    return [list(answer.values()) for answer in project.predict(
        "model", [dict(zip(names, row)) for row in ROWS.tolist()])]


# Those before the line have operators of 64-bit numbers, those after it of 32 only.
@pytest.mark.parametrize("model, labels", [
    (make_pipeline(StandardScaler(), LogisticRegression()), WORDS),
    (RandomForestClassifier(n_estimators=5, random_state=0), WORDS),
    (LinearDiscriminantAnalysis(), Y),
    (GaussianProcessRegressor(), X[:, 0]),
    # ---
    (SVC(), WORDS),
    (LinearSVC(), Y),
    (RidgeClassifier(), Y),
    (SGDClassifier(random_state=0), WORDS),
    (SVR(), X[:, 0]),
    (IsolationForest(n_estimators=5, random_state=0), None),
], ids=lambda value: "" if isinstance(value, np.ndarray) else type(value).__name__)
def test_answers_as_the_model_does(project, model, labels):
    model.fit(X, labels)
    answers = served(project, model)
    expected = model.predict(ROWS).tolist()
    if isinstance(expected[0], float):
        assert [answer[0] for answer in answers] == pytest.approx(expected, rel=1e-3, abs=1e-3)
    else:
        assert [answer[0] for answer in answers] == expected
    if hasattr(model, "predict_proba"):
        assert np.array([answer[1:] for answer in answers]) == pytest.approx(
            model.predict_proba(ROWS), abs=1e-4)


def test_a_graph_that_answers_otherwise_is_refused(project):
    # Of two classes skl2onnx takes the softmax, the model a sigmoid.
    model = LinearDiscriminantAnalysis().fit(X, Y > 0)
    with pytest.raises(tc.NotSupportedError, match="where the model's probabilities are.*"
                                                   "serve it as a Python class"):
        project.register_model("model", model)
