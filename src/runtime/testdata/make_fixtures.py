"""Makes the models of this folder and what their own libraries predict for them.

Run by hand when a case is added, with the test environment's Python:

    .deps/venv/bin/python src/runtime/testdata/make_fixtures.py

NAME.json, .ubj, .txt or .onnx is a model; NAME.arrow is an Arrow stream of its inputs, and of what
its library predicts for them in columns "expected_0", "expected_1" …
"""

import json
import pathlib

import lightgbm
import numpy
import pandas
import pyarrow
import xgboost

FOLDER = pathlib.Path(__file__).parent
ROWS = 160


def write_case(name, inputs, predictions):
    predictions = numpy.asarray(predictions)
    if predictions.ndim == 1:
        predictions = predictions.reshape(-1, 1)
    columns = dict(inputs)
    for i in range(predictions.shape[1]):
        columns[f"expected_{i}"] = pyarrow.array(numpy.ascontiguousarray(predictions[:, i]))
    table = pyarrow.table(columns)
    with pyarrow.OSFile(str(FOLDER / f"{name}.arrow"), "wb") as sink:
        with pyarrow.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)


def numbers(seed, columns=4, missing=0.1):
    random = numpy.random.default_rng(seed)
    values = random.normal(size=(ROWS, columns)).astype(numpy.float32)
    values[random.random(values.shape) < missing] = numpy.nan
    values[:8, 0] = [0, -0.0, 1e-30, -1e-30, 1e30, -1e30, 1e-45, 3]
    return values


def as_columns(values):
    return {f"f{i}": pyarrow.array(values[:, i]) for i in range(values.shape[1])}


