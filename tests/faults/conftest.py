"""A server on a project in which there is one of everything, and how to ask it."""

from __future__ import annotations

import http.client
import json
from pathlib import Path

import pandas as pd
import pytest
import xgboost

import tercet as tc
from local_server import Server


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


class Asked(Server):
    """How these tests ask it."""

    def post(self, path: str, body: bytes | str) -> tuple[int, dict]:
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=60)
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


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults") / "project"
    build(folder)
    server = Asked(folder)
    yield server
    server.stop()
