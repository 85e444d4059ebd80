"""Switches, checks, traffic and the service level, in process and through a server."""

import random
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from local_server import SECONDS_TO_WAIT, Server, kill_after, until
from serving import OSLO, TIME, call, models, until_pending

import tercet as tc


def ask(project, entity=OSLO):
    return project.predict("delay", [entity], event_time=TIME)


def test_downgrade_diff_and_history(project):
    first, second, third = models(project, 3)
    deployment = project.deploy("delay", first)
    answers = {1: ask(project)[0]}
    for number, model in ((2, second), (3, third)):
        deployment.upgrade(model)
        answers[number] = ask(project)[0]
    assert len({str(answer) for answer in answers.values()}) == 3
    for number in (1, 3, 2):
        assert deployment.downgrade(number).release_number == number
        assert ask(project)[0] == answers[number]
    with pytest.raises(tc.NotFoundError, match="1 to 3"):
        deployment.downgrade(4)
    differences = {one["member"]: one for one in deployment.diff(1, 3)}
    assert (differences["model"]["before"], differences["model"]["after"]) == ("delay@1", "delay@3")
    assert not any(member.startswith("view_definition") for member in differences)
    assert deployment.diff(2, 2) == []
    history = project.deployment("delay").history
    assert [switch["action"] for switch in history] == [
        "deploy", "upgrade", "upgrade", "downgrade", "downgrade", "downgrade"]
    assert all(switch["by"] for switch in history)


def test_checks_before_a_model_is_deployed(project):
    model = models(project, 1)[0]
    checks = {check["name"]: check for check in model.check()}
    assert set(checks) == {"files", "warm_up", "groups"}
    assert all(check["passed"] for check in checks.values())
    assert "as when it was registered" in checks["warm_up"]["detail"]


def test_traffic(project):
    first, second = models(project, 2)
    deployment = project.deploy("delay", first)
    one = ask(project)[0]
    deployment.split({second: 30})
    assert [arm["percent"] for arm in project.deployment("delay").traffic] == [30]
    answers = [ask(project)[0] == one for _ in range(100)]
    assert 65 <= sum(answers) <= 75
    deployment.split({second: 50}, sticky_key="city")
    cities = {city: ask(project, {"city": city, "distance": 1.0})[0] for city in "abcdefghijkl"}
    for city, answer in cities.items():
        assert ask(project, {"city": city, "distance": 1.0})[0] == answer
    assert len({str(answer) for answer in cities.values()}) == 2
    with pytest.raises(tc.InvalidError, match="120"):
        deployment.split({second: 120})
    deployment.split()
    assert project.deployment("delay").traffic == []
    deployment.split(shadows={second: 100})
    for _ in range(5):
        assert ask(project)[0] == one
    shadow = until(lambda: next(
        (release for release in deployment.statistics()["releases"]
         if release["number"] == 2 and release["shadow_requests"] >= 5), None))
    assert shadow["shadow_different"] == shadow["shadow_requests"]


def test_a_customer_meets_the_same_arm_at_every_server(tmp_path):
    """The key's hash chooses, so processes that know nothing of each other agree, as does a new
    one."""
    servers = [Server(tmp_path / "project") for _ in range(2)]
    cities = [f"city {i}" for i in range(40)]
    try:
        with tc.open(servers[0].location) as one, tc.open(servers[1].location) as other, \
                tc.open(tmp_path / "project") as local:
            first, second = models(one, 2)
            one.deploy("delay", first).split({second: 50}, sticky_key="city")

            def arms(project) -> list[int]:
                return [project.predict("delay", {"city": city, "distance": 1.0}).release_number
                        for city in cities]

            chosen = arms(one)
            assert arms(other) == arms(local) == chosen and set(chosen) == {1, 2}
            assert local.predict("delay", pd.DataFrame({
                "city": ["city 0"], "distance": [1.0]})).release_number == chosen[0]
        servers[0].stop()
        servers[0] = Server(tmp_path / "project")
        with tc.open(servers[0].location) as again:
            assert arms(again) == chosen
    finally:
        for server in servers:
            server.stop()


SLOW = """
import os, time
class Slow:
    def predict(self, batch):
        time.sleep(0.4)
        return {"score": [float(os.getpid())] * batch.num_rows}
"""


def slow_model(project, path: Path):
    (path / "slow.py").write_text(SLOW)
    return project.register_model(
        "slow", tc.predictor(path / "slow.py", "Slow"),
        signature=tc.Signature(inputs={"a": "double"}, outputs={"score": "double"}))


