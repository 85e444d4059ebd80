"""SQL over feature groups, as a directory and as a server answer it."""

import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from frames import hours, rides, weather

import tercet as tc


@pytest.fixture
def group(project):
    made = project.feature_group("weather", version=1, primary_key=["city"], event_time="hour")
    made.insert(weather(48))
    return made


def test_answers_are_those_of_duckdb(project, group):
    """Upserts, deletes and appends applied, the same query on the rows gives the same."""
    random = np.random.default_rng(7)
    big = pd.DataFrame({
        "city": random.choice(["Oslo", "Rome", "Lima", "Ulm"], 5000),
        "hour": pd.to_datetime(random.integers(0, 400, 5000) * 3600, unit="s", utc=True),
        "rain": random.normal(size=5000)})
    group.insert(big.drop_duplicates(["city", "hour"]))
    changed = big.drop_duplicates(["city", "hour"]).sample(300, random_state=1)
    group.insert(changed.assign(rain=changed.rain + 100))
    group.insert(changed.head(50).assign(rain=-5.0), mode="append")
    group.delete(changed.head(20)[["city", "hour"]])
    other = project.feature_group("rides", version=1, primary_key=["ride"], event_time="started")
    other.insert(rides())
    own = duckdb.connect(config={"threads": 1})
    own.sql("set timezone = 'UTC'")
    own.register("weather", group.read().to_arrow())
    own.register("rides", other.read().to_arrow())
    for query in [
            "select city, count(*) n, round(sum(rain), 6) s from weather group by 1 order by 1",
            "select * from weather where hour >= '1970-01-03' and hour < '1970-01-04 07:00' "
            "order by all",
            "select hour, rain from weather where rain > 100 and city in ('Rome', 'Ulm') "
            "order by all",
            "select r.ride, w.rain from rides r asof left join weather w "
            "on r.city = w.city and r.started >= w.hour order by 1",
            "with top as (select city, max(rain) m from weather group by 1) "
            "select w.* from weather w join top on w.city = top.city and w.rain = top.m order by 1",
            "select city, hour, avg(rain) over (partition by city order by hour rows 3 preceding) a"
            " from weather where hour between '1970-01-02' and '1970-01-02 12:00' order by all",
            "select late, sum(distance) d, bool_or(distance > 9) b from rides group by late "
            "order by 1",
            "select count(*) from weather", "describe weather"]:
        expected = own.sql(query).to_arrow_table()
        actual = project.sql(query).to_arrow()
        assert actual.column_names == expected.column_names
        assert actual.to_pylist() == expected.to_pylist(), query


def test_names_and_times(project, group):
    first = group.commits()[-1]
    group.insert(weather(48).assign(rain=9.0))
    newer = project.feature_group("weather", version=2, primary_key=["city"], event_time="hour")
    newer.insert(weather(1).assign(rain=0.5))
    total = "select sum(rain) from "
    assert project.sql(total + "weather").to_rows()[0]["sum(rain)"] == 0.5
    assert project.sql(total + "weather_1").to_rows()[0]["sum(rain)"] == 48 * 9.0
    before = weather(48).rain.sum()
    for as_of in [{group: first}, {"weather@1": first.version}, {group: first.commit_time},
                  {group: np.int64(first.version)},
                  {"weather@1": first.commit_time.isoformat()}]:
        answer = project.sql(total + '"weather@1"', as_of=as_of)
        assert answer.to_rows()[0]["sum(rain)"] == before
    assert project.sql(total + "weather_1", as_of=first).to_rows()[0]["sum(rain)"] == before
    query = total + f"feature_group('weather@1', as_of := {first.version})"
    assert project.sql(query).to_rows()[0]["sum(rain)"] == before
    assert len(group.read(as_of=np.int64(first.version))) == 48
    assert len(group.changes(since=np.int64(first.version))) > 0
    with pytest.raises(tc.InvalidError, match="not 'weather@new'"):
        project.sql(query, as_of={"weather@new": 1})
    with pytest.raises(tc.NotFoundError, match="did you mean 'weather'"):
        project.sql("select * from wether")
    with pytest.raises(tc.InvalidError, match='(?s)"rein" not found.*rain.*LINE 1'):
        project.sql("select rein from weather")


