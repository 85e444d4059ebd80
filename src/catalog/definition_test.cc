// Every noun: FromJson(ToJson(x)) is x, and readers are strict.
#include <cmath>
#include <functional>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "catalog/feature_group.h"
#include "catalog/feature_view.h"
#include "catalog/model.h"
#include "catalog/run.h"
#include "catalog/training_dataset.h"

namespace tercet {
namespace {

using ::testing::HasSubstr;

template <typename Noun>
Noun RoundTrip(const Noun& noun) {
  // Through text, as the catalog and the wire do.
  const json::object read = ParseJsonObject(ToText(noun.ToJson())).ValueOrDie();
  Noun again = Noun::FromJson(read).ValueOrDie();
  EXPECT_EQ(ToText(again.ToJson()), ToText(noun.ToJson()));
  return again;
}

template <typename Noun>
std::string Refusal(const std::string& text) {
  const Status status = Noun::FromJson(ParseJsonObject(text).ValueOrDie()).status();
  EXPECT_TRUE(status.IsInvalid()) << status << " for " << text;
  return status.message();
}

FeatureGroupDefinition Weather() {
  FeatureGroupDefinition group;
  group.name = "weather";
  group.version = 2;
  group.primary_key = {"origin"};
  group.event_time = "time_hour";
  group.ttl_us = 3LL * 3600 * 1'000'000;
  group.online = true;
  group.deletion_vectors = false;
  group.description = "Hourly \"weather\"";
  group.tags = {{"team", "flights"}};
  group.schema = arrow::schema(
      {arrow::field("origin", arrow::utf8(), false),
       arrow::field("time_hour", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), false),
       arrow::field("temp", arrow::float64())});
  return group;
}

TEST(FeatureGroup, RoundTrips) {
  const FeatureGroupDefinition again = RoundTrip(Weather());
  EXPECT_TRUE(again.schema->Equals(*Weather().schema));
  EXPECT_EQ(again.Difference(Weather()), "");
  FeatureGroupDefinition bare;
  bare.name = "planes";
  bare.primary_key = {"tailnum"};
  EXPECT_EQ(RoundTrip(bare).schema, nullptr);
}

TEST(FeatureGroup, ReadersAreStrict) {
  EXPECT_THAT(Refusal<FeatureGroupDefinition>(R"({"name": "a", "primary_keys": ["x"]})"),
              HasSubstr("no member 'primary_keys' (did you mean 'primary_key'?)"));
  EXPECT_THAT(Refusal<FeatureGroupDefinition>(R"({"primary_key": ["x"]})"),
              HasSubstr("'name' is missing"));
  EXPECT_THAT(Refusal<FeatureGroupDefinition>(R"({"name": "a", "online": 1})"),
              HasSubstr("'online' must be true or false"));
  EXPECT_THAT(Refusal<FeatureGroupDefinition>(R"({"name": "a", "tags": {"x": 1}})"),
              HasSubstr("tags.x"));
  EXPECT_THAT(Refusal<FeatureGroupDefinition>(R"({"name": "a", "schema": [{"name": "x",
                                                  "type": "flaot64"}]})"),
              HasSubstr("column 'x'"));
}

TEST(FeatureGroup, DifferenceHasALineForEach) {
  FeatureGroupDefinition other = Weather();
  other.ttl_us = 4LL * 3600 * 1'000'000;
  other.primary_key = {"origin", "hour"};
  EXPECT_EQ(Weather().Difference(other),
            "primary key: ['origin'], not ['origin', 'hour']\nttl: 3h, not 4h");
  other = Weather();
  other.schema = nullptr;
  EXPECT_EQ(Weather().Difference(other), "");
  EXPECT_EQ(other.Difference(Weather()), "");
  other.schema = arrow::schema({Weather().schema->field(1), Weather().schema->field(0),
                                arrow::field("temp", arrow::float32())});
  EXPECT_EQ(Weather().Difference(other),
            "column 'temp': temp: double, not temp: float\n"
            "column order: ['origin', 'time_hour', 'temp'], not ['time_hour', 'origin', 'temp']");
}

