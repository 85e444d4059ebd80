#include <filesystem>

#include "cli/output.h"
#include "cli/session.h"
#include "cli/step_process.h"

namespace tercet {
namespace {

/// The git commit of the working directory, with "+changes"; empty outside of git.
std::string CodeVersion() {
  const std::string commit = OutputOf({"sh", "-c", "git rev-parse HEAD 2>/dev/null"});
  if (commit.empty()) return "";
  const std::string changes =
      OutputOf({"sh", "-c", "git status --porcelain --untracked-files=no 2>/dev/null"});
  return commit + (changes.empty() ? "" : "+changes");
}

/// Names may not have dots or slashes: "features/weather.py" is the run "weather".
std::string RunNameOf(const std::string& word) {
  std::string name;
  for (const char c : std::filesystem::path(word).stem().string()) {
    name += std::isalnum(static_cast<unsigned char>(c)) || c == '-' ? c : '_';
  }
  if (name.empty() || !std::isalpha(static_cast<unsigned char>(name[0]))) name = "step_" + name;
  return name.substr(0, 63);
}

Status RunStep(Session* session, Platform* platform, std::vector<std::string> words,
               const std::string& name) {
  Run wanted;
  wanted.name = name.empty() ? RunNameOf(words[0]) : name;
  wanted.code_version = CodeVersion();
  json::array command;
  for (const std::string& word : words) command.emplace_back(word);
  wanted.parameters = {{"command", std::move(command)}};
  ARROW_ASSIGN_OR_RAISE(const Run run, platform->StartRun(wanted));
  if (words[0].ends_with(".py")) words.insert(words.begin(), "python3");

  Run end;
  const Result<int> code =
      RunProcess(words, {{"TERCET_PROJECT", session->project}, {"TERCET_RUN_ID", run.id}},
                 [&](std::string_view text) { end.log += text; });
  end.status = code.ok() && *code == 0 ? "finished" : "failed";
  if (!code.ok()) {
    end.error = code.status().message();
  } else if (*code != 0) {
    end.error = "exit code " + std::to_string(*code);
    session->exit_code = *code;
  }
  ARROW_ASSIGN_OR_RAISE(const Run ended, platform->LogRun(run.id, end));
  std::cerr << "run " << ended.id << " " << ended.status << "\n";
  return code.status();
}

}  // namespace

void AddStepCommand(CLI::App* app, Session* session) {
  struct Options {
    std::vector<std::string> words;
    std::string name;
  };
  auto options = std::make_shared<Options>();
  CLI::App* run = app->add_subcommand(
      "run", "Runs a pipeline step and records it: exit code, log, code version");
  run->add_option("--name", options->name, "Of the run; by default the program's");
  run->add_option("command", options->words,
                  "A .py file or a program, with its arguments. It finds the project in "
                  "TERCET_PROJECT and its run in TERCET_RUN_ID")
      ->required();
  run->prefix_command();
  run->positionals_at_end();
  OnRun(run, session, [=](Platform* platform) {
    std::vector<std::string> words = options->words;
    const std::vector<std::string> rest = run->remaining();
    words.insert(words.end(), rest.begin(), rest.end());
    return RunStep(session, platform, words, options->name);
  });
}

}  // namespace tercet
