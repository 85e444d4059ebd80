"""Predictions that go to files, to PostgreSQL and to Kafka, besides the log's feature group."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import duckdb
import pytest

import tercet as tc
from local_server import Server, until
from serving import OSLO, TIME, call, models
from sinks import Kafka, Postgres


@pytest.fixture(scope="module")
def postgres():
    server = Postgres()
    yield server
    server.close()


@pytest.fixture(scope="module")
def kafka(tmp_path_factory):
    broker = Kafka(tmp_path_factory.mktemp("kafka") / "broker")
    yield broker
    broker.stop()


def lines(folder: Path) -> list[dict]:
    return [json.loads(line) for file in sorted(folder.glob("*.jsonl"))
            for line in file.read_text().splitlines()]


def ask(deployment: tc.Deployment, count: int, first: int = 0) -> list[tc.Prediction]:
    return [deployment.predict(OSLO, event_time=TIME, request_id=f"r{first + i}")
            for i in range(count)]


def counted(deployment: tc.Deployment, kind: str) -> dict:
    return next(sink for sink in deployment.statistics()["log"]["sinks"]
                if sink["sink"].startswith(kind))


def test_every_sink_gets_what_the_group_gets(tmp_path, postgres, kafka):
    folder = tmp_path / "predictions"
    sinks = [tc.sink.file(folder), tc.sink.postgres(postgres.connection, "public.predictions"),
             tc.sink.kafka(kafka.brokers, "predictions")]
    with tc.open(tmp_path / "project") as project:
        deployment = project.deploy("delay", models(project, 1)[0])
        deployment = deployment.configure(log_percent=100, sinks=sinks)
        answers = ask(deployment, 5)
        deployment.flush_log()
        log = project.feature_group("delay_predictions").read().to_pandas().sort_values(
            "request_id")
        for sink in deployment.statistics()["log"]["sinks"]:
            assert (sink["written"], sink["waiting"], sink["last_error"]) == (5, 0, ""), sink
    written = lines(folder)
    assert [one["request_id"] for one in written] == log["request_id"].tolist()
    (output,) = (name for name in log.columns if name.startswith("output_"))
    for one, answer, (_, row) in zip(written, answers, log.iterrows()):
        assert one["deployment"] == "delay" and one["city"] == "Oslo"
        assert one[output] == pytest.approx(answer["prediction"], rel=1e-6) == row[output]
        assert one["feature_rain"] == row["feature_rain"]
        assert one["release_id"] == row["release_id"] and one["arm"] == "main"
    # As others read them.
    assert duckdb.sql(f"select count(*), min(event_time) from read_json('{folder}/*.jsonl')"
                      ).fetchone()[0] == 5
    kept = postgres.ask("select record from public.predictions order by request_id")
    assert [json.loads(one) for one in kept] == written
    assert postgres.ask("select count(distinct event_time), count(distinct record_id) "
                        "from public.predictions") == ["1|5"]
    messages = kafka.messages("predictions")
    assert sorted((value["request_id"] for _, value in messages)) == [f"r{i}" for i in range(5)]
    assert all(value in written and key == '"Oslo"' for key, value in messages)


def test_a_sink_that_is_down_holds_nothing_up(tmp_path, postgres, kafka):
    folder = tmp_path / "predictions"
    sinks = [tc.sink.file(folder), tc.sink.postgres(postgres.connection, "down"),
             tc.sink.kafka(kafka.brokers, "down")]
    folder.mkdir()
    server = Server(tmp_path / "project", "--allow-sink", str(folder), "--allow-sink", "postgres",
                    "--allow-sink", "kafka")
    try:
        with tc.open(server.location) as project:
            deployment = project.deploy("delay", models(project, 1)[0])
            deployment = deployment.configure(log_percent=100, sinks=sinks)
            ask(deployment, 2)
            deployment.flush_log()
            postgres.stop()
            kafka.stop()
            asked = time.monotonic()
            ask(deployment, 4, first=2)
            assert time.monotonic() - asked < 40
            # The group and the file have them; the others say why not.
            until(lambda: len(project.feature_group("delay_predictions").read().to_rows()) == 6)
            until(lambda: len(lines(folder)) == 6)
            # What is told of a flush says who still has to get how many.
            flushed = {sink["sink"].split()[0]: sink["waiting"]
                       for sink in deployment.flush_log()["sinks"]}
            assert flushed == {"file": 0, "postgres": 4, "kafka": 4}
            until(lambda: counted(deployment, "postgres")["last_error"] != "")
            until(lambda: counted(deployment, "kafka")["last_error"] != "")
            assert counted(deployment, "postgres")["waiting"] == 4
            status, text, _ = call(server, "/metrics")
            assert status == 200
            labels = f'{{deployment="delay",sink="file {folder}"}}'
            assert f"tercet_prediction_sink_written_total{labels} 6" in text
            assert "tercet_prediction_sink_waiting_rows" in text
            postgres.start()
            kafka.start()
            for kind in ("postgres", "kafka"):
                until(lambda: deployment.flush_log() and counted(deployment, kind)["waiting"] == 0)
                assert counted(deployment, kind)["written"] == 6
                assert counted(deployment, kind)["retries"] > 0
            ids = [f"r{i}" for i in range(6)]
            assert postgres.ask("select request_id from down order by 1") == ids
            assert sorted({value["request_id"] for _, value in kafka.messages("down")}) == ids
    finally:
        server.stop()


def test_kafka_with_a_password_by_tls(tmp_path, kafka, monkeypatch):
    """Its settings are the process's own, as is the password."""
    def configure(**changed: str) -> None:
        settings = {**kafka.settings, **{name.replace("_", "."): value
                                         for name, value in changed.items()}}
        (tmp_path / "kafka").write_text("# of the test\n" + "".join(
            f"{name}={value}\n" for name, value in settings.items()))

    monkeypatch.setenv("TERCET_KAFKA_SETTINGS", str(tmp_path / "kafka"))
    configure(sasl_password="guess")
    with tc.open(tmp_path / "project") as project:
        deployment = project.deploy("delay", models(project, 1)[0])
        deployment = deployment.configure(log_percent=100,
                                          sinks=[tc.sink.kafka(kafka.secure, "secure")])
        ask(deployment, 2)
        deployment.flush_log()
        until(lambda: "uthentication failed" in counted(deployment, "kafka")["last_error"])
        assert "guess" not in counted(deployment, "kafka")["last_error"]
        configure()
        until(lambda: deployment.flush_log() and counted(deployment, "kafka")["waiting"] == 0)
    assert sorted(value["request_id"] for _, value in kafka.messages("secure")) == ["r0", "r1"]