TEST(FeatureGroup, CheckSaysWhatIsWrong) {
  EXPECT_TRUE(Weather().Check().ok());
  const auto message = [](const std::function<void(FeatureGroupDefinition&)>& spoil) {
    FeatureGroupDefinition group = Weather();
    spoil(group);
    return group.Check().message();
  };
  EXPECT_THAT(message([](auto& g) { g.name = "../weather"; }), HasSubstr("feature group name"));
  EXPECT_THAT(message([](auto& g) { g.version = 0; }), HasSubstr("version 0"));
  EXPECT_THAT(message([](auto& g) { g.primary_key = {}; }), HasSubstr("no primary key"));
  EXPECT_THAT(message([](auto& g) { g.primary_key = {"origin", "origin"}; }), HasSubstr("twice"));
  EXPECT_THAT(message([](auto& g) { g.primary_key = {"orgin"}; }),
              HasSubstr("did you mean 'origin'?"));
  EXPECT_THAT(message([](auto& g) { g.primary_key = {"time_hour"}; }),
              HasSubstr("also in the primary key"));
  EXPECT_THAT(message([](auto& g) { g.event_time = "temp"; }), HasSubstr("timestamp or a date"));
  EXPECT_THAT(message([](auto& g) { g.event_time = ""; }), HasSubstr("no event time"));
  EXPECT_THAT(message([](auto& g) { g.ttl_us = 0; }), HasSubstr("longer than 0"));
  const auto with_column = [&](const std::string& name, std::shared_ptr<arrow::DataType> type) {
    return message([&](auto& g) {
      g.schema = *g.schema->AddField(0, arrow::field(name, type));
    });
  };
  EXPECT_THAT(with_column("Temp", arrow::float64()), HasSubstr("there twice"));
  EXPECT_THAT(with_column("_commit_version", arrow::int64()), HasSubstr("reserved"));
  EXPECT_THAT(with_column("x", arrow::null()), HasSubstr("type null"));
  EXPECT_THAT(with_column("x", arrow::struct_({})), HasSubstr("no members"));
  const auto member = [](const std::string& name) { return arrow::field(name, arrow::int8()); };
  EXPECT_THAT(with_column("x", arrow::struct_({member("a:b")})), HasSubstr("colon"));
  EXPECT_THAT(with_column("x", arrow::struct_({member("a"), member("A")})), HasSubstr("twice"));
  EXPECT_THAT(with_column("x", arrow::list(arrow::map(arrow::struct_({member("a")}),
                                                      arrow::int64()))),
              HasSubstr("list of structs of a key and a value"));
  EXPECT_THAT(message([](auto& g) {
                g.schema = *g.schema->SetField(0, arrow::field("origin",
                                                               arrow::list(arrow::utf8())));
              }),
              HasSubstr("primary key column 'origin' cannot have the type list"));
  EXPECT_EQ(with_column("x", arrow::map(arrow::utf8(), arrow::struct_({member("a")}))), "");
  EXPECT_EQ(with_column("x", arrow::list(arrow::list(arrow::int8()))), "");
  EXPECT_EQ(with_column("x", arrow::list(arrow::int8())), "");
  EXPECT_EQ(with_column("x", arrow::decimal128(10, 2)), "");
  EXPECT_THAT(with_column("", arrow::int8()), HasSubstr("column name"));
}

TEST(Commit, RoundTrips) {
  Commit commit;
  commit.feature_group = {"weather", 1};
  commit.version = 7;
  commit.commit_time_us = 5;
  commit.operation = "upsert";
  commit.rows_updated = 2;
  commit.already_applied = true;
  EXPECT_EQ(RoundTrip(commit).rows_updated, 2);
}

TEST(InsertMode, HasNames) {
  EXPECT_EQ(InsertModeName(*InsertModeFromName("overwrite")), "overwrite");
  EXPECT_THAT(InsertModeFromName("upsrt").status().message(), HasSubstr("'upsert'"));
}

