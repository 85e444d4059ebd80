"""Workers that hang and leak, requests answered together, composites, traces, the slow log."""

import json
import re
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from local_server import SECONDS_TO_WAIT, Server
from serving import OSLO, TIME, call, models, until_pending
from trace_collector import TraceCollector

import tercet as tc

WORKER = """
import os, time
class Worker:
    def predict(self, batch):
        x = batch.column(0)[0].as_py()
        if x == 1:
            time.sleep(60)
        if x in (2, 3):
            time.sleep(0.3 if x == 2 else 3)
        return {"score": [float(os.getpid())] * batch.num_rows,
                "rows": [batch.num_rows] * batch.num_rows}
"""
PATH = "/api/v1/deployments/worker/predict"


def worker_model(project, path):
    (path / "worker.py").write_text(WORKER)
    return project.register_model(
        "worker", tc.predictor(path / "worker.py", "Worker"),
        signature=tc.Signature(inputs={"a": "double"},
                               outputs={"score": "double", "rows": "int64"}))


@pytest.fixture
def server(tmp_path):
    started = Server(tmp_path / "p", "--allow-predictor-code", "--python", sys.executable)
    yield started
    started.stop()


def body(value: float) -> dict:
    return {"entities": {"a": value}}


def test_the_deadline_reaches_a_hung_worker(server, tmp_path):
    with tc.open(server.location) as project:
        deployment = project.deploy("worker", worker_model(project, tmp_path))
        before = call(server, PATH, body(0))[1]["prediction"]["score"]
        deployment.configure(deadline_ms=500)
        begun = time.monotonic()
        status, answer, _ = call(server, PATH, body(1))
        assert status == 504, answer
        assert time.monotonic() - begun < 40  # not the sixty of the worker
        deployment.configure(deadline_ms=0)
        after = call(server, PATH, body(0))[1]["prediction"]["score"]
        assert after != before  # it was replaced
        deployment.configure(worker_timeout_ms=2000)
        status, answer, _ = call(server, PATH, body(1))
        assert status >= 500 and "no answer within 2000 ms" in str(answer)
        # Its calls are counted, and it ends after so many.
        deployment.configure(worker_timeout_ms=30_000, worker_requests=3)
        scores = [call(server, PATH, body(0))[1]["prediction"]["score"] for _ in range(9)]
        assert len(set(scores)) >= 3


def test_requests_are_answered_together(server, tmp_path):
    with tc.open(server.location) as project:
        deployment = project.deploy("worker", worker_model(project, tmp_path))
        deployment.configure(batch_rows=64, batch_wait_us=1_000_000)
        with ThreadPoolExecutor(12) as pool:
            slow = pool.submit(call, server, PATH, body(3))
            until_pending(server, "worker")
            others = list(pool.map(lambda i: call(server, PATH, body(10 + i)), range(10)))
        assert slow.result()[0] == 200
        rows = [answer[1]["prediction"]["rows"] for answer in others]
        assert max(rows) >= 5, rows
        # A lone request does not wait for others.
        assert call(server, PATH, body(0))[1]["prediction"]["rows"] == 1
        batching = deployment.statistics()["releases"][0]["batching"]
        assert batching["requests"] == 12 and batching["calls"] < 12
        metrics = call(server, "/metrics")[1]
        assert 'tercet_batched_requests_total{model="worker",version="1"} 12' in metrics
        seconds, micros = (float(re.search(
            rf'^tercet_batched_wait_{unit}_total{{model="worker",version="1"}} (\S+)$', metrics,
            re.MULTILINE)[1]) for unit in ("seconds", "us"))
        assert 0 < seconds == pytest.approx(micros / 1e6, abs=1e-6)


def test_onnx_answers_do_not_depend_on_the_batch(server, tmp_path):
    from sklearn.linear_model import LogisticRegression

    random = np.random.default_rng(1)
    x = random.normal(size=(300, 8))
    model = LogisticRegression().fit(x, x[:, 0] > 0)
    names = [f"f{i}" for i in range(8)]
    with tc.open(server.location) as project:
        registered = project.register_model(
            "linear", model, signature=tc.Signature(
                inputs={name: "double" for name in names},
                outputs={"label": "int64", "no": "double", "yes": "double"}))
        deployment = project.deploy("linear", registered)
        path = "/api/v1/deployments/linear/predict"
        asked = [{"entities": dict(zip(names, map(float, row)))} for row in x[:200]]
        alone = [call(server, path, one)[1]["prediction"] for one in asked]
        deployment.configure(batch_rows=32, batch_wait_us=2000)
        with ThreadPoolExecutor(8) as pool:
            together = list(pool.map(lambda one: call(server, path, one)[1]["prediction"], asked))
        assert together == alone
        batching = deployment.statistics()["releases"][0]["batching"]
        assert batching["requests"] == 200


