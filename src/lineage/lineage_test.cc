#include "lineage/lineage.h"

#include <random>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "catalog/model.h"
#include "catalog/run.h"
#include "catalog/training_dataset.h"
#include "compute/transformation.h"
#include "view/test_project.h"

namespace tercet {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class LineageTest : public FlightsProject {
 protected:
  void SetUp() override {
    FlightsProject::SetUp();
    InsertFlights(20);
    InsertWeather({9, 11, 13});
    FeatureViewDefinition view = DelayView();
    view.on_demand = {{"hot", "origin_temp > 30 and distance > limit"}};
    view.request_parameters = {{"limit", "double"}};
    view.filter = "carrier != 'ZZ'";
    ASSERT_TRUE(views_->Define(view).ok());
    PutDataset();
    PutModels();
    index_ = CatalogIndex::Open(JoinPath(root_, "catalog.sqlite")).ValueOrDie();
    lineage_ =
        std::make_unique<Lineage>(catalog_.get(), tables_.get(), views_.get(), index_.get());
  }

  void Put(Kind kind, const Ref& ref, const json::object& definition,
           const std::vector<NounRef>& needed) {
    const auto put = catalog_->Put(kind, ref, definition, needed);
    ASSERT_TRUE(put.ok()) << put.status();
  }

  void PutDataset() {
    const auto plan = views_->Plan({"delay", 1}).ValueOrDie();
    const auto rows = TableOf({arrow::field("carrier", arrow::utf8()),
                               arrow::field("distance", arrow::float64()),
                               arrow::field("origin_temp", arrow::float64()),
                               arrow::field("hot", arrow::boolean())},
                              R"([["AA", 0, 1, true], ["B6", 100, 2, false]])");
    TrainingDatasetDefinition dataset{.view = {"delay", 1}};
    for (const auto& one : plan->definition().transformations) {
      dataset.fitted_transformations.push_back(
          FitTransformation(one.kind, one.columns, one.options, *rows).ValueOrDie().ToJson());
    }
    dataset.features = SchemaToJson(*arrow::schema({arrow::field("carrier_AA", arrow::float64()),
                                                    arrow::field("carrier_B6", arrow::float64()),
                                                    arrow::field("distance", arrow::float64()),
                                                    arrow::field("origin_temp", arrow::float64()),
                                                    arrow::field("hot", arrow::boolean())}));
    dataset.labels = SchemaToJson(*arrow::schema({arrow::field("late", arrow::int64())}));
    Put(Kind::kTrainingDataset, {"delay@1", 0}, dataset.ToJson(),
        {{Kind::kFeatureView, {"delay", 1}}});
  }

  /// Two models of the dataset; the second, which does not take the temperature, is served.
  void PutModels() {
    for (const int64_t version : {1, 2}) {
      ModelDefinition model{.name = "delay", .version = version};
      model.format = ModelFormat::kXgboost;
      arrow::FieldVector inputs = {arrow::field("carrier_AA", arrow::float64()),
                                   arrow::field("distance", arrow::float64())};
      if (version == 1) inputs.push_back(arrow::field("origin_temp", arrow::float64()));
      model.signature.inputs = arrow::schema(inputs);
      model.view = Ref{"delay", 1};
      model.training_dataset = Ref{"delay@1", 1};
      Put(Kind::kModel, {"delay", version}, model.ToJson(),
          {{Kind::kTrainingDataset, {"delay@1", 1}}});
      Release release{.id = "release-" + std::to_string(version)};
      release.model = {"delay", version};
      release.view = {"delay", 1};
      Put(Kind::kRelease, {release.id, 1}, release.ToJson(), {{Kind::kModel, {"delay", version}}});
    }
    Deployment deployment{.name = "late"};
    deployment.release_id = "release-2";
    deployment.history = {{.release_id = "release-1", .number = 1}, {.release_id = "release-2",
                                                                     .number = 2}};
    Put(Kind::kDeployment, {"late", 1}, deployment.ToJson(),
        {{Kind::kRelease, {"release-1", 1}}, {Kind::kRelease, {"release-2", 1}}});
  }

