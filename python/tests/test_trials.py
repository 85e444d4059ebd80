"""Canaries that decide by themselves, and experiments with outcomes that come late."""

import random
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from local_server import Server, until
from serving import OSLO, TIME, call, models

import tercet as tc

PREDICT = "/api/v1/deployments/delay/predict"
BODY = {"entities": OSLO, "event_time": int(TIME.timestamp() * 1e6)}


def ask(project, times: int = 1) -> list[tc.Prediction]:
    return [project.predict("delay", OSLO, event_time=TIME) for _ in range(times)]


def test_a_good_canary_takes_over_step_by_step(project):
    first, second = models(project, 2)
    deployment = project.deploy("delay", first)
    ask(project, 20)
    deployment.start_canary(second, steps=[20, 60], dwell="1s", min_requests=20,
                            max_latency_ratio=0)
    with pytest.raises(tc.InvalidError, match="canary of release 2 runs"):
        deployment.split({second: 10})
    assert project.deployment("delay").traffic[0]["percent"] == 20
    waiting = deployment.canary()
    assert (waiting.state, waiting.percent) == ("running", 20)
    assert "more" in waiting.why or "requests" in waiting.why
    numbers = []

    def promoted():
        numbers.extend(one.release_number for one in ask(project, 10))
        return deployment.canary().state == "promoted"

    until(promoted)
    history = project.deployment("delay").history
    assert [one["action"] for one in history] == ["deploy", "canary", "canary", "promote"]
    assert history[2]["reason"].startswith("to 60 percent: ")
    assert "requests, 0 percent failed" in history[3]["reason"]
    assert history[3]["by"] == "canary"
    ended = deployment.canary()
    assert [arm.number for arm in ended.arms] == [1, 2]
    assert ended.arms[1].requests >= 20 and ended.arms[1].p99_us > 0
    assert {1, 2} == set(numbers)
    assert ask(project)[0].release_number == 2
    # A promotion is a switch like others: one rollback undoes it.
    assert project.deployment("delay").rollback().release_number == 1


FAILS = """
class Fails:
    def predict(self, batch):
        if batch.column(0)[0].as_py() == 7:
            raise ValueError("seven")
        return {"score": [%s] * batch.num_rows}
"""


def fails_on_seven(project, path, value: float):
    (path / "fails.py").write_text(FAILS % value)
    return project.register_model(
        "fails", tc.predictor(path / "fails.py", "Fails"),
        signature=tc.Signature(inputs={"a": "double"}, outputs={"score": "double"}))


def test_a_failing_canary_goes_back(project, tmp_path):
    (tmp_path / "fine.py").write_text(FAILS.replace("== 7", "== -1") % 1.0)
    fine = project.register_model(
        "fine", tc.predictor(tmp_path / "fine.py", "Fails"),
        signature=tc.Signature(inputs={"a": "double"}, outputs={"score": "double"}))
    deployment = project.deploy("score", fine)
    deployment.start_canary(fails_on_seven(project, tmp_path, 2.0), steps=[50], dwell="1h",
                            min_requests=10, max_latency_ratio=0)

    def rolled_back():
        try:
            project.predict("score", {"a": 7.0})
        except tc.PredictorError:
            pass
        return deployment.canary().state == "rolled_back"

    until(rolled_back)
    assert "requests failed" in deployment.canary().why
    assert [one["action"] for one in project.deployment("score").history] == [
        "deploy", "canary", "abort"]
    assert project.deployment("score").traffic == []
    assert all(project.predict("score", {"a": 7.0})["score"] == 1.0 for _ in range(10))
    with pytest.raises(tc.InvalidError, match="has ended"):
        deployment.end_canary()


def test_a_canary_ended_by_hand_or_by_a_switch(project):
    first, second, third = models(project, 3)
    deployment = project.deploy("delay", first)
    with pytest.raises(tc.InvalidError, match="serves model"):
        deployment.start_canary(first)
    with pytest.raises(tc.InvalidError, match="percents must rise"):
        deployment.start_canary(second, steps=[50, 20])
    with pytest.raises(tc.NotFoundError, match="no canary"):
        deployment.canary()
    deployment.start_canary(second)
    assert deployment.end_canary().release_number == 1
    assert deployment.canary().state == "rolled_back"
    deployment.start_canary(second)
    assert deployment.end_canary(promote=True).release_number == 2
    deployment.start_canary(third)
    deployment.upgrade(first)
    assert deployment.canary().state == "stopped"
    assert "switched to release 1" in deployment.canary().why
    assert project.deployment("delay").traffic == []