TEST(FeatureView, RoundTrips) {
  FeatureViewDefinition view;
  view.name = "delay";
  view.root.group = {"flights", 1};
  view.root.features = {"carrier", "late"};
  view.joins.push_back({.group = {"weather", 2},
                        .features = {"temp"},
                        .on = {{"origin", "airport"}},
                        .prefix = "origin_",
                        .type = JoinType::kInner,
                        .ttl_us = 5});
  GroupSelection routes;
  routes.group = {"routes", 1};
  routes.on = {{"origin", "from"}, {"origin", "to"}};
  view.joins.push_back(routes);
  view.filter = "distance > 0";
  view.on_demand = {{"z_age", "year(event_time) - year"}, {"a_age", "z_age + 1"}};
  view.request_parameters = {{"gate", "string"}};
  view.labels = {"late"};
  view.helper_columns = {"carrier"};
  view.transformations = {{"standard_scaler", {"origin_temp"}, {{"x", 1}}}};
  view.tags = {{"a", "b"}};
  const FeatureViewDefinition again = RoundTrip(view);
  EXPECT_EQ(again.joins[0].on, view.joins[0].on);
  EXPECT_EQ(again.joins[1].on, view.joins[1].on);
  EXPECT_EQ(again.joins[0].type, JoinType::kInner);
  EXPECT_EQ(again.on_demand, view.on_demand);  // in order: later ones use earlier ones
}

TEST(FeatureView, ReadsShortFormsAndRefusesTheRest) {
  const auto read = [](const std::string& text) {
    return FeatureViewDefinition::FromJson(ParseJsonObject(text).ValueOrDie());
  };
  const auto view = *read(R"({"name": "d", "root": {"group": "f@3"},
                              "joins": [{"group": "w", "version": 2, "on": "origin"},
                                        {"group": "p", "on": ["a", ["b", "c"]]}]})");
  EXPECT_EQ(view.root.group, (Ref{"f", 3}));
  EXPECT_EQ(view.joins[0].group, (Ref{"w", 2}));
  EXPECT_EQ(view.joins[0].on[0].second, "origin");
  EXPECT_EQ(view.joins[1].on[1], (std::pair<std::string, std::string>{"b", "c"}));
  EXPECT_THAT(Refusal<FeatureViewDefinition>(R"({"name": "d", "root": {"group": "f"},
                                                 "label": ["x"]})"),
              HasSubstr("did you mean 'labels'?"));
  EXPECT_THAT(Refusal<FeatureViewDefinition>(R"({"name": "d"})"), HasSubstr("'root'"));
  EXPECT_THAT(Refusal<FeatureViewDefinition>(R"({"name": "d", "root": {"group": "f",
                                                 "type": "outer"}})"),
              HasSubstr("join type 'outer'"));
  EXPECT_THAT(Refusal<FeatureViewDefinition>(R"({"name": "d", "root": {"group": "f", "on": 3}})"),
              HasSubstr("'on'"));
  EXPECT_TRUE(read(R"({"name": "d", "root": {"group": "f", "filter": "x > 1"}})").status()
                  .IsNotImplemented());
}

