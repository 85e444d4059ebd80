#include <csignal>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "cli/command_line.h"
#include "client/token_file.h"
#include "server/server.h"

namespace {

using tercet::Address;
using tercet::Result;
using tercet::Status;

constexpr std::chrono::seconds kPatience{10};

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
  if (!request.grpc.empty()) {
    ARROW_ASSIGN_OR_RAISE(options.grpc, Address::Parse(request.grpc));
  }
  if (!request.token_file.empty()) {
    ARROW_ASSIGN_OR_RAISE(options.token, tercet::ReadTokenFile(request.token_file));
  }
  options.online_elsewhere = !request.online.empty();
  if (!request.traces.empty()) {
    options.traces = {.endpoint = request.traces, .percent = request.trace_percent};
  }
  // Before the project is opened, which may make it: a refusal changes nothing.
  const tercet::Access access(options.token);
  ARROW_RETURN_NOT_OK(access.CheckBind("HTTP", options.http));
  ARROW_RETURN_NOT_OK(access.CheckBind("Flight", options.flight));
  if (options.grpc) ARROW_RETURN_NOT_OK(access.CheckBind("gRPC", *options.grpc));
  tercet::PlatformOptions platform_options;
  platform_options.allow_predictor_code = request.allow_predictor_code;
  platform_options.state = request.state;
  platform_options.source_folders = request.source_folders;
  platform_options.allowed_sinks = request.allowed_sinks;
  platform_options.build_environments = request.build_environments;
  platform_options.online = request.online;
  if (!request.python.empty()) platform_options.python = request.python;
  ARROW_ASSIGN_OR_RAISE(auto platform,
                        tercet::Platform::Open(request.location, platform_options));
  ARROW_ASSIGN_OR_RAISE(auto server, tercet::Server::Start(platform, options));
  std::cerr << "tercet serves '" << request.location << "': HTTP on " << options.http.host << ":"
            << server->http_port() << ", Flight on " << options.flight.host << ":"
            << server->flight_port() << ", gRPC on "
            << (options.grpc ? options.grpc->host : "127.0.0.1") << ":" << server->grpc_port()
            << "\n";
  int signal = 0;
  sigwait(&stop_signals, &signal);
  std::cerr << "tercet stops\n";
  if (server->Stop(kPatience)) return Status::OK();
  // What still runs (a training run may take hours) is given up as kill -9 would: every store is
  // made for that, and a half-done write is never visible.
  std::cerr << "tercet gives up requests that had not finished within ten seconds\n";
  std::cerr.flush();
  std::_Exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  // A reader that goes away (`tercet … | head`, a client) is an error of a write, not our end.
  std::signal(SIGPIPE, SIG_IGN);
  return tercet::RunCommandLine(argc, argv, &Serve);
}
