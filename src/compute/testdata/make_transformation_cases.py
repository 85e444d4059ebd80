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
import pandas as pd
from sklearn import impute, preprocessing
from sklearn.feature_extraction import FeatureHasher
from sklearn.feature_extraction.text import HashingVectorizer

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
    "max_abs_scaler": preprocessing.MaxAbsScaler,
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


def quantile_cases():
    for output in ("uniform", "normal"):
        for n_quantiles in (10, 1000):
            for name, (train, rows) in NUMBERS.items():
                if output == "normal" and name == "nearly_constant":
                    continue  # narrower than scikit-learn's threshold: any answer is as good
                fitted = preprocessing.QuantileTransformer(
                    n_quantiles=n_quantiles, output_distribution=output, subsample=None)
                answer = fitted.fit(numbers(train)).transform(numbers(rows))[:, 0]
                yield case("quantile_transformer", {"n_quantiles": n_quantiles, "output": output},
                           "double", train, rows, {"x": plain(map(float, answer), rows)})


def power_cases():
    for name in ("few", "gaps", "large", "negative", "ties", "constant", "one"):
        train, rows = NUMBERS[name]
        fitted = preprocessing.PowerTransformer("yeo-johnson").fit(numbers(train))
        answer = fitted.transform(numbers(rows))[:, 0]
        yield case("power_transformer", {}, "double", train, rows,
                   {"x": plain(map(float, answer), rows)}, tolerance=1e-5)
    for name in ("few", "wide", "ties"):
        train, rows = NUMBERS[name]
        rows = [abs(v) + 0.25 if v is not None else None for v in rows]
        for standardize in (True, False):
            fitted = preprocessing.PowerTransformer("box-cox", standardize=standardize)
            answer = fitted.fit(numbers(train)).transform(numbers(rows))[:, 0]
            yield case("power_transformer", {"method": "box_cox", "standardize": standardize},
                       "double", train, rows, {"x": plain(map(float, answer), rows)},
                       tolerance=1e-5)


def known(values):
    return np.array([v for v in values if v is not None and not math.isnan(v)])


def limit_and_rank_cases():
    for name, (train, rows) in NUMBERS.items():
        low, high = np.quantile(known(train), [0.1, 0.8])
        answer = np.clip(numbers(rows)[:, 0], low, high)
        yield case("winsorizer", {"lower": 0.1, "upper": 0.8}, "double", train, rows,
                   {"x": plain(map(float, answer), rows)})
        answer = np.clip(numbers(rows)[:, 0], -1, 2.5)
        yield case("clip", {"min": -1, "max": 2.5}, "double", train, rows,
                   {"x": plain(map(float, answer), rows)})
        x = numbers(rows)[:, 0]
        answer = np.where(np.isnan(x), x, x > 1.5)
        yield case("binarizer", {"threshold": 1.5}, "double", train, rows,
                   {"x": plain(map(float, answer), rows)})
        ranked = pd.Series(known(train)).rank(pct=True)
        yield case("rank", {}, "double", train, list(known(train))[:50],
                   {"x": list(ranked)[:50]})
    yield case("rank", {}, "double", [1.0, 2.0, 2.0, 4.0], [0.0, 1.5, 3.0, 9.0, None, math.nan],
               {"x": [0.25, 0.4375, 0.8125, 1.0, None, "nan"]})


def bin_cases():
    for strategy, kind in (("uniform", "equal_width_bins"), ("quantile", "equal_frequency_bins")):
        for bins in (2, 5, 10):
            for name, (train, rows) in NUMBERS.items():
                if name in ("tiny_range", "one", "constant", "nearly_constant"):
                    continue  # scikit-learn gives other edges, or fails, on (nearly) one value
                more = {"quantile_method": "linear"} if strategy == "quantile" else {}
                fitted = preprocessing.KBinsDiscretizer(
                    bins, encode="ordinal", strategy=strategy, subsample=None, **more)
                fitted.fit(known(train).reshape(-1, 1))
                asked = known(rows)
                answer = fitted.transform(asked.reshape(-1, 1))[:, 0]
                yield case(kind, {"bins": bins}, "double", train, list(asked) + [None, math.nan],
                           {"x": [int(v) for v in answer] + [None, None]})
        yield case(kind, {}, "double", [2.0, 2.0, None], [1.0, 2.0, 3.0, None],
                   {"x": [0, 0, 0, None]})
    yield case("bins", {"edges": [0, 1.5, 10]}, "double", [1.0],
               [-5.0, 0.0, 1.0, 1.5, 99.0, None, math.nan], {"x": [0, 1, 1, 2, 3, None, None]})


