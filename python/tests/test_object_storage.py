"""Projects in a bucket: two object stores, a proxy that makes trouble, and delta-rs beside us."""

import collections
import itertools
import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import deltalake
import numpy as np
import pandas as pd
import pytest
from local_server import Server, free_port, until
from frames import hours, rides, weather
from object_stores import ROOT, FaultyProxy, start_moto, start_seaweedfs

import tercet as tc

TERCET = os.environ.get("TERCET_BINARY") or Path(tc.__file__).parent / "bin" / "tercet"
counter = itertools.count()


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")
    running = {}
    try:
        for start in (start_moto, start_seaweedfs):
            store = start(folder)
            running[store.name] = store
            store.files.create_dir("lake")
        yield running
    finally:
        for store in running.values():
            store.stop()


@pytest.fixture(params=["moto", "seaweedfs"])
def store(request, stores):
    return stores[request.param]


@pytest.fixture
def moto(stores):
    return stores["moto"]


@pytest.fixture
def location():
    """A prefix of its own."""
    return f"s3://lake/p{next(counter)}/project"


def table_of(location: str, group: str = "weather") -> str:
    return f"{location}/feature_groups/{group}/1"


def data_files(store, location: str, group: str = "weather") -> list[str]:
    """Also those that no commit names any more."""
    return [key for key in store.keys(table_of(location, group)[5:])
            if "/_delta_log/" not in key]


def weather_group(project):
    return project.feature_group("weather", version=1, primary_key=["city"], event_time="hour",
                                 online=True)


def rain_of(rows) -> list[float]:
    return rows.to_pandas().sort_values("hour")["rain"].tolist()


def test_all_of_a_project(store, location, tmp_path):
    with tc.open(location, state=tmp_path / "state", storage_options=store.options) as project:
        assert project.location == location
        group = weather_group(project)
        first = group.insert(weather(10))
        group.insert(weather(20).assign(rain=2.5).tail(15))
        for hour in range(20, 25):
            group.insert(weather(25).iloc[[hour]], mode="append", wait_online=True)
        trips = project.feature_group("rides", version=1, primary_key=["ride"],
                                      event_time="started")
        trips.insert(rides())
        expected = weather(5)["rain"].tolist() + [2.5] * 15 + weather(25)["rain"].tolist()[20:]
        assert rain_of(group.read()) == expected
        assert rain_of(group.read(as_of=first)) == weather(10)["rain"].tolist()
        assert group.delete([{"city": "Oslo", "hour": hours(25)[24]}]).rows_deleted == 1
        expected.pop()
        assert rain_of(group.read()) == expected

        view = project.feature_view("late", version=1, labels=["late"], query=trips.select(
            "distance", "late").join(group.select("rain"), on=["city"]))
        data = view.training_data(split=tc.split.by_time(train=0.8, test=0.2), spine=rides())
        joined = pd.merge_asof(rides(), weather(24).assign(rain=expected), left_on="started",
                               right_on="hour", by="city")
        found = pd.concat([part.features.to_pandas() for part in (data.train, data.test)])
        assert sorted(found["rain"].dropna()) == sorted(joined["rain"].dropna())
        assert view.vector({"city": "Oslo", "distance": 1.0, "ride": 0},
                           event_time=hours(24)[23])["rain"] == expected[23]

        assert group.compact().operation == "compact"
        before = data_files(store, location)
        report = group.vacuum(retention="0s")
        assert len(report.files) > 3
        assert len(data_files(store, location)) == len(before) - len(report.files)
        assert rain_of(group.read()) == expected
        version = group.commits()[-1].version

    assert store.keys(f"{location[5:]}/training_datasets")
    # Another engine, another client.
    table = deltalake.DeltaTable(table_of(location), storage_options=store.options)
    assert table.version() == version
    theirs = table.to_pyarrow_table().to_pandas().sort_values("hour")
    assert theirs["rain"].tolist() == expected

    # The same state again, and one that was lost: what is in the bucket is still there.
    for state in ("state", "other"):
        with tc.open(location, state=tmp_path / state, storage_options=store.options) as project:
            assert rain_of(weather_group(project).read()) == expected
    with tc.open(location, state=tmp_path / "state", storage_options=store.options) as project:
        again = project.feature_view("late").rebuild()
        pd.testing.assert_frame_equal(again.train.features.to_pandas(),
                                      data.train.features.to_pandas())
        project.feature_view("late").drop_training_dataset(1)
        project.feature_view("late").drop()
        project.feature_group("rides").drop()
    assert not store.keys(f"{location[5:]}/feature_groups/rides")


