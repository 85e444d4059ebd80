"""A server on a project in which there is one of everything, and how to ask it."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pandas as pd
import pytest
import xgboost

import tercet as tc

ROOT = Path(__file__).resolve().parent.parent.parent


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def build(folder: Path) -> None:
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
            "delay", version=1, labels=["late"], on_demand={"hour_of_day": "hour(event_time)"},
            query=rides.select("distance", "late").join(weather.select("rain"), on="city"),
            transformations=[tc.standard_scaler("distance")])
        data = view.training_data(split=tc.split.by_time(train=0.8, test=0.2))
        booster = xgboost.train({"objective": "binary:logistic", "seed": 7, "nthread": 1},
                                xgboost.DMatrix(data.train.X, data.train.y), 5)
        project.deploy("delay", project.register_model("delay", booster, training_data=data))


class Server:
    def __init__(self, folder: Path):
        self.port = free_port()
        self.process = subprocess.Popen(
            [os.environ.get("TERCET_BINARY") or Path(tc.__file__).parent / "bin" / "tercet",
             "serve", str(folder), "--http", f"127.0.0.1:{self.port}",
             "--flight", f"127.0.0.1:{free_port()}", "--grpc", f"127.0.0.1:{free_port()}"],
            stderr=subprocess.DEVNULL)
        for _ in range(200):
            try:
                urllib.request.urlopen(self.url + "/v2/health/ready", timeout=1)
                return
            except OSError:
                assert self.process.poll() is None, "tercet serve ended"
                time.sleep(0.1)
        raise AssertionError("tercet serve was not ready in time")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def post(self, path: str, body: bytes | str) -> tuple[int, dict]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, json.loads(text)

    def answers(self) -> bool:
        """Whether a good request is answered rightly."""
        status, body = self.post("/v1/models/delay:predict",
                                 '{"instances": [{"city": "Oslo", "distance": 4.0}]}')
        return status == 200 and len(body["predictions"]) == 1

    def megabytes(self) -> float:
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise AssertionError("the server has ended")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=60)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults") / "project"
    build(folder)
    server = Server(folder)
    yield server
    server.stop()
