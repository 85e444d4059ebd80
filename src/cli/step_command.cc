#include <filesystem>

#include "catalog/runs.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/sql_step.h"
#include "cli/step_process.h"
#include "client/code_version.h"
#include "platform/schedule_manifest.h"

namespace tercet {
namespace {

/// Names may not have dots or slashes: "features/weather.py" is the run "weather".
std::string RunNameOf(const std::string& word) {
  std::string name;
  for (const char c : std::filesystem::path(word).stem().string()) {
    name += std::isalnum(static_cast<unsigned char>(c)) || c == '-' ? c : '_';
  }
  if (name.empty() || !std::isalpha(static_cast<unsigned char>(name[0]))) name = "step_" + name;
  return name.substr(0, 63);
}

/// Keeps about what a run keeps of its log.
void AppendTail(std::string_view text, std::string* log) {
  log->append(text);
  // Cut seldom, since each cut moves the rest.
  if (log->size() > 2 * Runs::kLogBytes) log->erase(0, log->size() - Runs::kLogBytes);
}

/// The project as the step finds it wherever it runs.
std::string ProjectFor(const std::string& project) {
  if (project.find("://") != std::string::npos) return project;
  return std::filesystem::absolute(project).string();
}

/// Runs a program to its end and tells in `end` how that came.
Status RunProgram(Session* session, std::vector<std::string> words, const std::string& run_id,
                  Run* end) {
  if (words[0].ends_with(".py")) words.insert(words.begin(), "python3");
  std::map<std::string, std::string> environment = {
      {"TERCET_PROJECT", ProjectFor(session->project)}, {"TERCET_RUN_ID", run_id}};
  if (!session->state.empty()) {
    environment["TERCET_STATE"] = std::filesystem::absolute(session->state).string();
  }
  const Result<int> code = RunProcess(
      words, environment,
      [&](std::string_view text) { AppendTail(text, &end->log); });
  ARROW_RETURN_NOT_OK(code.status());
  if (*code != 0) {
    end->status = "failed";
    end->error = "exit code " + std::to_string(*code);
    session->exit_code = *code;
  }
  return Status::OK();
}

Status RunStep(Session* session, Platform* platform, const std::vector<std::string>& words,
               const std::string& name, int64_t gpus) {
  Run wanted;
  wanted.name = name.empty() ? RunNameOf(words[0]) : name;
  wanted.code_version = CodeVersion();
  json::array command;
  for (const std::string& word : words) command.emplace_back(word);
  wanted.parameters = {{"command", std::move(command)}};
  if (gpus > 0) wanted.parameters["gpus"] = gpus;
  ARROW_ASSIGN_OR_RAISE(const Run run, platform->StartRun(wanted));

  Run end;
  end.status = "finished";
  const Status status = words[0].ends_with(".sql")
                            ? RunSqlStepFile(platform, words[0], &end)
                            : RunProgram(session, words, run.id, &end);
  if (!status.ok()) {
    end.status = "failed";
    end.error = status.message();
  }
  ARROW_ASSIGN_OR_RAISE(const Run ended, platform->LogRun(run.id, end));
  std::cerr << "run " << ended.id << " " << ended.status << "\n";
  return status;
}

}  // namespace

void AddStepCommand(CLI::App* app, Session* session) {
  struct Options {
    std::vector<std::string> words;
    std::string name;
    ManifestPlaces places;
    int64_t gpus = 0;
    bool manifest = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* run = app->add_subcommand(
      "run", "Runs a pipeline step and records it: exit code, log, code version");
  run->add_option("--name", options->name, "Of the run; by default the program's");
  run->add_option("command", options->words,
                  "A .sql file; or a .py file or a program with its arguments, which finds the "
                  "project in TERCET_PROJECT and its run in TERCET_RUN_ID")
      ->required();
  run->add_option("--gpus", options->gpus, "That the step's scheduler is asked for");
  run->add_flag("--manifest", options->manifest,
                "Runs nothing, and prints a Kubernetes job that does, with its GPUs, for kubectl");
  run->add_option("--image", options->places.image, "Of that job")->capture_default_str();
  run->add_option("--claim", options->places.claim, "The job's volume claim with the project")
      ->capture_default_str();
  run->prefix_command();
  run->positionals_at_end();
  OnRun(run, session, [=](Platform* platform) -> Status {
    std::vector<std::string> words = options->words;
    const std::vector<std::string> rest = run->remaining();
    words.insert(words.end(), rest.begin(), rest.end());
    if (options->manifest) {
      const std::string name = options->name.empty() ? RunNameOf(words[0]) : options->name;
      ARROW_ASSIGN_OR_RAISE(const json::object job,
                            StepManifest(name, words, options->gpus, options->places));
      PrintJson(job);
      return Status::OK();
    }
    return RunStep(session, platform, words, options->name, options->gpus);
  });
}

}  // namespace tercet