def test_frames_come_out(project, group):
    answer = project.sql("select city, hour, rain, hour::date as day, rain > 3 as wet, "
                         "[rain] as list, null as nothing from weather order by hour")
    assert answer.shape == (48, 7)
    assert answer.schema["hour"] == "timestamp[us, tz=UTC]"
    assert answer.to_pandas().rain.tolist() == weather(48).rain.tolist()
    assert answer.to_polars()["wet"].sum() == (weather(48).rain > 3).sum()
    assert project.sql("select * from weather where rain > 100").to_pandas().empty
    again = project.feature_group("copy", version=1, primary_key=["city"], event_time="hour")
    again.insert(project.sql("select * from weather"))
    assert again.read().to_rows() == group.read().to_rows()


def test_reaches_no_file(project, group, tmp_path):
    file = tmp_path / "secret.csv"
    file.write_text("a\n1\n")
    for query in [f"select * from '{file}'", f"select * from read_text('{file}')",
                  f"copy (select 1) to '{tmp_path}/out.csv'", "install httpfs",
                  "set enable_external_access = true", f"select * from glob('{tmp_path}/*')",
                  f"attach '{tmp_path}/x.duckdb'"]:
        with pytest.raises(tc.Error):
            project.sql(query)
    assert not (tmp_path / "out.csv").exists()
    if project.location.startswith("tercet://"):
        with pytest.raises(tc.NotSupportedError, match="no files"):
            project.sql(f"select * from '{file}'", files=[str(file)])
    else:
        assert project.sql(f"select * from '{file}'", files=[str(file)]).to_rows() == [{"a": 1}]


def test_limit_of_time(project, group):
    with pytest.raises(tc.ConflictError, match="longer than its limit"):
        project.sql("select count(*) from weather a, weather b, weather c, weather d, weather e, "
                    "weather f where a.rain * b.rain * c.rain * d.rain * e.rain > f.rain",
                    time_limit="100ms")


def test_spine_from_sql(project, group):
    trips = project.feature_group("rides", version=1, primary_key=["ride"], event_time="started")
    trips.insert(rides())
    view = project.feature_view(
        "late", version=1, labels=["late"],
        query=trips.select("distance", "late", "city").join(group.select("rain"), on="city"))
    query = "select ride, started as event_time, city, distance, late from rides where ride < 50"
    spine = project.sql(query)
    with project.run("train") as run:
        by_query = view.training_data(query)
    by_frame = view.training_data(spine)
    assert len(by_query["train" if "train" in by_query.parts else "all"]) == 50
    (one,), (other,) = by_query.parts.values(), by_frame.parts.values()
    assert one.features.to_arrow().equals(other.features.to_arrow())
    assert "feature_group rides@1 commit 1" in run.inputs
    (again,) = view.rebuild(by_query.version).parts.values()
    assert again.features.to_arrow().equals(one.features.to_arrow())


STEP = """-- Rain by day.
-- target: daily_rain@1
-- primary_key: city
-- event_time: day
-- watermark: day

SELECT city, date_trunc('day', hour) AS day, avg(rain) AS rain
FROM weather
GROUP BY ALL
"""


