"""Writes transformation_cases.jsonl: inputs, and what scikit-learn answers.

One JSON object a line: kind, options, type, train and rows (null is a null, "nan" a NaN), and
columns (name, values) of the answer. Run it after adding a case:

    .deps/venv/bin/python src/compute/testdata/make_transformation_cases.py
"""

import json
import math
import pathlib
import warnings

import numpy as np
from sklearn import impute, preprocessing

warnings.filterwarnings("ignore")
rng = np.random.default_rng(7)


def numbers(values):
    """A column as scikit-learn takes it: nulls are NaN there."""
    return np.array([math.nan if v is None else float(v) for v in values]).reshape(-1, 1)


def plain(values, rows=None):
    """JSON values; a null where the row was null."""
    out = []
    for k, value in enumerate(values):
        if rows is not None and rows[k] is None:
            out.append(None)
        elif isinstance(value, float) and math.isnan(value):
            out.append("nan")
        else:
            out.append(value)
    return out


def with_gaps(values):
    """Every seventh value null, every eleventh NaN."""
    return [None if k % 7 == 3 else math.nan if k % 11 == 5 else float(v)
            for k, v in enumerate(values)]


NUMBERS = {
    "few": ([1.0, 2.0, 4.0], [0.0, 1.0, 2.5, 9.0]),
    "one": ([3.5], [3.5, 4.0, None]),
    "constant": ([0.1] * 9, [0.1, 0.2, None, math.nan]),
    "nearly_constant": ([1e8 + 1e-8 * k for k in range(20)], [1e8, 1e8 + 1.0]),
    "tiny_range": ([0.0, 1e-16], [0.0, 1e-16, 1.0]),
    "gaps": (with_gaps(rng.normal(5, 3, 100)), with_gaps(rng.normal(5, 3, 30))),
    "large": (list(rng.normal(1e6, 1, 1000)), list(rng.normal(1e6, 1, 20))),
    "wide": (list(rng.lognormal(0, 6, 777)), list(rng.lognormal(0, 6, 20))),
    "negative": ([-5.0, -1.0, -3.0, -2.0], [-9.0, 0.0, -0.0]),
    "ties": ([1.0, 1.0, 2.0, 2.0, 3.0, None, math.nan], [None, math.nan, 7.0]),
}
SCALERS = {
    "min_max_scaler": preprocessing.MinMaxScaler,
    "standard_scaler": preprocessing.StandardScaler,
    "robust_scaler": preprocessing.RobustScaler,
}


def scaler_cases():
    for kind, scaler in SCALERS.items():
        for name, (train, rows) in NUMBERS.items():
            answer = scaler().fit(numbers(train)).transform(numbers(rows))[:, 0]
            yield case(kind, {}, "double", train, rows, {"x": plain(map(float, answer), rows)})
    for name, (train, rows) in NUMBERS.items():
        shifted = [None if v is None else abs(v) - 0.5 for v in rows]
        answer = np.log1p(numbers(shifted))[:, 0]
        yield case("log1p", {}, "double", train, shifted, {"x": plain(map(float, answer), shifted)})
    yield case("standard_scaler", {}, "int64", [1, 2, None, 4], [3, None, 2**40],
               {"x": plain(map(float, preprocessing.StandardScaler().fit(numbers([1, 2, 4]))
                               .transform(numbers([3, 0, 2**40]))[:, 0]), [3, None, 2**40])})


def impute_cases():
    for strategy in ("mean", "median", "most_frequent"):
        for name, (train, rows) in NUMBERS.items():
            imputer = impute.SimpleImputer(strategy=strategy).fit(numbers(train))
            answer = imputer.transform(numbers(rows))[:, 0]
            yield case("impute", {"strategy": strategy}, "double", train, rows,
                       {"x": plain(map(float, answer))})
    train, rows = NUMBERS["gaps"]
    answer = impute.SimpleImputer(strategy="constant", fill_value=-1.5).fit_transform(numbers(rows))
    yield case("impute", {"strategy": "constant", "fill_value": -1.5}, "double", train, rows,
               {"x": plain(map(float, answer[:, 0]))})
    train = ["b", "a", None, "b", "a", "c"]
    imputer = impute.SimpleImputer(strategy="most_frequent", missing_values=None)
    imputer.fit(np.array(train, dtype=object).reshape(-1, 1))
    answer = imputer.transform(np.array([None, "z"], dtype=object).reshape(-1, 1))[:, 0]
    yield case("impute", {"strategy": "most_frequent"}, "string", train, [None, "z"],
               {"x": list(answer)})


def encoder_cases():
    columns = {
        "string": (["UA", "AA", "ZZ", "aa", "", "Ærø", "AA", "DL"], ["DL", "??", "", "AA", "Ærø"]),
        "int64": ([10, 9, -1, 100, 9], [9, 10, 11, -1]),
        "bool": ([True, False, True], [False, True]),
    }
    for kind, (train, rows) in columns.items():
        array = np.array(train, dtype=object).reshape(-1, 1)
        asked = np.array(rows, dtype=object).reshape(-1, 1)
        one_hot = preprocessing.OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        answer = one_hot.fit(array).transform(asked)
        names = [json.dumps(v) if isinstance(v, bool) else str(v) for v in one_hot.categories_[0]]
        # Nulls in training are left out; asked, they give zeros, or a null code.
        zeros = np.zeros((1, answer.shape[1]))
        answer = np.vstack([answer, zeros])
        yield case("one_hot_encoder", {}, kind, train + [None], rows + [None],
                   {"x_" + n: [float(v) for v in answer[:, k]] for k, n in enumerate(names)})
        ordinal = preprocessing.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
        codes = ordinal.fit(array).transform(asked)[:, 0]
        yield case("label_encoder", {}, kind, train + [None], rows + [None],
                   {"x": [int(v) for v in codes] + [None]})


def case(kind, options, value_type, train, rows, columns):
    return {"kind": kind, "options": options, "type": value_type, "train": plain(train),
            "rows": plain(rows), "columns": [[n, list(v)] for n, v in columns.items()]}


def main():
    path = pathlib.Path(__file__).with_name("transformation_cases.jsonl")
    with path.open("w", encoding="utf-8") as file:
        for one in [*scaler_cases(), *impute_cases(), *encoder_cases()]:
            file.write(json.dumps(one, ensure_ascii=False, allow_nan=False) + "\n")


main()