def test_delta_rs_writes_beside_us(store, location, tmp_path):
    with tc.open(location, state=tmp_path / "state", storage_options=store.options) as project:
        group = weather_group(project)
        group.insert(weather(5))
        for hour in range(5, 8):
            rows = weather(8).iloc[[hour]].astype({"hour": "datetime64[us, UTC]"})
            deltalake.write_deltalake(
                table_of(location), rows, mode="append",
                storage_options={**store.options, "aws_conditional_put": "etag"})
            group.insert(weather(20).iloc[[10 + hour]])
        assert rain_of(group.read()) == [weather(20)["rain"].tolist()[i]
                                         for i in [0, 1, 2, 3, 4, 5, 6, 7, 15, 16, 17]]
        assert [commit.version for commit in group.commits()] == list(range(8))


# -- trouble ---------------------------------------------------------------------------------------

def append_rows(location, state, storage_options, writer, count):
    """A process of its own: rows that nobody else writes, one commit each."""
    with tc.open(location, state=state, storage_options=storage_options) as project:
        group = project.feature_group("events", version=1, primary_key=["writer"],
                                      event_time="at")
        for number in range(count):
            group.insert(pd.DataFrame({"writer": [writer], "at": [hours(count)[number]],
                                       "value": [float(writer * 1000 + number)]}),
                         mode=("append", "upsert")[number % 2])


def test_writers_in_trouble_lose_nothing_and_write_nothing_twice(store, location, tmp_path):
    chance = random.Random(11)
    lock = threading.Lock()

    def fault(request):
        with lock:
            roll = chance.random()
        if request.is_commit:
            kinds = ("500 after", "reset after", "503", "reset")
            return kinds[int(roll * 8)] if roll < 0.5 else None
        return ("503", "429", "reset", "cut", "short")[int(roll * 50)] if roll < 0.1 else None

    with FaultyProxy(store, fault) as proxy:
        with tc.open(location, state=tmp_path / "first", storage_options=store.options) as project:
            project.feature_group("events", version=1, primary_key=["writer"], event_time="at",
                                  schema={"writer": "int64", "at": "timestamp[us, tz=UTC]",
                                          "value": "double"})
        context = multiprocessing.get_context("spawn")
        # Two share a state, as on one machine; the third is another machine.
        workers = [context.Process(target=append_rows, args=(
            location, tmp_path / state, proxy.options, writer, 6))
            for writer, state in enumerate(["first", "first", "second"])]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
            assert worker.exitcode == 0
        made = collections.Counter(kind for kind, request in proxy.made)
    assert made["500 after"] + made["reset after"] > 0 and made["503"] + made["429"] > 0, made
    with tc.open(location, state=tmp_path / "third", storage_options=store.options) as project:
        group = project.feature_group("events", version=1, primary_key=["writer"], event_time="at")
        commits = group.commits()
        rows = group.read().to_pandas()
    assert [commit.version for commit in commits] == list(range(19))
    assert sum(commit.rows_inserted for commit in commits) == 18
    assert sorted(rows["value"]) == [1000.0 * writer + number for writer in range(3)
                                     for number in range(6)]
    theirs = deltalake.DeltaTable(table_of(location, "events"), storage_options=store.options)
    assert sorted(theirs.to_pyarrow_table()["value"].to_pylist()) == sorted(rows["value"])
    # No attempt that was lost left a file behind, and none that was won lost its own.
    assert len([key for key in data_files(store, location, "events")
                if "_change_data" not in key]) == 18


def test_what_comes_cut_off_is_fetched_again(moto, location, tmp_path):
    with tc.open(location, state=tmp_path / "writer", storage_options=moto.options) as project:
        weather_group(project).insert(weather(48))
    faults = iter(["cut", "short", "reset", "503"])
    with FaultyProxy(moto, lambda one: next(faults, None) if one.is_data else None) as proxy:
        with tc.open(location, state=tmp_path / "reader",
                     storage_options=proxy.options) as project:
            group = weather_group(project)
            assert rain_of(group.read()) == weather(48)["rain"].tolist()
            assert [kind for kind, _ in proxy.made] == ["cut", "short", "reset", "503"]
            asked = len(proxy.seen)
            assert rain_of(group.read()) == weather(48)["rain"].tolist()
            again = proxy.seen[asked:]
        assert not [request for request in again if ".parquet" in request], "fetched twice"


