#include <filesystem>

#include "base/time_text.h"
#include "cli/frame_file.h"
#include "cli/output.h"
#include "cli/session.h"

namespace tercet {
namespace {

struct DatasetOptions {
  std::string view, split = R"({"method": "none"})", start, end, spine, output;
  std::vector<std::string> entities_at;
  bool known_at = false;
  int64_t seed = 0, version = 0;
};

Status List(const Session& session, Platform* platform, const std::string& view) {
  std::optional<Ref> of;
  if (!view.empty()) {
    ARROW_ASSIGN_OR_RAISE(of, Ref::Parse(view));
  }
  ARROW_ASSIGN_OR_RAISE(const auto datasets, platform->ListTrainingDatasets(of));
  json::array array;
  std::vector<std::vector<std::string>> rows;
  for (const TrainingDatasetDefinition& dataset : datasets) {
    array.push_back(dataset.ToJson());
    std::string parts;
    for (const auto& [part, count] : dataset.rows) {
      parts += (parts.empty() ? "" : ", ") + part + " " + std::to_string(count);
    }
    rows.push_back({dataset.view.ToText(), std::to_string(dataset.version), parts,
                    std::to_string(dataset.features.size()), std::to_string(dataset.seed)});
  }
  if (session.json) {
    PrintJson(array);
  } else {
    PrintTable({"view", "version", "rows", "features", "seed"}, rows);
  }
  return Status::OK();
}

void PrintDataset(const Session& session, const TrainingDatasetDefinition& dataset) {
  if (session.json) return PrintJson(dataset.ToJson());
  std::cout << "training dataset '" << dataset.ref().ToText() << "'";
  for (const auto& [part, count] : dataset.rows) std::cout << ", " << part << " " << count;
  std::cout << "\n";
}

/// All columns of a part side by side: keys, features, labels, helper columns.
Result<Frame> WholePart(const TrainingPartData& part) {
  Frame whole = part.keys;
  for (const Frame& side : {part.features, part.labels, part.helpers}) {
    for (int c = 0; c < side->num_columns(); ++c) {
      if (whole->GetColumnByName(side->field(c)->name()) != nullptr) continue;
      ARROW_ASSIGN_OR_RAISE(
          whole, whole->AddColumn(whole->num_columns(), side->field(c), side->column(c)));
    }
  }
  return whole;
}

/// "out.parquet" becomes "out-train.parquet".
Status Export(const TrainingDatasetData& data, const std::string& output) {
  const std::filesystem::path named(output);
  for (const TrainingPartData& part : data.parts) {
    const std::string file = named.stem().string() + "-" + part.name + named.extension().string();
    const std::string path = (named.parent_path() / file).string();
    ARROW_ASSIGN_OR_RAISE(const Frame whole, WholePart(part));
    ARROW_RETURN_NOT_OK(WriteFrameFile(*whole, path));
    std::cerr << whole->num_rows() << " rows written to " << path << "\n";
  }
  return Status::OK();
}

Status Create(const Session& session, Platform* platform, const DatasetOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const Ref ref, Ref::Parse(options.view));
  ARROW_ASSIGN_OR_RAISE(const json::object split, ParseJsonObject(options.split));
  TrainingDataRequest request;
  ARROW_ASSIGN_OR_RAISE(request.split, SplitDefinition::FromJson(split));
  ARROW_ASSIGN_OR_RAISE(request.start_us, TimeOption(options.start));
  ARROW_ASSIGN_OR_RAISE(request.end_us, TimeOption(options.end));
  for (const std::string& time : options.entities_at) {
    ARROW_ASSIGN_OR_RAISE(request.entity_times_us.emplace_back(), ParseTime(time));
  }
  request.known_at = options.known_at;
  request.seed = options.seed;
  if (!options.spine.empty()) {
    ARROW_ASSIGN_OR_RAISE(request.spine, ReadFrameFile(options.spine));
  }
  ProgressLine progress("training data of '" + ref.ToText() + "'");
  ARROW_ASSIGN_OR_RAISE(const auto data,
                        platform->CreateTrainingDataset(ref, request, progress.callback()));
  PrintDataset(session, data.definition);
  return options.output.empty() ? Status::OK() : Export(data, options.output);
}

Status Rebuild(const Session& session, Platform* platform, const DatasetOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const Ref ref, Ref::Parse(options.view));
  ProgressLine progress("rebuild of '" + ref.ToText() + "'");
  ARROW_ASSIGN_OR_RAISE(
      const auto data,
      platform->RebuildTrainingDataset(ref, options.version, progress.callback()));
  PrintDataset(session, data.definition);
  return options.output.empty() ? Status::OK() : Export(data, options.output);
}

}  // namespace