  std::string Tree(const LineageRequest& request) {
    const auto graph = lineage_->Of(request);
    return graph.ok() ? graph->ToTree() : graph.status().ToString();
  }

  /// "feature_view delay@1 uses served" a line.
  std::vector<std::string> Broken(const std::string& object) {
    const auto report = lineage_->ImpactOf(object);
    if (!report.ok()) return {report.status().ToString()};
    std::vector<std::string> lines;
    for (const ImpactReport::Item& item : report->broken) {
      lines.push_back(item.kind + " " + item.name + (item.uses ? " uses" : "") +
                      (item.served ? " served" : ""));
    }
    return lines;
  }

  void TearDown() override {
    lineage_.reset();
    index_.reset();
    FlightsProject::TearDown();
  }

  std::unique_ptr<CatalogIndex> index_;
  std::unique_ptr<Lineage> lineage_;
};

TEST_F(LineageTest, FollowsAColumnDownstream) {
  EXPECT_EQ(Tree({.object = "weather@1.temp", .direction = LineageDirection::kDownstream}),
            R"(feature group weather@1.temp  (double)
used by
└─ select: feature view delay@1.origin_temp  (double)
   ├─ expression: feature view delay@1.hot  (bool)
   │  └─ feature: training dataset delay@1@1.hot  (bool)
   └─ feature: training dataset delay@1@1.origin_temp  (double)
      └─ input: model delay@1  (xgboost)
         └─ release: release release-1
            └─ served before: deployment late  (serves release 2)
)");
}

TEST_F(LineageTest, FollowsAColumnUpstreamThroughTransformations) {
  EXPECT_EQ(Tree({.object = "delay@1@1.carrier_AA", .direction = LineageDirection::kUpstream}),
            R"(training dataset delay@1@1.carrier_AA  (double)
made of
└─ one_hot_encoder: feature view delay@1.carrier  (string)
   └─ select: feature group flights@1.carrier  (string)
)");
}

TEST_F(LineageTest, ShowsNounsWithoutTheirColumns) {
  EXPECT_EQ(Tree({.object = "feature_view:delay"}),
            R"(feature view delay@1
made of
├─ select, root, key, event time, join: feature group flights@1
└─ select, join, event time: feature group weather@1
used by
└─ training data, label, one_hot_encoder, standard_scaler, feature: training dataset delay@1@1
   ├─ training, label, input: model delay@1  (xgboost)
   │  └─ release: release release-1
   │     └─ served before: deployment late  (serves release 2)
   └─ training, label, input: model delay@2  (xgboost)
      └─ release: release release-2
         └─ serves: late …
)");
}

TEST_F(LineageTest, DepthEndsTheWalk) {
  const auto graph = lineage_->Of({.object = "weather",
                                   .direction = LineageDirection::kDownstream,
                                   .depth = 1});
  ASSERT_TRUE(graph.ok()) << graph.status();
  ASSERT_EQ(graph->nodes.size(), 2u);
  EXPECT_EQ(graph->nodes[1].id, "feature_view:delay@1");
  const auto again = LineageGraph::FromJson(graph->ToJson());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->nodes, graph->nodes);
  EXPECT_EQ(again->edges, graph->edges);
}

TEST_F(LineageTest, FiltersAndKeysLeadToTheWholeView) {
  const auto graph = lineage_->Of(
      {.object = "flights@1.origin", .direction = LineageDirection::kDownstream, .depth = 1});
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_THAT(graph->edges, ElementsAre(LineageEdge{"feature_group:flights@1.origin",
                                                    "feature_view:delay@1", "join"}));
  EXPECT_THAT(Tree({.object = "flights@1.carrier", .direction = LineageDirection::kDownstream}),
              HasSubstr("filter: feature view delay@1\n"));
}

