"""Search, lineage, impact and annotations, on a directory and against a server."""

import json

import pytest
import xgboost
from frames import rides, weather

import tercet as tc


@pytest.fixture
def system(project):
    """Weather and rides, a view, training data, a model of it, and a deployment."""
    group = project.feature_group("weather", primary_key=["city"], event_time="hour", ttl="3h",
                                  online=True, description="What the sky does")
    group.insert(weather(), wait_online=True)
    left = project.feature_group("rides", primary_key=["ride"], event_time="started")
    left.insert(rides())
    view = project.feature_view(
        "delay", query=left.select("distance", "late").join(group.select("rain"), on="city"),
        on_demand={"wet": "if(rain > 3, 1.0, 0.0)"}, labels=["late"],
        transformations=[tc.standard_scaler("distance")])
    data = view.training_data()
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1},
                            xgboost.DMatrix(data.train.X, data.train.y), num_boost_round=2)
    model = project.register_model("late", booster, training_data=data)
    project.deploy("rides", model)
    return project


def test_lineage_of_a_column(system):
    graph = system.lineage("weather@1.rain", "downstream")
    release = system.deployment("rides").release_id
    assert str(graph) == f"""feature group weather@1.rain  (double)
used by
└─ select: feature view delay@1.rain  (double)
   ├─ expression: feature view delay@1.wet  (double)
   │  └─ feature: training dataset delay@1@1.wet  (double)
   │     └─ input: model late@1  (xgboost)
   │        └─ release: release {release[:12]}
   │           └─ serves: deployment rides  (serves release 1)
   └─ feature: training dataset delay@1@1.rain  (double)
      └─ input: late@1 …
"""
    assert graph.start.column == "rain"
    assert {edge.how for edge in graph.edges} == {"select", "expression", "feature", "input",
                                                  "release", "serves"}
    assert tc.Lineage(json.loads(graph.to_json())).to_dict() == graph.to_dict()
    assert graph.to_svg().startswith("<svg ") and graph._repr_svg_() == graph.to_svg()
    assert graph.to_mermaid().startswith("flowchart LR\n")
    assert graph.to_dot().startswith("digraph lineage {\n")


def test_lineage_of_objects(system):
    view = system.feature_view("delay")
    graph = system.lineage(view, "upstream", depth=1)
    assert {node.name for node in graph.nodes} == {"delay@1", "rides@1", "weather@1"}
    assert system.lineage(system.model("late")).start.id == "model:late@1"
    assert system.lineage(system.deployment("rides")).start.id == "deployment:rides"
    data = system.training_dataset("delay")
    scaled = system.lineage(data, "upstream", columns=True)
    assert tc.lineage.LineageEdge("feature_view:delay@1.distance",
                                  "training_dataset:delay@1@1.distance",
                                  "standard_scaler") in scaled.edges
    with pytest.raises(tc.InvalidError, match="deployment:rides"):
        system.lineage("rides")
    with pytest.raises(tc.NotFoundError, match="did you mean 'weather@1'"):
        system.lineage("wether@1")
    with pytest.raises(tc.InvalidError, match="upstream"):
        system.lineage("weather", "upstrem")
    with pytest.raises(tc.WrongTypeError, match="not int"):
        system.lineage(1)


def test_impact_agrees_with_what_is_refused(system):
    impact = system.impact("weather@1.rain")
    assert [(one.kind, one.served, one.uses) for one in impact.broken] == [
        ("feature_view", True, True), ("training_dataset", True, True), ("model", True, True),
        ("release", True, True), ("deployment", True, True)]
    assert impact.broken[0].path == "weather@1.rain → delay@1.rain"
    assert impact.served == impact.broken
    group = system.feature_group("weather")
    refused = system.impact(group).refused
    with pytest.raises(tc.InvalidError) as error:
        group.drop()
    assert f"cannot {refused[0].operation}: {refused[0].because}" in str(error.value)
    assert not system.impact(system.deployment("rides"))


