#include "base/time_text.h"
#include "cli/output.h"
#include "cli/session.h"

namespace tercet {
namespace {

std::string SecondsOf(const Run& run) {
  if (!run.ended_us) return "";
  char text[32];
  std::snprintf(text, sizeof text, "%.1f s", (*run.ended_us - run.started_us) / 1e6);
  return text;
}

Status List(const Session& session, Platform* platform) {
  ARROW_ASSIGN_OR_RAISE(const auto runs, platform->ListRuns());
  json::array array;
  std::vector<std::vector<std::string>> rows;
  for (const Run& run : runs) {
    array.push_back(run.ToJson());
    rows.push_back({run.id, run.name, run.status, FormatTime(run.started_us), SecondsOf(run),
                    run.code_version.substr(0, 12)});
  }
  if (session.json) {
    PrintJson(array);
  } else {
    PrintTable({"run", "name", "status", "started", "took", "code"}, rows);
  }
  return Status::OK();
}

}  // namespace

void AddRunCommands(CLI::App* app, Session* session) {
  CLI::App* runs = app->add_subcommand("runs", "Runs: what pipelines did");
  runs->require_subcommand(1);
  auto id = std::make_shared<std::string>();
  OnRun(runs->add_subcommand("list", "All runs, newest first"), session,
        [=](Platform* platform) { return List(*session, platform); });

  CLI::App* show = runs->add_subcommand("show", "A run with its log");
  show->add_option("run", *id, "The run's id")->required();
  OnRun(show, session, [=](Platform* platform) -> Status {
    ARROW_ASSIGN_OR_RAISE(const Run run, platform->GetRun(*id));
    if (session->json) {
      PrintJson(run.ToJson());
      return Status::OK();
    }
    json::object shown = run.ToJson();
    shown.erase("log");
    PrintMembers(shown);
    if (!run.log.empty()) std::cout << "\n" << run.log;
    return Status::OK();
  });

  CLI::App* drop = runs->add_subcommand("drop", "Removes a run, unless a model names it");
  drop->add_option("run", *id, "The run's id")->required();
  OnRun(drop, session, [=](Platform* platform) { return platform->DropRun(*id); });
}

}  // namespace tercet
