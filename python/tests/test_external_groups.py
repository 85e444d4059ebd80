"""External feature groups: rows that others keep, read where they are."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import deltalake
import duckdb
import pandas as pd
import pytest
from local_server import Server
from frames import hours, rides, weather

import tercet as tc


@pytest.fixture(params=["directory", "server"])
def project(request, tmp_path):
    """An empty project, in process, and on a server that may read the test's folder."""
    if request.param == "directory":
        with tc.open(tmp_path / "project") as opened:
            yield opened
        return
    server = Server(tmp_path / "project", "--allow-source", str(tmp_path), "--allow-source",
                    "postgres")
    try:
        with tc.open(server.location) as opened:
            yield opened
    finally:
        server.stop()


def write(kind: str, folder: Path, frame: pd.DataFrame) -> tc.source.Source:
    """The frame as a source of that kind, its rows in no order."""
    frame = frame.sample(frac=1, random_state=3)
    half = len(frame) // 2
    if kind == "parquet":
        frame[:half].to_parquet(folder / "weather-1.parquet")
        frame[half:].to_parquet(folder / "weather-2.parquet")
        return tc.source.parquet(folder / "weather-*.parquet")
    if kind == "csv":
        frame.to_csv(folder / "weather.csv", index=False)
        return tc.source.csv(folder / "weather.csv")
    if kind == "json":
        frame.assign(hour=frame.hour.dt.strftime("%Y-%m-%dT%H:%M:%SZ")).to_json(
            folder / "weather.json", orient="records", lines=True)
        return tc.source.json(folder / "weather.json")
    if kind == "delta":
        deltalake.write_deltalake(folder / "weather", frame[:half])
        deltalake.write_deltalake(folder / "weather", frame[half:], mode="append")
        return tc.source.delta(folder / "weather")
    with duckdb.connect(folder / "weather.duckdb") as database:
        database.execute("create schema upstream; create table upstream.weather as from frame")
    return tc.source.duckdb(folder / "weather.duckdb", "upstream.weather")


def external(project, source, **options):
    return project.external_feature_group("weather", version=1, source=source,
                                          primary_key=["city"], event_time="hour", **options)


KINDS = ["parquet", "csv", "json", "delta", "duckdb"]


@pytest.mark.parametrize("kind", KINDS)
def test_is_joined_as_any_other(project, tmp_path, kind):
    """The same training data as of a group with the same rows inserted."""
    frame = pd.concat([weather(48), weather(48).assign(city="Rome", rain=-1.0)])
    group = external(project, write(kind, tmp_path, frame), ttl="3h")
    inserted = project.feature_group("inserted", version=1, primary_key=["city"],
                                     event_time="hour", ttl="3h")
    inserted.insert(frame)
    trips = project.feature_group("rides", version=1, primary_key=["ride"], event_time="started")
    trips.insert(rides())
    parts = []
    for number, one in enumerate([group, inserted], start=1):
        view = project.feature_view(
            "late", version=number, labels=["late"],
            query=trips.select("distance", "late", "city").join(one.select("rain"), on="city"))
        (part,) = view.training_data().parts.values()
        parts.append(part)
    features = parts[0].features.to_pandas()
    assert features.rain.notna().any()
    pd.testing.assert_frame_equal(features, parts[1].features.to_pandas())
    assert group.source["kind"] == kind

    rows = group.read(["city", "rain"], start=hours(9)[5], end=hours(9)[7]).to_rows()
    assert rows == [{"city": "Oslo", "rain": 5.0}, {"city": "Oslo", "rain": 6.0},
                    {"city": "Rome", "rain": -1.0}, {"city": "Rome", "rain": -1.0}]
    total = project.sql("select count(*) n, sum(rain) s from weather where city = 'Oslo'")
    assert total.to_rows() == [{"n": 48, "s": weather(48).rain.sum()}]


@pytest.mark.parametrize("kind", KINDS)
def test_is_not_written(project, tmp_path, kind):
    source = write(kind, tmp_path, weather(4))
    before = sorted((path, path.stat().st_size) for path in tmp_path.rglob("weather*"))
    group = external(project, source)
    for write_to in [lambda: group.insert(weather(1)), lambda: group.delete({"city": ["Oslo"]}),
                     group.compact]:
        with pytest.raises(tc.NotSupportedError, match="kept by another system"):
            write_to()
    group.drop()
    assert sorted((path, path.stat().st_size) for path in tmp_path.rglob("weather*")) == before