def test_step(project, group, tmp_path):
    (tmp_path / "daily.sql").write_text(STEP)

    def step(succeeds=True):
        import os
        binary = os.environ.get("TERCET_BINARY") or Path(tc.__file__).parent / "bin" / "tercet"
        done = subprocess.run([binary, "--project", project.location, "run", "daily.sql"],
                              cwd=tmp_path, text=True, capture_output=True, timeout=120)
        assert (done.returncode == 0) == succeeds, done.stdout + done.stderr
        return done.stdout + done.stderr

    assert "2 rows in feature group 'daily_rain@1'" in step()
    daily = project.feature_group("daily_rain")
    expected = weather(48).groupby(weather(48).hour.dt.floor("D")).rain.mean()
    assert daily.read().to_pandas().rain.tolist() == pytest.approx(expected.tolist())
    commits = len(daily.commits())
    assert "nothing new" in step()
    assert len(daily.commits()) == commits
    group.insert(weather(72).tail(24))
    assert "1 rows in" in step()
    assert len(daily.read()) == 3
    run = project.runs()[0]
    assert run.name == "daily" and run.status == "finished"
    assert run.inputs == [f"feature_group weather@1 commit {group.commits()[-1].version}"]
    assert run.outputs == [f"feature_group daily_rain@1 commit {daily.commits()[-1].version}"]
    assert project.runs()[1].outputs == []

    (tmp_path / "daily.sql").write_text(STEP.replace("avg(rain)", "avg(rein)"))
    assert "daily.sql" in step(succeeds=False)
    assert "rein" in project.runs()[0].error
    (tmp_path / "daily.sql").write_text(STEP.replace("watermark", "watermrk"))
    assert "did you mean 'watermark'" in step(succeeds=False)


def test_step_that_reads_all(project, group, tmp_path):
    file = tmp_path / "daily.sql"
    file.write_text(STEP.replace("-- watermark: day\n", ""))
    with project.run("features") as run:
        first = project.run_sql_step(file)
    daily = project.feature_group("daily_rain")
    assert (first.rows_inserted, first.already_applied) == (2, False)
    assert first.version == daily.commits()[-1].version
    again = project.run_sql_step(file)
    assert (again.version, again.already_applied) == (first.version, True)
    assert run.outputs == [f"feature_group daily_rain@1 commit {first.version}"]
    group.insert(weather(1).assign(rain=100.0))
    assert project.run_sql_step(file).rows_updated == 2


def test_command(project, group):
    import json
    import os
    binary = os.environ.get("TERCET_BINARY") or Path(tc.__file__).parent / "bin" / "tercet"

    def sql(*words):
        done = subprocess.run([binary, *words], text=True, capture_output=True, timeout=120)
        return done.returncode, done.stdout, done.stderr

    query = "select city, max(rain) as rain from weather group by 1"
    assert sql("sql", project.location, query) == (
        0, "city  rain\nOslo  6\n[1 rows × 2 columns]\n", "")
    code, printed, _ = sql("--json", "--project", project.location, "sql", query)
    assert code == 0 and json.loads(printed) == {"city": "Oslo", "rain": 6.0}
    code, _, error = sql("sql", project.location, "select * from wether")
    assert code == 1 and "did you mean 'weather'" in error


def test_arrow_types(project):
    table = pa.table({
        "id": pa.array([1, 2], pa.int64()), "t": pa.array([True, None]),
        "u8": pa.array([1, 255], pa.uint8()), "f32": pa.array([0.5, None], pa.float32()),
        "d": pa.array([1, None], pa.date32()), "b": pa.array([b"a", b"\x00"]),
        "dec": pa.array([1, 2], pa.decimal128(10, 2)), "s": pa.array(["é", None]),
        "l": pa.array([[1.0, None], []], pa.list_(pa.float64())),
        "ts": pa.array(hours(2).to_pydatetime(), pa.timestamp("us"))})
    group = project.feature_group("types", version=1, primary_key=["id"])
    group.insert(table)
    answer = project.sql("select * from types order by id").to_arrow()
    assert answer.to_pylist() == group.read().to_arrow().to_pylist()


def test_is_not_carried_until_asked(tmp_path):
    """DuckDB's library is opened by the first query, not by the import."""
    code = (f"import tercet as tc\nproject = tc.open({str(tmp_path / 'p')!r})\n"
            "loaded = lambda: 'tercet_duckdb' in open('/proc/self/maps').read()\n"
            "assert not loaded()\nproject.sql('select 1')\nassert loaded()")
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
