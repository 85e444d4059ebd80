// One project through two doors: the same calls on a directory and against a server, whose answers
// and errors must be the same, to the word.

#include <chrono>
#include <filesystem>
#include <regex>
#include <thread>

#include <arrow/json/from_string.h>
#include <arrow/table.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/id.h"
#include "client/client.h"
#include "client/wire.h"
#include "inference/stump_model.h"
#include "platform/batch_predictions.h"
#include "server/server.h"

namespace tercet {
namespace {

constexpr int64_t kHour = 3'600'000'000;

Frame TableOf(const arrow::FieldVector& fields, const std::string& rows) {
  const auto array = arrow::json::ArrayFromJSONString(arrow::struct_(fields), rows).ValueOrDie();
  return arrow::Table::FromRecordBatches(arrow::schema(fields),
                                         {arrow::RecordBatch::FromStructArray(array).ValueOrDie()})
      .ValueOrDie();
}

arrow::FieldVector WeatherFields() {
  return {arrow::field("origin", arrow::utf8()),
          arrow::field("hour", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")),
          arrow::field("temp", arrow::float64()), arrow::field("calm", arrow::boolean()),
          arrow::field("gusts", arrow::list(arrow::float64()))};
}

/// Without what differs from run to run: times, run ids, sizes of compressed files.
json::value Steady(const json::value& value) {
  if (const json::array* array = value.if_array()) {
    json::array steady;
    for (const json::value& item : *array) steady.push_back(Steady(item));
    return steady;
  }
  const json::object* object = value.if_object();
  if (object == nullptr) return value;
  json::object steady;
  for (const auto& member : *object) {
    const std::string_view key(member.key().data(), member.key().size());
    const bool varies = key == "process" || key == "commit_time_us" || key == "commit_time" ||
                        key == "started_us" || key == "ended_us" || key == "switched_us" ||
                        key == "id" || key == "run_id";
    steady[key] = varies ? json::value("…") : Steady(member.value());
  }
  return steady;
}

/// Makes calls on a project and writes down what came back.
class Visitor {
 public:
  explicit Visitor(std::shared_ptr<Platform> project) : project_(std::move(project)) {}

  std::vector<std::string> Visit() {
    Groups();
    Views();
    const Ref model = Models(Training());
    Deployments(model);
    Runs();
    Drops(model);
    return std::move(notes_);
  }

 private:
  void Note(const std::string& what, const Status& status) {
    // Messages may tell of commit times, run ids and temporary files.
    static const std::regex kVaries(
        "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|20[0-9-]{8}T[0-9:.]+Z");
    notes_.push_back(what + ": " + status.CodeAsString() + " " +
                     std::regex_replace(status.message(), kVaries, "…"));
  }
  void Note(const std::string& what, const json::value& value) {
    notes_.push_back(what + ": " + ToText(Steady(value)));
  }
  template <typename Noun>
  void Note(const std::string& what, const Result<Noun>& result) {
    if (!result.ok()) return Note(what, result.status());
    Note(what, Shown(*result));
  }

  template <typename Noun>
  static json::value Shown(const std::vector<Noun>& nouns) {
    return ItemsToJson(nouns);
  }
  static json::value Shown(const json::object& object) { return object; }
  static json::value Shown(const VectorContract& contract) { return ToJson(contract); }
  static json::value Shown(const DeploymentContract& contract) { return ToJson(contract); }
  static json::value Shown(const Frame& frame) {
    return json::string(frame->CombineChunksToBatch().ValueOrDie()->ToString());
  }
  static json::value Shown(const RecordBatchReader& reader) {
    const Result<Frame> frame = reader->ToTable();
    if (!frame.ok()) return json::string(frame.status().ToString());
    json::value shown = Shown(*frame);
    return shown;
  }
  static json::value Shown(const VectorData& data) {
    return json::array{data.features->ToString(), data.status->ToString(),
                       data.helpers->ToString()};
  }
  static json::value Shown(const PredictData& data) {
    return json::array{data.outputs->ToString(), ToJsonArray(data.missing), data.release_id,
                       data.release_number};
  }
  static json::value Shown(const ModelFiles& files) {
    json::object shown;
    for (const auto& [path, bytes] : files) shown[path] = bytes;
    return shown;
  }
  static json::value Shown(const TrainingDatasetData& data) {
    json::object shown = {{"definition", data.definition.ToJson()}};
    for (const TrainingPartData& part : data.parts) {
      shown[part.name] = json::array{Shown(part.features), Shown(part.labels), Shown(part.helpers),
                                     Shown(part.keys)};
    }
    return shown;
  }
  template <typename Noun>
  static json::value Shown(const Noun& noun) {
    return noun.ToJson();
  }

  static RecordBatchReader ReaderOf(const Frame& frame) {
    return std::make_shared<arrow::TableBatchReader>(frame);
  }
  static std::shared_ptr<arrow::RecordBatch> Entity(const std::string& origin) {
    return TableOf(
               {arrow::field("origin", arrow::utf8()), arrow::field("distance", arrow::float64())},
               "[[\"" + origin + "\", 120.5]]")
        ->CombineChunksToBatch()
        .ValueOrDie();
  }

  void Groups() {
    FeatureGroupDefinition weather{.name = "weather"};
    weather.primary_key = {"origin"};
    weather.event_time = "hour";
    weather.ttl_us = 3 * kHour;
    weather.online = true;
    weather.tags = {{"owner", "met \"office\""}};
    Note("define", project_->DefineFeatureGroup(weather));
    weather.ttl_us = 4 * kHour;
    Note("define otherwise", project_->DefineFeatureGroup(weather));
    Note("define badly", project_->DefineFeatureGroup({.name = "../etc"}));
    Note("describe empty", project_->DescribeFeatureGroup({"weather", 1}));

    const auto rows = [](const std::string& text) {
      return ReaderOf(TableOf(WeatherFields(), text));
    };
    InsertRequest waits{.idempotency_key = "first", .wait_online = true};
    const std::string first =
        R"([["JFK", 3600000000, 10.5, true, [1.5, 2]], ["LGA", 3600000000, null, false, []],
            ["JFK", 7200000000, 11.25, null, null]])";
    Note("insert", project_->Insert({"weather", 1}, rows(first), waits));
    Note("insert again", project_->Insert({"weather", 1}, rows(first), waits));
    Note("insert nothing", project_->Insert({"weather", 0}, rows("[]"), {}));
    Note("insert wrong columns",
         project_->Insert({"weather", 1},
                          ReaderOf(TableOf({arrow::field("orign", arrow::utf8())}, R"([["JFK"]])")),
                          {}));
    Note("insert a null key",
         project_->Insert({"weather", 1}, rows("[[null, 1, 1, null, null]]"), {}));
    Note("insert into none", project_->Insert({"wether", 1}, rows(first), {}));
    Note("append", project_->Insert({"weather", 1}, rows(R"([["EWR", 7200000000, 3, true, [9]]])"),
                                    {.mode = InsertMode::kAppend, .wait_online = true}));
    Note("delete",
         project_->Delete(
             {"weather", 1},
             ReaderOf(TableOf({arrow::field("origin", arrow::utf8())}, R"([["EWR"]])")), true));
    Note("delete wrongly",
         project_->Delete({"weather", 1},
                          ReaderOf(TableOf({arrow::field("temp", arrow::float64())}, "[[1]]")),
                          true));
    Note("list", project_->ListFeatureGroups());
    Note("get", project_->GetFeatureGroup({"weather", 0}));
    Note("get none", project_->GetFeatureGroup({"wether", 0}));
    Note("get no version", project_->GetFeatureGroup({"weather", 7}));
    Note("read", project_->Read({"weather", 1}, {}));
    Note("read columns",
         project_->Read({"weather", 1},
                        {.columns = {"temp", "origin"}, .version = 1, .start_us = 2 * kHour}));
    Note("read none", project_->Read({"weather", 1}, {.columns = {"tmp"}}));
    Note("read twice", project_->Read({"weather", 1}, {.version = 1, .as_of_us = 5}));
    Note("read before", project_->Read({"weather", 1}, {.as_of_us = 5}));
    Note("commits", project_->Commits({"weather", 1}));
    Note("commits of none", project_->Commits({"x/y z%", 1}));
    const auto changes = project_->Changes({"weather", 1}, 2, -1);
    Note("changes", changes.status());
    Note("changes rows",
         json::value((*changes)->ToTable().ValueOrDie()->RemoveColumn(7).ValueOrDie()->ToString()));
    Note("statistics", project_->Statistics({"weather", 1}, {.columns = {"temp", "calm"}}));
    Note("compact", project_->Compact({"weather", 1}));

    FeatureGroupDefinition flights{.name = "flights"};
    flights.primary_key = {"flight"};
    flights.event_time = "departure";
    Note("define flights", project_->DefineFeatureGroup(flights));
    std::string text;
    for (int i = 0; i < 20; ++i) {
      text += (i == 0 ? "[" : ", [") + std::to_string(i) + ", " +
              std::to_string(kHour + i * 100'000'000) + ", \"" + (i % 2 == 0 ? "JFK" : "LGA") +
              "\", " + std::to_string(100 + i * 13 % 7) + ".5, " + std::to_string(i % 3 == 0) + "]";
    }
    Note("insert flights",
         project_->Insert(
             {"flights", 1},
             ReaderOf(TableOf(
                 {arrow::field("flight", arrow::int64()),
                  arrow::field("departure", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")),
                  arrow::field("origin", arrow::utf8()), arrow::field("distance", arrow::float64()),
                  arrow::field("late", arrow::int64())},
                 "[" + text + "]")),
             {}));
  }

  void Views() {
    FeatureViewDefinition view{.name = "delay"};
    view.root = {.group = {"flights", 1}, .features = {"distance", "late"}};
    view.joins = {{.group = {"weather", 1},
                   .features = {"temp"},
                   .on = {{"origin", "origin"}},
                   .prefix = "origin_"}};
    view.on_demand = {{"warmth", "origin_temp * 1.8 + distance / 3.0"}};
    view.labels = {"late"};
    view.transformations = {{"impute", {"origin_temp", "warmth"}, {{"strategy", "mean"}}},
                            {"standard_scaler", {"distance"}, {}}};
    Note("view", project_->DefineFeatureView(view));
    view.labels = {"lat"};
    Note("view otherwise", project_->DefineFeatureView(view));
    view.version = 2;
    Note("view of none", project_->DefineFeatureView(view));
    Note("views", project_->ListFeatureViews());
    Note("get view", project_->GetFeatureView({"delay", 0}));
    Note("get no view", project_->GetFeatureView({"dely", 0}));
    Note("contract", project_->ContractOfView({"delay", 1}));
    Note("vector",
         project_->Vectors({"delay", 1}, {.entities = Entity("JFK"), .event_time_us = 2 * kHour}));
    Note("expired vector",
         project_->Vectors({"delay", 1}, {.entities = Entity("JFK"), .event_time_us = 20 * kHour}));
    Note("missing vector", project_->Vectors({"delay", 1}, {.entities = Entity("nowhere"),
                                                            .event_time_us = 2 * kHour}));
    Note("vector without key",
         project_->Vectors({"delay", 1}, {.entities = Entity("JFK")->RemoveColumn(0).ValueOrDie(),
                                          .event_time_us = 2 * kHour}));
    Note("vector of none", project_->Vectors({"dely", 1}, {.entities = Entity("JFK")}));
    Note("vector of no dataset", project_->Vectors({"delay", 1}, {.entities = Entity("JFK"),
                                                                  .event_time_us = 2 * kHour,
                                                                  .training_dataset_version = 9}));
  }

  TrainingDatasetData Training() {
    TrainingDataRequest request;
    request.split.method = SplitDefinition::Method::kTime;
    request.split.parts = {{"train", 0.75}, {"test", 0.25}};
    const auto data = project_->CreateTrainingDataset({"delay", 1}, request, {});
    Note("training data", data);
    Note("rebuilt", project_->RebuildTrainingDataset({"delay", 1}, 1, {}));
    request.split.parts = {{"train", 0.75}, {"test", 0.75}};
    Note("bad split", project_->CreateTrainingDataset({"delay", 1}, request, {}));
    Note("of none", project_->CreateTrainingDataset({"dely", 1}, {}, {}));
    TrainingDataRequest with_spine;
    with_spine.seed = 5;
    with_spine.spine =
        TableOf({arrow::field("event_time", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")),
                 arrow::field("origin", arrow::utf8()), arrow::field("distance", arrow::float64()),
                 arrow::field("late", arrow::int64())},
                R"([[7200000000, "LGA", 3.5, 1], [7300000000, "JFK", null, 0],
            [7300000000, "JFK", null, 0]])");
    Note("of a spine", project_->CreateTrainingDataset({"delay", 1}, with_spine, {}));
    with_spine.spine = with_spine.spine->RemoveColumn(1).ValueOrDie();
    Note("of a short spine", project_->CreateTrainingDataset({"delay", 1}, with_spine, {}));
    Note("empty range",
         project_->CreateTrainingDataset({"delay", 1}, {.start_us = 90 * kHour}, {}));
    Note("get dataset", project_->GetTrainingDataset({"delay", 1}, 0));
    Note("get no dataset", project_->GetTrainingDataset({"delay", 1}, 77));
    Note("datasets", project_->ListTrainingDatasets(Ref{"delay", 1}));
    Note("all datasets", project_->ListTrainingDatasets(std::nullopt));
    return *data;
  }

  Ref Models(const TrainingDatasetData& data) {
    const auto names = data.parts[0].features->schema()->field_names();
    std::vector<Stump> stumps;
    for (size_t i = 0; i < names.size(); ++i)
      stumps.push_back({static_cast<int>(i), 0.5, -1, 0.25});
    ModelDefinition model{.name = "delay", .format = ModelFormat::kXgboost};
    model.training_dataset = data.definition.ref();
    model.metrics = {{"auc", 0.75}};
    const auto registered =
        project_->RegisterModel(model, {{"model.json", StumpModel(names, stumps)}});
    Note("register", registered);
    Note("register rubbish", project_->RegisterModel(model, {{"model.json", "{"}}));
    Note("register outside", project_->RegisterModel(model, {{"../model.json", "{}"}}));
    Note("register nothing", project_->RegisterModel(model, {}));
    Note("models", project_->ListModels());
    Note("model", project_->GetModel({"delay", 1}));
    Note("no model", project_->GetModel({"delays", 1}));
    Note("files", project_->ReadModelFiles({"delay", 1}));
    Note("files of none", project_->ReadModelFiles({"delay", 8}));
    return registered->ref();
  }

  void Deployments(const Ref& model) {
    Note("upgrade none", project_->Upgrade("delay", model));
    Note("deploy", project_->Deploy("delay", model));
    Note("deploy none", project_->Deploy("delay", {"dely", 1}));
    Note("rollback first", project_->Rollback("delay"));
    Note("deployments", project_->ListDeployments());
    const auto deployment = project_->GetDeployment("delay");
    Note("deployment", deployment);
    Note("no deployment", project_->GetDeployment("dely"));
    Note("release", project_->GetRelease(deployment->release_id));
    Note("no release", project_->GetRelease("123"));
    Note("contract", project_->Contract("delay"));
    Note("predict", project_->Predict("delay", Entity("JFK"), 2 * kHour));
    Note("predict missing", project_->Predict("delay", Entity("nowhere"), 2 * kHour));
    Note("predict none", project_->Predict("dely", Entity("JFK"), 2 * kHour));
    Note("predict without key",
         project_->Predict("delay", Entity("JFK")->RemoveColumn(0).ValueOrDie(), 2 * kHour));
    Note("batch", project_->Batch(model, kHour, 2 * kHour, nullptr, {}));
    Note("batch of nothing", project_->Batch(model, 50 * kHour, std::nullopt, nullptr, {}));
    Note("batch of none", project_->Batch({"dely", 1}, std::nullopt, std::nullopt, nullptr, {}));
    BatchStarts(model);
  }

  void BatchStarts(const Ref& model) {
    BatchPredictions* const batch = project_->batch_predictions();
    const Ref group{"weather", 1};
    Note("start batch of none", batch->StartToGroup({{"dely", 1}, {}, {}, {}}, group, {}));
    Note("start batch to none", batch->StartToGroup({model, {}, {}, {}}, {"wether", 1}, {}));
    const Frame spine = TableOf(WeatherFields(), "[]");
    Note("start batch of a spine", batch->StartToGroup({model, {}, {}, spine}, group, {}));
    const auto started = batch->StartToGroup({model, kHour, 2 * kHour, {}}, group, {});
    Note("start batch", started);
    if (!started.ok()) return;
    Result<Run> run = started;
    while (run.ok() && run->status == "running") {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      run = project_->GetRun(started->id);
    }
    // How often it told of its progress is a matter of time.
    if (run.ok()) run->metrics.clear();
    Note("batch that does not fit", run);
    Note("drop batch run", project_->DropRun(started->id));
  }

  void Runs() {
    Run run;
    run.name = "train";
    run.parameters = {{"depth", 6}};
    const auto started = project_->StartRun(run);
    Note("run", started);
    Run additions;
    additions.metrics = {{"auc", 0.5}};
    additions.log = "line\n";
    additions.status = "finished";
    Note("log", project_->LogRun(started->id, additions));
    additions.log = "late";
    Note("log late",
         project_->LogRun(started->id, additions).status().code() == arrow::StatusCode::Invalid);
    Note("get run", project_->GetRun(started->id));
    Note("no run", project_->GetRun("nothing"));
    Note("runs", project_->ListRuns());
    Note("drop run", project_->DropRun(started->id));
  }

  void Drops(const Ref& model) {
    Note("drop used group", project_->DropFeatureGroup({"weather", 1}));
    Note("drop used view", project_->DropFeatureView({"delay", 1}));
    Note("drop used model", project_->DropModel(model));
    Note("drop deployment", project_->DropDeployment("delay"));
    Note("drop model", project_->DropModel(model));
    for (int64_t version = 1; version <= 3; ++version) {
      Note("drop dataset", project_->DropTrainingDataset({"delay", 1}, version));
    }
    Note("drop view", project_->DropFeatureView({"delay", 1}));
    Note("drop group", project_->DropFeatureGroup({"weather", 1}));
    Note("drop it again", project_->DropFeatureGroup({"weather", 1}));
  }

  const std::shared_ptr<Platform> project_;
  std::vector<std::string> notes_;
};

class TwoDoorsTest : public ::testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove_all(root_); }