def test_an_erasure_leaves_them_to_their_owner(project, tmp_path):
    group = external(project, write("parquet", tmp_path, weather(8)))
    inserted = project.feature_group("trips", version=1, primary_key=["city"])
    inserted.insert([{"city": "Oslo", "km": 5}, {"city": "Rome", "km": 6}])
    assert set(project.erase({"city": ["Oslo"]}).groups) == {"trips@1"}
    assert len(inserted.read()) == 1 and len(group.read()) == 8
    with pytest.raises(tc.NotSupportedError, match="kept by another system"):
        group.erase({"city": ["Oslo"]})


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_types_are_those_of_all_values(project, tmp_path, kind):
    """Not those of a sample, to which a fraction that comes later would be rounded."""
    place = tmp_path / f"rain.{kind}"
    frame = pd.DataFrame({"city": range(30_000), "rain": 1})
    last = pd.DataFrame({"city": [30_000], "rain": [1.5]})
    if kind == "csv":
        frame.to_csv(place, index=False)
        last.to_csv(place, index=False, header=False, mode="a")
    else:
        place.write_text(frame.to_json(orient="records", lines=True)
                         + last.to_json(orient="records", lines=True))
    group = project.external_feature_group("rain", version=1, primary_key=["city"],
                                           source=getattr(tc.source, kind)(place))
    assert group.schema["rain"] == "double"
    assert group.read(["rain"]).to_pandas()["rain"].sum() == 30_001.5


def test_a_csv_file_of_names_alone_has_no_rows(project, tmp_path):
    (tmp_path / "rain.csv").write_text("city,rain\n")
    group = project.external_feature_group("rain", version=1, primary_key=["city"],
                                           source=tc.source.csv(tmp_path / "rain.csv"))
    assert group.schema == {"city": "string", "rain": "string"}
    assert len(group.read()) == 0


def test_the_name_of_a_file_is_no_pattern(project, tmp_path):
    names = ["day[1].csv", "day1.csv", "day*.csv"]
    for number, name in enumerate(names):
        (tmp_path / name).write_text(f"city,rain\n{name},{number}\n")
    rain = {}
    for name in [*names, "day?.csv", "d*].csv"]:
        group = project.external_feature_group("rain", version=1, primary_key=["city"],
                                               source=tc.source.csv(tmp_path / name))
        rain[name] = sorted(row["rain"] for row in group.read().to_rows())
        group.drop()
    assert rain == {"day[1].csv": [0], "day1.csv": [1], "day*.csv": [2], "day?.csv": [1, 2],
                    "d*].csv": [0]}


@pytest.mark.parametrize("kind, broken", [("parquet", b"PAR1, but for the rest"),
                                          ("csv", b"city,hour\nBod\xf8,2024-03-01\n"),
                                          ("json", b'{"city": "Oslo", ')])
def test_a_broken_file_is_named(project, tmp_path, kind, broken):
    path = tmp_path / f"weather.{kind}"
    path.write_bytes(broken)
    with pytest.raises(tc.StorageError, match=f"cannot read the {kind} source .*weather.{kind}'"
                       ) as told:
        external(project, getattr(tc.source, kind)(path))
    assert "SELECT" not in str(told.value)


def test_online_after_materialize(project, tmp_path):
    source = write("parquet", tmp_path, weather(4))
    group = external(project, source, online=True)
    view = project.feature_view("rain", version=1, query=group.select("rain"))
    group.materialize()
    assert view.vector({"city": "Oslo"}, event_time=hours(9)[8])["rain"] == 3.0
    write("parquet", tmp_path, weather(6))
    assert view.vector({"city": "Oslo"}, event_time=hours(9)[8])["rain"] == 3.0
    group.materialize()
    assert view.vector({"city": "Oslo"}, event_time=hours(9)[8])["rain"] == 5.0
    ours = project.feature_group("ours", version=1, primary_key=["city"], online=True)
    with pytest.raises(tc.InvalidError, match="no external one"):
        ours.materialize()