def test_outcomes_judge_a_canary(project):
    first, second = models(project, 2)
    deployment = project.deploy("delay", first)
    deployment.start_canary(second, steps=[50], dwell="1h", min_requests=10, better="lower",
                            min_outcomes=100, max_latency_ratio=0)
    answers = ask(project, 300)
    generator = random.Random(3)
    recorded = deployment.record_outcomes(
        (one.request_id, generator.gauss(2.0 * (one.release_number == 2), 1)) for one in answers)
    assert recorded == 300
    until(lambda: deployment.canary().state == "rolled_back")
    assert "outcomes are worse" in deployment.canary().why


def test_an_experiment(project):
    first, second = models(project, 2)
    deployment = project.deploy("delay", first)
    before = ask(project)[0]
    with pytest.raises(tc.InvalidError, match="nothing to record"):
        deployment.record_outcome(before.request_id, 1)
    with pytest.raises(tc.InvalidError, match="leave no requests"):
        deployment.start_experiment({second: 100})
    time.sleep(0.002)  # ids tell milliseconds
    report = deployment.start_experiment({second: 50}, planned_outcomes=200)
    assert report.state == "running" and report.differences[0].low is None
    assert not deployment.record_outcome(before.request_id, 1)
    answers = ask(project, 600)
    clicks = random.Random(5)
    rates = {1: 0.2, 2: 0.6}
    outcomes = [(one.request_id, clicks.random() < rates[one.release_number]) for one in answers]
    assert deployment.record_outcomes(outcomes) == 600
    assert deployment.record_outcomes(outcomes) == 0
    with pytest.raises(tc.InvalidError, match="say which release"):
        deployment.record_outcome("order-17", 1)
    assert deployment.record_outcome("order-17", 1, release_number=2)
    report = deployment.experiment()
    for arm in report.arms:
        own = [value for (_, value), one in zip(outcomes, answers)
               if one.release_number == arm.number] + [1] * (arm.number == 2)
        assert arm.outcomes == len(own)
        assert arm.outcome_mean == pytest.approx(np.mean(own))
        assert arm.outcome_deviation == pytest.approx(np.std(own, ddof=1))
        assert 0 < arm.p50_us <= arm.p99_us
    difference = report.differences[0]
    assert difference.verdict == "better"
    assert difference.low < 0.4 < difference.high and difference.low > 0
    assert difference.p_value < 0.05
    assert "<svg" in report._repr_html_() and "polygon" in report.svg()
    assert "better" in str(report)
    stopped = deployment.stop_experiment()
    assert stopped.state == "stopped" and stopped.arms[0].outcomes == report.arms[0].outcomes
    assert project.deployment("delay").traffic == []
    with pytest.raises(tc.InvalidError, match="no experiment runs"):
        deployment.stop_experiment()
    assert deployment.experiment().differences[0].verdict == "better"


def test_several_servers_count_and_one_decides_after_a_kill(tmp_path):
    """Two servers share a canary; one is killed in its middle and starts again."""
    servers = [Server(tmp_path / "p") for _ in range(2)]
    try:
        with tc.open(servers[0].location) as project:
            first, second = models(project, 2)
            deployment = project.deploy("delay", first)
            deployment.start_canary(second, steps=[50, 100], dwell="1s", min_requests=200,
                                    max_latency_ratio=0)

            def load(server, times):
                for _ in range(times):
                    assert call(server, PREDICT, BODY)[0] == 200

            with ThreadPoolExecutor(2) as pool:
                list(pool.map(lambda server: load(server, 150), servers))
            # Neither had two hundred requests of the canary; together they come to 150.
            until(lambda: sum(arm.requests for arm in deployment.canary().arms) == 300)
            time.sleep(1.2)
            assert deployment.canary().percent == 50
            servers[1].process.kill()
            servers[1].process.wait()
            servers[1] = Server(tmp_path / "p")
            load(servers[1], 120)
            until(lambda: deployment.canary().percent == 100)
            history = project.deployment("delay").history
            assert [one["action"] for one in history] == ["deploy", "canary", "canary"]
            for server in servers:
                assert call(server, PREDICT, BODY)[1]["release_number"] == 2
            metrics = call(servers[1], "/metrics")[1]
            assert 'tercet_canary_percent{deployment="delay",release="2"} 100' in metrics
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(lambda server: load(server, 110), servers))
            until(lambda: deployment.canary().state == "promoted")
            history = project.deployment("delay").history
            assert [one["action"] for one in history] == ["deploy", "canary", "canary", "promote"]
    finally:
        for server in servers:
            server.stop()
