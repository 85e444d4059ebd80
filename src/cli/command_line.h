#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"

namespace tercet {

/// What `tercet serve` was asked for.
struct ServeRequest {
  std::string location;
  std::string state;  ///< of a project in a bucket
  std::string http = "127.0.0.1:8080";
  std::string flight = "127.0.0.1:8081";
  std::string grpc;  ///< empty: see ServerOptions
  std::string token_file;
  bool allow_predictor_code = false;
  bool build_environments = false;  ///< PlatformOptions::build_environments
  std::vector<std::string> source_folders;  ///< that external groups may read
  std::vector<std::string> allowed_sinks;   ///< PlatformOptions::allowed_sinks
  std::string python;
  std::string online;           ///< PlatformOptions::online
  std::string traces;           ///< an OpenTelemetry collector's URL; empty: no traces
  double trace_percent = 100;   ///< of the requests that come without a trace
};

/// Serves until told to stop. Given by main, so that this room needs no server.
using Serve = std::function<Status(const ServeRequest& request)>;

/// Runs one `tercet …` command and returns its exit code: 0, 1 when it was refused or failed, 2
/// for wrong usage, or that of the step which `tercet run` ran.
int RunCommandLine(int argc, char** argv, const Serve& serve);

}  // namespace tercet