def test_a_listing_may_be_older_than_the_files(moto, location, tmp_path):
    stale = False
    with FaultyProxy(moto, lambda one: "stale" if one.is_list and stale else None) as proxy:
        with tc.open(location, state=tmp_path / "a", storage_options=proxy.options) as project:
            weather_group(project).insert(weather(2))
            weather_group(project).commits()  # lists the log
        with tc.open(location, state=tmp_path / "b", storage_options=moto.options) as project:
            weather_group(project).insert(weather(30))
        stale = True
        with tc.open(location, state=tmp_path / "a", storage_options=proxy.options) as project:
            group = weather_group(project)
            assert len(group.read()) == 30
            assert [commit.version for commit in group.commits()] == [0, 1, 2]
            assert len(group.read(as_of=group.commits()[2])) == 30
            assert group.insert(weather(31)).version == 3
        assert ("stale" in [kind for kind, _ in proxy.made])


def test_a_busy_store_is_given_up_in_the_end(moto, location, tmp_path):
    busy = False
    with FaultyProxy(moto, lambda request: "503" if request.is_commit and busy else None) as proxy:
        with tc.open(location, state=tmp_path / "state", storage_options=proxy.options) as project:
            group = weather_group(project)
            group.insert(weather(1))
            busy = True
            with pytest.raises(tc.StorageError, match="503 SlowDown"):
                group.insert(weather(2))
            busy = False
            assert len(group.read()) == 1
            group.insert(weather(3))
            assert len(group.read()) == 3


def insert_weather(location, state, storage_options, count):
    with tc.open(location, state=state, storage_options=storage_options) as project:
        weather_group(project).insert(weather(count))


def test_killed_between_upload_and_commit(store, location, tmp_path):
    with tc.open(location, state=tmp_path / "state", storage_options=store.options) as project:
        weather_group(project).insert(weather(3))
    with FaultyProxy(store, lambda request: "hold" if request.is_commit else None) as proxy:
        worker = multiprocessing.get_context("spawn").Process(
            target=insert_weather, args=(location, tmp_path / "state", proxy.options, 9))
        worker.start()
        until(lambda: proxy.made)
        os.kill(worker.pid, signal.SIGKILL)
        worker.join()
    assert len(data_files(store, location)) > 1, "it was killed after the upload"
    with tc.open(location, state=tmp_path / "state", storage_options=store.options) as project:
        group = weather_group(project)
        assert rain_of(group.read()) == weather(3)["rain"].tolist()
        assert group.insert(weather(9)).version == 2
        assert rain_of(group.read()) == weather(9)["rain"].tolist()


# -- large files, and little room ------------------------------------------------------------------

def test_large_files_go_up_and_come_down_in_parts(store, location, tmp_path):
    count = 800_000
    rows = pd.DataFrame({"id": np.arange(count), "at": hours(1)[0],
                         **{f"f{i}": np.arange(count) * (i + 0.5) for i in range(2)}})
    with FaultyProxy(store, lambda request: None) as proxy:
        with tc.open(location, state=tmp_path / "writer",
                     storage_options=proxy.options) as project:
            group = project.feature_group("wide", version=1, primary_key=["id"], event_time="at")
            group.insert(rows)
        parts = sum("partNumber=" in request for request in proxy.seen)
        assert parts > 2, "in parts"
        # A cache that has no room for it: it comes all the same.
        with tc.open(location, state=tmp_path / "reader",
                     storage_options={**proxy.options, "cache_bytes": "1000000"}) as project:
            group = project.feature_group("wide", version=1, primary_key=["id"], event_time="at")
            assert group.read(["f1"]).to_pandas()["f1"].sum() == rows["f1"].sum()
        fetched = [request for request in proxy.seen if request.startswith("GET")
                   and "/part-" in request]
        assert len(fetched) > 2


def test_the_cache_keeps_to_its_room(moto, location, tmp_path):
    settings = {**moto.options, "cache_bytes": "60000"}
    with tc.open(location, state=tmp_path / "state", storage_options=settings) as project:
        group = weather_group(project)
        for start in range(0, 40):
            group.insert(weather(48).iloc[[start]], mode="append")
        assert len(group.read()) == 40
    kept = sum(file.stat().st_size for file in (tmp_path / "state/cache").rglob("*")
               if file.is_file())
    assert 0 < kept <= 60_000
    assert not list((tmp_path / "state/cache/staging").iterdir())


