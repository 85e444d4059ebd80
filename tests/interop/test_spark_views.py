"""Views that Spark runs give the rows that we give: same values, same nulls, bit for bit."""

from __future__ import annotations

import random
import tarfile
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import tercet as tc
from local_server import Server
from tercet._spark_joins import path_of
from tercet.spark import SparkTrainingData

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
    places = project.feature_group("places", version=1, primary_key=["city"], history=True)
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
    project.feature_view("inner", version=1, on_demand=made, helper_columns=["kind"],
                         query=inner.filter("seats > 20 and km < 12"))
    scaled = [tc.impute("distance", "rain"), tc.standard_scaler("km"), tc.one_hot_encoder("kind")]
    project.feature_view("scaled", version=1, query=query, on_demand=made,
                         labels=["next_rain"], transformations=scaled)
    project.feature_view("transformed", version=1, query=query, labels=["next_rain"],
                         on_demand={**made, "of_city": "coalesce(city, 'none')",
                                    "of": "coalesce(city, 'none')"},
                         helper_columns=["of"],
                         transformations=[*scaled, tc.target_encoder("of_city", "seats")])
    project.feature_view("towns", version=1, query=weather.select("rain", "level").join(
        places.select("people"), on="city"))

    tours = project.feature_group("tours", version=1, primary_key=["city"], event_time="at")
    tours.insert(pa.table({
        "city": ["oslo", "rome", "oslo"], "at": [START, START, START + 9 * HOUR],
        "guests": pa.array([[("may", 1.5), ("june", None)], None, []],
                           pa.map_(pa.string(), pa.float64())),
        "stops": pa.array([[{"name": "a", "seen": [("x", 1)]}], [], None], pa.list_(pa.struct(
            {"name": pa.string(), "seen": pa.map_(pa.string(), pa.int32())})))}))
    project.feature_view("nested", version=1, query=rides.select("distance").join(
        tours.select("guests", "stops"), on="city"))

    # Known one by one: a price, its correction, its deletion, and another one.
    prices = project.feature_group("prices", version=1, primary_key=["city"], event_time="at",
                                   history=True)
    first = {"city": ["oslo", "rome"], "at": [START, START]}
    prices.insert(pa.table({**first, "price": [1.0, 3.0]}))
    prices.insert(pa.table({"city": ["oslo"], "at": [START], "price": [2.0]}))
    prices.delete({"city": ["oslo"]})
    prices.insert(pa.table({"city": ["oslo"], "at": [START], "price": [4.0]}))
    project.feature_view("known", version=1, query=places.select("people").join(
        prices.select("price"), on="city"))


@tc.udf(float)
def worth(distance: float, kind: str):
    return None if distance is None else round(distance * len(kind), 3)