def test_parquet_files_are_whole_and_complete(tmp_path):
    folder = tmp_path / "predictions"
    sink = tc.sink.file(folder, format="parquet", file_seconds=3600)
    read = f"select request_id from read_parquet('{folder}/*.parquet') order by 1"
    ids = lambda: [name for name, in duckdb.sql(read).fetchall()]  # noqa: E731
    with tc.open(tmp_path / "project") as project:
        deployment = project.deploy("delay", models(project, 1)[0])
        deployment = deployment.configure(log_percent=100, sinks=[sink])
        answers = ask(deployment, 3)
        assert deployment.flush_log()["sinks"][0]["written"] == 3
        ask(deployment, 2, first=3)
        deployment.flush_log()
        log = project.feature_group("delay_predictions").read().to_pandas().sort_values(
            "request_id")
        assert ids() == log["request_id"].tolist() == [f"r{i}" for i in range(5)]
        assert len(list(folder.glob("*.parquet"))) == 2
        table = duckdb.sql(f"from read_parquet('{folder}/*.parquet') order by request_id").df()
        (output,) = (name for name in log.columns if name.startswith("output_"))
        assert table[output].tolist() == log[output].tolist()
        assert table[output][0] == pytest.approx(answers[0]["prediction"], rel=1e-6)
        assert set(table["deployment"]) == {"delay"} and list(table["read_group"][0])
        ask(deployment, 1, first=5)
    # What a project holds back is there when it is closed.
    assert ids() == [f"r{i}" for i in range(6)]
    assert not [name for name in os.listdir(folder) if not name.endswith(".parquet")]