TEST(FeatureView, KeepsTheRulesOfTimeAndTheWayOfAJoin) {
  FeatureViewDefinition view;
  view.name = "paid";
  view.root.group = {"payments", 1};
  view.joins = {{.group = {"cards", 1}}, {.group = {"accounts", 1}}, {.group = {"accounts", 1}}};
  view.joins[0].through = true;
  view.joins[1].from = "cards";
  view.joins[1].lag_us = 5;
  view.joins[2].horizon_us = 7;
  const FeatureViewDefinition again = RoundTrip(view);
  EXPECT_TRUE(again.joins[0].through);
  EXPECT_EQ(again.joins[1].from, "cards");
  EXPECT_EQ(again.joins[1].lag_us, 5);
  EXPECT_EQ(again.joins[2].horizon_us, 7);
  // What a view of before did not have is not in its text, which releases are addressed by.
  const std::string plain = ToText(view.ToJson().at("root"));
  for (const char* member : {"lag_us", "horizon_us", "from", "through"}) {
    EXPECT_EQ(plain.find(member), std::string::npos) << plain;
  }

  const auto refusal = [](const std::string& members) {
    return Refusal<FeatureViewDefinition>(
        R"({"name": "d", "root": {"group": "f"}, "joins": [{"group": "g", )" + members + "}]}");
  };
  EXPECT_THAT(refusal(R"("lag_us": -5)"), HasSubstr("a lag must be 0 or longer, not -5 us"));
  EXPECT_THAT(refusal(R"("horizon_us": 0)"), HasSubstr("a horizon must be longer than 0, not 0"));
  EXPECT_THAT(refusal(R"("horizon_us": 1, "lag_us": 2)"), HasSubstr("labels a horizon"));
  EXPECT_THAT(refusal(R"("through": true, "features": ["x"])"), HasSubstr("leave out 'through'"));
  EXPECT_THAT(refusal(R"("lagus": 1)"), HasSubstr("did you mean 'lag_us'?"));
}

TEST(Split, RoundTripsAndChecks) {
  SplitDefinition split;
  EXPECT_THAT(RoundTrip(split).PartNames(), ::testing::ElementsAre("train"));
  split.method = SplitDefinition::Method::kRandom;
  split.parts = {{"train", 0.7}, {"validation", 0.2}, {"test", 0.1}};
  EXPECT_EQ(RoundTrip(split).parts, split.parts);
  split = {.method = SplitDefinition::Method::kTime, .parts = {}, .boundaries = {}};
  split.boundaries = {{"train", 1'380'585'600'000'000}, {"test", std::nullopt}};
  EXPECT_EQ(RoundTrip(split).boundaries, split.boundaries);
  EXPECT_THAT(ToText(split.ToJson()), HasSubstr("2013-10-01T00:00:00Z"));

  for (const char* bad :
       {R"({"method": "tme"})", R"({"method": "random"})",
        R"({"method": "random", "parts": [["train", 0.8], ["test", 0.3]]})",
        R"({"method": "random", "parts": [["train", 0.5], ["train", 0.5]]})",
        R"({"method": "random", "parts": [["train", 2], ["test", -1]]})",
        R"({"method": "random", "parts": [["../x", 1]]})",
        R"({"method": "random", "parts": {"train": 1}})",
        R"({"method": "random", "parts": [["train", "all"]]})",
        R"({"method": "none", "parts": [["train", 1]]})",
        R"({"method": "random", "boundaries": [["train", null]]})",
        R"({"method": "time", "boundaries": [["train", null], ["test", null]]})",
        R"({"method": "time", "boundaries": [["a", "2013-02-01"], ["b", "2013-01-01"],
                                             ["c", null]]})",
        R"({"method": "time", "boundaries": [["train", "2013-02-01"]]})"}) {
    Refusal<SplitDefinition>(bad);
  }
}

TEST(TrainingDataset, RoundTrips) {
  TrainingDatasetDefinition dataset;
  dataset.view = {"delay", 1};
  dataset.version = 3;
  dataset.seed = 7;
  dataset.start_us = -5;
  dataset.has_spine = true;
  dataset.spine_sha256 = "ab";
  dataset.pins = {{"weather@1", 9}};
  dataset.fitted_transformations = {json::object{{"kind", "log1p"}}};
  dataset.statistics = {{"train", json::object{{"rows", 3}}}};
  dataset.rows = {{"train", 3}};
  dataset.sha256 = {{"train", "cd"}};
  dataset.features = SchemaToJson(*Weather().schema);
  const TrainingDatasetDefinition again = RoundTrip(dataset);
  EXPECT_EQ(again.ref(), (Ref{"delay@1", 3}));
  EXPECT_EQ(*Ref::Parse(again.ref().ToText()), again.ref());
  EXPECT_EQ(again.start_us, -5);
  EXPECT_EQ(again.end_us, std::nullopt);
}

