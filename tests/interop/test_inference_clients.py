"""KServe's client and NVIDIA's perf_analyzer, unmodified, ask a deployment; tritonclient does in
python/tests/test_triton_client.py. Every answer is compared with that of the project in process."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pandas as pd
import pytest
import xgboost

import tercet as tc
from local_server import Server

ROOT = Path(__file__).resolve().parent.parent.parent
CLIENTS = ROOT / ".deps/venv-kserve"
ROWS = [{"city": "Oslo", "distance": 3.5}, {"city": "Bergen", "distance": 2.0}]


def build(folder: Path) -> list[float]:
    """A deployment "delay" that looks one feature up, and its answers to ROWS."""
    hours = pd.date_range("2024-05-01", periods=48, freq="h", tz="UTC")
    starts = pd.date_range("2024-05-01", periods=200, freq="13min", tz="UTC")
    with tc.open(folder) as project:
        weather = project.feature_group("weather", version=1, primary_key=["city"],
                                        event_time="hour", online=True)
        weather.insert(pd.DataFrame({"city": "Oslo", "hour": hours,
                                     "rain": [i % 7 / 2 for i in range(48)]}), wait_online=True)
        rides = project.feature_group("rides", version=1, primary_key=["ride"],
                                      event_time="started")
        rides.insert(pd.DataFrame({"ride": range(200), "city": "Oslo", "started": starts,
                                   "distance": [i % 11 + 1.0 for i in range(200)],
                                   "late": [i % 7 > 3 for i in range(200)]}))
        view = project.feature_view(
            "delay", version=1, labels=["late"],
            query=rides.select("distance", "late").join(weather.select("rain"), on="city"))
        data = view.training_data()
        booster = xgboost.train({"objective": "binary:logistic", "seed": 7, "nthread": 1},
                                xgboost.DMatrix(data.train.X, data.train.y), 5)
        project.deploy("delay", project.register_model("delay", booster, training_data=data))
        return [row["prediction"] for row in project.predict("delay", ROWS)]


class Served(Server):
    def __init__(self, folder: Path):
        subprocess.run([sys.executable, ROOT / "tools/setup.py", "venv-kserve"], check=True)
        self.answers = build(folder)
        super().__init__(folder)

    def statistics(self) -> dict:
        with urllib.request.urlopen(
                f"{self.url}/v2/models/delay/stats", timeout=60) as answer:
            (model,) = json.load(answer)["model_stats"]
        return model


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    served = Served(tmp_path_factory.mktemp("clients") / "project")
    yield served
    served.stop()


def test_kserve(served):
    done = subprocess.run([CLIENTS / "bin/python", Path(__file__).with_name("kserve_client.py"),
                           str(served.http), str(served.grpc)],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {way: pytest.approx(served.answers, rel=1e-7) for way in (
        "v1", "v2", "v2, binary", "gRPC", "gRPC, raw")}


def perf_analyzer(served, folder: Path, expected: float | None, *arguments: str):
    """Its run over the first of ROWS, and its report of one concurrency."""
    data, report = folder / "data.json", folder / "report.csv"
    steps = {"data": [{name: [value] for name, value in ROWS[0].items()}]}
    if expected is not None:
        steps["validation_data"] = [{"prediction": [expected]}]
    data.write_text(json.dumps(steps))
    # CUDA's runtime, which it is linked with.
    (runtime,) = CLIENTS.glob("lib/python*/site-packages/nvidia/cuda_runtime/lib")
    done = subprocess.run(
        [CLIENTS / "bin/perf_analyzer", "-m", "delay", "--input-data", data, "-f", report,
         "--concurrency-range", "2", "--request-count", "400", *arguments],
        capture_output=True, text=True, timeout=120,
        env={**os.environ, "LD_LIBRARY_PATH": str(runtime)})
    if done.returncode != 0:
        return done, None
    with report.open() as lines:
        (row,) = csv.DictReader(lines)
    return done, row


@pytest.mark.parametrize("way", ["http", "http_json", "http_batch", "grpc", "grpc_stream"])
def test_perf_analyzer(served, tmp_path, way):
    """It reads metadata, configuration and statistics, asks, and compares each answer, except of
    batches, whose answers it takes for one row's."""
    address = ["-i", way.split("_")[0],
               "-u", f"127.0.0.1:{served.http if way.startswith('http') else served.grpc}"]
    more = {"http_json": ["--input-tensor-format", "json", "--output-tensor-format", "json"],
            "http_batch": ["-b", "8"], "grpc_stream": ["--streaming", "--async"]}.get(way, [])
    rows = 8 if way == "http_batch" else 1
    before = served.statistics()
    expected = served.answers[0] if rows == 1 else None
    done, report = perf_analyzer(served, tmp_path, expected, *address, *more)
    assert done.returncode == 0, done.stdout + done.stderr
    assert float(report["Inferences/Second"]) > 0 and int(report["p99 latency"]) > 0
    after = served.statistics()
    assert after["execution_count"] - before["execution_count"] >= 400
    assert after["inference_count"] - before["inference_count"] == rows * (
        after["execution_count"] - before["execution_count"])
    assert after["inference_stats"]["fail"] == before["inference_stats"]["fail"]


def test_perf_analyzer_sees_a_wrong_answer(served, tmp_path):
    """So its comparison of the others is one."""
    done, _ = perf_analyzer(served, tmp_path, served.answers[0] + 0.25,
                            "-i", "http", "-u", f"127.0.0.1:{served.http}")
    assert done.returncode != 0 and "Output doesn't match" in done.stdout + done.stderr
