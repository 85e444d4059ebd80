#include "cli/command_line.h"

#include <iostream>

#include "base/name.h"
#include "cli/help.h"
#include "cli/session.h"
#include "client/status_text.h"
#include "client/version.h"

namespace tercet {
namespace {

/// What to say of a word that stands where a command should, and is none; else nothing.
std::string UnknownCommand(const CLI::App& app) {
  const CLI::App* reached = &app;
  while (!reached->get_subcommands().empty()) reached = reached->get_subcommands().back();
  const auto commands = reached->get_subcommands([](const CLI::App*) { return true; });
  if (commands.empty()) return "";
  for (const std::string& word : app.remaining(/*recurse=*/true)) {
    if (word.starts_with('-')) continue;
    std::vector<std::string> names;
    for (const CLI::App* command : commands) names.push_back(command->get_name());
    const std::string of = reached == &app ? "" : " of 'tercet " + reached->get_name() + "'";
    return "there is no command '" + word + "'" + of + Suggest(word, names) +
           "; --help lists them";
  }
  return "";
}

/// What to say of an option or a word that the command does not take; else nothing.
std::string UnexpectedWord(const CLI::App& app) {
  const CLI::App* reached = &app;
  std::string command = "tercet";
  std::vector<std::string> names;
  const auto add_options = [&] {
    for (const CLI::Option* option : reached->get_options()) {
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    }
  };
  add_options();
  while (!reached->get_subcommands().empty()) {
    reached = reached->get_subcommands().back();
    command += " " + reached->get_name();
    add_options();
  }
  const std::vector<std::string> words = app.remaining(/*recurse=*/true);
  for (const std::string& word : words) {
    if (!word.starts_with("-")) continue;
    const std::string option = word.substr(0, word.find('='));
    return "'" + command + "' has no option '" + option + "'" + Suggest(option, names) +
           "; '" + command + " --help' lists them";
  }
  if (words.empty()) return "";
  return "'" + command + "' takes no '" + words.front() + "'; '" + command +
         " --help' says what it takes";
}

}  // namespace

int RunCommandLine(int argc, char** argv, const Serve& serve) {
  Session session;
  CLI::App app("Feature, training and inference pipelines that meet in one store", "tercet");
  app.require_subcommand(1);
  app.set_version_flag("--version", "tercet " + std::string(kTercetVersion));
  app.add_option("-p,--project", session.project,
                 "Directory, s3://BUCKET/PREFIX, or tercet://HOST:PORT")
      ->envname("TERCET_PROJECT");
  app.add_option("--state", session.state,
                 "Local directory for the catalog and the online store of a project at s3://; by "
                 "default that of TERCET_STATE");
  app.add_option("--token-file", session.token_file, "File with the token of a server")
      ->envname("TERCET_TOKEN_FILE");
  app.add_flag("--json", session.json, "Print JSON, for machines");
  app.fallthrough();
  AddFeatureGroupCommands(&app, &session);
  AddFeatureViewCommands(&app, &session);
  AddTrainingDataCommands(&app, &session);
  AddRunCommands(&app, &session);
  AddDiscoveryCommands(&app, &session);
  AddModelCommands(&app, &session);
  AddDeploymentCommands(&app, &session);
  AddTrialCommands(&app, &session);
  AddVerifyCommand(&app, &session);
  AddRebuildCommand(&app, &session);
  AddNeighborsCommand(&app, &session);
  AddStepCommand(&app, &session);
  AddSqlCommand(&app, &session);
  AddServeCommand(&app, &session, serve);
  AddCompletionCommand(&app);
  ArrangeHelp(&app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // Help and --version come as errors with exit code 0; all others are wrong usage.
    std::string unknown = UnknownCommand(app);
    if (unknown.empty()) unknown = UnexpectedWord(app);
    if (!unknown.empty()) {
      std::cerr << "tercet: " << unknown << "\n";
      return 2;
    }
    return app.exit(error) == 0 ? 0 : 2;
  }
  std::cout.flush();
  if (!session.status.ok()) {
    std::cerr << "tercet: " << StatusText(session.status) << "\n";
    return 1;
  }
  return session.exit_code;
}

}  // namespace tercet