  std::string Folder(const std::string& name) const { return root_ + "/" + name; }

  std::unique_ptr<Server> Serve(std::shared_ptr<Platform> project, const std::string& token = "") {
    ServerOptions options;
    options.http.port = 0;
    options.flight.port = 0;
    options.token = token;
    return Server::Start(std::move(project), options).ValueOrDie();
  }

  static std::string Location(const Server& server) {
    return "tercet://127.0.0.1:" + std::to_string(server.http_port());
  }

  const std::string root_ =
      (std::filesystem::temp_directory_path() / ("tercet-test-" + NewUuid())).string();
};

TEST_F(TwoDoorsTest, AnswerAlike) {
  std::filesystem::create_directories(root_);
  const std::vector<std::string> local = Visitor(OpenProject(Folder("local")).ValueOrDie()).Visit();
  const auto server = Serve(Platform::Open(Folder("served")).ValueOrDie());
  const std::vector<std::string> remote =
      Visitor(OpenProject(Location(*server)).ValueOrDie()).Visit();
  ASSERT_EQ(local.size(), remote.size());
  for (size_t i = 0; i < local.size(); ++i) EXPECT_EQ(local[i], remote[i]);
}

TEST_F(TwoDoorsTest, AnUploadThatBreaksOffChangesNothing) {
  std::filesystem::create_directories(root_);
  const auto server = Serve(Platform::Open(Folder("served")).ValueOrDie());
  const auto project = OpenProject(Location(*server)).ValueOrDie();
  FeatureGroupDefinition weather{.name = "weather"};
  weather.primary_key = {"origin"};
  weather.event_time = "hour";
  weather.schema = arrow::schema(WeatherFields());
  ASSERT_TRUE(project->DefineFeatureGroup(weather).ok());
  const Frame rows = TableOf(WeatherFields(), R"([["JFK", 1, 1, null, null]])");
  int batches = 0;
  const RecordBatchReader failing =
      arrow::RecordBatchReader::MakeFromIterator(
          arrow::MakeFunctionIterator([&]() -> Result<std::shared_ptr<arrow::RecordBatch>> {
            if (++batches > 1) return Status::IOError("the source failed");
            return rows->CombineChunksToBatch();
          }),
          rows->schema())
          .ValueOrDie();
  const Status inserted = project->Insert({"weather", 1}, failing, {}).status();
  EXPECT_TRUE(inserted.IsIOError()) << inserted;
  EXPECT_EQ(inserted.message(), "the source failed");
  EXPECT_EQ(project->Read({"weather", 1}, {}).ValueOrDie()->ToTable().ValueOrDie()->num_rows(), 0);
}