def category_cases():
    rows = ["b", "a", None, "c", "new", "b"]
    train = ["b", "b", "a", None, "b", "a", "c", "d"]
    yield case("frequency_encoder", {}, "string", train, rows,
               {"x": [3 / 7, 2 / 7, None, 1 / 7, 0.0, 3 / 7]})
    yield case("frequency_encoder", {"normalize": False}, "string", train, rows,
               {"x": [3.0, 2.0, None, 1.0, 0.0, 3.0]})
    yield case("top_k", {"k": 2}, "string", train, rows,
               {"x": ["b", "a", None, "other", "other", "b"]})
    yield case("top_k", {"k": 3, "other": "?"}, "string", train, rows,
               {"x": ["b", "a", None, "c", "?", "b"]})
    yield case("top_k", {"k": 1, "other": 0}, "int64", [7, 7, 9], [7, 9, None], {"x": [7, 0, None]})
    yield case("ordinal_encoder", {"categories": ["c", "a"]}, "string", train, rows,
               {"x": [-1, 1, None, 0, -1, -1]})
    texts = ["", "a", "ab", "abc", "abcd", "Ærø", "a longer text, of words", "42"]
    for features in (1, 8, 30):
        for signs in (True, False):
            hasher = FeatureHasher(features, input_type="string", alternate_sign=signs)
            answer = hasher.transform([[t] for t in texts]).toarray()
            yield case("hashing_encoder", {"n_features": features, "alternate_sign": signs},
                       "string", ["a"], texts + [None],
                       {f"x_h{k}": [float(v) for v in answer[:, k]] + [None]
                        for k in range(features)})


TEXTS = ["The quick brown fox", "the quick  brown\tfox!", "", "a b c", "Ærø is an ISLAND", "x_1 99",
         "naïve café — déjà vu", "one, two; one-two", "  "]


def text_cases():
    for analyzer in ("word", "char"):
        for low, high in ((1, 1), (1, 2), (2, 3)):
            for norm in ("l2", None):
                vectorizer = HashingVectorizer(
                    n_features=16, analyzer=analyzer, ngram_range=(low, high), norm=norm)
                answer = vectorizer.transform(TEXTS).toarray()
                yield case("hashed_ngrams",
                           {"n_features": 16, "analyzer": analyzer, "min_n": low, "max_n": high,
                            "norm": norm or "none"}, "string", ["a"], TEXTS + [None],
                           {f"x_h{k}": [float(v) for v in answer[:, k]] + [None]
                            for k in range(16)})
    for unit, length in (("characters", len), ("words", lambda t: len(t.split())),
                         ("bytes", lambda t: len(t.encode()))):
        yield case("text_length", {"unit": unit}, "string", ["a"], TEXTS + [None],
                   {"x": [length(t) for t in TEXTS] + [None]})


def case(kind, options, value_type, train, rows, columns, tolerance=1e-12):
    return {"kind": kind, "options": options, "type": value_type, "train": plain(train),
            "rows": plain(rows), "tolerance": tolerance,
            "columns": [[n, list(v)] for n, v in columns.items()]}


def main():
    path = pathlib.Path(__file__).with_name("transformation_cases.jsonl")
    with path.open("w", encoding="utf-8") as file:
        for one in [*scaler_cases(), *impute_cases(), *encoder_cases(), *quantile_cases(),
                    *power_cases(), *limit_and_rank_cases(), *bin_cases(), *category_cases(),
                    *text_cases()]:
            file.write(json.dumps(one, ensure_ascii=False, allow_nan=False) + "\n")


main()