def fill_sources(project: tc.Project, folder: Path) -> None:
    """Groups that others keep, in every form that this machine has, and a function of Python's."""
    trips = pa.table({"ride": pa.array(range(0, 400, 3), pa.int64()),
                      "place": [f"c{i % 4}" for i in range(0, 400, 3)],
                      "toll": pa.array([i % 250 for i in range(0, 400, 3)], pa.uint8())})
    for number, rows in enumerate((trips[:50], trips[50:])):
        pq.write_table(rows, folder / f"trips-{number}.parquet")
    pd.DataFrame({"place": ["c0", "c1", "c1"], "since": ["2024-01-01", "2024-01-01", "2024-01-02"],
                  "people": [700, 2800, None]}).to_csv(folder / "places.csv", index=False)
    (folder / "moods.json").write_text('{"kind": "cargo", "mood": ["grim", null]}\n'
                                       '{"kind": "city", "mood": []}\n')
    with duckdb.connect(str(folder / "fares.duckdb")) as database:
        database.execute("CREATE TABLE fares AS SELECT 'cargo' AS kind, CAST(1.25 AS DECIMAL(6, 2))"
                         " AS fare, TIMESTAMPTZ '2024-01-01 04:00:00+00' AS since")
    with tarfile.open(Path(__file__).with_name("hudi") / "tables.tar.xz") as tables:
        tables.extractall(folder, [one for one in tables.getmembers()
                                   if one.name.startswith("./merged-event-9/")], filter="data")

    def external(name: str, source, key: str, event_time: str | None = None):
        return project.external_feature_group(name, version=1, source=source, primary_key=[key],
                                              event_time=event_time)

    trips = external("trips", tc.source.parquet(folder / "trips-*.parquet"), "ride")
    places = external("csv_places", tc.source.csv(folder / "places.csv"), "place", "since")
    moods = external("moods", tc.source.json(folder / "moods.json"), "kind")
    fares = external("fares", tc.source.duckdb(folder / "fares.duckdb", "fares"), "kind", "since")
    hours = external("hudi_hours", tc.source.hudi(folder / "merged-event-9"), "city", "hour")
    rides = project.feature_group("rides")
    project.feature_view("sources", version=1, on_demand={"worth": worth}, query=rides.select(
        "distance", "kind").join(
            trips.select("toll").join(places.select("people"), on="place")
            .join(hours.select("rain", "m"), on={"place": "city"}), on="ride")
        .join(moods.select("mood"), on="kind").join(fares.select("fare"), on="kind"))
    project.feature_view("of_places", version=1, query=places.select("people"))


def canonical(table: pa.Table) -> pa.Table:
    """In one order, of the types that Spark has too."""
    columns = {}
    for name in sorted(table.column_names):
        values = table[name].combine_chunks()
        stored = {pa.uint8(): pa.int16(), pa.uint16(): pa.int32()}.get(values.type, values.type)
        if pa.types.is_list(stored):
            values = pa.array([None if v is None else "|".join(map(str, v))
                               for v in values.to_pylist()],
                              pa.string())
        elif pa.types.is_timestamp(stored):
            values = values.cast(pa.timestamp("us", "UTC"))
        else:
            values = values.cast(stored)
        columns[name] = values
    order = [name for name in ("ride", "city", "event_time", "distance", "rain", "level")
             if name in columns]
    return pa.table(columns).sort_by([(name, "ascending") for name in order])


def ours(part) -> pa.Table:
    columns = {}
    for frame in (part.features, part.labels, part.helpers, part.keys):
        table = frame.to_arrow()
        for name in table.column_names:
            columns.setdefault(name, table[name])
    return pa.table(columns)


def check_equal(spark, project, folder, view: str, data, spine: pa.Table | None = None,
                location: str | None = None, saved: bool = True, **asked) -> None:
    """What Spark makes of a view is equal to `data`, and the registered definition, too. Without
    `saved` that is looked at alone, which has the SHA-256 of each part."""
    asked = {"project": location or project.location, "view": view,
             "folder": str(folder / "out") if saved else None, "options": {}, **asked}
    if spine is not None:
        pq.write_table(spine, folder / "spine.parquet")
        asked["spine"] = str(folder / "spine.parquet")
    answer = spark.ask(asked)
    assert "error" not in answer, answer["error"][-3000:]
    if saved:
        check_parts(folder / "out", data)
    if "training_dataset" in asked["options"]:
        assert answer["definition"] is None
        return
    assert what_it_is(answer["definition"]) == what_it_is(data.definition)
    # The native engine makes it again, and finds every byte.
    again = project.feature_view(view).rebuild(answer["definition"]["version"])
    assert set(again.parts) == set(data.parts)
    if "fold" in asked:
        check_parts(folder / "out" / "fold", list(data.folds())[asked["fold"]])


def what_it_is(definition: dict) -> dict:
    """But for the number, and the file that its spine is kept in."""
    return {key: value for key, value in definition.items()
            if key not in ("version", "spine_file", "spine_sha256", "entity_times_us")}


