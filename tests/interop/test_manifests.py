"""The manifests of deploy/: read by KServe's and Kubernetes' own classes, and the image's start
command run as they have it, without a container. No cluster is asked."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

import tercet as tc
from local_server import SECONDS_TO_WAIT, free_port
from test_inference_clients import CLIENTS, ROOT, ROWS, build

DEPLOY = ROOT / "deploy"
START = DEPLOY / "container" / "start.py"
TOKEN = "a token of the test's own"


@pytest.fixture(scope="module", autouse=True)
def clients():
    subprocess.run([sys.executable, ROOT / "tools/setup.py", "venv-kserve"], check=True)


def check(*files: Path) -> str:
    done = subprocess.run([CLIENTS / "bin/python", Path(__file__).with_name("manifest_check.py"),
                           *files], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def manifest(file: Path) -> dict:
    """As JSON, by the YAML reader of the clients' environment."""
    code = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))"
    return json.loads(subprocess.run([CLIENTS / "bin/python", "-c", code, file], check=True,
                                     capture_output=True, text=True).stdout)


def test_members_are_those_of_the_platforms(tmp_path):
    files = sorted(DEPLOY.glob("*/*.yaml"))
    assert len(files) == 3
    assert check(*files) == ""
    wrong = tmp_path / "wrong.yaml"
    text = (DEPLOY / "kserve" / "runtime.yaml").read_text()
    wrong.write_text(text.replace("supportedModelFormats", "modelFormats").replace(
        "autoSelect: true", "autoSelect: maybe"))
    assert "no member 'modelFormats'" in check(wrong)
    wrong.write_text(text.replace("autoSelect: true", "autoSelect: maybe"))
    assert "'maybe' is no bool" in check(wrong)


def test_what_is_printed_asks_for_gpus_as_the_platforms_know_it(tmp_path):
    build(tmp_path / "project")
    binary = os.environ.get("TERCET_BINARY") or Path(tc.__file__).parent / "bin" / "tercet"

    def printed(name: str, *words: str) -> dict:
        file = tmp_path / name
        file.write_text(subprocess.run(
            [str(binary), "--project", str(tmp_path / "project"), *words], check=True,
            capture_output=True, text=True).stdout)
        assert check(file) == ""
        return json.loads(file.read_text())

    with tc.open(tmp_path / "project") as project:
        deployment = project.deployment("delay").configure(gpus=2)
        assert deployment.policy["gpus"] == 2
        service = printed("service.json", "deployments", "manifest", "delay")
        assert deployment.manifest() == service
    assert service["spec"]["predictor"]["model"]["resources"] == {"limits": {"nvidia.com/gpu": "2"}}
    job = printed("job.json", "run", "--manifest", "--gpus", "1", "train.py", "--rounds", "5")
    (one,) = job["spec"]["template"]["spec"]["containers"]
    assert one["resources"] == {"limits": {"nvidia.com/gpu": "1"}}
    assert one["command"][-3:] == ["train.py", "--rounds", "5"]


def container(name: str) -> dict:
    if name == "kserve":
        (one,) = manifest(DEPLOY / "kserve" / "runtime.yaml")["spec"]["containers"]
        return one
    (predictor,) = manifest(DEPLOY / "seldon" / "deployment.yaml")["spec"]["predictors"]
    (component,) = predictor["componentSpecs"]
    (one,) = component["spec"]["containers"]
    return one


def environment(one: dict, tmp_path: Path, ports: dict[str, int]) -> dict[str, str]:
    """Of the container, with its folders below the test's, and the platform's variables."""
    places = {"/srv/project": str(tmp_path / "project"),
              "/etc/tercet/token": str(tmp_path / "token")}
    given = {item["name"]: places[item["value"]] for item in one["env"]}
    given.setdefault("TERCET_TOKEN_FILE", str(tmp_path / "none"))
    binary = os.environ.get("TERCET_BINARY") or Path(tc.__file__).parent / "bin" / "tercet"
    return {"PATH": f"{Path(binary).parent}:{os.environ['PATH']}", **given,
            **{name: str(port) for name, port in ports.items()}}


def test_ports_are_those_of_the_manifest():
    code = (f"import sys; sys.path.insert(0, {str(START.parent)!r}); import start; "
            "print(start.http_port())")
    for variables, port in (({}, 8080), ({"PORT": "8123"}, 8123),
                            ({"SAGEMAKER_BIND_TO_PORT": "8124"}, 8124),
                            ({"PORT": "1", "PREDICTIVE_UNIT_HTTP_SERVICE_PORT": "9001"}, 9001)):
        done = subprocess.run([sys.executable, "-B", "-c", code], env=variables, check=True,
                              capture_output=True, text=True)
        assert int(done.stdout) == port
    assert container("kserve")["ports"][0]["containerPort"] == 8080


@pytest.mark.parametrize("platform", ["kserve", "seldon"])
def test_the_container_serves(tmp_path, platform):
    answers = build(tmp_path / "project")
    (tmp_path / "token").write_text(TOKEN + "\n")
    one = container(platform)
    http, grpc = free_port(), free_port()
    names = (["TERCET_HTTP_PORT", "TERCET_GRPC_PORT"] if platform == "kserve" else
             ["PREDICTIVE_UNIT_HTTP_SERVICE_PORT", "PREDICTIVE_UNIT_GRPC_SERVICE_PORT"])
    env = environment(one, tmp_path, {**dict(zip(names, (http, grpc))),
                                      "TERCET_FLIGHT_PORT": free_port()})
    probe = one["readinessProbe"]["exec"]["command"]
    assert probe[:2] == ["python", "/usr/local/bin/start.py"]
    process = subprocess.Popen([sys.executable, START, *one.get("args", [])], env=env)
    try:
        deadline = time.monotonic() + SECONDS_TO_WAIT
        while True:
            ready = subprocess.run([sys.executable, START, *probe[2:]], env=env,
                                   capture_output=True)
            if ready.returncode == 0 or time.monotonic() > deadline:
                break
            assert process.poll() is None, "the container's command ended"
            time.sleep(0.1)
        assert ready.returncode == 0, ready.stderr
        headers = {"Content-Type": "application/json"}
        # The rule of the platform: the service's name is the model's.
        url = f"http://127.0.0.1:{http}/v2/models/delay/infer"
        body = json.dumps({"inputs": [
            {"name": "city", "datatype": "BYTES", "shape": [2],
             "data": [row["city"] for row in ROWS]},
            {"name": "distance", "datatype": "FP64", "shape": [2],
             "data": [row["distance"] for row in ROWS]}]}).encode()
        if platform == "kserve":
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=60)
            assert refused.value.code == 401
            headers["Authorization"] = "Bearer " + TOKEN
        with urllib.request.urlopen(urllib.request.Request(url, body, headers),
                                    timeout=60) as answer:
            (output,) = json.load(answer)["outputs"]
        assert output["data"] == pytest.approx(answers, rel=1e-6)
        if platform == "seldon":  # there KServe's client asks, without a token; gRPC's port, too
            done = subprocess.run(
                [CLIENTS / "bin/python", Path(__file__).with_name("kserve_client.py"), str(http),
                 str(grpc)], capture_output=True, text=True, timeout=120)
            assert done.returncode == 0, done.stderr
    finally:
        process.send_signal(signal.SIGTERM)
    assert process.wait(SECONDS_TO_WAIT) == 0
