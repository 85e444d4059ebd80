#include "cli/session.h"

namespace tercet {

void AddServeCommand(CLI::App* app, Session* session, const Serve& serve) {
  auto request = std::make_shared<ServeRequest>();
  CLI::App* command =
      app->add_subcommand("serve", "Serves a project over HTTP, gRPC and Flight until stopped");
  command->add_option("location", request->location,
                      "The project's directory or s3:// address; by default --project");
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
                    "Run predictor classes and on-demand features in Python that clients register");
  command->add_flag("--build-environments", request->build_environments,
                    "Make an environment, by venv and pip, for the requirements.txt of a predictor "
                    "class");
  command->add_option("--allow-source", request->source_folders,
                      "A folder that external feature groups may read, or 'postgres'; several "
                      "times for several");
  command->add_option("--allow-sink", request->allowed_sinks,
                      "A folder that sinks of predictions may write to, 'postgres' or 'kafka'; "
                      "several times for several");
  command->add_option("--python", request->python, "Interpreter for predictor classes")
      ->envname("TERCET_PYTHON");
  command->add_option("--online", request->online,
                      "Where online rows are kept: redis://HOST:PORT/DATABASE; by default in the "
                      "project")
      ->envname("TERCET_ONLINE");
  command
      ->add_option("--traces", request->traces,
                   "OpenTelemetry collector to send traces to: http://HOST:4318/v1/traces")
      ->envname("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
  command->add_option("--trace-percent", request->trace_percent,
                      "Of the requests that come without a traceparent of their own")
      ->capture_default_str();
  command->callback([=] {
    if (request->location.empty()) request->location = session->project;
    request->state = session->state;
    if (request->token_file.empty()) request->token_file = session->token_file;
    session->status = request->location.empty()
                          ? Status::Invalid("which project? Give its directory or s3:// address")
                          : serve(*request);
  });
}

}  // namespace tercet