def xgboost_cases():
    values = numbers(1)
    clean = numpy.nan_to_num(values).clip(-3, 3)
    random = numpy.random.default_rng(2)
    score = clean[:, 0] + clean[:, 1] ** 2 + 0.3 * random.normal(size=ROWS)
    binary = (score > 1).astype(int)
    positive = numpy.exp(score / 4)
    classes = numpy.digitize(score, [0, 1.5])
    labels = {
        "binary:logistic": binary, "binary:logitraw": binary, "binary:hinge": binary,
        "reg:logistic": binary, "reg:squarederror": score, "reg:absoluteerror": score,
        "reg:pseudohubererror": score, "count:poisson": numpy.floor(positive),
        "reg:gamma": positive, "reg:tweedie": positive, "multi:softprob": classes,
        "multi:softmax": classes, "rank:ndcg": classes, "rank:pairwise": classes,
    }
    for objective, label in labels.items():
        data = xgboost.DMatrix(values, label)
        parameters = {"objective": objective, "max_depth": 3, "eta": 0.4, "seed": 3}
        if objective.startswith("multi"):
            parameters["num_class"] = 3
        if objective.startswith("rank"):
            data.set_group([ROWS // 4] * 4)
        booster = xgboost.train(parameters, data, 5)
        name = "xgboost_" + objective.replace(":", "_")
        booster.save_model(FOLDER / f"{name}.json")
        write_case(name, as_columns(values), booster.predict(xgboost.DMatrix(values)))
    # The form of XGBoost 2 and before: one base score, no words of categories.
    model = json.loads((FOLDER / "xgboost_binary_logistic.json").read_text())
    model["version"] = [2, 1, 4]
    parameters = model["learner"]["learner_model_param"]
    parameters["base_score"] = parameters["base_score"].strip("[]")
    del model["learner"]["gradient_booster"]["model"]["cats"]
    (FOLDER / "xgboost_2.json").write_text(json.dumps(model))
    booster = xgboost.Booster(model_file=FOLDER / "xgboost_2.json")
    write_case("xgboost_2", as_columns(values), booster.predict(xgboost.DMatrix(values)))

    booster = xgboost.train({"objective": "binary:logistic", "max_depth": 4, "num_parallel_tree": 2,
                             "subsample": 0.7}, xgboost.DMatrix(values, binary), 4)
    booster.save_model(FOLDER / "xgboost_forest.ubj")
    write_case("xgboost_forest", as_columns(values), booster.predict(xgboost.DMatrix(values)))
    booster = xgboost.train({"objective": "binary:logistic", "booster": "dart", "rate_drop": 0.4,
                             "max_depth": 3, "one_drop": 1, "seed": 3},
                            xgboost.DMatrix(values, binary), 8)
    booster.save_model(FOLDER / "xgboost_dart.json")
    write_case("xgboost_dart", as_columns(values), booster.predict(xgboost.DMatrix(values)))
    booster = xgboost.train({"booster": "gblinear"}, xgboost.DMatrix(clean, score), 2)
    booster.save_model(FOLDER / "xgboost_gblinear.json")

    # Categories by code: 40 of them make sets of two words; −1, 77 and 2.5 are asked for as well.
    codes = random.integers(0, 40, ROWS).astype(numpy.float32)
    coded = numpy.column_stack([codes, values[:, 1]])
    data = xgboost.DMatrix(coded, (codes % 3 == 0) * 2.0 + clean[:, 1], feature_types=["c", "q"],
                           enable_categorical=True)
    booster = xgboost.train({"max_depth": 4, "max_cat_to_onehot": 4}, data, 5)
    booster.save_model(FOLDER / "xgboost_categories.ubj")
    coded[::7, 0] = numpy.nan
    coded[3, 0], coded[5, 0] = 77, 2.5
    asked = xgboost.DMatrix(coded, feature_types=["c", "q"], enable_categorical=True)
    write_case("xgboost_categories", as_columns(coded), booster.predict(asked))

    # Categories by word, in a file that keeps the words. ASCII only: XGBoost 3.2 writes offsets of
    # characters where it means bytes, so that it misreads other words itself.
    words = numpy.array(["AA", "B6", "UA", "Delta"])[random.integers(0, 4, ROWS)]
    frame = pandas.DataFrame({"carrier": pandas.Categorical(words), "x": values[:, 1]})
    booster = xgboost.train({"max_depth": 3, "max_cat_to_onehot": 1},
                            xgboost.DMatrix(frame, (words == "B6") + clean[:, 1],
                                            enable_categorical=True), 5)
    booster.save_model(FOLDER / "xgboost_words.json")
    write_case("xgboost_words", {"carrier": pyarrow.array(words), "x": pyarrow.array(values[:, 1])},
               booster.predict(xgboost.DMatrix(frame, enable_categorical=True)))


def lightgbm_cases():
    values = numbers(5).astype(numpy.float64)
    random = numpy.random.default_rng(6)
    values[:, 3] = random.integers(0, 40, ROWS)
    clean = numpy.nan_to_num(values).clip(-3, 40)
    score = clean[:, 0] + clean[:, 1] ** 2 + (clean[:, 3] % 3 == 0) + 0.3 * random.normal(size=ROWS)
    binary = (score > 1).astype(int)
    classes = numpy.digitize(score, [0, 1.5])
    positive = numpy.exp(score / 4)
    forest = {"boosting": "rf", "bagging_fraction": 0.7, "bagging_freq": 1}
    cases = {
        "binary": (binary, {"objective": "binary", "sigmoid": 0.7}),
        "regression": (score, {"objective": "regression"}),
        "regression_sqrt": (score, {"objective": "regression", "reg_sqrt": True}),
        "regression_l1": (score, {"objective": "regression_l1"}),
        "poisson": (positive, {"objective": "poisson"}),
        "tweedie": (positive, {"objective": "tweedie"}),
        "multiclass": (classes, {"objective": "multiclass", "num_class": 3}),
        "multiclassova": (classes, {"objective": "multiclassova", "num_class": 3}),
        "cross_entropy": (binary, {"objective": "cross_entropy"}),
        "cross_entropy_lambda": (binary, {"objective": "cross_entropy_lambda"}),
        "categories": (score, {"objective": "regression", "categorical_feature": [3],
                               "min_data_per_group": 5, "cat_smooth": 1, "max_cat_to_onehot": 2}),
        "zero_missing": (score, {"objective": "regression", "zero_as_missing": True}),
        "no_missing": (score, {"objective": "regression", "use_missing": False}),
        "forest": (binary, {"objective": "binary", **forest}),
        "forest_regression": (score, {"objective": "regression", **forest}),
        "dart": (score, {"objective": "regression", "boosting": "dart"}),
        "stump": (numpy.ones(ROWS), {"objective": "regression"}),
    }
    asked = values.copy()
    asked[::9, 3] = numpy.nan
    asked[1:6, 3] = [-1, 77, 2.5, -0.5, 1e12]
    for name, (label, parameters) in cases.items():
        parameters = {"verbose": -1, "num_leaves": 8, "min_data_in_leaf": 5, "seed": 7,
                      "deterministic": True, **parameters}
        booster = lightgbm.train(parameters, lightgbm.Dataset(values, label), 6)
        path = FOLDER / f"lightgbm_{name}.txt"
        booster.save_model(path)
        columns = {f"Column_{i}": pyarrow.array(asked[:, i]) for i in range(asked.shape[1])}
        write_case(f"lightgbm_{name}", columns, lightgbm.Booster(model_file=path).predict(asked))
    words = numpy.array(["AA", "B6", "UA", "Größe"])[random.integers(0, 4, ROWS)]
    frame = pandas.DataFrame({"x": values[:, 0], "carrier": pandas.Categorical(words)})
    booster = lightgbm.train({"verbose": -1, "num_leaves": 8, "min_data_in_leaf": 5,
                              "min_data_per_group": 5, "cat_smooth": 1},
                             lightgbm.Dataset(frame, (words == "B6") * 2 + clean[:, 0]), 6)
    booster.save_model(FOLDER / "lightgbm_words.txt")
    asked_words = [None if i % 11 == 0 else "ZZ" if i % 13 == 0 else word
                   for i, word in enumerate(words)]
    frame["carrier"] = pandas.Categorical(asked_words)
    write_case("lightgbm_words", {"x": pyarrow.array(values[:, 0]),
                                  "carrier": pyarrow.array(asked_words)}, booster.predict(frame))
    booster = lightgbm.train({"verbose": -1, "linear_tree": True, "num_leaves": 4},
                             lightgbm.Dataset(clean, score), 2)
    booster.save_model(FOLDER / "lightgbm_linear.txt")


def onnx_cases():
    import onnxruntime
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import (FloatTensorType, Int64TensorType, StringTensorType)
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    values = numbers(8, missing=0)
    values = values.clip(-3, 3)
    random = numpy.random.default_rng(9)
    score = values[:, 0] + values[:, 1] ** 2
    classes = numpy.digitize(score, [0, 1.5])
    words = numpy.array(["AA", "B6", "UA"])[random.integers(0, 3, ROWS)]
    counts = random.integers(0, 9, ROWS)

    def save(name, model, feed, inputs, **options):
        (FOLDER / f"{name}.onnx").write_bytes(model.SerializeToString())
        session = onnxruntime.InferenceSession(model.SerializeToString())
        # Row by row: what a request for one row gets is what every batch must give.
        rows = [session.run(None, {key: value[i:i + 1] for key, value in feed.items()})
                for i in range(ROWS)]
        parts = [numpy.concatenate([row[o] for row in rows]) for o in range(len(rows[0]))]
        write(name, inputs, parts)

    def write(name, inputs, parts):
        columns = dict(inputs)
        count = 0
        for part in parts:
            if isinstance(part, pyarrow.Array):
                columns[f"expected_{count}"] = part
                count += 1
                continue
            for i in range(1 if part.ndim == 1 else part.shape[1]):
                column = part if part.ndim == 1 else part[:, i]
                columns[f"expected_{count}"] = pyarrow.array(numpy.ascontiguousarray(column))
                count += 1
        with pyarrow.OSFile(str(FOLDER / f"{name}.arrow"), "wb") as sink:
            table = pyarrow.table(columns)
            with pyarrow.ipc.new_stream(sink, table.schema) as writer:
                writer.write_table(table)

    no_zipmap = {"zipmap": False}
    matrix = [("features", FloatTensorType([None, 4]))]
    forest = RandomForestClassifier(8, max_depth=4, random_state=1).fit(values, classes)
    save("onnx_forest", to_onnx(forest, initial_types=matrix, options=no_zipmap),
         {"features": values}, as_columns(values))
    zipmap = to_onnx(forest, initial_types=matrix)
    (FOLDER / "onnx_zipmap.onnx").write_bytes(zipmap.SerializeToString())
    boosted = GradientBoostingRegressor(n_estimators=8, random_state=1).fit(values, score)
    save("onnx_boosted", to_onnx(boosted, initial_types=matrix), {"features": values},
         as_columns(values))
    wide = numbers(10, columns=33, missing=0).clip(-3, 3)
    linear = make_pipeline(StandardScaler(), LogisticRegression()).fit(wide, classes)
    save("onnx_linear",
         to_onnx(linear, initial_types=[("features", FloatTensorType([None, 33]))],
                 options={id(linear): no_zipmap}),
         {"features": wide}, as_columns(wide))
    frame = pandas.DataFrame({"carrier": words, "count": counts, "x": values[:, 0]})
    columns = ColumnTransformer([("words", OneHotEncoder(handle_unknown="ignore"), ["carrier"]),
                                 ("numbers", "passthrough", ["count", "x"])])
    pipeline = make_pipeline(columns, RandomForestClassifier(4, max_depth=3, random_state=1))
    pipeline.fit(frame, numpy.where(classes > 0, "late", "early"))
    model = to_onnx(pipeline, initial_types=[("carrier", StringTensorType([None, 1])),
                                             ("count", Int64TensorType([None, 1])),
                                             ("x", FloatTensorType([None, 1]))],
                    options={id(pipeline): no_zipmap})
    save("onnx_columns", model,
         {"carrier": words.astype(object).reshape(-1, 1), "count": counts.reshape(-1, 1),
          "x": values[:, :1]},
         {"carrier": pyarrow.array(words), "count": pyarrow.array(counts),
          "x": pyarrow.array(values[:, 0])})

    tensor_cases(write)


def tensor_cases(write):
    """Inputs and outputs with rows of several elements, which are lists."""
    import onnxruntime
    from onnx import TensorProto, checker, helper

    random = numpy.random.default_rng(11)

    def save(name, nodes, inputs, outputs):
        graph = helper.make_graph(
            nodes, name, [helper.make_tensor_value_info(*one) for one in inputs],
            [helper.make_tensor_value_info(*one) for one in outputs])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        checker.check_model(model)
        (FOLDER / f"{name}.onnx").write_bytes(model.SerializeToString())
        return onnxruntime.InferenceSession(model.SerializeToString())

    def lists(rows, type):
        return pyarrow.array([numpy.ravel(row).tolist() for row in rows], pyarrow.list_(type))

    # What Triton's examples call "simple".
    session = save("onnx_simple",
                   [helper.make_node("Add", ["INPUT0", "INPUT1"], ["OUTPUT0"]),
                    helper.make_node("Sub", ["INPUT0", "INPUT1"], ["OUTPUT1"])],
                   [(name, TensorProto.INT32, [None, 16]) for name in ("INPUT0", "INPUT1")],
                   [(name, TensorProto.INT32, [None, 16]) for name in ("OUTPUT0", "OUTPUT1")])
    feed = {name: random.integers(-9, 9, (ROWS, 16), dtype=numpy.int32)
            for name in ("INPUT0", "INPUT1")}
    write("onnx_simple", {name: lists(rows, pyarrow.int32()) for name, rows in feed.items()},
          [lists(part, pyarrow.int32()) for part in session.run(None, feed)])

    # Rows of any length, of three dimensions, of bytes, of halves, and of one number.
    session = save("onnx_tensors",
                   [helper.make_node("Cast", ["tokens"], ["numbers"], to=TensorProto.FLOAT),
                    helper.make_node("Mul", ["numbers", "weight"], ["weighted"]),
                    helper.make_node("Transpose", ["image"], ["turned"], perm=[0, 2, 1]),
                    helper.make_node("Add", ["tokens", "tokens"], ["doubled"]),
                    helper.make_node("Neg", ["halves"], ["negated"])],
                   [("tokens", TensorProto.INT64, ["n", "length"]),
                    ("weight", TensorProto.FLOAT, ["n", 1]),
                    ("image", TensorProto.UINT8, ["n", 2, 3]),
                    ("halves", TensorProto.FLOAT16, ["n", 2])],
                   [("turned", TensorProto.UINT8, ["n", 3, 2]),
                    ("doubled", TensorProto.INT64, ["n", "length"]),
                    ("weighted", TensorProto.FLOAT, ["n", "length"]),
                    ("negated", TensorProto.FLOAT16, ["n", 2])])
    tokens = [random.integers(0, 1000, random.integers(1, 7)) for _ in range(ROWS)]
    weight = random.normal(size=(ROWS, 1)).astype(numpy.float32)
    image = random.integers(0, 255, (ROWS, 2, 3), dtype=numpy.uint8)
    halves = random.normal(size=(ROWS, 2)).astype(numpy.float16)
    rows = [session.run(None, {"tokens": tokens[i].reshape(1, -1), "weight": weight[i:i + 1],
                               "image": image[i:i + 1], "halves": halves[i:i + 1]})
            for i in range(ROWS)]
    floats = pyarrow.float32()
    write("onnx_tensors",
          {"tokens": lists(tokens, pyarrow.int64()), "weight": pyarrow.array(weight[:, 0]),
           "image": lists(image, pyarrow.uint8()),
           "halves": lists(halves.astype(numpy.float32), floats)},
          [lists([row[o][0].astype(dtype) for row in rows], type)
           for o, (dtype, type) in enumerate([
               ("uint8", pyarrow.uint8()), ("int64", pyarrow.int64()), ("float32", floats),
               ("float32", floats)])])


if __name__ == "__main__":
    xgboost_cases()
    lightgbm_cases()
    onnx_cases()