TEST_F(TwoDoorsTest, ATokenIsAskedForAtBothDoors) {
  std::filesystem::create_directories(root_);
  const auto server =
      Serve(Platform::Open(Folder("served")).ValueOrDie(), "a token of some length");
  const Status without = OpenProject(Location(*server)).status();
  EXPECT_TRUE(without.IsInvalid()) << without;
  EXPECT_THAT(without.message(), ::testing::HasSubstr("token"));
  PlatformOptions options;
  options.token = "another token of some length";
  EXPECT_TRUE(OpenProject(Location(*server), options).status().IsInvalid());
  options.token = "a token of some length";
  const auto project = OpenProject(Location(*server), options).ValueOrDie();
  FeatureGroupDefinition weather{.name = "weather"};
  weather.primary_key = {"origin"};
  weather.event_time = "hour";
  ASSERT_TRUE(project->DefineFeatureGroup(weather).ok());
  const auto commit = project->Insert(
      {"weather", 1}, std::make_shared<arrow::TableBatchReader>(TableOf(WeatherFields(), "[]")),
      {});
  EXPECT_TRUE(commit.ok()) << commit.status();
}

TEST_F(TwoDoorsTest, AddressesAreChecked) {
  for (const char* location : {"", "ftp://x", "tercet://", "tercet://host", "tercet://host:x"}) {
    EXPECT_TRUE(OpenProject(location).status().IsInvalid()) << location;
  }
  EXPECT_TRUE(OpenProject("tercet://127.0.0.1:1").status().IsIOError());
  std::filesystem::create_directories(root_);
  const auto server = Serve(Platform::Open(Folder("served")).ValueOrDie());
  EXPECT_TRUE(OpenProject(Location(*server) + "/served").ok());
  EXPECT_TRUE(OpenProject(Location(*server) + "/other").status().IsKeyError());
}

}  // namespace
}  // namespace tercet
