"""Several processes on one project, and a fresh interpreter."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pandas as pd
from local_server import Server
from frames import weather

import tercet as tc


def test_import_leaves_heavy_packages_alone():
    code = ("import sys, tercet; print([name for name in ('pyarrow', 'pandas', 'numpy', 'polars', "
            "'xgboost', 'sklearn') if name in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def insert_hours(directory, first, last):
    with tc.open(directory) as project:
        for hour in range(first, last):
            project.feature_group("weather").insert(weather(last).iloc[[hour]])


def test_a_cron_job_beside_a_server(tmp_path):
    server = Server(tmp_path / "p")
    try:
        with tc.open(server.location) as remote:
            group = remote.feature_group("weather", version=1, primary_key=["city"],
                                         event_time="hour", online=True)
            group.insert(weather(4), wait_online=True)
            view = remote.feature_view("rain", version=1, query=group.select("rain"))
            with tc.open(tmp_path / "p") as local:
                local.feature_group("weather").insert(weather(6).tail(1), wait_online=True)
                time_now = weather(6)["hour"].iloc[-1]
                assert local.feature_view("rain").vector(
                    {"city": "Oslo"}, event_time=time_now)["rain"] == 5.0
            assert view.vector({"city": "Oslo"}, event_time=time_now)["rain"] == 5.0
    finally:
        server.stop()


def test_writers_in_several_processes_lose_nothing(tmp_path):
    with tc.open(tmp_path / "p") as project:
        project.feature_group("weather", version=1, primary_key=["city"], event_time="hour",
                              online=True).insert(weather(1))
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=insert_hours, args=(tmp_path / "p", 10 * i, 10 * i + 10))
               for i in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    with tc.open(tmp_path / "p") as project:
        rows = project.feature_group("weather").read().to_pandas()
    pd.testing.assert_frame_equal(rows, weather(30), check_dtype=False)


def test_an_owner_that_is_killed_is_replaced(tmp_path):
    server = Server(tmp_path / "p")
    with tc.open(tmp_path / "p") as project:
        group = project.feature_group("weather", version=1, primary_key=["city"],
                                      event_time="hour", online=True)
        group.insert(weather(3), wait_online=True)
        view = project.feature_view("rain", version=1, query=group.select("rain"))
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()
        group.insert(weather(5).tail(2), wait_online=True)
        assert view.vector({"city": "Oslo"},
                           event_time=weather(5)["hour"].iloc[-1])["rain"] == 4.0


def test_acknowledged_inserts_survive_kill(tmp_path):
    code = f"""
import sys, tercet as tc
sys.path.insert(0, {os.path.dirname(__file__)!r})
from frames import weather
group = tc.open({str(tmp_path / 'p')!r}).feature_group(
    "weather", version=1, primary_key=["city"], event_time="hour", online=True)
for hour in range(1000):
    group.insert(weather(hour + 1).tail(1))
    print(hour, flush=True)
"""
    writer = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    acknowledged = -1
    started = time.monotonic()
    for line in writer.stdout:
        acknowledged = int(line)
        if acknowledged >= 20 or time.monotonic() - started > 20:
            break
    writer.kill()
    rest = writer.communicate()[0].split()
    acknowledged = int(rest[-1]) if rest else acknowledged
    with tc.open(tmp_path / "p") as project:
        group = project.feature_group("weather")
        rows = group.read()
        assert len(rows) in (acknowledged + 1, acknowledged + 2)
        view = project.feature_view("rain", version=1, query=group.select("rain"))
        last = rows.to_pandas().iloc[-1]
        group.insert(weather(1), wait_online=True)  # catches up what the dead owner had not applied
        assert view.vector({"city": "Oslo"}, event_time=last["hour"])["rain"] == last["rain"]