def test_a_killed_process_loses_nothing_that_its_parquet_sink_had_taken(tmp_path):
    folder = tmp_path / "predictions"
    folder.mkdir()
    server = Server(tmp_path / "project", "--allow-sink", str(folder))
    with tc.open(server.location) as project:
        deployment = project.deploy("delay", models(project, 1)[0])
        deployment = deployment.configure(log_percent=100, sinks=[
            tc.sink.file(folder, format="parquet", file_seconds=3600)])
        ask(deployment, 3)
        # Written after some seconds, without being asked for, and not shown yet.
        until(lambda: [sink["written"] for sink in
                       deployment.statistics()["log"]["sinks"]] == [3])
        assert not list(folder.glob("*.parquet"))
        server.process.kill()
        server.process.wait()
    with tc.open(tmp_path / "project") as project:
        ask(project.deployment("delay"), 1, first=3)
    found = duckdb.sql(f"select request_id from read_parquet('{folder}/*.parquet') order by 1")
    assert [name for name, in found.fetchall()] == ["r0", "r1", "r2", "r3"]


def test_a_table_that_can_not_take_them(tmp_path, postgres):
    """It is told, and the rows wait until somebody has mended the table."""
    postgres.ask("create table other (request_id int)")
    with tc.open(tmp_path / "project") as project:
        deployment = project.deploy("delay", models(project, 1)[0])
        deployment = deployment.configure(
            log_percent=100, sinks=[tc.sink.postgres(postgres.connection + " sslmode=require",
                                                     "other")])
        ask(deployment, 1)
        deployment.flush_log()
        until(lambda: "record_id" in counted(deployment, "postgres")["last_error"])
        assert counted(deployment, "postgres")["waiting"] == 1
        postgres.ask("drop table other")
        until(lambda: deployment.flush_log() and counted(deployment, "postgres")["waiting"] == 0)
        assert postgres.ask("select request_id from other") == ["r0"]


def test_what_may_be_written(tmp_path):
    server = Server(tmp_path / "project", "--allow-sink", str(tmp_path / "allowed"))
    (tmp_path / "allowed").mkdir()
    try:
        with tc.open(server.location) as project:
            deployment = project.deploy("delay", models(project, 1)[0])
            for sink in (tc.sink.file(tmp_path), tc.sink.file(tmp_path / "allowed/../other"),
                         tc.sink.postgres("host=127.0.0.1", "t"), tc.sink.kafka("a:9092", "t")):
                with pytest.raises(tc.NotSupportedError, match="--allow-sink"):
                    deployment.configure(log_percent=100, sinks=[sink])
            for sink, why in (
                    (tc.sink.postgres("host=db password=secret", "t"), "password"),
                    (tc.sink.Sink("kafak", "a:9092", "t"), "did you mean"),
                    (tc.sink.Sink("file", "/tmp", format="parket"), "did you mean 'parquet'"),
                    (tc.sink.Sink("kafka", "a:9092", "t", format="parquet"), "no files"),
                    (tc.sink.file("/tmp", file_mb=5000), "file_mb"),
                    (tc.sink.kafka("a:9092", ""), "topic")):
                with pytest.raises(tc.InvalidError, match=why):
                    deployment.configure(log_percent=100, sinks=[sink])
            configured = deployment.configure(
                log_percent=100, sinks=[tc.sink.file(tmp_path / "allowed/in")])
            assert configured.policy["sinks"] == [
                {"kind": "file", "location": str(tmp_path / "allowed/in")}]
            assert configured.configure(queue=3).policy["sinks"] == configured.policy["sinks"]
            assert configured.configure(sinks=[]).policy["sinks"] == []
    finally:
        server.stop()