TEST_F(LineageTest, RunsLeadFromGroupToGroup) {
  FeatureGroupDefinition daily{.name = "daily"};
  daily.primary_key = {"origin"};
  daily.schema = arrow::schema({arrow::field("origin", arrow::utf8()),
                                arrow::field("mean", arrow::float64())});
  ASSERT_TRUE(tables_->Define(daily).ok());
  for (const char* id : {"run-1", "run-2"}) {
    tercet::Run run{.id = id, .name = "summarize"};
    run.inputs = {"feature_group weather@1 commit 1", "feature_group gone@1"};
    run.outputs = {"feature_group daily@1 commit 1", "training_dataset delay@1@1"};
    Put(Kind::kRun, {id, 1}, run.ToJson(), {});
  }
  EXPECT_EQ(Tree({.object = "daily"}), R"(feature group daily@1
made of
└─ write: run summarize  (2 runs)
   └─ read: feature group weather@1
)");
  EXPECT_EQ(Tree({.object = "daily@1.mean", .depth = 1}), R"(feature group daily@1.mean  (double)
made of
└─ write: run summarize  (2 runs)
)");
  // A run that made a dataset is no way by which a column came into it.
  EXPECT_THAT(Tree({.object = "delay@1@1.distance", .direction = LineageDirection::kUpstream}),
              testing::Not(HasSubstr("summarize")));
}

TEST_F(LineageTest, StepsInSqlLeadFromColumnToColumn) {
  FeatureGroupDefinition daily{.name = "daily"};
  daily.primary_key = {"place"};
  daily.schema = arrow::schema({arrow::field("place", arrow::utf8()),
                                arrow::field("mean", arrow::float64())});
  ASSERT_TRUE(tables_->Define(daily).ok());
  StepColumns step{.target = "daily@1", .name = "day", .text_sha256 = "0"};
  step.columns = {{"place", {{"weather@1", "origin"}}}, {"mean", {{"weather@1", "temp"}}}};
  step.rows = {{"weather@1", "origin"}, {"weather@1", "hour"}};
  ASSERT_TRUE(index_->PutStep({"daily", 1}, step).ok());
  // The run that ran the step says less than the step.
  tercet::Run run{.id = "run-1", .name = "nightly"};
  run.inputs = {"feature_group weather@1 commit 1"};
  run.outputs = {"feature_group daily@1 commit 1"};
  Put(Kind::kRun, {"run-1", 1}, run.ToJson(), {});
  EXPECT_EQ(Tree({.object = "daily@1.mean"}), R"(feature group daily@1.mean  (double)
made of
└─ write: sql step day → daily@1.mean
   └─ query: feature group weather@1.temp  (double)
)");
  EXPECT_THAT(Broken("weather@1.hour"), testing::Contains("sql_step day → daily@1 uses"));
  EXPECT_THAT(Broken("flights@1.late"), testing::Not(testing::Contains(HasSubstr("sql_step"))));
}

TEST_F(LineageTest, SaysWhatIsNotThere) {
  EXPECT_THAT(Tree({.object = "wether@1"}),
              HasSubstr("there is nothing named 'wether@1' (did you mean 'weather@1'?)"));
  EXPECT_THAT(Tree({.object = "weather@1.tmp"}), HasSubstr("did you mean 'temp'?"));
  EXPECT_THAT(Tree({.object = "delay@1"}),
              HasSubstr("say 'feature_view:delay@1' or 'model:delay@1'"));
  EXPECT_THAT(Tree({.object = "weather@1", .depth = -1}), HasSubstr("0 or more, not -1"));
}

TEST_F(LineageTest, ImpactOfAColumnTellsUsersFromBystanders) {
  EXPECT_THAT(Broken("weather@1.temp"),
              UnorderedElementsAre("feature_view delay@1 uses served",
                                   "training_dataset delay@1@1 uses served", "model delay@1 uses",
                                   "release release-1 uses", "model delay@2 served",
                                   "release release-2 served", "deployment late uses served"));
  const auto report = lineage_->ImpactOf("weather@1.temp").ValueOrDie();
  ASSERT_FALSE(report.broken.empty());
  EXPECT_EQ(report.broken[0].path, "weather@1.temp → delay@1.origin_temp");
  ASSERT_EQ(report.refused.size(), 1u);
  EXPECT_EQ(report.refused[0].operation, "drop feature 'weather@1.temp'");
  const auto again = ImpactReport::FromJson(report.ToJson());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(ToText(again->ToJson()), ToText(report.ToJson()));
}

