"""Upgrades and rollbacks under full load.

    ./dev bench switch [--switches N] [--connections N] [--window SECONDS]

Two releases of an XGBoost model over an online group are switched to and fro through the REST API,
while compiled clients ask all the time over several connections. Every answer is checked: its value
must be that of the release that it names, bit for bit, so also those after a rollback. With a
second before and one after each, 200 switches take seven minutes; --switches makes them fewer.

failed, mixed  requests that failed; answers whose value is not their release's
ratio p99      median over the switches of p99 in the second after ÷ p99 in the second before
"""

from __future__ import annotations

import argparse
import bisect
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from served import CLIENT, our_server, run

BUILD = """
import json, sys
import numpy as np, pyarrow as pa, xgboost
import tercet as tc
project = tc.open(sys.argv[1])
random = np.random.default_rng(7)
count = 10_000
columns = {f"f{i}": random.normal(size=count) for i in range(20)}
group = project.feature_group("g", version=1, primary_key=["id"], online=True)
group.insert(pa.table({"id": np.arange(count), **columns}), wait_online=True)
labels = project.feature_group("l", version=1, primary_key=["id"])
labels.insert(pa.table({"id": np.arange(count), "y": columns["f0"] > columns["f1"]}))
view = project.feature_view("v", version=1, labels=["y"], query=labels.select("y").join(
    group.select(*columns), on="id"))
data = view.training_data()
matrix = xgboost.DMatrix(data.train.X, data.train.y)
models = [project.register_model("m", xgboost.train(
    {"objective": "binary:logistic", "max_depth": 6, "nthread": 1, "seed": seed,
     "subsample": 0.5}, matrix, 300), training_data=data) for seed in (1, 2)]
deployment = project.deploy("m", models[0])
answers = []
for model in models:
    deployment.upgrade(model)
    answers.append(project.predict("m", {"id": 17})["prediction"])
deployment.rollback()
assert answers[0] != answers[1]
project.close()
print(json.dumps(answers))
"""


def p99(latencies: list[float]) -> float:
    ordered = sorted(latencies)
    return ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--switches", type=int, default=200)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--window", type=float, default=1.0, help="seconds before and after each")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tercet-switch-") as folder:
        project, output = Path(folder) / "project", Path(folder) / "answers"
        answers = json.loads(run(sys.executable, "-c", BUILD, project).splitlines()[-1])
        requests = Path(folder) / "requests"
        # As the server writes them: the shortest text of the 32-bit number, read back.
        with our_server(project) as server:
            path = "/api/v1/deployments/m"
            texts = []
            for release in (1, 2):
                server.post(path + "/downgrade", {"release": release})
                answer = server.post(path + "/predict", {"entities": {"id": 17}})
                assert abs(answer["prediction"]["prediction"] - answers[release - 1]) < 1e-6
                texts.append(repr(answer["prediction"]["prediction"]))
            requests.write_text(",".join(texts) + '\t{"entities":{"id":17}}\n')
            load = subprocess.Popen(
                [str(CLIENT), "load", str(server.port), path + "/predict", str(requests),
                 str(options.connections), str(output)], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, text=True)
            time.sleep(1 + options.window)
            moments, took = [], []
            for i in range(options.switches):
                if i % 25 == 0:
                    left = 2 * options.window * (options.switches - i)
                    print(f"switch {i} of {options.switches}, {options.window:g} s before and "
                          f"after each: about {left:.0f} s to go", file=sys.stderr, flush=True)
                begun = time.monotonic_ns()
                # A rollback undoes the upgrade before it.
                if i % 2 == 0:
                    switched = server.post(path + "/rollback", {})
                else:
                    switched = server.post(path + "/upgrade", {"model": "m@2"})
                assert switched["history"][-1]["number"] == 1 + i % 2, switched["history"][-1]
                moments.append(begun)
                took.append((time.monotonic_ns() - begun) / 1e6)
                time.sleep(2 * options.window)
            counted = json.loads(load.communicate("", timeout=120)[0])
        samples = [(int(at), float(micros), int(release)) for at, micros, release in
                   (line.split() for line in output.read_text().splitlines())]
    samples.sort()
    window_ns = int(options.window * 1e9)
    ratios, before_all, after_all = [], [], []
    times = [at for at, _, _ in samples]
    for moment in moments:
        begin, middle, end = (bisect.bisect_left(times, moment + shift)
                              for shift in (-window_ns, 0, window_ns))
        before = [micros for _, micros, _ in samples[begin:middle]]
        after = [micros for _, micros, _ in samples[middle:end]]
        ratios.append(p99(after) / p99(before))
        before_all.append(p99(before))
        after_all.append(p99(after))
    served = {release for _, _, release in samples}
    assert served == {1, 2}, served
    if counted["failed"] or counted["mixed"]:
        raise SystemExit(f"answers failed or were mixed: {counted}")
    figures = {
        "failed": counted["failed"], "mixed": counted["mixed"], "answered": counted["answered"],
        "switches": len(moments), "switch_ms": round(statistics.median(took), 2),
        "p99_before_us": round(statistics.median(before_all), 1),
        "p99_after_us": round(statistics.median(after_all), 1)}
    result = {"p99": round(statistics.median(ratios), 2)}
    for name, value in {**result, **figures}.items():
        print(f"{name:20} {value}")
    print(json.dumps({"benchmark": "switch", "answers_checked": True, "ratios": result,
                      "figures": figures}))


if __name__ == "__main__":
    main()