TEST(Run, RoundTripsAlsoMetricsThatAreNotFinite) {
  tercet::Run run;
  run.id = "4f1a";
  run.name = "train";
  run.status = "failed";
  run.ended_us = 9;
  run.error = "no\nmemory";
  run.parameters = {{"depth", 6}};
  run.metrics = {{"auc", 0.74}, {"loss", std::numeric_limits<double>::quiet_NaN()},
                 {"worst", -std::numeric_limits<double>::infinity()}};
  run.inputs = {"feature_group weather@1 commit 7"};
  const tercet::Run again = RoundTrip(run);
  EXPECT_TRUE(std::isnan(again.metrics.at("loss").as_double()));
  EXPECT_EQ(again.metrics.at("worst").as_double(), -std::numeric_limits<double>::infinity());
  EXPECT_THAT(Refusal<tercet::Run>(R"({"id": "x", "status": "finishd"})"), HasSubstr("'finished'"));
  EXPECT_THAT(Refusal<tercet::Run>(R"({"id": "x", "metrics": {"auc": "high"}})"),
              HasSubstr("metrics.auc"));
}

TEST(Model, RoundTrips) {
  ModelDefinition model;
  model.name = "delay";
  model.version = 4;
  model.format = ModelFormat::kXgboost;
  model.signature = {arrow::schema({arrow::field("temp", arrow::float64())}),
                     arrow::schema({arrow::field("score", arrow::float32(), false)})};
  model.metrics = {{"auc", 0.74}};
  model.view = Ref{"delay", 1};
  model.training_dataset = Ref{"delay@1", 3};
  model.files = {{"model.json", "ab"}};
  const ModelDefinition again = RoundTrip(model);
  EXPECT_EQ(again.training_dataset, model.training_dataset);
  EXPECT_TRUE(again.signature.outputs->Equals(*model.signature.outputs));
  // A signature that was not given stays so.
  model.signature = {};
  EXPECT_EQ(RoundTrip(model).signature.inputs, nullptr);
  EXPECT_THAT(ModelFormatFromName("xgbost").status().message(), HasSubstr("'xgboost'"));
}

TEST(Release, ContentAddressIsOfAllButIdAndNumber) {
  Release release;
  release.model = {"delay", 1};
  release.view = {"delay", 1};
  release.view_definition = {{"b", 1}, {"a", 0.5}};
  release.feature_groups = {"weather@1"};
  release.id = release.ContentAddress();
  EXPECT_EQ(release.id.size(), 64);
  release.number = 9;
  EXPECT_EQ(RoundTrip(release).ContentAddress(), release.id);
  Release other = release;
  other.view_definition = {{"a", 0.5}, {"b", 1}};  // the order of members says nothing
  EXPECT_EQ(other.ContentAddress(), release.id);
  other.model.version = 2;
  EXPECT_NE(other.ContentAddress(), release.id);
}

TEST(Deployment, RoundTrips) {
  Deployment deployment;
  deployment.name = "delay";
  deployment.release_id = "ab";
  deployment.history = {{"ab", 1, 5, "deploy", "me"}};
  EXPECT_EQ(RoundTrip(deployment).history[0].by, "me");
}

TEST(Ref, Parses) {
  EXPECT_EQ(*Ref::Parse("weather"), (Ref{"weather", 0}));
  EXPECT_EQ(*Ref::Parse("weather@12"), (Ref{"weather", 12}));
  for (const char* bad : {"", "@1", "weather@", "weather@x", "weather@0", "weather@-1",
                          "weather@1x", "weather@99999999999999999999"}) {
    EXPECT_TRUE(Ref::Parse(bad).status().IsInvalid()) << bad;
  }
  EXPECT_EQ(*KindFromName("training_dataset"), Kind::kTrainingDataset);
  EXPECT_THAT(KindFromName("feature_grup").status().message(), HasSubstr("'feature_group'"));
}

}  // namespace
}  // namespace tercet
