"""Online rows in a Redis, read by several serving processes on one project."""

from __future__ import annotations

import datetime as dt
import subprocess
from pathlib import Path
from urllib.parse import quote

import pandas as pd
import pytest

import tercet as tc
from local_server import Server, free_port, until

HOUR = dt.timedelta(hours=1)
START = dt.datetime(2024, 3, 1, tzinfo=dt.timezone.utc)


class Redis:
    """A redis-server that writes down what it is told."""

    def __init__(self, folder: Path):
        self.folder, self.port = folder, free_port()
        folder.mkdir()
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir",
             str(self.folder), "--appendonly", "yes", "--appendfsync", "always", "--logfile",
             "log"])
        until(lambda: b"PONG" in subprocess.run(
            ["redis-cli", "-p", str(self.port), "ping"], capture_output=True).stdout)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/1"


@pytest.fixture
def redis(tmp_path):
    server = Redis(tmp_path / "redis")
    yield server
    server.stop()


def weather(rain: float) -> pd.DataFrame:
    return pd.DataFrame({"city": ["Oslo"], "hour": [START], "rain": [rain]})


def define(project: tc.Project) -> tc.FeatureGroup:
    group = project.feature_group("weather", version=1, primary_key=["city"], event_time="hour",
                                  ttl="3h", online=True)
    group.insert(weather(1.0), wait_online=True)
    project.feature_view("rain", version=1, query=group.select("rain"))
    return group


def rain(project: tc.Project) -> float:
    return project.feature_view("rain").vector({"city": "Oslo"}, event_time=START + HOUR)["rain"]


def test_all_processes_read_what_one_applies(tmp_path, redis):
    path = tmp_path / "project"
    servers = [Server(path, "--online", redis.url) for _ in range(2)]
    try:
        with tc.open(servers[0].location) as first, tc.open(servers[1].location) as second, \
                tc.open(path, online=redis.url) as local:
            group = define(first)
            assert rain(first) == rain(second) == rain(local) == 1.0
            second.feature_group("weather").insert(weather(2.0), wait_online=True)
            assert rain(first) == rain(second) == rain(local) == 2.0
            newest = group.commits()[-1].version
            assert local.feature_group("weather").rebuild_online() == newest
            assert rain(first) == rain(second) == 2.0
            # Whoever applied so far goes away; another process does it from now on.
            servers[0].stop()
            assert rain(second) == 2.0
            second.feature_group("weather").insert(weather(3.0), wait_online=True)
            assert rain(second) == rain(local) == 3.0
    finally:
        for server in servers:
            if server.process.poll() is None:
                server.stop()
    # Nothing of the group is in a RocksDB.
    assert not (path / "online" / "rocksdb").exists()


def test_neighbors_are_found_in_every_process(tmp_path, redis):
    path = tmp_path / "project"
    server = Server(path, "--online", redis.url)
    try:
        with tc.open(server.location) as first, tc.open(path, online=redis.url) as local:
            group = first.feature_group("items", primary_key=["item"], online=True,
                                        embeddings={"vector": tc.embedding("l2", dimension=2)})
            group.insert({"item": [1, 2, 3], "vector": [[0.0, 0.0], [1.0, 0.0], [5.0, 5.0]],
                          "price": [1.0, 2.0, 3.0]}, wait_online=True)

            def nearest(project: tc.Project, **arguments) -> list[int]:
                near = project.feature_group("items").find_neighbors([0.2, 0.0], k=2, **arguments)
                return near.to_pandas()["item"].tolist()

            assert nearest(first) == nearest(local) == [1, 2]
            # What one process writes, the other's index follows.
            group.delete({"item": [1]}, wait_online=True)
            assert nearest(local) == nearest(first) == [2, 3]
            local.feature_group("items").insert(
                {"item": [4], "vector": [[0.2, 0.1]], "price": [9.0]}, wait_online=True)
            assert nearest(first) == nearest(local) == [4, 2]
            assert nearest(first, filter="price < 5") == [2, 3]
    finally:
        server.stop()


def test_a_redis_that_goes_away_is_told_and_comes_back(tmp_path, redis):
    with tc.open(tmp_path / "project", online=redis.url) as project:
        group = define(project)
        redis.stop()
        with pytest.raises(tc.StorageError, match="Redis"):
            rain(project)
        # Offline is the truth: what is written meanwhile is applied later.
        group.insert(weather(4.0))
        redis.start()

        def answers() -> bool:
            try:
                return rain(project) == 4.0
            except tc.StorageError:
                return False

        until(answers)


def test_a_server_may_answer_from_before_and_says_so(tmp_path, redis):
    server = Server(tmp_path / "project", "--online", redis.url + "?stale=3600")
    try:
        with tc.open(server.location) as project:
            group = define(project)
            view = project.feature_view("rain")
            read = dict(event_time=START + HOUR)
            assert view.vector({"city": "Oslo"}, **read).status == {"rain": "present"}
            redis.stop()
            vector = view.vector({"city": "Oslo"}, **read)
            assert vector == {"rain": 1.0} and vector.status == {"rain": "stale"}
            unknown = view.vector({"city": "Bergen"}, **read)
            assert unknown == {"rain": None} and unknown.status == {"rain": "unavailable"}
            # The TTL holds for copies, too.
            late = view.vector({"city": "Oslo"}, event_time=START + 4 * HOUR)
            assert late == {"rain": None} and late.status == {"rain": "unavailable"}
            group.insert(weather(4.0))
            redis.start()
            seen = []
            until(lambda: seen.append(view.vector({"city": "Oslo"}, **read))
                  or seen[-1] == {"rain": 4.0})
            assert all(vector == {"rain": 1.0} for vector in seen[:-1])
            assert seen[-1].status == {"rain": "present"}
    finally:
        server.stop()


def test_a_user_with_a_password_of_any_signs(tmp_path, redis):
    password = "p@ss/wörd:1%?&"
    told = subprocess.run(["redis-cli", "-p", str(redis.port), "acl", "setuser", "tercet", "on",
                           ">" + password, "~tercet:*", "+@hash", "+@string", "+unlink", "+select"],
                          capture_output=True)
    assert told.stdout == b"OK\n", told
    where = f"127.0.0.1:{redis.port}/1"
    with tc.open(tmp_path / "project",
                 online=f"redis://tercet:{quote(password, safe='')}@{where}") as project:
        define(project)
        assert rain(project) == 1.0
    with tc.open(tmp_path / "project", online=f"redis://tercet:guess@{where}") as project:
        with pytest.raises(tc.StorageError, match="WRONGPASS") as refused:
            rain(project)
        assert "guess" not in str(refused.value)


def test_addresses_that_are_none(tmp_path):
    with tc.open(tmp_path / "project", online="memcached://x") as project:
        group = project.feature_group("weather", version=1, primary_key=["city"],
                                      event_time="hour", online=True)
        with pytest.raises(tc.InvalidError, match="redis://"):
            group.insert(weather(1.0), wait_online=True)
