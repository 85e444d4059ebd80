"""Pipeline T: point-in-time correct training data → XGBoost → a registered model.

    python training_pipeline.py PROJECT --view 1

Trains on January to September, tests on October and November, and compares with what one would do
without a model: the share of late flights by carrier and route."""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
import xgboost
from sklearn.metrics import brier_score_loss, roc_auc_score

import raw
import store
import tercet as tc

PARAMETERS = {"objective": "binary:logistic", "max_depth": 6, "eta": 0.1, "subsample": 0.8,
              "colsample_bytree": 0.8, "seed": 7, "nthread": 2}
ROUNDS = 150


def calibration_error(truth: np.ndarray, predicted: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error (Naeini et al., AAAI 2015) over bins of equal size."""
    order = np.argsort(predicted, kind="stable")
    parts = np.array_split(order, bins)
    gaps = [abs(truth[part].mean() - predicted[part].mean()) * len(part) for part in parts]
    return float(sum(gaps) / len(truth))


def route_means(train: pd.DataFrame, test: pd.DataFrame) -> np.ndarray:
    """The baseline: the training share of late flights by carrier and route; where there was no
    such flight, by carrier, then of all."""
    keys = ["carrier", "origin", "dest"]
    by_route = train.groupby(keys)["late"].mean().rename("route")
    by_carrier = train.groupby("carrier")["late"].mean().rename("by_carrier")
    joined = test.join(by_route, on=keys).join(by_carrier, on="carrier")
    return joined["route"].fillna(joined["by_carrier"]).fillna(train["late"].mean()).to_numpy()


def train(project: tc.Project, view_version: int) -> tuple[tc.Model, dict[str, float]]:
    """Trains and registers a model on a version of the view; returns it with its metrics."""
    view = store.delay_view(project, view_version)
    with project.run("train_delay", view=view_version) as run:
        # Flights without an outcome (cancelled, diverted) teach nothing about being late.
        labels = store.flights(project).read(end=raw.month_start(12)).to_pandas()
        labels = labels[labels["late"].notna()]
        split = tc.split.by_time(train=raw.month_start(10), test=None)
        data = view.training_data(spine=labels, split=split, seed=7)

        matrix = xgboost.DMatrix(data.train.X, data.train.y)
        booster = xgboost.train(PARAMETERS, matrix, num_boost_round=ROUNDS)
        predicted = booster.predict(xgboost.DMatrix(data.test.X))
        truth = data.test.y.to_numpy().astype(float)

        labels["late"] = labels["late"].astype(float)
        early = labels["scheduled_departure"] < raw.month_start(10)
        baseline = route_means(labels[early], labels[~early])
        baseline_truth = labels.loc[~early, "late"].to_numpy()
        metrics = {
            "auc": roc_auc_score(truth, predicted),
            "auc_baseline": roc_auc_score(baseline_truth, baseline),
            "brier": brier_score_loss(truth, predicted),
            "brier_baseline": brier_score_loss(baseline_truth, baseline),
            "calibration_error": calibration_error(truth, predicted),
            "calibration_error_baseline": calibration_error(baseline_truth, baseline),
        }
        run.log(rows_train=len(data.train), rows_test=len(data.test), **PARAMETERS, **metrics)
        if metrics["auc"] <= metrics["auc_baseline"]:
            raise SystemExit(f"the model (AUC {metrics['auc']:.3f}) does not beat the mean of "
                             f"carrier and route (AUC {metrics['auc_baseline']:.3f})")
        model = project.register_model("delay", booster, training_data=data, metrics=metrics)
        print(f"{model!r} on {len(data.train):,} flights, tested on {len(data.test):,}")
    return model, metrics


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("project", help="the project's directory, or tercet://host:port")
    parser.add_argument("--view", type=int, default=1, help="version of the feature view")
    arguments = parser.parse_args()
    with tc.open(arguments.project) as project:
        train(project, arguments.view)


if __name__ == "__main__":
    main()
