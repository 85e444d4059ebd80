"""A deployment to serve in tests, and ways to ask it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import xgboost
from frames import rides, weather
from local_server import until

TIME = weather()["hour"].iloc[-1]
OSLO = {"city": "Oslo", "distance": 1.0}


def models(project, count: int = 2) -> list:
    """A view over an online group, and models of it that answer differently."""
    group = project.feature_group("weather", version=1, primary_key=["city"], event_time="hour",
                                  online=True)
    group.insert(weather(), wait_online=True)
    left = project.feature_group("rides", version=1, primary_key=["ride"], event_time="started")
    left.insert(rides())
    view = project.feature_view("delay", version=1, labels=["late"], query=left.select(
        "distance", "late").join(group.select("rain"), on="city"))
    data = view.training_data()
    matrix = xgboost.DMatrix(data.train.X, data.train.y)
    return [project.register_model("delay", xgboost.train(
        {"objective": "binary:logistic", "nthread": 1, "base_score": 0.1 * (i + 1)}, matrix, 2 + i),
        training_data=data) for i in range(count)]


def call(server, path: str, body: Any = None, *, method: str | None = None,
         content_type: str = "application/json",
         headers: dict[str, str] | None = None) -> tuple[int, Any, dict[str, str]]:
    """Status, parsed body and headers of a request; errors are answers too."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{server.http}{path}", data,
                                     {"Content-Type": content_type, **(headers or {})},
                                     method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
            return answer.status, parsed(text), dict(answer.headers)
    except urllib.error.HTTPError as refused:
        return refused.code, parsed(refused.read()), dict(refused.headers)


def until_pending(server, model: str) -> None:
    """Waits until one request is with a model."""
    until(lambda: f'nv_inference_pending_request_count{{model="{model}"}} 1' in call(
        server, "/metrics")[1])


def parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text.decode()
