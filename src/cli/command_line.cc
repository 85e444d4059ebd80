#include "cli/command_line.h"

#include <iostream>

#include "cli/session.h"
#include "client/version.h"

namespace tercet {
namespace {

constexpr char kFooter[] = R"(Examples:
  tercet --project flights groups list
  tercet --project flights groups insert weather@1 weather.parquet
  tercet --project flights deploy delay --model delay@2
  tercet --project flights rollback delay
  tercet serve flights
  tercet --project tercet://127.0.0.1:8080 predict delay origin=JFK distance=2475)";

}  // namespace

int RunCommandLine(int argc, char** argv, const Serve& serve) {
  Session session;
  CLI::App app("Feature, training and inference pipelines that meet in one store", "tercet");
  app.footer(kFooter);
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
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // Help and --version come as errors with exit code 0; all others are wrong usage.
    return app.exit(error) == 0 ? 0 : 2;
  }
  std::cout.flush();
  if (!session.status.ok()) {
    std::cerr << "tercet: " << session.status.message() << "\n";
    return 1;
  }
  return session.exit_code;
}

}  // namespace tercet
