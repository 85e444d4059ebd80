#include <csignal>

#include <chrono>
#include <iostream>
#include <thread>

#include "cli/command_line.h"
#include "server/server.h"

namespace {

using tercet::Address;
using tercet::Result;
using tercet::Status;

/// Blocks the signals that stop a server, in this thread and those that it starts from now on.
sigset_t BlockStopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

Status Serve(const tercet::ServeRequest& request) {
  const sigset_t stop_signals = BlockStopSignals();
  tercet::ServerOptions options;
  ARROW_ASSIGN_OR_RAISE(options.http, Address::Parse(request.http));
  ARROW_ASSIGN_OR_RAISE(options.flight, Address::Parse(request.flight));
  if (!request.token_file.empty()) {
    ARROW_ASSIGN_OR_RAISE(options.token, tercet::Access::ReadTokenFile(request.token_file));
  }
  // Before the project is opened, which may make it: a refusal changes nothing.
  const tercet::Access access(options.token);
  ARROW_RETURN_NOT_OK(access.CheckBind("HTTP", options.http));
  ARROW_RETURN_NOT_OK(access.CheckBind("Flight", options.flight));
  tercet::PlatformOptions platform_options;
  platform_options.allow_predictor_code = request.allow_predictor_code;
  if (!request.python.empty()) platform_options.python = request.python;
  ARROW_ASSIGN_OR_RAISE(auto platform,
                        tercet::Platform::Open(request.directory, platform_options));
  ARROW_ASSIGN_OR_RAISE(auto server, tercet::Server::Start(platform, options));
  std::cerr << "tercet serves '" << request.directory << "': HTTP on " << options.http.host << ":"
            << server->http_port() << ", Flight on " << options.flight.host << ":"
            << server->flight_port() << "\n";
  int signal = 0;
  sigwait(&stop_signals, &signal);
  std::cerr << "tercet stops\n";
  if (!server->Stop(std::chrono::seconds(10))) {
    return Status::Cancelled("some requests had not finished within ten seconds");
  }
  return Status::OK();
}

}  // namespace

int main(int argc, char** argv) {
  // A reader that goes away (`tercet … | head`, a client) is an error of a write, not our end.
  std::signal(SIGPIPE, SIG_IGN);
  return tercet::RunCommandLine(argc, argv, &Serve);
}
