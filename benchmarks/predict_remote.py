"""A prediction over HTTP, against model servers.

    ./dev bench predict_remote [--entities N] [--runs N]

An XGBoost model of 300 trees over 55 values. Tercet is asked by entity: it looks up 50 values in
five online groups and computes five from request parameters. The peers have no features: they are
sent all 55 values. All are asked by the same compiled client over keep-alive connections, in turns,
and every answer is checked: over one for latencies, over eight for what an answer costs, so that no
server sleeps in between. Each peer has packages of its own:

fastapi  written by hand: FastAPI, orjson and ONNX Runtime under uvicorn with uvloop and httptools,
         one worker, no access log (venv-fastapi)
mlserver MLServer's own XGBoost runtime in its inference pool of one worker, which is how it comes,
         but without metrics, access log and compression (venv-mlserver)
mlserver_in_process
         the same without the pool, and with a runtime of ten lines that gives the tensor's values
         straight to XGBoost: the least that MLServer can take
mlflow   `mlflow models serve` of MLflow's XGBoost flavor, one worker, a row as "inputs"
         (venv-mlflow)

ratio noop  p50 of our own server's endpoint that does nothing (/v2/health/live) ÷ p50 of ours
ratio PEER  requests per CPU second of the server's processes, ours ÷ the peer's
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from served import ROOT, Served, free_port, our_server, run

FASTAPI = ROOT / ".deps" / "venv-fastapi" / "bin"
MLSERVER = ROOT / ".deps" / "venv-mlserver" / "bin"
MLFLOW = ROOT / ".deps" / "venv-mlflow" / "bin"
GROUPS, FEATURES, PARAMETERS = 5, 10, 5

BUILD = """
import json, sys
import numpy as np, pyarrow as pa, xgboost
import tercet as tc
project, entities, folder = tc.open(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
random = np.random.default_rng(7)
# Floats that 32 bits hold, since that is what both models compare.
def values(count):
    return random.normal(size=count).astype(np.float32).astype(np.float64)
number = np.arange(entities)
columns = {}
names = ["a", "b", "c", "d", "e"]
asked = {name: values(20_000) for name in names}
who = random.integers(0, entities, 20_000)
selected = []
for g in range(5):
    group = project.feature_group(f"g{g}", version=1, primary_key=["entity"], online=True)
    own = {f"f{g}_{f}": values(entities) for f in range(10)}
    group.insert(pa.table({"entity": number, **own}), wait_online=True)
    columns.update(own)
    selected.append(group.select(*own))
root = project.feature_group("asked", version=1, primary_key=["id"])
target = (columns["f0_0"][who] + asked["a"] * columns["f0_1"][who] > 0).astype(float)
root.insert(pa.table({"id": np.arange(20_000), "entity": who, **asked, "y": target}))
query = root.select(*names, "y")
for one in selected:
    query = query.join(one, on="entity")
view = project.feature_view("all", version=1, query=query, labels=["y"],
                            on_demand={f"{name}2": f"{name} * 2.0" for name in names},
                            helper_columns=names)
data = view.training_data()
assert data.train.X.shape[1] == 55, data.train.X.shape
booster = xgboost.train({"objective": "binary:logistic", "max_depth": 6, "nthread": 2},
                        xgboost.DMatrix(data.train.X, data.train.y), 300)
project.deploy("m", project.register_model("m", booster, training_data=data))
order = data.train.X.column_names
ours, theirs = [], []
for i in range(2000):
    entity = int(random.integers(0, entities))
    given = dict(zip(names, values(5).tolist()))
    ours_body = {"entities": {"entity": entity, **given}}
    row = [given[name[0]] * 2.0 if name[0] in given and name.endswith("2") and "_" not in name
           else float(columns[name][entity]) for name in order]
    ours.append(ours_body)
    theirs.append({"values": row})
matrix = np.array([body["values"] for body in theirs], dtype=np.float32)
expected = booster.inplace_predict(matrix)
tensors = [{"inputs": [{"name": "x", "shape": [1, 55], "datatype": "FP32", "data": row["values"]}]}
           for row in theirs]
rows = [{"inputs": [row["values"]]} for row in theirs]
for name, bodies in (("ours", ours), ("fastapi", theirs), ("mlserver", tensors),
                     ("mlserver_in_process", tensors), ("mlflow", rows)):
    with open(f"{folder}/{name}.asked", "w") as file:
        for body, answer in zip(bodies, expected):
            file.write(f"{answer!r}".replace("np.float32(", "").rstrip(")") + "\\t"
                       + json.dumps(body) + "\\n")
booster.save_model(f"{folder}/model.json")
project.close()
"""

#: The trees of an XGBoost model as ONNX's TreeEnsembleRegressor, and a sigmoid.
CONVERT = """
import json, math, sys
import onnx
from onnx import TensorProto, helper
learner = json.load(open(sys.argv[1]))["learner"]
base = learner["learner_model_param"]["base_score"].strip("[]")
fields = {name: [] for name in (
    "nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_values", "nodes_modes",
    "nodes_truenodeids", "nodes_falsenodeids", "nodes_missing_value_tracks_true",
    "target_treeids", "target_nodeids", "target_ids", "target_weights")}
for t, tree in enumerate(learner["gradient_booster"]["model"]["trees"]):
    for n, (left, right, feature, value, default) in enumerate(zip(
            tree["left_children"], tree["right_children"], tree["split_indices"],
            tree["split_conditions"], tree["default_left"])):
        leaf = left == -1
        for name, item in (("treeids", t), ("nodeids", n), ("featureids", feature),
                           ("values", 0.0 if leaf else value),
                           ("modes", "LEAF" if leaf else "BRANCH_LT"),
                           ("truenodeids", 0 if leaf else left),
                           ("falsenodeids", 0 if leaf else right),
                           ("missing_value_tracks_true", default)):
            fields["nodes_" + name].append(item)
        if leaf:
            for name, item in (("treeids", t), ("nodeids", n), ("ids", 0), ("weights", value)):
                fields["target_" + name].append(item)
score = float(base)
nodes = [helper.make_node("TreeEnsembleRegressor", ["X"], ["margin"], domain="ai.onnx.ml",
                          n_targets=1, base_values=[math.log(score / (1 - score))], **fields),
         helper.make_node("Sigmoid", ["margin"], ["prediction"])]
graph = helper.make_graph(
    nodes, "trees", [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, 55])],
    [helper.make_tensor_value_info("prediction", TensorProto.FLOAT, [None, 1])])
