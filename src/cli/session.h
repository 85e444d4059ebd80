#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "cli/command_line.h"
#include "platform/platform.h"

namespace tercet {

/// What all commands share: where the project is, how to print, and how the command ended.
struct Session {
  std::string project;
  std::string state;  ///< of a project in a bucket
  std::string token_file;
  bool json = false;
  Status status;      ///< of the command that ran
  int exit_code = 0;  ///< other than 0: the exit code of a step that `tercet run` ran

  Result<std::shared_ptr<Platform>> Open() const;
};

/// Lets `command` call `work` with the opened project, which is made where the command may begin
/// one ("create", "register", "run").
void OnRun(CLI::App* command, Session* session, std::function<Status(Platform* platform)> work);

/// Reads "2013-12-01" and the like. Empty text is no time.
Result<std::optional<int64_t>> TimeOption(const std::string& text);

/// Each adds the subcommands of one noun.
void AddFeatureGroupCommands(CLI::App* app, Session* session);
void AddFeatureViewCommands(CLI::App* app, Session* session);
void AddTrainingDataCommands(CLI::App* app, Session* session);
void AddRunCommands(CLI::App* app, Session* session);
/// `tercet lineage`, `impact`, `search` and `annotate`.
void AddDiscoveryCommands(CLI::App* app, Session* session);
void AddModelCommands(CLI::App* app, Session* session);
void AddDeploymentCommands(CLI::App* app, Session* session);
/// `tercet canary`, `tercet experiment`, `tercet outcome`.
void AddTrialCommands(CLI::App* app, Session* session);
/// `tercet verify`: online answers against the offline store.
void AddVerifyCommand(CLI::App* app, Session* session);
/// `tercet rebuild-online`: the online rows of a group anew.
void AddRebuildCommand(CLI::App* app, Session* session);
/// `tercet neighbors`: the rows nearest to a vector.
void AddNeighborsCommand(CLI::App* app, Session* session);
/// `tercet views neighbors`: vectors of the entities nearest to a vector.
void AddViewNeighborsCommand(CLI::App* views, Session* session);
/// `tercet run`: a pipeline step with a recorded run.
void AddStepCommand(CLI::App* app, Session* session);
/// `tercet sql`: one query.
void AddSqlCommand(CLI::App* app, Session* session);
/// `tercet completion`: a script for bash, of all commands that `app` has when it is run.
void AddCompletionCommand(CLI::App* app);
void AddServeCommand(CLI::App* app, Session* session, const Serve& serve);

}  // namespace tercet