TEST_F(LineageTest, ImpactOfNounsAgreesWithWhatDroppingThemSays) {
  EXPECT_THAT(Broken("model:delay@1"),
              ElementsAre("release release-1 uses", "deployment late uses served"));
  EXPECT_THAT(Broken("deployment:late"), IsEmpty());
  for (const char* object : {"weather@1", "flights@1", "feature_view:delay@1", "delay@1@1",
                             "model:delay@2", "release:release-1", "deployment:late"}) {
    const auto report = lineage_->ImpactOf(object);
    ASSERT_TRUE(report.ok()) << object << ": " << report.status();
    EXPECT_EQ(report->refused.empty(), report->broken.empty()) << object;
  }
  const auto refused = lineage_->ImpactOf("weather@1").ValueOrDie().refused;
  const Status dropped = tables_->Drop({"weather", 1});
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_EQ(dropped.message(), "cannot " + refused[0].operation + ": " + refused[0].because);
}

TEST_F(LineageTest, IsMadeAnewWhenTheCatalogChanges) {
  const auto before = lineage_->Whole().ValueOrDie();
  EXPECT_EQ(lineage_->Whole().ValueOrDie(), before);
  FeatureGroupDefinition airports{.name = "airports"};
  airports.primary_key = {"origin"};
  ASSERT_TRUE(tables_->Define(airports).ok());
  EXPECT_EQ(lineage_->Whole().ValueOrDie()->nodes().size(), before->nodes().size() + 1);
}

TEST_F(LineageTest, PicturesEscapeWhatUsersNamed) {
  LineageGraph graph{.start = "a", .nodes = {}, .edges = {{"a", "b", "x<\"&"}}};
  graph.nodes = {{.id = "a", .kind = "feature_group", .name = "a@1", .column = "\"<b>&\n"},
                 {.id = "b", .kind = "feature_view", .name = "b@1"}};
  EXPECT_THAT(graph.ToSvg(), HasSubstr("a@1.&quot;&lt;b&gt;&amp; </text>"));
  EXPECT_THAT(graph.ToSvg(), HasSubstr("<title>x&lt;&quot;&amp;</title>"));
  EXPECT_THAT(graph.ToDot(), HasSubstr("a@1.\\\"<b>& \""));
  EXPECT_THAT(graph.ToMermaid(), HasSubstr("n0 -->|\"x<&quot;&\"| n1"));
  EXPECT_TRUE(graph.ToText("picture").status().IsInvalid());
}

/// Groups of random columns, and views that select, join, compute and filter at random.
class RandomProject : public TestProject {
 protected:
  static constexpr int kGroups = 3, kColumns = 4;

  int Below(int bound) { return std::uniform_int_distribution<int>(0, bound - 1)(random_); }

  static std::string Column(int group, int column) {
    return std::string(1, static_cast<char>('a' + group)) + std::to_string(column);
  }

  void DefineGroups() {
    for (int g = 0; g < kGroups; ++g) {
      FeatureGroupDefinition group{.name = "g" + std::to_string(g)};
      group.primary_key = {"k"};
      if (Below(2) == 0) group.event_time = "t";
      arrow::FieldVector fields = {arrow::field("k", arrow::int64()), arrow::field("t", Time())};
      for (int c = 0; c < kColumns; ++c) {
        fields.push_back(arrow::field(Column(g, c), arrow::int64()));
      }
      group.schema = arrow::schema(fields);
      ASSERT_TRUE(tables_->Define(group).ok());
    }
  }

  std::vector<std::string> SomeFeatures(int group) {
    std::vector<std::string> features;
    for (int c = 0; c < kColumns; ++c) {
      if (Below(2) == 0) features.push_back(Column(group, c));
    }
    return features;  // none: all of them
  }