def check_parts(folder, data) -> None:
    for name, part in data.parts.items():
        found = pq.read_table(folder / name)
        assert canonical(found).equals(canonical(ours(part))), name


def spine_of(project, count: int = 300) -> pa.Table:
    random_ = random.Random(3)
    rides = project.feature_group("rides").read().to_arrow()["ride"].to_pylist()
    return pa.table({
        "ride": [random_.choice(rides) for _ in range(count)],  # some more than once
        "event_time": pa.array([START + random_.randrange(60) * HOUR / 2 for _ in range(count)],
                               pa.timestamp("us", "UTC")),
        "distance": [i + random_.random() for i in range(count)]})


def test_rows_of_the_root(spark, project, tmp_path):
    data = project.feature_view("plain").training_data()
    assert len(data.train) == 398
    features = data.train.features.to_arrow()
    for name in ("rain", "late_rain", "limit", "holiday", "people"):
        assert 20 < features[name].null_count < 390, name  # each join finds some and lacks some
    # Whatever zone the session is in.
    check_equal(spark, project, tmp_path, "plain", data, zone="America/New_York")


def test_inner_joins_filters_and_parts_by_time(spark, project, tmp_path):
    ends = {"train": "2024-01-01T12:00:00Z", "test": "2024-01-02T00:00:00Z"}
    data = project.feature_view("inner").training_data(
        split=tc.split.by_time(**ends), start=START + HOUR)
    assert all(len(part) > 20 for part in data.parts.values())
    options = {"split": {"by_time": ends}, "start": (START + HOUR).isoformat()}
    check_equal(spark, project, tmp_path, "inner", data, options=options)


@pytest.mark.parametrize("split", [
    {"random": {"train": 0.7, "test": 0.3}},
    {"by_time": {"train": 0.6, "test": 0.4}},
    {"stratified": {"column": "kind", "train": 0.5, "validation": 0.25, "test": 0.25}},
    {"by_group": {"column": "city", "train": 0.5, "test": 0.5}},
    {"k_fold": {"folds": 3, "stratify": "kind"}},
    {"purged": {"folds": 3, "horizon": "2h", "embargo": "1h"}},
], ids=lambda split: next(iter(split)))
def test_splits(spark, project, tmp_path, split):
    [(name, arguments)] = split.items()
    data = project.feature_view("inner").training_data(
        split=getattr(tc.split, name)(**arguments), seed=5)
    assert all(len(part) > 10 for part in data.parts.values())
    fold = {"fold": 1} if name in ("k_fold", "purged") else {}
    check_equal(spark, project, tmp_path, "inner", data, saved=bool(fold) or name == "random",
                options={"split": split, "seed": 5}, **fold)


def test_structs_and_maps(spark, project, tmp_path):
    shares = {"train": 0.6, "test": 0.4}
    data = project.feature_view("nested").training_data(split=tc.split.random(**shares))
    assert [("may", 1.5), ("june", None)] in data.train.features.to_arrow()["guests"].to_pylist()
    check_equal(spark, project, tmp_path, "nested", data, saved=False,
                options={"split": {"random": shares}})


def test_what_others_keep_and_a_function_in_python(spark, project, tmp_path):
    fill_sources(project, tmp_path)
    shares = {"train": 0.5, "test": 0.5}
    data = project.feature_view("sources").training_data(split=tc.split.random(**shares))
    features = data.train.features.to_arrow()
    for name in ("toll", "people", "rain", "m", "mood", "fare", "worth"):
        assert 5 < features[name].null_count < len(features) - 5, name
    check_equal(spark, project, tmp_path, "sources", data, options={"split": {"random": shares}})
    # As the left rows.
    (tmp_path / "left").mkdir()
    check_equal(spark, project, tmp_path / "left", "of_places",
                project.feature_view("of_places").training_data(), saved=False)


