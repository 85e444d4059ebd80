#include <filesystem>

#include "base/file_system.h"
#include "cli/frame_file.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/shown_value.h"
#include "platform/batch_predictions.h"

namespace tercet {
namespace {

struct ModelOptions {
  std::string model, file, training_data, view, description, start, end, spine, output;
  std::string compression, into, idempotency_key;
  int64_t limit = 20;
};

Status List(const Session& session, Platform* platform) {
  ARROW_ASSIGN_OR_RAISE(const auto models, platform->ListModels());
  json::array array;
  std::vector<std::vector<std::string>> rows;
  for (const ModelDefinition& model : models) {
    array.push_back(model.ToJson());
    rows.push_back({model.name, std::to_string(model.version),
                    std::string(ModelFormatName(model.format)),
                    model.training_dataset ? model.training_dataset->ToText() : "",
                    ShownValue(model.metrics), model.description});
  }
  if (session.json) {
    PrintJson(array);
  } else {
    PrintTable({"model", "version", "format", "training data", "metrics", "description"}, rows);
  }
  return Status::OK();
}

Status Register(const Session& session, Platform* platform, const ModelOptions& options) {
  ModelDefinition model;
  model.name = options.model;
  model.description = options.description;
  const std::string ending = std::filesystem::path(options.file).extension().string();
  std::string name = "model" + ending;
  if (std::filesystem::path(options.file).filename() == "composite.json") {
    model.format = ModelFormat::kComposite;
    name = "composite.json";
  } else if (ending == ".json" || ending == ".ubj") {
    model.format = ModelFormat::kXgboost;
  } else if (ending == ".txt") {
    model.format = ModelFormat::kLightgbm;
  } else if (ending == ".onnx") {
    model.format = ModelFormat::kOnnx;
  } else {
    return Status::Invalid("model file '", options.file,
                           "' must end in .json or .ubj (XGBoost), .txt (LightGBM) or .onnx, or be "
                           "named composite.json");
  }
  if (!options.training_data.empty()) {
    ARROW_ASSIGN_OR_RAISE(model.training_dataset, Ref::Parse(options.training_data));
  }
  if (!options.view.empty()) {
    ARROW_ASSIGN_OR_RAISE(model.view, Ref::Parse(options.view));
  }
  ModelFiles files;
  ARROW_ASSIGN_OR_RAISE(files[name], LocalFileSystem()->ReadFile(options.file));
  ARROW_ASSIGN_OR_RAISE(const auto registered, platform->RegisterModel(model, files));
  if (session.json) {
    PrintJson(registered.ToJson());
  } else {
    std::cout << "model '" << registered.ref().ToText() << "'\n";
  }
  return Status::OK();
}

Status Batch(const Session& session, Platform* platform, const ModelOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const Ref ref, Ref::Parse(options.model));
  ARROW_ASSIGN_OR_RAISE(const auto start_us, TimeOption(options.start));
  ARROW_ASSIGN_OR_RAISE(const auto end_us, TimeOption(options.end));
  Frame spine;
  if (!options.spine.empty()) {
    ARROW_ASSIGN_OR_RAISE(spine, ReadFrameFile(options.spine));
  }
  ProgressLine progress("batch of '" + ref.ToText() + "'");
  const BatchRequest request{
      .model = ref, .start_us = start_us, .end_us = end_us, .spine = spine};
  if (!options.into.empty()) {
    if (!options.output.empty()) return Status::Invalid("give either --into or --output");
    ARROW_ASSIGN_OR_RAISE(const Ref group, Ref::Parse(options.into));
    const InsertRequest insert{.idempotency_key = options.idempotency_key};
    ARROW_ASSIGN_OR_RAISE(const Commit commit,
                          platform->batch_predictions()->ToGroup(request, group, insert,
                                                                 progress.callback()));
    if (session.json) {
      PrintJson(commit.ToJson());
    } else {
      std::cerr << "predictions are commit " << commit.version << " of '" << group.ToText()
                << "'\n";
    }
    return Status::OK();
  }
  if (!options.output.empty()) {
    const BatchFile file{
        .path = options.output, .format = {}, .compression = options.compression};
    ARROW_ASSIGN_OR_RAISE(const BatchWritten written, platform->batch_predictions()->ToFile(
                                                          request, file, progress.callback()));
    std::cerr << written.rows << " predictions written to " << options.output << "\n";
    return Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(const Frame scored,
                        platform->Batch(ref, start_us, end_us, spine, progress.callback()));
  PrintFrame(*scored, session.json, options.limit);
  return Status::OK();
}

}  // namespace

void AddModelCommands(CLI::App* app, Session* session) {
  CLI::App* models = app->add_subcommand("models", "Models: files with a signature and a history");
  models->require_subcommand(1);
  auto options = std::make_shared<ModelOptions>();
  OnRun(models->add_subcommand("list", "All models"), session,
        [=](Platform* platform) { return List(*session, platform); });

  CLI::App* show = models->add_subcommand("show", "A model's signature, metrics and lineage");
  show->add_option("model", options->model, "NAME or NAME@VERSION")->required();
  OnRun(show, session, [=](Platform* platform) -> Status {
    ARROW_ASSIGN_OR_RAISE(const Ref ref, Ref::Parse(options->model));
    ARROW_ASSIGN_OR_RAISE(const auto model, platform->GetModel(ref));
    if (session->json) {
      PrintJson(model.ToJson());
    } else {
      json::object shown = model.ToJson();
      shown.stable_erase("warm_up");  // rows in Arrow's format
      PrintMembers(shown);
    }
    return Status::OK();
  });

  CLI::App* add = models->add_subcommand("register", "Registers a model file as the next version");
  add->add_option("name", options->model, "The model's name")->required();
  add->add_option("file", options->file, ".json, .ubj, .txt or .onnx")->required();
  add->add_option("--training-data", options->training_data,
                  "VIEW@VERSION@DATASET that it was trained on");
  add->add_option("--view", options->view, "VIEW@VERSION that gives its features");
  add->add_option("--description", options->description, "What it is");
  OnRun(add, session, [=](Platform* platform) { return Register(*session, platform, *options); });

  CLI::App* check =
      models->add_subcommand("check", "What must hold before a model is deployed, each looked at");
  check->add_option("model", options->model, "NAME or NAME@VERSION")->required();
  OnRun(check, session, [=](Platform* platform) -> Status {
    ARROW_ASSIGN_OR_RAISE(const Ref ref, Ref::Parse(options->model));
    ARROW_ASSIGN_OR_RAISE(const auto checks, platform->Preflight(ref));
    json::array array;
    std::vector<std::vector<std::string>> rows;
    std::string failed;
    for (const PreflightCheck& one : checks) {
      array.push_back(one.ToJson());
      rows.push_back(
          {one.name, one.passed ? "passed" : one.blocking ? "failed" : "warning", one.detail});
      if (!one.passed && one.blocking) failed += (failed.empty() ? "" : ", ") + one.name;
    }
    if (session->json) {
      PrintJson(array);
    } else {
      PrintTable({"check", "result", "detail"}, rows);
    }
    if (failed.empty()) return Status::OK();
    return Status::Invalid("model '", ref.ToText(), "' can't be deployed: ", failed);
  });

  CLI::App* drop = models->add_subcommand("drop", "Removes a model, unless a release needs it");
  drop->add_option("model", options->model, "NAME@VERSION")->required();
  OnRun(drop, session, [=](Platform* platform) -> Status {
    ARROW_ASSIGN_OR_RAISE(const Ref ref, Ref::Parse(options->model));
    return platform->DropModel(ref);
  });

  CLI::App* batch = app->add_subcommand("batch", "Predicts in batch, for a range of event time");
  batch->add_option("model", options->model, "NAME or NAME@VERSION")->required();
  batch->add_option("--start", options->start, "Event time at or after this");
  batch->add_option("--end", options->end, "Event time before this");
  batch->add_option("--spine", options->spine, "File of keys and event times instead");
  batch->add_option("-o,--output", options->output,
                    "Write a .parquet, .csv, .arrow or .tfrecord file, whole or not at all");
  batch->add_option("--compression", options->compression,
                    "Of Parquet: zstd (by default), snappy, lz4, gzip or none");
  batch->add_option("--into", options->into, "Insert into a feature group: NAME or NAME@VERSION");
  batch->add_option("--idempotency-key", options->idempotency_key,
                    "With --into: doing it again with the same key changes nothing");
  batch->add_option("--limit", options->limit, "Rows to print")->capture_default_str();
  OnRun(batch, session, [=](Platform* platform) { return Batch(*session, platform, *options); });
}

}  // namespace tercet