def test_rebuild_is_refused_once_files_changed(project, tmp_path):
    group = external(project, write("parquet", tmp_path, weather(48)))
    view = project.feature_view("rain", version=1, query=group.select("rain"))
    made = view.training_data()
    view.rebuild(made.version)
    write("parquet", tmp_path, weather(47))
    with pytest.raises(tc.NotFoundError, match="have changed"):
        view.rebuild(made.version)


def test_delta_keeps_its_versions(project, tmp_path):
    group = external(project, write("delta", tmp_path, weather(4)))
    assert [commit.version for commit in group.commits()] == [0, 1]
    assert (len(group.read(as_of=0)), len(group.read())) == (2, 4)
    query = "select count(*) as n from feature_group('weather', as_of := 0)"
    assert project.sql(query).to_rows() == [{"n": 2}]


def test_the_later_of_equal_rows_wins(project, tmp_path):
    doubled = pd.concat([weather(3), weather(3).assign(rain=[7.0, 8.0, None])])
    doubled.to_csv(tmp_path / "weather.csv", index=False)
    group = external(project, tc.source.csv(tmp_path / "weather.csv"))
    assert group.read(["rain"]).to_rows() == [{"rain": 7.0}, {"rain": 8.0}, {"rain": None}]


def test_a_join_asks_for_its_keys_and_times_alone(project, tmp_path):
    """Of a view that fails where more of it is read."""
    with duckdb.connect(tmp_path / "weather.duckdb") as database:
        database.execute("""
            create table rows as select city, timestamptz '2024-01-01 00:00:00+00'
                + to_hours(h::int) as hour, h + 0.5 as rain
            from range(48) hours(h), (values ('Oslo'), ('Bergen'), ('Rome')) cities(city);
            create view weather as select city, hour, case when city = 'Rome' or hour
                > timestamptz '2024-01-01 09:00:00+00' then error('asked for ' || city)
                else rain end as rain from rows""")
    group = external(project, tc.source.duckdb(tmp_path / "weather.duckdb", "weather"))
    with pytest.raises(tc.Error, match="asked for"):
        group.read()
    trips = project.feature_group("rides", version=1, primary_key=["ride"], event_time="started")
    trips.insert(pd.DataFrame({"ride": range(3), "city": ["Oslo", "Bergen", None],
                               "started": hours(10)[[5, 9, 2]], "late": True}))
    view = project.feature_view(
        "late", version=1, labels=["late"],
        query=trips.select("late", "city").join(group.select("rain"), on="city"))
    assert view.training_data().train.features.to_pandas().rain.tolist()[:2] == [5.5, 9.5]
    spine = pd.DataFrame({"ride": [0], "city": ["Bergen"], "started": hours(10)[[3]],
                          "late": [True]})
    assert view.training_data(spine).train.features.to_pandas().rain.tolist() == [3.5]


@pytest.mark.parametrize("cities", [3, 1500])
def test_few_keys_and_many_are_joined_alike(project, tmp_path, cities):
    """Keys of several columns, one of which is text to us and a UUID there."""
    with duckdb.connect(tmp_path / "weather.duckdb") as database:
        database.execute(f"""create table weather as select
            format('00000000-0000-0000-0000-{{:012d}}', c)::uuid as id, n::smallint as n,
            timestamptz '2024-01-01 00:00:00+00' + to_hours(h::int) as hour, c * 10 + n + h as rain
            from range({cities}) cities(c), range(2) numbers(n), range(3) hours(h)""")
        frame = database.execute("select id::text id, n, hour, rain from weather"
                                 ).to_arrow_table().to_pandas()
    source = tc.source.duckdb(tmp_path / "weather.duckdb", "weather")
    options = {"version": 1, "primary_key": ["id", "n"], "event_time": "hour"}
    group = project.external_feature_group("weather", source=source, **options)
    inserted = project.feature_group("inserted", **options)
    inserted.insert(frame)
    ids = [*frame.id.unique(), "no uuid", "it's"]
    trips = project.feature_group("rides", version=1, primary_key=["ride"], event_time="started")
    trips.insert(pd.DataFrame({"ride": range(len(ids)), "id": ids, "late": True,
                               "n": pd.array([i % 3 for i in range(len(ids))], "int16"),
                               "started": [hours(9)[i % 4] for i in range(len(ids))]}))
    found = []
    for number, one in enumerate([group, inserted], start=1):
        view = project.feature_view(
            "late", version=number, labels=["late"],
            query=trips.select("late", "id", "n").join(one.select("rain"), on=["id", "n"]))
        found.append(view.training_data().train.features.to_pandas())
    assert 0 < found[0].rain.notna().sum() < len(ids)
    pd.testing.assert_frame_equal(found[0], found[1])