def test_what_is_fitted(spark, project, tmp_path):
    """A spine with look-ups; its training rows are encoded out of fold."""
    shares = {"train": 0.6, "test": 0.4}
    spine = spine_of(project)
    data = project.feature_view("transformed").training_data(spine,
                                                             split=tc.split.random(**shares))
    features = data.train.features.to_arrow()
    assert features["rain"].null_count == 0  # imputed
    assert len(set(zip(data.train.helpers.to_arrow()["of"].to_pylist(),
                       features["of_city"].to_pylist()))) > 6  # by fold
    check_equal(spark, project, tmp_path, "transformed", data, spine,
                options={"split": {"random": shares}})


def test_fitted_for_another_dataset(spark, project, tmp_path):
    spine = spine_of(project, 50)
    data = project.feature_view("scaled").training_data(spine)
    check_equal(spark, project, tmp_path, "scaled", data, spine,
                options={"training_dataset": data.version})


def test_all_entities_and_a_query(spark, project, tmp_path):
    times = [(START + hours * HOUR).isoformat() for hours in (9, 20)]
    (tmp_path / "entities").mkdir()
    data = project.feature_view("towns").training_data(tc.entities(times))
    assert 3 < len(data.train) < 7
    check_equal(spark, project, tmp_path / "entities", "towns", data, entities=times)
    query = "select city, hour + interval 1 hour as event_time from weather order by level, city"
    check_equal(spark, project, tmp_path, "towns",
                project.feature_view("towns").training_data(query), sql=query)


def test_as_known_at_each_rows_time(spark, project, tmp_path):
    view = project.feature_view("known")
    commits = project.feature_group("prices").commits()
    times = [commit.commit_time for commit in commits[1:]]
    spine = pa.table({
        "city": [city for city in ("oslo", "rome") for _ in times],
        "event_time": pa.array([*times, *times], pa.timestamp("us", "UTC"))})
    data = view.training_data(spine, known_at=True)
    found = data.train.features.to_arrow()["price"].to_pylist()
    assert found == [1.0, 2.0, None, 4.0, 3.0, 3.0, 3.0, 3.0]
    check_equal(spark, project, tmp_path, "known", data, spine, options={"known_at": True})


def test_a_project_on_a_server(spark, project, tmp_path):
    spine = spine_of(project, 40)
    data = project.feature_view("inner").training_data(spine)
    server = Server(project.location)
    try:
        check_equal(spark, project, tmp_path, "inner", data, spine, location=server.location)
    finally:
        server.stop()


@pytest.mark.parametrize(("options", "text"), [
    ({"training_dataset": 0, "split": {"random": {"train": 0.5, "test": 0.5}}},
     "times at which the parts end"),
    ({"known_at": True}, "keeps no history"),
])
def test_what_spark_does_not_do(spark, project, tmp_path, options, text):
    answer = spark.ask({"project": project.location, "view": "inner",
                        "folder": str(tmp_path / "out"), "options": options})
    assert text in answer["error"]


def test_a_server_elsewhere(tmp_path):
    assert path_of("s3://bucket/lake/rides", "rides") == "s3a://bucket/lake/rides"
    assert path_of(str(tmp_path), "rides") == str(tmp_path)
    with pytest.raises(tc.NotSupportedError, match="mount that disk under the same path"):
        path_of(str(tmp_path / "elsewhere"), "rides")


def test_what_is_not_registered_trains_no_model():
    data = SparkTrainingData({"features": [], "labels": [], "pins": {}}, {})
    assert data.version is None
    with pytest.raises(tc.InvalidError, match="not registered"):
        data.definition  # noqa: B018
    with pytest.raises(tc.InvalidError, match="not registered"):
        list(data.folds())


def test_an_engine_must_be_known(project):
    view = project.feature_view("plain")
    with pytest.raises(tc.InvalidError, match="engines: spark"):
        view.training_data(engine="flink")
    with pytest.raises(tc.InvalidError, match='engine="spark"'):
        view.training_data(training_dataset=1)
