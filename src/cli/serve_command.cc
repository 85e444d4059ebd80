#include "cli/session.h"

namespace tercet {

void AddServeCommand(CLI::App* app, Session* session, const Serve& serve) {
  auto request = std::make_shared<ServeRequest>();
  CLI::App* command =
      app->add_subcommand("serve", "Serves a project over HTTP, gRPC and Flight until stopped");
  command->add_option("directory", request->directory,
                      "The project's directory; by default --project");
  command->add_option("--http", request->http, "Address of REST and inference")
      ->capture_default_str();
  command->add_option("--flight", request->flight, "Address of Arrow Flight, for frames")
      ->capture_default_str();
  command->add_option("--grpc", request->grpc,
                      "Address of the Open Inference Protocol over gRPC; by default "
                      "127.0.0.1:8082, or any free port when that is taken");
  command->add_option("--token-file", request->token_file,
                      "File with the token that clients must show; needed to listen on other than "
                      "loopback");
  command->add_flag("--allow-predictor-code", request->allow_predictor_code,
                    "Run Python predictor classes that clients register");
  command->add_option("--allow-source", request->source_folders,
                      "A folder that external feature groups may read, or 'postgres'; several "
                      "times for several");
  command->add_option("--python", request->python, "Interpreter for predictor classes")
      ->envname("TERCET_PYTHON");
  command->callback([=] {
    if (request->directory.empty()) request->directory = session->project;
    if (request->token_file.empty()) request->token_file = session->token_file;
    session->status = request->directory.empty()
                          ? Status::Invalid("which project? Give its directory")
                          : serve(*request);
  });
}

}  // namespace tercet