def test_keys_of_files_are_joined(project, tmp_path):
    """More than a query names one by one, text and numbers, null among them."""
    every = pd.DataFrame({"city": [None if i == 5 else f"c{i}" for i in range(6000)],
                          "n": pd.array([None if i == 7 else i for i in range(6000)], "Int64"),
                          "hour": hours(1)[0], "rain": [i / 2 for i in range(6000)]})
    every.to_parquet(tmp_path / "weather.parquet")
    group = project.external_feature_group(
        "weather", version=1, source=tc.source.parquet(tmp_path / "weather.parquet"),
        primary_key=["city", "n"], event_time="hour")
    view = project.feature_view("rain", version=1, query=group.select("rain"))
    spine = every[["city", "n"]].iloc[::-3].assign(hour=hours(9)[8])
    spine.loc[spine.n == 9, "n"] = 10
    found = view.training_data(spine=spine).train.features.to_pandas().rain.tolist()
    assert len(found) == 2000 and found[-1] == 1.0
    assert [None if pd.isna(rain) else rain for rain in found] == [
        None if city is None or pd.isna(n) or f"c{n}" != city else n / 2
        for city, n in zip(spine.city, spine.n)]


def test_says_what_is_wrong(project, tmp_path):
    source = write("csv", tmp_path, weather(4))
    with pytest.raises(tc.InvalidError, match="(?s)'town' is not in the schema"):
        project.external_feature_group("weather", source=source, primary_key=["town"])
    with pytest.raises(tc.NotFoundError, match="no file .*gone.parquet"):
        external(project, tc.source.parquet(tmp_path / "gone.parquet"))
    with pytest.raises(tc.InvalidError, match="without a password"):
        external(project, tc.source.postgres("host=h password=secret", "weather"))
    with pytest.raises(tc.WrongTypeError, match="tercet.source.parquet"):
        external(project, "weather.csv")
    group = external(project, source)
    os.remove(tmp_path / "weather.csv")
    assert [one.name for one in project.feature_groups()] == ["weather"]
    with pytest.raises(tc.NotFoundError, match="there is no file"):
        group.read()


def test_a_server_reads_only_what_it_may(tmp_path):
    (tmp_path / "allowed").mkdir()
    weather(4).to_parquet(tmp_path / "weather.parquet")
    os.symlink(tmp_path, tmp_path / "allowed" / "out")
    shutil.copy(tmp_path / "weather.parquet", tmp_path / "allowed" / "weather.parquet")
    server = Server(tmp_path / "project", "--allow-source", str(tmp_path / "allowed"))
    try:
        with tc.open(server.location) as project:
            external(project, tc.source.parquet(tmp_path / "allowed" / "weather*.parquet"))
            for path in ["weather.parquet", "allowed/out/weather.parquet", "allowe*/w.parquet"]:
                with pytest.raises(tc.NotSupportedError, match="--allow-source"):
                    project.external_feature_group(
                        "other", source=tc.source.parquet(tmp_path / path), primary_key=["city"])
            with pytest.raises(tc.NotSupportedError, match="--allow-source postgres"):
                external(project, tc.source.postgres("dbname=x", "weather"), )
    finally:
        server.stop()