def test_annotations_make_no_version(system):
    said = system.annotate("weather", owner="anna", tags={"team": "ops"},
                           features={"rain": "millimetres an hour"})
    assert said.description == "What the sky does"
    system.annotate(system.feature_view("delay"), description="How late a ride is")
    system.annotate("late@1", description="Second thoughts", tags={"stage": "trial"})
    assert system.annotation("weather@1").features["rain"].description == "millimetres an hour"
    assert system.feature_view("delay").description == "How late a ride is"
    assert system.feature_view("delay").version == 1
    assert system.annotation(system.model("late")).tags == {"stage": "trial"}
    # Later words win, whichever way they are said.
    system.feature_group("weather").alter(description="Rain")
    assert system.annotation("weather").description == "Rain"
    system.annotate("weather", description="Rain and wind")
    assert system.feature_group("weather").description == "Rain and wind"
    assert system.feature_groups()[1].description == "Rain and wind"
    with pytest.raises(tc.NotFoundError, match="did you mean 'rain'"):
        system.annotate("weather", features={"rian": "x"})
    with pytest.raises(tc.InvalidError, match="names a column"):
        system.annotate("weather@1.rain", owner="x")


def test_search(system):
    system.annotate("weather", owner="anna", tags={"team": "ops"},
                    features={"rain": "millimetres an hour"})

    def found(query, **options):
        return [hit.name + (f".{hit.feature}" if hit.feature else "")
                for hit in system.search(query, **options)]

    assert found("millimetres") == ["weather@1.rain"]
    assert found("rain")[0] == "weather@1.rain"
    assert found("sky kind:feature_group") == ["weather@1"]
    assert found("owner:ANNA") == ["weather@1"] and found("tag:team=ops") == ["weather@1"]
    assert found("kind:deployment") == ["rides"]
    assert found("dela*", limit=1) == ["delay@1"]
    hit = system.search("sky")[0]
    assert hit.snippet == "What the [sky] does" and hit.score > 0 and hit.tags == {"team": "ops"}
    # Columns that came with a first insert, and those that are added later.
    system.feature_group("weather").add_features({"gusts": "double"})
    assert found("gusts") == ["weather@1.gusts", "weather@1"]
    for query, message in [("", "is missing|is empty"), ('"open', "the quote is not closed"),
                           ("knd:x", "did you mean 'kind'")]:
        with pytest.raises(tc.InvalidError, match=message):
            system.search(query)


def test_runs_lead_from_group_to_group(system):
    daily = system.feature_group("daily", primary_key=["city"])
    with system.run("summarize"):
        frame = system.feature_group("weather").read().to_pandas()
        daily.insert(frame.groupby("city", as_index=False)["rain"].max())
    graph = system.lineage("daily@1.rain", "upstream")
    assert graph.edges[0].source == "run:summarize" and graph.edges[0].how == "write"
    assert "feature_group:weather@1.rain" in {edge.source for edge in graph.edges}


def test_steps_in_sql_lead_from_column_to_column(system, tmp_path):
    step = tmp_path / "daily.sql"
    step.write_text("-- target: daily@1\n-- primary_key: city\n"
                    "SELECT city, max(rain) AS most FROM weather\n"
                    "WHERE hour > TIMESTAMPTZ '2000-01-01' GROUP BY city\n")
    with system.run("nightly"):
        system.run_sql_step(step)
    assert str(system.lineage("daily@1.most")) == """feature group daily@1.most  (double)
made of
└─ write: sql step daily → daily@1.most
   └─ query: feature group weather@1.rain  (double)
"""
    broken = {(one.kind, one.name) for one in system.impact("weather@1.hour").broken}
    assert ("sql_step", "daily → daily@1") in broken
    # Another text of the step is followed anew.
    step.write_text(step.read_text().replace("max(rain)", "count(*)::DOUBLE"))
    system.run_sql_step(step)
    assert "weather@1.rain" not in str(system.lineage("daily@1.most"))
