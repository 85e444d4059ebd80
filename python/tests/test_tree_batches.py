"""Batches of trees answer as their libraries do, bit for bit, whatever the trees and the values."""
import lightgbm
import numpy as np
import pyarrow as pa
import pytest
import xgboost

import tercet as tc

FEATURES = 7
NAMES = [f"f{i}" for i in range(FEATURES)]


def training_rows(seed, rows=3000):
    """Few different values in some features, many in others, and some that are missing."""
    random = np.random.default_rng(seed)
    X = random.standard_normal((rows, FEATURES)).astype(np.float32)
    X[:, 1] = np.round(X[:, 1] * 4) / 4
    X[:, 2] = random.integers(-3, 4, rows)
    X[random.random(X.shape) < 0.1] = np.nan
    known = np.nan_to_num(X)
    y = known[:, 0] + known[:, 1] * known[:, 2] + random.standard_normal(rows) / 4
    return X, y.astype(np.float32)


def odd_rows(X, thresholds, dtype, seed, rows=700):
    """Rows of training, their splits' own thresholds and the numbers next to them, and numbers
    that comparisons may trip over."""
    random = np.random.default_rng(seed)
    values = X[random.integers(0, len(X), rows)].astype(dtype)
    near = np.asarray(thresholds, dtype)
    tiny = np.finfo(dtype).smallest_subnormal
    odd = np.concatenate([near, np.nextafter(near, dtype(np.inf)),
                          np.nextafter(near, dtype(-np.inf)),
                          np.array([0.0, -0.0, tiny, -tiny, 1e-35, 1.1e-35, np.finfo(dtype).max,
                                    np.finfo(dtype).min, np.inf, -np.inf, np.nan], dtype)])
    chosen = random.random(values.shape) < 0.6
    values[chosen] = random.choice(odd, int(chosen.sum()))
    return values


def answers(project, booster, values, inputs, output):
    model = project.register_model("m", booster, signature=tc.Signature(
        inputs=dict.fromkeys(NAMES, inputs), outputs={"prediction": output}))
    columns = {name: pa.array(values[:, i]) for i, name in enumerate(NAMES)}
    # 15 rows are walked one by one; 700 go through the trees in blocks.
    few, all_rows = (
        model.batch(spine=pa.table(columns).slice(0, rows)).to_arrow()["prediction"].to_numpy()
        for rows in (15, len(values)))
    np.testing.assert_array_equal(few.view(np.uint8), all_rows[:15].view(np.uint8))
    return all_rows


@pytest.mark.parametrize("parameters", [
    {"max_depth": 1}, {"max_depth": 6}, {"max_depth": 8}, {"max_depth": 11},
    {"max_depth": 6, "tree_method": "exact"}, {"max_depth": 5, "booster": "dart", "rate_drop": 0.2},
    {"max_depth": 0, "max_leaves": 40, "grow_policy": "lossguide"}],
    ids=lambda parameters: "-".join(map(str, parameters.values())))
def test_xgboost(project, parameters):
    X, y = training_rows(3)
    booster = xgboost.train({"nthread": 1, "seed": 1, **parameters}, xgboost.DMatrix(X, y), 60)
    thresholds = booster.trees_to_dataframe()["Split"].dropna()
    values = odd_rows(X, thresholds, np.float32, 5)
    if "booster" in parameters:
        # In place, DART takes the base score out of each tree again, which rounds differently.
        values[np.isinf(values)] = np.nan  # which a DMatrix refuses
        expected = booster.predict(xgboost.DMatrix(values))
    else:
        expected = booster.inplace_predict(values)
    found = answers(project, booster, values, "float", "float")
    np.testing.assert_array_equal(found.view(np.uint32), expected.view(np.uint32))


@pytest.mark.parametrize("parameters", [
    {"num_leaves": 31}, {"num_leaves": 255}, {"num_leaves": 31, "max_bin": 2000},
    {"num_leaves": 31, "use_missing": False}, {"num_leaves": 31, "zero_as_missing": True}],
    ids=lambda parameters: "-".join(map(str, parameters.values())))
def test_lightgbm(project, parameters):
    X, y = training_rows(4)
    booster = lightgbm.train({"num_threads": 1, "verbose": -1, "min_data_in_leaf": 5, **parameters},
                             lightgbm.Dataset(X.astype(np.float64), y), 60)
    thresholds = booster.trees_to_dataframe()["threshold"].dropna()
    values = odd_rows(X, thresholds, np.float64, 6)
    expected = booster.predict(values)
    found = answers(project, booster, values, "double", "double")
    np.testing.assert_array_equal(found.view(np.uint64), expected.view(np.uint64))


def test_a_booster_without_trees_is_refused(project):
    X, y = training_rows(1, 50)
    booster = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(X, y > 0),
                            num_boost_round=0)
    with pytest.raises(tc.NotSupportedError, match="has no trees"):
        project.register_model("empty", booster)