onnx.save(helper.make_model(graph, ir_version=9, opset_imports=[
    helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]), sys.argv[2])
"""

FASTAPI_APP = """
import os
import numpy as np, onnxruntime, orjson
from fastapi import FastAPI, Request, Response
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["MODEL"], options)
app = FastAPI()

@app.get("/ready")
async def ready():
    return {}

@app.post("/predict")
async def predict(request: Request):
    body = orjson.loads(await request.body())
    row = np.array([body["values"]], dtype=np.float32)
    answer = session.run(None, {"X": row})[0]
    return Response(orjson.dumps({"prediction": float(answer[0, 0])}),
                    media_type="application/json")
"""

MLSERVER_RUNTIME = """
import numpy as np, xgboost
from mlserver import MLModel, types

class Trees(MLModel):
    async def load(self):
        self.booster = xgboost.Booster(model_file=self.settings.parameters.uri)
        self.booster.set_param({"nthread": 1})
        return True

    async def predict(self, payload):
        tensor = payload.inputs[0]
        row = np.array(tensor.data.root, dtype=np.float32).reshape(tensor.shape)
        answer = self.booster.inplace_predict(row)
        return types.InferenceResponse(model_name=self.name, outputs=[types.ResponseOutput(
            name="prediction", shape=[1], datatype="FP32", data=answer.tolist())])
