"""One row of a LightGBM model of 300 trees, in process.

    ./dev bench predict_embedded [--features N] [--count N]

From C++ our evaluator and LightGBM's fastest call (LGBM_BoosterPredictForMatSingleRowFast) take
turns on the same rows, and must answer the same bits. From Python `project.predict` of a deployment
takes turns with `Booster.predict`.

ratio lightgbm    p50 of Booster.predict ÷ p50 of project.predict, both from Python
ratio lightgbm_c  p50 of LightGBM's C call ÷ p50 of ours, both from C++
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


def from_python(folder: Path, booster, rows, count: int) -> tuple[list[float], list[float]]:
    """Microseconds of ours and of LightGBM's, in turns."""
    import tercet as tc

    ours, theirs = [], []
    names = booster.feature_name()
    with tc.open(folder / "project") as project:
        project.deploy("m", project.register_model("m", booster, signature=tc.Signature(
            inputs={name: "double" for name in names}, outputs={"prediction": "double"})))
        for i in range(-count // 5, count):
            row = rows[i % len(rows)]
            entity = dict(zip(names, row.tolist()))
            begun = time.perf_counter_ns()
            answer = project.predict("m", entity)["prediction"]
            between = time.perf_counter_ns()
            expected = booster.predict(row.reshape(1, -1), num_threads=1)[0]
            ended = time.perf_counter_ns()
            assert answer == expected, (answer, expected)
            if i >= 0:
                ours.append((between - begun) / 1e3)
                theirs.append((ended - between) / 1e3)
    return ours, theirs


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
        (folder / "rows").write_bytes(rows.tobytes())
        library = next(Path(lightgbm.__file__).parent.glob("**/lib_lightgbm.so"))
        native = json.loads(run(NATIVE, folder, library, folder / "rows", options.features,
                                options.count))
        ours, theirs = from_python(folder, booster, rows, options.count // 4)
    ratios = {"lightgbm": statistics.median(theirs) / statistics.median(ours),
              "lightgbm_c": native["lightgbm_c_p50_us"] / native["ours_p50_us"]}
    figures = {"cpp_p50_us": native["ours_p50_us"], "cpp_p99_us": native["ours_p99_us"],
               "lightgbm_c_p50_us": native["lightgbm_c_p50_us"],
               "python_p50_us": statistics.median(ours),
               "lightgbm_python_p50_us": statistics.median(theirs), "trees": native["trees"]}
    ratios = {key: round(value, 2) for key, value in ratios.items()}
    figures = {key: round(value, 2) for key, value in figures.items()}
    for key, value in {**ratios, **figures}.items():
        print(f"{key:24} {value}")
    print(json.dumps({"benchmark": "predict_embedded", "answers_checked": True, "ratios": ratios,
                      "figures": figures}))


if __name__ == "__main__":
    main()