# -- how it is opened ------------------------------------------------------------------------------

def test_https(moto, location, tmp_path):
    certificate = tmp_path / "server.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                    "-keyout", tmp_path / "key.pem", "-out", tmp_path / "ca.pem"],
                   check=True, capture_output=True)
    certificate.write_text((tmp_path / "key.pem").read_text() + (tmp_path / "ca.pem").read_text())
    with FaultyProxy(moto, lambda request: None, certificate) as proxy:
        with pytest.raises(tc.StorageError, match="certificate is not trusted.*AWS_CA_BUNDLE"):
            tc.open(location, state=tmp_path / "a", storage_options=proxy.options)
        trusted = {**proxy.options, "ca_file": str(tmp_path / "ca.pem")}
        with tc.open(location, state=tmp_path / "a", storage_options=trusted) as project:
            weather_group(project).insert(weather(5))
            assert rain_of(weather_group(project).read()) == weather(5)["rain"].tolist()
        other = {**trusted, "AWS_ENDPOINT_URL": proxy.endpoint.replace("localhost", "127.0.0.1")}
        with pytest.raises(tc.StorageError, match="certificate is not trusted: .*mismatch"):
            tc.open(location, state=tmp_path / "b", storage_options=other)


def test_settings_come_from_the_environment(stores, location, tmp_path, monkeypatch):
    store = stores["seaweedfs"]
    (tmp_path / "credentials").write_text(
        "[default]\naws_access_key_id = no\naws_secret_access_key = no\n"
        "[tests]\naws_access_key_id = test-key\naws_secret_access_key = test-secret\n")
    (tmp_path / "config").write_text(f"[profile tests]\nregion = us-east-1\ns3 =\n  x = y\n"
                                     f"endpoint_url = {store.endpoint}\n")
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "tests")
    monkeypatch.setenv("TERCET_STATE", str(tmp_path / "state"))
    with tc.open(location) as project:
        weather_group(project).insert(weather(5))

    def run(*words):
        done = subprocess.run([str(TERCET), "--project", location, *words], text=True,
                              capture_output=True)
        return done.returncode, done.stdout + done.stderr

    assert run("groups", "list")[0] == 0 and "weather" in run("groups", "list")[1]
    # A step finds the bucket and the state where the command did.
    step = tmp_path / "step.py"
    step.write_text("import os, tercet as tc\n"
                    "p = tc.open(os.environ['TERCET_PROJECT'])\n"
                    "assert len(p.feature_group('weather').read()) == 5\n")
    code, text = run("--state", str(tmp_path / "state"), "run", "python3", str(step))
    assert code == 0, text
    monkeypatch.delenv("TERCET_STATE")
    code, text = run("groups", "list")
    assert code == 1 and "--state" in text


def test_a_server_on_a_bucket(moto, location, tmp_path, monkeypatch):
    for name, value in moto.options.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TERCET_STATE", str(tmp_path / "state"))
    server = Server(location)
    try:
        with tc.open(server.location) as project:
            group = weather_group(project)
            group.insert(weather(5), wait_online=True)
            assert rain_of(group.read()) == weather(5)["rain"].tolist()
    finally:
        server.stop()


def test_roles_that_are_taken(moto, location, tmp_path, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto.endpoint)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    config, token = tmp_path / "config", tmp_path / "token"
    config.write_text("[default]\nrole_arn = arn:aws:iam::123456789012:role/tercet\n"
                      "source_profile = base\n[profile base]\naws_access_key_id = test-key\n"
                      "aws_secret_access_key = test-secret\n")
    token.write_text("a service account's")
    with monkeypatch.context() as profile:
        profile.setenv("AWS_CONFIG_FILE", str(config))
        tc.open(location, state=tmp_path / "profile").close()
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/tercet")
    project = tc.open(location, state=tmp_path / "state")
    group = project.feature_group("weather", version=1, primary_key=["city"], event_time="hour")
    group.insert(weather(5))
    assert len(group.read()) == 5


