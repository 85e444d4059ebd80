"""The dashboard and the alerts of deploy/monitoring name metrics and labels that a server has."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import xgboost

import tercet as tc
from local_server import Server

ROOT = Path(__file__).resolve().parents[2]
MONITORING = ROOT / "deploy" / "monitoring"
METRIC = re.compile(r"\b((?:tercet|nv_inference|request)_[a-z0-9_]+)(?:\{([^}]*)\})?")
#: labels of metrics that have no line before a shadow, a canary or a sink is there
SELDOM = {"sink", "release", "version", "reason"}


def expressions() -> dict[str, str]:
    """Where an expression stands → the expression."""
    found = {}
    dashboard = json.loads((MONITORING / "grafana-dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            found[f"{panel['title']} {target['refId']}"] = target["expr"]
    alerts = (MONITORING / "alerts.yml").read_text()
    for block in re.split(r"\n\s*- alert: ", alerts)[1:]:
        found[block.split("\n")[0]] = re.search(r"expr:(.*?)\n\s*(?:for|labels):", block,
                                                re.DOTALL)[1]
    return found


@pytest.fixture(scope="module")
def metrics(tmp_path_factory) -> str:
    """What a server says after a few requests."""
    folder = tmp_path_factory.mktemp("monitored")
    with tc.open(folder) as project:
        booster = xgboost.train({"nthread": 1}, xgboost.DMatrix(np.arange(20.0).reshape(10, 2),
                                                                np.arange(10.0)), 2)
        model = project.register_model("sum", booster, signature=tc.Signature(
            inputs={"a": "double", "b": "double"}, outputs={"sum": "double"}))
        project.deploy("sum", model)
    server = Server(folder)
    try:
        with tc.open(f"tercet://127.0.0.1:{server.http}") as project:
            for i in range(3):
                project.predict("sum", {"a": 1.0, "b": float(i)})
        with urllib.request.urlopen(f"http://127.0.0.1:{server.http}/metrics", timeout=60) as text:
            return text.read().decode()
    finally:
        server.stop()


def test_expressions_are_found():
    assert len(expressions()) > 20


@pytest.mark.parametrize("where", expressions())
def test_metrics_are_there(where: str, metrics: str):
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)", metrics, re.MULTILINE))
    named = METRIC.findall(expressions()[where])
    assert named or where == "TercetDown"
    for name, labels in named:
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        family = base if kinds.get(base) == "histogram" else name
        assert family in kinds, f"{name}: a server has no such metric"
        has = set(re.findall(r"(\w+)=\"", "".join(
            re.findall(rf"^{name}\{{(.*?)\}} ", metrics, re.MULTILINE))))
        wanted = set(re.findall(r"(\w+)[=!]~?\"", labels))
        assert wanted <= has or not has, f"{name} has the labels {has}, not {wanted}"


@pytest.mark.parametrize("where", expressions())
def test_sums_are_by_labels_that_are_there(where: str, metrics: str):
    for labels, name in re.findall(r"by \(([^)]*)\) \((?:rate\()?(\w+)", expressions()[where]):
        has = set(re.findall(r"(\w+)=\"", "".join(
            re.findall(rf"^{name}\{{(.*?)\}} ", metrics, re.MULTILINE))))
        missing = {label.strip() for label in labels.split(",")} - has - SELDOM
        assert not missing or not has, f"{name} has the labels {has}"