@pytest.fixture
def database(tmp_path):
    """A PostgreSQL server of Debian's with a table, as a connection string."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("Debian's postgresql is not installed")
    bin_folder = found[-1].parent
    home = Path(subprocess.run(["mktemp", "-d", "/tmp/tercet-pg-XXXXXX"], check=True, text=True,
                               stdout=subprocess.PIPE).stdout.strip())
    # PostgreSQL refuses to run as root.
    as_owner = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    as_owner = as_owner if os.geteuid() == 0 else []
    if as_owner:
        shutil.chown(home, "postgres", "postgres")

    def run(*words):
        subprocess.run([*as_owner, *words], check=True, cwd=home, stdout=subprocess.DEVNULL,
                       env={**os.environ, "HOME": str(home)})

    run(bin_folder / "initdb", "-D", home / "data", "-A", "trust", "-U", "tester")
    run(bin_folder / "pg_ctl", "-D", home / "data", "-l", home / "log", "-w",
        "-o", f"-c listen_addresses= -c log_statement=all -c unix_socket_directories={home}",
        "start")
    try:
        yield f"host={home} user=tester dbname=postgres"
    finally:
        run(bin_folder / "pg_ctl", "-D", home / "data", "-m", "fast", "stop")
        shutil.rmtree(home)


def test_postgres(project, database, tmp_path):
    connection = database
    fill = duckdb.connect()
    statements = ("create table weather(city text, hour timestamptz, rain float8, sun float8);"
                  "insert into weather select 'Oslo', timestamptz '2024-01-01 00:00Z' + "
                  "i * interval '1 hour', i % 7, 1 from generate_series(0, 47) i")
    subprocess.run(["psql", "-q", "-d", connection, "-c", statements], check=True)
    fill.close()
    group = external(project, tc.source.postgres(connection, "public.weather"), online=True)
    columns = list(weather(1))
    pd.testing.assert_frame_equal(group.read(columns).to_pandas(), weather(48), check_dtype=False)
    trips = project.feature_group("rides", version=1, primary_key=["ride"], event_time="started")
    trips.insert(rides())
    view = project.feature_view(
        "late", version=1, labels=["late"],
        query=trips.select("late", "city").join(group.select("rain"), on="city"))
    (part,) = view.training_data().parts.values()
    expected = [float(min(int(minutes // 60), 47) % 7) for minutes in range(0, 200 * 13, 13)]
    assert part.features.to_pandas().rain.tolist() == expected
    # The join asked PostgreSQL for its labels' keys and times, and for no column more.
    log = Path(connection.split()[0].removeprefix("host="), "log").read_text()
    (asked,) = [line for line in log.splitlines() if "COPY" in line and "'Oslo'" in line]
    assert '"hour" < \'2024-01-02' in asked and '"rain"' in asked and '"sun"' not in asked
    many = pd.DataFrame({"city": ["Oslo", *(f"c{i}" for i in range(5000))],
                         "hour": hours(48)[47]})
    rain = project.feature_view("many", version=1, query=group.select("rain"))
    found = rain.training_data(spine=many).train.features.to_pandas().rain
    assert found[0] == 5.0 and found[1:].isna().all()
    assert "'c4999'" in Path(connection.split()[0].removeprefix("host="), "log").read_text()
    assert project.sql("select sum(rain) s from weather where hour < '2024-01-01 07:00'"
                       ).to_rows() == [{"s": 21.0}]
    group.materialize()
    alone = project.feature_view("rain", version=1, query=group.select("rain"))
    assert alone.vector({"city": "Oslo"}, event_time=hours(48)[47])["rain"] == 5.0


def test_iceberg_says_what_it_does_not_read(tmp_path):
    """What our plans don't know is DuckDB's extension asked for; here is none."""
    metadata = tmp_path / "t" / "metadata" / "v1.metadata.json"
    metadata.parent.mkdir(parents=True)
    metadata.write_text(json.dumps({
        "format-version": 3, "current-schema-id": 0, "location": str(tmp_path / "t"),
        "schemas": [{"schema-id": 0, "fields": [{"id": 1, "name": "k", "type": "geometry"}]}]}))
    code = (f"import tercet as tc; p = tc.open({str(tmp_path / 'p')!r})\n"
            f"p.external_feature_group('t', source=tc.source.iceberg({str(metadata)!r}), "
            "primary_key=['k'])")
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True,
                          timeout=300, env={**os.environ, "TERCET_DUCKDB_EXTENSIONS": "/nowhere"})
    assert "NotSupportedError" in done.stderr
    assert "column 'k': the type 'geometry' is not read" in done.stderr
