#include "base/file_system.h"
#include "cli/entity_text.h"
#include "cli/output.h"
#include "cli/session.h"

namespace tercet {
namespace {

struct ViewOptions {
  std::string view, file, event_time;
  std::vector<std::string> entity;
};

Status List(const Session& session, Platform* platform) {
  ARROW_ASSIGN_OR_RAISE(const auto views, platform->ListFeatureViews());
  json::array array;
  std::vector<std::vector<std::string>> rows;
  for (const FeatureViewDefinition& view : views) {
    array.push_back(view.ToJson());
    std::string groups = view.root.group.ToText();
    for (const GroupSelection& join : view.joins) groups += ", " + join.group.ToText();
    rows.push_back({view.name, std::to_string(view.version), groups, view.description});
  }
  if (session.json) {
    PrintJson(array);
  } else {
    PrintTable({"view", "version", "feature groups", "description"}, rows);
  }
  return Status::OK();
}

Status Show(const Session& session, Platform* platform, const std::string& text) {
  ARROW_ASSIGN_OR_RAISE(const Ref ref, Ref::Parse(text));
  ARROW_ASSIGN_OR_RAISE(const auto view, platform->GetFeatureView(ref));
  if (session.json) {
    PrintJson(view.ToJson());
  } else {
    PrintMembers(view.ToJson());
  }
  return Status::OK();
}

Status Create(const Session& session, Platform* platform, const std::string& file) {
  ARROW_ASSIGN_OR_RAISE(const std::string text, LocalFileSystem()->ReadFile(file));
  ARROW_ASSIGN_OR_RAISE(const json::object object, ParseJsonObject(text));
  ARROW_ASSIGN_OR_RAISE(const auto definition, FeatureViewDefinition::FromJson(object));
  ARROW_ASSIGN_OR_RAISE(const auto created, platform->DefineFeatureView(definition));
  if (session.json) {
    PrintJson(created.ToJson());
  } else {
    std::cout << "feature view '" << created.ref().ToText() << "'\n";
  }
  return Status::OK();
}

Status Vector(const Session& session, Platform* platform, const ViewOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const Ref ref, Ref::Parse(options.view));
  ARROW_ASSIGN_OR_RAISE(const VectorContract takes, platform->ContractOfView(ref));
  ARROW_ASSIGN_OR_RAISE(const auto entity,
                        EntityOf(options.entity, *takes.entities, *takes.optional));
  ARROW_ASSIGN_OR_RAISE(const auto time_us, TimeOption(options.event_time));
  ARROW_ASSIGN_OR_RAISE(const VectorData data,
                        platform->Vectors(ref, {.entities = entity,
                                                .event_time_us = time_us,
                                                .training_dataset_version = std::nullopt}));
  std::vector<std::vector<std::string>> rows;
  for (int f = 0; f < data.features->num_columns(); ++f) {
    rows.push_back({data.features->schema()->field(f)->name(),
                    ShownCell(*data.features->column(f), 0),
                    ShownCell(*data.status->column(f), 0)});
  }
  if (session.json) {
    ARROW_ASSIGN_OR_RAISE(const auto table, arrow::Table::FromRecordBatches({data.features}));
    PrintFrame(*table, true, 1);
  } else {
    PrintTable({"feature", "value", "status"}, rows);
  }
  return Status::OK();
}

}  // namespace

void AddFeatureViewCommands(CLI::App* app, Session* session) {
  CLI::App* views = app->add_subcommand("views", "Feature views: joined features with labels");
  views->require_subcommand(1);
  auto options = std::make_shared<ViewOptions>();
  OnRun(views->add_subcommand("list", "All feature views"), session,
        [=](Platform* platform) { return List(*session, platform); });

  CLI::App* show = views->add_subcommand("show", "A view's definition");
  show->add_option("view", options->view, "NAME or NAME@VERSION")->required();
  OnRun(show, session, [=](Platform* platform) { return Show(*session, platform, options->view); });

  CLI::App* create = views->add_subcommand("create", "Creates a view from a JSON file");
  create->add_option("file", options->file, "The definition, as `views show --json` prints it")
      ->required();
  OnRun(create, session,
        [=](Platform* platform) { return Create(*session, platform, options->file); });

  CLI::App* drop = views->add_subcommand("drop", "Removes a view, unless something depends on it");
  drop->add_option("view", options->view, "NAME or NAME@VERSION")->required();
  OnRun(drop, session, [=](Platform* platform) -> Status {
    ARROW_ASSIGN_OR_RAISE(const Ref ref, Ref::Parse(options->view));
    return platform->DropFeatureView(ref);
  });

  CLI::App* vector = views->add_subcommand("vector", "The feature vector of one entity, online");
  vector->add_option("view", options->view, "NAME or NAME@VERSION")->required();
  vector->add_option("entity", options->entity, "KEY=VALUE …")->required();
  vector->add_option("--event-time", options->event_time, "As of when; by default now");
  OnRun(vector, session, [=](Platform* platform) { return Vector(*session, platform, *options); });
  AddViewNeighborsCommand(views, session);
}

}  // namespace tercet
