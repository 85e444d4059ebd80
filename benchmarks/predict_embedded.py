"""One row of a LightGBM model of 300 trees, in process.

    ./dev bench predict_embedded [--features N] [--count N]

From C++ our evaluator, LightGBM's fastest call (LGBM_BoosterPredictForMatSingleRowFast) and ONNX
Runtime (the same trees, one thread) take turns on the same rows; ours and LightGBM's must answer
the same bits. From Python `Deployment.predictor()` takes turns with `Booster.predict` on NumPy
rows, and `project.predict` with a dict stands beside them.

ratio lightgbm     p50 of Booster.predict ÷ p50 of the predictor, both from Python
ratio lightgbm_c   p50 of LightGBM's C call ÷ p50 of ours, both from C++
ratio onnxruntime  p50 of ONNX Runtime ÷ p50 of ours, both from C++
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

from served import ROOT, run

NATIVE = ROOT / "build" / "release" / "benchmarks" / "predict_embedded"


def to_onnx(booster, features: int, file: Path) -> None:
    """The booster's trees as ONNX's TreeEnsembleRegressor with 64-bit thresholds, and a sigmoid."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    columns: dict[str, list] = {name: [] for name in (
        "treeids", "nodeids", "featureids", "modes", "truenodeids", "falsenodeids",
        "missing_value_tracks_true")}
    targets: dict[str, list] = {name: [] for name in ("treeids", "nodeids", "ids")}
    values, weights = [], []
    for t, tree in enumerate(booster.dump_model()["tree_info"]):
        nodes = [tree["tree_structure"]]
        for i, node in enumerate(nodes):
            leaf = "split_feature" not in node
            first = 0 if leaf else len(nodes)
            row = (t, i, 0 if leaf else node["split_feature"], "LEAF" if leaf else "BRANCH_LEQ",
                   first, 0 if leaf else first + 1, 0)
            for name, item in zip(columns, row):
                columns[name].append(item)
            values.append(0.0 if leaf else node["threshold"])
            if leaf:
                weights.append(node["leaf_value"])
                for name, item in zip(targets, (t, i, 0)):
                    targets[name].append(item)
            else:
                nodes += [node["left_child"], node["right_child"]]
    made = {f"nodes_{name}": items for name, items in columns.items()}
    made |= {f"target_{name}": items for name, items in targets.items()}
    ensemble = helper.make_node(
        "TreeEnsembleRegressor", ["X"], ["margin"], domain="ai.onnx.ml", n_targets=1,
        nodes_values_as_tensor=numpy_helper.from_array(np.array(values), "values"),
        target_weights_as_tensor=numpy_helper.from_array(np.array(weights), "weights"), **made)
    graph = helper.make_graph(
        [ensemble, helper.make_node("Sigmoid", ["margin"], ["prediction"])], "trees",
        [helper.make_tensor_value_info("X", TensorProto.DOUBLE, [None, features])],
        [helper.make_tensor_value_info("prediction", TensorProto.FLOAT, [None, 1])])
    onnx.save(helper.make_model(graph, ir_version=9, opset_imports=[
        helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]), str(file))


def from_python(folder: Path, booster, rows, count: int) -> dict[str, list[float]]:
    """Microseconds of each way, in turns."""
    import tercet as tc

    names = booster.feature_name()
    times: dict[str, list[float]] = {"ours": [], "project": [], "theirs": []}
    with tc.open(folder / "project") as project:
        ask = project.deploy("m", project.register_model("m", booster, signature=tc.Signature(
            inputs={name: "double" for name in names},
            outputs={"prediction": "double"}))).predictor()
        for i in range(-count // 5, count):
            row = rows[i % len(rows)]
            entity = dict(zip(names, row.tolist()))
            calls = {"ours": lambda: ask(row)["prediction"],
                     "project": lambda: project.predict("m", entity)["prediction"],
                     "theirs": lambda: booster.predict(row.reshape(1, -1), num_threads=1)[0]}
            order = list(calls)
            answers = []
            # Who comes first finds the caches as the last one left them, so that goes round.
            for name in order[i % 3:] + order[:i % 3]:
                begun = time.perf_counter_ns()
                answers.append(calls[name]())
                ended = time.perf_counter_ns()
                if i >= 0:
                    times[name].append((ended - begun) / 1e3)
            assert len(set(answers)) == 1, answers
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--features", type=int, default=30)
    parser.add_argument("--count", type=int, default=20_000)
    options = parser.parse_args()
    import lightgbm
    import numpy as np

    random = np.random.default_rng(7)
    X = random.normal(size=(50_000, options.features))
    y = (X[:, 0] + X[:, 1] * X[:, 2] + random.normal(size=len(X)) > 0).astype(float)
    booster = lightgbm.train({"objective": "binary", "num_leaves": 31, "verbose": -1,
                              "num_threads": 2}, lightgbm.Dataset(X, y), 300)
    # Few enough that they stay in the cache, where a request that was just read is.
    rows = np.ascontiguousarray(X[:100])
    with tempfile.TemporaryDirectory(prefix="tercet-predict-") as name:
        folder = Path(name)
        booster.save_model(str(folder / "model.txt"))
        to_onnx(booster, options.features, folder / "model.onnx")
        (folder / "rows").write_bytes(rows.tobytes())
        library = next(Path(lightgbm.__file__).parent.glob("**/lib_lightgbm.so"))
        native = json.loads(run(NATIVE, folder, library, folder / "rows", options.features,
                                options.count))
        python = {name: statistics.median(micros) for name, micros in
                  from_python(folder, booster, rows, options.count // 4).items()}
    ratios = {"lightgbm": python["theirs"] / python["ours"],
              "lightgbm_c": native["lightgbm_c_p50_us"] / native["ours_p50_us"],
              "onnxruntime": native["onnxruntime_p50_us"] / native["ours_p50_us"]}
    figures = {"cpp_p50_us": native["ours_p50_us"], "cpp_p99_us": native["ours_p99_us"],
               "lightgbm_c_p50_us": native["lightgbm_c_p50_us"],
               "onnxruntime_p50_us": native["onnxruntime_p50_us"],
               "python_p50_us": python["ours"], "project_predict_p50_us": python["project"],
               "lightgbm_python_p50_us": python["theirs"], "trees": native["trees"]}
    ratios = {key: round(value, 2) for key, value in ratios.items()}
    figures = {key: round(value, 2) for key, value in figures.items()}
    for key, value in {**ratios, **figures}.items():
        print(f"{key:24} {value}")
    print(json.dumps({"benchmark": "predict_embedded", "answers_checked": True, "ratios": ratios,
                      "figures": figures}))


if __name__ == "__main__":
    main()