  FeatureViewDefinition RandomView(int number) {
    FeatureViewDefinition view{.name = "v" + std::to_string(number)};
    const int root = Below(kGroups);
    view.root = {.group = {"g" + std::to_string(root), 1}, .features = SomeFeatures(root)};
    std::vector<std::string> names;  // what expressions may name: any root column, what is joined
    for (int c = 0; c < kColumns; ++c) names.push_back(Column(root, c));
    for (int g = 0; g < kGroups; ++g) {
      if (g == root || Below(2) == 0) continue;
      GroupSelection join{.group = {"g" + std::to_string(g), 1}, .features = SomeFeatures(g)};
      join.on = {{Below(2) == 0 ? "k" : Column(root, Below(kColumns)), "k"}};
      if (join.features.empty()) join.features = {Column(g, 0)};
      for (const std::string& feature : join.features) names.push_back(feature);
      view.joins.push_back(join);
    }
    const auto name = [&] {
      return names[static_cast<size_t>(Below(static_cast<int>(names.size())))];
    };
    for (int i = Below(3); i > 0; --i) {
      const std::string computed = "x" + std::to_string(i);
      view.on_demand.emplace_back(computed, name() + " + coalesce(" + name() + ", 1)");
      names.push_back(computed);
    }
    if (Below(3) == 0) view.filter = name() + " > 0";
    if (Below(4) == 0) view.on_demand.emplace_back("y", "year(event_time) + " + name());
    return view;
  }

  /// What finds out without any graph: takes the column out of the group and looks at the view.
  bool BreaksWithout(const FeatureViewDefinition& view, const Ref& group,
                     const std::string& column) {
    const auto before = ViewPlan::Make(
        view, [&](const Ref& ref) { return tables_->Definition(ref); }).ValueOrDie();
    const auto after = ViewPlan::Make(view, [&](const Ref& ref) -> Result<FeatureGroupDefinition> {
      ARROW_ASSIGN_OR_RAISE(FeatureGroupDefinition definition, tables_->Definition(ref));
      if (definition.ref() != group) return definition;
      arrow::FieldVector left = definition.schema->fields();
      std::erase_if(left, [&](const auto& field) { return field->name() == column; });
      definition.schema = arrow::schema(left);
      ARROW_RETURN_NOT_OK(definition.Check());
      return definition;
    });
    if (!after.ok()) return true;
    std::vector<std::string> names_before, names_after;
    for (const ViewColumn& one : before->columns()) names_before.push_back(one.name);
    for (const ViewColumn& one : (*after)->columns()) names_after.push_back(one.name);
    return names_before != names_after;
  }

  std::mt19937 random_{20261123};
};

TEST_F(RandomProject, ImpactIsWhatDroppingAndTryingFinds) {
  DefineGroups();
  std::vector<FeatureViewDefinition> views;
  while (views.size() < 60) {
    const FeatureViewDefinition view = RandomView(static_cast<int>(views.size()));
    const auto defined = views_->Define(view);
    if (defined.ok()) views.push_back(*defined);
  }
  const auto index = CatalogIndex::Open(JoinPath(root_, "catalog.sqlite")).ValueOrDie();
  Lineage lineage(catalog_.get(), tables_.get(), views_.get(), index.get());
  int broken = 0, whole = 0;
  for (int g = 0; g < kGroups; ++g) {
    const auto group = tables_->Definition({"g" + std::to_string(g), 1}).ValueOrDie();
    for (const std::string& column : group.schema->field_names()) {
      std::set<std::string> expected, found;
      for (const FeatureViewDefinition& view : views) {
        const bool breaks = BreaksWithout(view, group.ref(), column);
        if (breaks) expected.insert(view.ref().ToText());
        ++(breaks ? broken : whole);
      }
      const auto report = lineage.ImpactOf(group.ref().ToText() + "." + column);
      ASSERT_TRUE(report.ok()) << report.status();
      for (const ImpactReport::Item& item : report->broken) {
        EXPECT_EQ(item.kind, "feature_view");
        found.insert(item.name);
      }
      EXPECT_EQ(found, expected) << group.ref().ToText() << "." << column;
    }
  }
  // Both answers must be common, or nothing was tried.
  EXPECT_GT(broken, 200);
  EXPECT_GT(whole, 200);
}

}  // namespace
}  // namespace tercet