def test_composites(project, tmp_path):
    first, second = models(project, 2)
    answers = {}
    for model in (first, second):
        project.deploy(f"one{model.version}", model)
        answers[model.version] = project.predict(f"one{model.version}", OSLO, event_time=TIME)
    view = project.feature_view("delay", version=1)
    together = project.register_model(
        "both", tc.composite.mean(first, second, weights=[1, 3]), view=view)
    project.deploy("both", together)
    name = next(iter(answers[1]))
    expected = (answers[1][name] + 3 * answers[2][name]) / 4
    assert project.predict("both", OSLO, event_time=TIME)[name] == expected
    (tmp_path / "odds.py").write_text(
        "class Odds:\n    def predict(self, batch):\n"
        f"        p = batch.column('{name}').to_numpy()\n        return {{'odds': p / (1 - p)}}\n")
    odds = project.register_model("odds", tc.predictor(tmp_path / "odds.py", "Odds"),
                                  signature=tc.Signature(inputs={name: "double"},
                                                         outputs={"odds": "double"}))
    row = project.register_model("row", tc.composite.chain(together, odds), view=view)
    deployment = project.deploy("row", row)
    assert project.predict("row", OSLO, event_time=TIME)["odds"] == pytest.approx(
        expected / (1 - expected))
    # A release is made of its parts' files, and they stay.
    files = deployment.release()["model_files"]
    assert "composite.json" in files and f"both@1/{first.name}@1/model.ubj" in files
    with pytest.raises(tc.InvalidError, match="both@1"):
        first.drop()
    with pytest.raises(tc.InvalidError, match="gives no output"):
        project.register_model("bad", tc.composite.mean(first, odds))


TELLS = """
class Tells:
    def predict(self, batch):
        told = (batch.schema.metadata or {}).get(b"traceparent", b"").decode()
        return {"told": [told] * batch.num_rows}
"""


def test_traces_go_to_a_collector(tmp_path):
    trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    path = "/api/v1/deployments/tells/predict"
    (tmp_path / "tells.py").write_text(TELLS)
    with TraceCollector() as collector:
        server = Server(tmp_path / "p", "--allow-predictor-code", "--python", sys.executable,
                        *collector.arguments)
        try:
            with tc.open(server.location) as project:
                project.deploy("tells", project.register_model(
                    "tells", tc.predictor(tmp_path / "tells.py", "Tells"),
                    signature=tc.Signature(inputs={"a": "double"}, outputs={"told": "string"})))
                headers = {"traceparent": f"00-{trace}-{parent}-01"}
                told = call(server, path, body(1), headers=headers)[1]["prediction"]["told"]
                # Neither sampled by the caller nor by us, and not a traceparent at all.
                call(server, path, body(1), headers={"traceparent": f"00-{trace}-{parent}-00"})
                call(server, path, body(1), headers={"traceparent": "00-what-is-this"})
            collector.until_sent(6)
            metrics = call(server, "/metrics")[1]
        finally:
            server.stop()
    spans = {span["name"]: span for span in collector.spans}
    assert len(collector.spans) == 6, spans.keys()
    root = spans["POST " + path.replace("tells", "{name}")]
    assert root["traceId"] == trace and root["parentSpanId"] == parent and root["kind"] == 2
    assert told == f"00-{trace}-{root['spanId']}-01"
    stages = [spans[name] for name in ("queue", "lookup", "on_demand", "transform", "model")]
    for stage in stages:
        assert stage["traceId"] == trace and stage["parentSpanId"] == root["spanId"]
        assert (int(root["startTimeUnixNano"]) <= int(stage["startTimeUnixNano"])
                <= int(stage["endTimeUnixNano"]) <= int(root["endTimeUnixNano"]))
    attributes = {one["key"]: one["value"] for one in root["attributes"]}
    assert attributes["tercet.deployment"] == {"stringValue": "tells"}
    assert 'tercet_trace_spans_total{outcome="sent"} 6' in metrics


def test_slow_requests_are_logged_as_json(server, tmp_path):
    with tc.open(server.location) as project:
        deployment = project.deploy("worker", worker_model(project, tmp_path))
        deployment.configure(slow_ms=200)
        call(server, PATH, body(0))
        call(server, PATH, body(2))
        lines = [json.loads(line) for line in
                 (tmp_path / "p" / "logs" / "slow_requests.jsonl").read_text().splitlines()]
    slow = [line for line in lines if line["stages_us"]["model"] >= 290_000]
    assert len(slow) == 1
    assert slow[0]["deployment"] == "worker" and slow[0]["release"] == 1 and slow[0]["rows"] == 1
    assert slow[0]["total_us"] >= slow[0]["stages_us"]["model"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT.*Z", slow[0]["time"])


def test_what_is_under_way_is_finished_when_the_server_is_told_to_stop(server, tmp_path):
    with tc.open(server.location) as project:
        project.deploy("worker", worker_model(project, tmp_path))
    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(call, server, PATH, body(3))
        until_pending(server, "worker")
        server.process.send_signal(signal.SIGTERM)
        status, answer, _ = under_way.result()
    assert status == 200 and answer["prediction"]["rows"] == 1
    assert server.process.wait(timeout=SECONDS_TO_WAIT) == 0
    with pytest.raises(OSError):
        call(server, PATH, body(0))
