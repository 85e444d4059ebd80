"""Views that Spark runs give the rows that we give: same values, same nulls, bit for bit."""

from __future__ import annotations

import random

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import tercet as tc

START = pd.Timestamp("2024-01-01", tz="UTC")
HOUR = pd.Timedelta("1h")
CITIES = ["oslo", "rome", "bonn", None]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    with tc.open(tmp_path_factory.mktemp("views") / "project") as project:
        fill(project)
        yield project


def maybe(random_: random.Random, value):
    return None if random_.random() < 0.15 else value


def fill(project: tc.Project) -> None:
    random_ = random.Random(7)

    def times(count: int, unit: str = "us") -> list:
        # On few different ones, so that they meet.
        return [START + random_.randrange(48) * HOUR / 2 for _ in range(count)]

    rides = project.feature_group("rides", version=1, primary_key=["ride"], event_time="started")
    rows = pa.table({
        "ride": pa.array(range(400), pa.int64()), "started": times(400),
        "city": [random_.choice(CITIES) for _ in range(400)],
        "card": pa.array([maybe(random_, random_.randrange(6)) for _ in range(400)], pa.int32()),
        "distance": [maybe(random_, random_.random() * 9) for _ in range(400)],
        "seats": pa.array([maybe(random_, random_.randrange(256)) for _ in range(400)],
                          pa.uint8()),
        "kind": [random_.choice(["city", "cargo", "gravel"]) for _ in range(400)]})
    rides.insert(rows)
    # Two more of one key and time; the other ride has them in one commit.
    again = pa.concat_tables([rows[1:2], rows[5:6], rows[5:6]])
    rides.insert(again.set_column(4, "distance", pa.array([0.25, 0.5, 0.75])), mode="append")
    rides.delete({"ride": [2, 3]})

    # Ties: the same key and time in several commits, and within one.
    weather = project.feature_group("weather", version=1, primary_key=["city"], event_time="hour",
                                    ttl="3h")
    for _ in range(20):
        weather.insert(pa.table({
            "city": [random_.choice(CITIES[:3]) for _ in range(8)], "hour": times(8),
            "rain": [maybe(random_, random_.random()) for _ in range(8)],
            "tags": [maybe(random_, ["x"] * random_.randrange(3)) for _ in range(8)],
            "level": pa.array([random_.randrange(65536) for _ in range(8)], pa.uint16())}),
            mode="append")
    cards = project.feature_group("cards", version=1, primary_key=["card"], event_time="since")
    cards.insert(pd.DataFrame({"card": [i % 6 for i in range(12)],
                               "since": [START + (i // 6) * 11 * HOUR for i in range(12)],
                               "account": [i % 5 if i % 4 else None for i in range(12)]})
                 .astype({"account": "Int64"}))
    # Event times without a zone, and dates.
    accounts = project.feature_group("accounts", version=1, primary_key=["account"],
                                     event_time="at")
    accounts.insert(pa.table({"account": pa.array([i % 5 for i in range(30)], pa.int64()),
                              "at": pa.array([START.tz_localize(None) + i * HOUR / 2
                                              for i in range(30)], pa.timestamp("us")),
                              "limit": [float(i) for i in range(30)]}))
    days = project.feature_group("days", version=1, primary_key=["city"], event_time="day")
    days.insert(pa.table({"city": ["oslo", "rome", "oslo"],
                          "day": pa.array([19722, 19723, 19724], pa.date32()),
                          "holiday": [True, False, None]}))
    places = project.feature_group("places", version=1, primary_key=["city"])
    places.insert(pa.table({"city": ["oslo", "rome"], "people": [700, 2800]}))

    query = (rides.select("distance", "seats", "kind")
             .join(weather.select("rain", "tags", "level"), on="city")
             .join(weather.select("rain"), on="city", prefix="late_", lag="2h", ttl="9h")
             .join(weather.select("rain"), on="city", prefix="next_", horizon="4h", ttl="2h")
             .join(cards.select("account").join(accounts.select("limit"), on="account",
                                                lag="30min"), on="card")
             .join(days.select("holiday"), on="city")
             .join(places.select("people"), on="city"))
    inner = rides.select("distance", "seats", "kind").join(weather.select("rain"), on="city",
                                                           type="inner")
    made = {"km": "distance * 1.5 + coalesce(rain, 0.25)", "hour": "hour(event_time)"}
    project.feature_view("plain", version=1, query=query, on_demand=made,
                         labels=["next_rain"], helper_columns=["kind"])
    project.feature_view("inner", version=1, on_demand=made,
                         query=inner.filter("seats > 20 and km < 12"))
    project.feature_view("transformed", version=1, query=query, on_demand=made,
                         labels=["next_rain"],
                         transformations=[tc.impute("distance", "rain"), tc.standard_scaler("km"),
                                          tc.one_hot_encoder("kind")])


def canonical(table: pa.Table) -> pa.Table:
    """In one order, of the types that Spark has too."""
    columns = {}
    for name in sorted(table.column_names):
        values = table[name].combine_chunks()
        stored = {pa.uint8(): pa.int16(), pa.uint16(): pa.int32()}.get(values.type, values.type)
        if pa.types.is_list(stored):
            values = pa.array([None if v is None else "|".join(v) for v in values.to_pylist()],
                              pa.string())
        elif pa.types.is_timestamp(stored):
            values = values.cast(pa.timestamp("us", "UTC"))
        else:
            values = values.cast(stored)
        columns[name] = values
    return pa.table(columns).sort_by([("ride", "ascending"), ("event_time", "ascending"),
                                      ("distance", "ascending")])


def ours(part) -> pa.Table:
    columns = {}
    for frame in (part.features, part.labels, part.helpers, part.keys):
        table = frame.to_arrow()
        for name in table.column_names:
            columns.setdefault(name, table[name])
    return pa.table(columns)


def theirs(spark, project, folder, view: str, spine: pa.Table | None = None, zone: str = "UTC",
           **options) -> dict:
    asked = {"project": project.location, "view": view, "folder": str(folder / "out"),
             "zone": zone, "options": options}
    if spine is not None:
        pq.write_table(spine, folder / "spine.parquet")
        asked["spine"] = str(folder / "spine.parquet")
    answer = spark.ask(asked)
    if "error" in answer:
        raise RuntimeError(answer["error"])
    return {part.name: pq.read_table(part) for part in (folder / "out").iterdir()}


def check_equal(found: dict, data) -> None:
    assert set(found) == set(data.parts)
    for name, part in data.parts.items():
        assert canonical(found[name]).equals(canonical(ours(part))), name


def test_rows_of_the_root(spark, project, tmp_path):
    data = project.feature_view("plain").training_data()
    assert len(data.train) == 398
    features = data.train.features.to_arrow()
    for name in ("rain", "late_rain", "limit", "holiday", "people"):
        assert 20 < features[name].null_count < 390, name  # each join finds some and lacks some
    # Whatever zone the session is in.
    check_equal(theirs(spark, project, tmp_path, "plain", zone="America/New_York"), data)


def test_inner_joins_filters_and_parts(spark, project, tmp_path):
    ends = {"train": "2024-01-01T12:00:00Z", "test": "2024-01-02T00:00:00Z"}
    data = project.feature_view("inner").training_data(
        split=tc.split.by_time(**ends), start=START + HOUR)
    assert all(len(part) > 20 for part in data.parts.values())
    check_equal(theirs(spark, project, tmp_path, "inner", split=ends,
                       start=(START + HOUR).isoformat()), data)


def test_a_spine_with_look_ups_and_fitted_transformations(spark, project, tmp_path):
    random_ = random.Random(3)
    rides = project.feature_group("rides").read().to_arrow()["ride"].to_pylist()
    spine = pa.table({
        "ride": [random_.choice(rides) for _ in range(300)],  # some more than once
        "event_time": pa.array([START + random_.randrange(60) * HOUR / 2 for _ in range(300)],
                               pa.timestamp("us", "UTC")),
        "distance": [i + random_.random() for i in range(300)]})
    data = project.feature_view("transformed").training_data(spine)
    assert data.train.features.to_arrow()["rain"].null_count == 0  # imputed
    check_equal(theirs(spark, project, tmp_path, "transformed", spine,
                       training_dataset=data.version), data)


@pytest.mark.parametrize(("options", "text"), [
    ({"training_dataset": None}, "name its version as training_dataset"),
    ({"training_dataset": 1, "known_at": True}, "leave out the engine"),
    ({"training_dataset": 1, "split": {"train": 0.5, "test": 0.5}}, "times at which the parts end"),
])
def test_what_spark_does_not_do(spark, project, tmp_path, options, text):
    with pytest.raises(RuntimeError, match=text):
        theirs(spark, project, tmp_path, "transformed", **options)


def test_an_engine_must_be_known(project):
    view = project.feature_view("plain")
    with pytest.raises(tc.InvalidError, match="engines: spark"):
        view.training_data(engine="flink")
    with pytest.raises(tc.InvalidError, match='engine="spark"'):
        view.training_data(training_dataset=1)