def test_service_level(tmp_path):
    server = Server(tmp_path / "p", "--allow-predictor-code", "--python", sys.executable)
    try:
        with tc.open(server.location) as project:
            deployment = project.deploy("slow", slow_model(project, tmp_path))
            deployment.configure(concurrency=1, queue=1)
            path, body = "/api/v1/deployments/slow/predict", {"entities": {"a": 1.0}}
            with ThreadPoolExecutor(5) as pool:
                answers = list(pool.map(lambda _: call(server, path, body), range(5)))
            statuses = sorted(answer[0] for answer in answers)
            assert statuses.count(200) >= 2 and statuses.count(429) >= 1, statuses
            assert set(statuses) <= {200, 429}
            refused = next(answer for answer in answers if answer[0] == 429)
            assert refused[2]["Retry-After"] == "1"
            assert deployment.configure(deadline_ms=100).policy["concurrency"] == 1
            assert call(server, path, body)[0] == 504
            # Two workers answer requests that come at once.
            deployment.configure(deadline_ms=0, concurrency=0, workers=2)
            with ThreadPoolExecutor(4) as pool:
                answers = list(pool.map(lambda _: call(server, path, body), range(4)))
            assert {answer[0] for answer in answers} == {200}
            assert len({answer[1]["prediction"]["score"] for answer in answers}) == 2
            failures = deployment.statistics()["releases"][0]["failures"]
            assert failures["REJECTED"] >= 1 and failures["CANCELED"] == 1
            with pytest.raises(tc.InvalidError, match="workers"):
                deployment.configure(workers=1000)
    finally:
        server.stop()


def test_every_server_sees_a_switch_and_no_answer_is_mixed(tmp_path):
    """Under load through two servers, each answer is one release's: its value and its number."""
    servers = [Server(tmp_path / "p"), Server(tmp_path / "p")]
    try:
        with tc.open(servers[0].location) as project:
            first, second = models(project, 2)
            deployment = project.deploy("delay", first)
            one = ask(project)[0]["prediction"]
            deployment.upgrade(second)
            two = ask(project)[0]["prediction"]
            assert one != two
            expected = {1: one, 2: two}
            wrong, stop = [], threading.Event()

            def load(server):
                body = {"entities": OSLO, "event_time": int(TIME.timestamp() * 1e6)}
                while not stop.is_set():
                    status, answer, _ = call(server, "/api/v1/deployments/delay/predict", body)
                    if status != 200 or (np.float32(answer["prediction"]["prediction"])
                                         != np.float32(expected[answer["release_number"]])):
                        wrong.append((status, answer))

            threads = [threading.Thread(target=load, args=(server,)) for server in servers]
            for thread in threads:
                thread.start()
            for i in range(20):
                switched = deployment.rollback() if i % 2 == 0 else deployment.upgrade(second)
                for server in servers:
                    answer = call(server, "/api/v1/deployments/delay/predict",
                                  {"entities": OSLO, "event_time": int(TIME.timestamp() * 1e6)})[1]
                    assert answer["release_number"] == switched.release_number
            stop.set()
            for thread in threads:
                thread.join()
            assert wrong == []
    finally:
        for server in servers:
            server.stop()


SWITCHES = """
import itertools, sys
import tercet as tc
with tc.open(sys.argv[1]) as project:
    models = [project.model("delay", version=1),
              project.model("delay", version=2)]
    deployment = project.deployment("delay")
    print("begun", flush=True)
    for i in itertools.count():
        deployment.upgrade(models[i % 2])
"""


def test_a_killed_switch_is_whole_or_not_there(tmp_path):
    with tc.open(tmp_path / "p") as project:
        first, second = models(project, 2)
        project.deploy("delay", first)
        one = ask(project)[0]["prediction"]
        project.deployment("delay").upgrade(second)
        expected = {1: one, 2: ask(project)[0]["prediction"]}
        random.seed(7)
        length = len(project.deployment("delay").history)
        for _ in range(6):
            process = subprocess.Popen([sys.executable, "-c", SWITCHES, str(tmp_path / "p")],
                                       stdout=subprocess.PIPE, text=True)
            kill_after(process, random.uniform(0.0, 0.2))
            deployment = project.deployment("delay")
            answer = project.predict("delay", pd.DataFrame([OSLO]),
                                     event_time=TIME)
            assert answer.release_number == deployment.release_number
            assert answer.to_pandas()["prediction"][0] == expected[answer.release_number]
            numbers = [switch["number"] for switch in deployment.history]
            assert all(a != b for a, b in zip(numbers, numbers[1:]))
            assert len(numbers) >= length
            length = len(numbers)


def test_a_long_call_does_not_hold_up_the_end(tmp_path):
    server = Server(tmp_path / "p", "--allow-predictor-code", "--python", sys.executable)
    with tc.open(server.location) as project:
        (tmp_path / "sleeper.py").write_text(SLOW.replace("0.4", "60 if batch[0][0].as_py() == 7"
                                                                 " else 0"))
        project.deploy("sleeper", project.register_model(
            "sleeper", tc.predictor(tmp_path / "sleeper.py", "Slow"),
            signature=tc.Signature(inputs={"a": "double"}, outputs={"score": "double"})))

        def ask_long():
            try:
                project.predict("sleeper", {"a": 7.0})
            except tc.Error:
                pass

        thread = threading.Thread(target=ask_long)
        thread.start()
        until_pending(server, "sleeper")
        begun = time.monotonic()
        server.process.terminate()
        assert server.process.wait(timeout=SECONDS_TO_WAIT) != 0
        assert time.monotonic() - begun < 40  # ten that it grants, not the sixty of the worker
        thread.join()