@pytest.mark.parametrize("what, expected", [
    ({"state": None}, "needs a local directory.*give state="),
    ({"location": "s3://no-such-bucket/x"}, "there is no bucket 'no-such-bucket'"),
    ({"options": {"AWS_SECRET_ACCESS_KEY": "wrong"}},
     "access is denied; check AWS_ACCESS_KEY_ID.*403 SignatureDoesNotMatch"),
    ({"options": {"AWS_ACCESS_KEY_ID": "nobody"}}, "access is denied.*403 InvalidAccessKeyId"),
    ({"options": {"AWS_ENDPOINT_URL": "http://127.0.0.1:{free}"}},
     "cannot reach the object store at http://127.0.0.1:[0-9]+: Connection refused"),
    ({"options": {"AWS_ENDPOINT_URL": "http://nowhere.invalid"}},
     "'nowhere.invalid' has no address"),
    ({"options": {"AWS_ENDPOINT_URL": "nowhere"}}, "must be http://HOST"),
    ({"options": {"AWS_REGIN": "x"}}, "no storage option 'AWS_REGIN'.*did you mean 'region'"),
    ({"options": {"cache_bytes": "many"}}, "must be a number of bytes"),
    ({"options": {"AWS_ACCESS_KEY_ID": ""}}, "no credentials"),
    ({"location": "s3://Lake/x"}, "can't be a bucket's name"),
    ({"location": "s3://lake/../x"}, "odd part"),
    ({"location": Path("s3://lake/x")}, "as text"),
    ({"location": "gs://lake/x"}, "no scheme 'gs'"),
])
def test_what_is_wrong_is_said(stores, location, tmp_path, monkeypatch, what, expected):
    monkeypatch.delenv("TERCET_STATE", raising=False)
    settings = dict(stores["seaweedfs"].options)
    settings.update({name: value.replace("{free}", str(free_port()))
                     for name, value in what.get("options", {}).items()})
    state = what["state"] if "state" in what else tmp_path / "state"
    started = time.monotonic()
    with pytest.raises(tc.Error, match=expected) as raised:
        tc.open(what.get("location", location), state=state, storage_options=settings)
    assert isinstance(raised.value, (tc.StorageError, tc.InvalidError))
    assert time.monotonic() - started < 60, "told soon"


def test_places_that_are_taken(moto, location, tmp_path):
    tc.open(location, state=tmp_path / "state", storage_options=moto.options).close()
    with pytest.raises(tc.InvalidError, match="keeps the state of 's3://lake"):
        tc.open(location + "2", state=tmp_path / "state", storage_options=moto.options)
    with pytest.raises(tc.InvalidError, match="keeps the state of project 's3://lake"):
        tc.open(tmp_path / "state")
    tc.open(tmp_path / "local").close()
    with pytest.raises(tc.InvalidError, match="is a project of its own"):
        tc.open(location, state=tmp_path / "local", storage_options=moto.options)
    with pytest.raises(tc.InvalidError, match="only one at s3://"):
        tc.open(tmp_path / "local", state=tmp_path / "state")
    with pytest.raises(tc.StorageError, match="not empty"):
        tc.open(location.rsplit("/", 1)[0], state=tmp_path / "x", storage_options=moto.options)
    # Emptied and made anew, the bucket has another project, which this state knows nothing of.
    moto.files.delete_file(location[5:] + "/project.json")
    tc.open(location, state=tmp_path / "new", storage_options=moto.options).close()
    with pytest.raises(tc.InvalidError, match="another project that was at"):
        tc.open(location, state=tmp_path / "state", storage_options=moto.options)


def test_a_store_without_conditional_writes_is_refused(moto, location, tmp_path):
    class Careless(FaultyProxy):
        def _forward(self, request):
            request.headers = [(name, value) for name, value in request.headers
                               if name.lower() != "if-none-match"]
            return super()._forward(request)

    with Careless(moto, lambda request: None) as proxy:
        with pytest.raises(tc.StorageError, match="takes no notice of If-None-Match"):
            tc.open(location, state=tmp_path / "state", storage_options=proxy.options)


def test_the_guide(moto, tmp_path, monkeypatch):
    """Its blocks need a store, so they are run here."""
    page = (ROOT / "docs/guides/object-storage.md").read_text()
    program = "\n".join(re.findall(r"^```py\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    assert "tc.open" in program and "deltalake" in program
    for name, value in moto.options.items():
        monkeypatch.setenv(name, value)
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path)