"""

MLFLOW_SAVE = """
import sys
import mlflow.xgboost, xgboost
booster = xgboost.Booster(model_file=sys.argv[1])
# Without names a row is an array, which costs less than a DataFrame.
booster.feature_names = booster.feature_types = None
mlflow.xgboost.save_model(booster, sys.argv[2])
"""


class Peer(NamedTuple):
    name: str
    path: str
    server: Served


def fastapi(folder: Path) -> Peer:
    run(sys.executable, "-c", CONVERT, folder / "model.json", folder / "model.onnx")
    (folder / "app.py").write_text(FASTAPI_APP)
    port = free_port()
    return Peer("fastapi", "/predict", Served(
        [str(FASTAPI / "uvicorn"), "app:app", "--app-dir", str(folder), "--port", str(port),
         "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"],
        port, "/ready", env={"MODEL": str(folder / "model.onnx"), "PATH": str(FASTAPI)}))


def mlserver(folder: Path, name: str, runtime: str, workers: int) -> Peer:
    home, port = folder / name, free_port()
    home.mkdir()
    (home / "trees.py").write_text(MLSERVER_RUNTIME)
    (home / "settings.json").write_text(json.dumps({
        "debug": False, "host": "127.0.0.1", "http_port": port, "grpc_port": free_port(),
        "metrics_endpoint": None, "parallel_workers": workers, "gzip_enabled": False}))
    (home / "model-settings.json").write_text(json.dumps({
        "name": "m", "implementation": runtime,
        "parameters": {"uri": str(folder / "model.json")}}))
    return Peer(name, "/v2/models/m/infer", Served(
        [str(MLSERVER / "mlserver"), "start", str(home)], port, "/v2/models/m/ready",
        env={"PATH": str(MLSERVER), "PYTHONPATH": str(home), "OMP_NUM_THREADS": "1"}, cwd=home))


def mlflow(folder: Path) -> Peer:
    run(MLFLOW / "python", "-c", MLFLOW_SAVE, folder / "model.json", folder / "mlflow",
        env={"PATH": str(MLFLOW), "HOME": str(folder)})
    port = free_port()
    return Peer("mlflow", "/invocations", Served(
        [str(MLFLOW / "mlflow"), "models", "serve", "--model-uri", str(folder / "mlflow"),
         "--env-manager", "local", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"],
        port, "/ping", env={"PATH": f"{MLFLOW}:/usr/bin:/bin", "HOME": str(folder),
                            "OMP_NUM_THREADS": "1"}))


def asked(server: Served, path: str, requests: object, count: int, seed: int) -> dict:
    """p50 and p99 of one connection, "per_cpu_second" of eight."""
    return {**server.latency(path, requests, count // 2, seed),
            **server.saturated(path, requests, count, seed)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entities", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--requests", type=int, default=60_000, help="to our server, a run")
    parser.add_argument("--peer-requests", type=int, default=1_000,
                        help="to each peer, a run; to the fastest four times as many")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="tercet-predict-"))
    ours: list[dict] = []
    noops: list[dict] = []
    theirs: dict[str, list[dict]] = {}
    our_path = "/api/v1/deployments/m/predict"
    try:
        run(sys.executable, "-c", BUILD, folder / "project", options.entities, folder)
        with contextlib.ExitStack() as stack:
            def started(peer: Peer) -> Peer:
                stack.enter_context(peer.server)
                return peer

            server = stack.enter_context(our_server(folder / "project"))
            peers = [started(fastapi(folder)),
                     started(mlserver(folder, "mlserver", "mlserver_xgboost.XGBoostModel", 1)),
                     started(mlserver(folder, "mlserver_in_process", "trees.Trees", 0)),
                     started(mlflow(folder))]
            # The first turn warms up and is not counted.
            for turn in range(options.runs + 1):
                answers = [asked(server, our_path, folder / "ours.asked", options.requests, turn),
                           asked(server, "/v2/health/live", "-", options.requests, turn)]
                for peer in peers:
                    count = options.peer_requests * (4 if peer.name == "fastapi" else 1)
                    answers.append(asked(peer.server, peer.path,
                                         folder / f"{peer.name}.asked", count, turn))
                if turn == 0:
                    continue
                ours.append(answers[0])
                noops.append(answers[1])
                for peer, answer in zip(peers, answers[2:]):
                    theirs.setdefault(peer.name, []).append(answer)
    finally:
        shutil.rmtree(folder, ignore_errors=True)

    def median(values) -> float:
        return statistics.median(values)

    ratios = {"noop": median(b["p50_us"] / a["p50_us"] for a, b in zip(ours, noops))}
    figures = {
        "p50_us": median(a["p50_us"] for a in ours), "p99_us": median(a["p99_us"] for a in ours),
        "noop_p50_us": median(a["p50_us"] for a in noops),
        "requests_per_cpu_second": median(a["per_cpu_second"] for a in ours),
        "noop_requests_per_cpu_second": median(a["per_cpu_second"] for a in noops)}
    for name, turns in theirs.items():
        ratios[name] = median(a["per_cpu_second"] / b["per_cpu_second"]
                              for a, b in zip(ours, turns))
        figures[f"{name}_p50_us"] = median(b["p50_us"] for b in turns)
        figures[f"{name}_requests_per_cpu_second"] = median(b["per_cpu_second"] for b in turns)
    ratios = {name: round(value, 2) for name, value in ratios.items()}
    figures = {name: round(value, 1) for name, value in figures.items()}
    for name, value in {**ratios, **figures}.items():
        print(f"{name:34} {value}")
    print(json.dumps({"benchmark": "predict_remote", "answers_checked": True, "ratios": ratios,
                      "figures": figures}))


if __name__ == "__main__":
    main()