void AddTrainingDataCommands(CLI::App* app, Session* session) {
  CLI::App* datasets =
      app->add_subcommand("training-data", "Training datasets: versioned, rebuilt byte for byte");
  datasets->require_subcommand(1);
  auto options = std::make_shared<DatasetOptions>();

  CLI::App* list = datasets->add_subcommand("list", "All training datasets, or those of a view");
  list->add_option("view", options->view, "NAME or NAME@VERSION");
  OnRun(list, session,
        [=](Platform* platform) { return List(*session, platform, options->view); });

  CLI::App* show = datasets->add_subcommand("show", "What a dataset was made of");
  show->add_option("view", options->view, "NAME or NAME@VERSION")->required();
  show->add_option("version", options->version, "By default the newest");
  OnRun(show, session, [=](Platform* platform) -> Status {
    ARROW_ASSIGN_OR_RAISE(const Ref ref, Ref::Parse(options->view));
    ARROW_ASSIGN_OR_RAISE(const auto dataset, platform->GetTrainingDataset(ref, options->version));
    if (session->json) {
      PrintJson(dataset.ToJson());
    } else {
      json::object shown = dataset.ToJson();
      shown.erase("statistics");
      PrintMembers(shown);
    }
    return Status::OK();
  });

  CLI::App* create = datasets->add_subcommand("create", "Makes a new training dataset version");
  create->add_option("view", options->view, "NAME or NAME@VERSION")->required();
  create->add_option("--split", options->split,
                     R"(As JSON: {"method": "time", "parts": [["train", 0.8], ["test", 0.2]]})");
  create->add_option("--seed", options->seed, "Of random splits");
  create->add_option("--start", options->start, "Event time at or after this");
  create->add_option("--end", options->end, "Event time before this");
  create->add_option("--spine", options->spine, "File of keys, event times and labels");
  create->add_option("--entities-at", options->entities_at,
                     "Instead of a spine: all entities as of these times");
  create->add_flag("--known-at", options->known_at,
                   "What was committed after a row's time does not count");
  create->add_option("-o,--output", options->output, "Also write the parts to OUT-PART.parquet …")
      ->check(FrameFileSlip);
  OnRun(create, session,
        [=](Platform* platform) { return Create(*session, platform, *options); });

  CLI::App* rebuild =
      datasets->add_subcommand("rebuild", "Makes a dataset again and proves its bytes equal");
  rebuild->alias("export");
  rebuild->add_option("view", options->view, "NAME or NAME@VERSION")->required();
  rebuild->add_option("version", options->version, "By default the newest");
  rebuild->add_option("-o,--output", options->output, "Write the parts to OUT-PART.parquet …")
      ->check(FrameFileSlip);
  OnRun(rebuild, session,
        [=](Platform* platform) { return Rebuild(*session, platform, *options); });

  CLI::App* drop = datasets->add_subcommand("drop", "Removes a dataset, unless a model needs it");
  drop->add_option("view", options->view, "NAME or NAME@VERSION")->required();
  drop->add_option("version", options->version, "Which")->required();
  OnRun(drop, session, [=](Platform* platform) -> Status {
    ARROW_ASSIGN_OR_RAISE(const Ref ref, Ref::Parse(options->view));
    return platform->DropTrainingDataset(ref, options->version);
  });
}

}  // namespace tercet
