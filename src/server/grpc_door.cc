#include "server/grpc_door.h"

#include <atomic>
#include <exception>
#include <thread>

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_context.h>

#include <inference.grpc.pb.h>

#include "base/utf8.h"
#include "client/version.h"
#include "server/grpc_message.h"

namespace tercet {
namespace {

namespace proto = ::inference;

constexpr int kMaxMessageBytes = 64 << 20;
constexpr int kMaxThreads = 64;
constexpr std::chrono::milliseconds kDrainStep{5};

class InferenceService final : public proto::GRPCInferenceService::Service {
 public:
  InferenceService(OpenInference* inference, const Access* access, TraceExporter* traces)
      : inference_(inference), access_(access), traces_(traces) {}

  grpc::Status ServerLive(grpc::ServerContext*, const proto::ServerLiveRequest*,
                          proto::ServerLiveResponse* response) override {
    response->set_live(true);
    return grpc::Status::OK;
  }

  grpc::Status ServerReady(grpc::ServerContext*, const proto::ServerReadyRequest*,
                           proto::ServerReadyResponse* response) override {
    response->set_ready(inference_->ServerReady());
    return grpc::Status::OK;
  }

  grpc::Status ModelReady(grpc::ServerContext* context, const proto::ModelReadyRequest* request,
                          proto::ModelReadyResponse* response) override {
    return Answer("inference.GRPCInferenceService/ModelReady", context, [&]() -> Status {
      const Status model = inference_->Model(request->name(), request->version()).status();
      response->set_ready(model.ok());
      return model.IsKeyError() ? Status::OK() : model;
    });
  }

  grpc::Status ServerMetadata(grpc::ServerContext* context, const proto::ServerMetadataRequest*,
                              proto::ServerMetadataResponse* response) override {
    return Answer("inference.GRPCInferenceService/ServerMetadata", context, [&] {
      response->set_name("tercet");
      response->set_version(std::string(kTercetVersion));
      for (const std::string& name : OpenInference::Extensions()) response->add_extensions(name);
      return Status::OK();
    });
  }

  grpc::Status ModelMetadata(grpc::ServerContext* context,
                             const proto::ModelMetadataRequest* request,
                             proto::ModelMetadataResponse* response) override {
    return Answer("inference.GRPCInferenceService/ModelMetadata", context, [&]() -> Status {
      ARROW_ASSIGN_OR_RAISE(const auto known,
                            inference_->Model(request->name(), request->version()));
      WriteGrpcMetadata(request->name(), known->contract, response);
      return Status::OK();
    });
  }

  grpc::Status ModelInfer(grpc::ServerContext* context, const proto::ModelInferRequest* request,
                          proto::ModelInferResponse* response) override {
    return Answer("inference.GRPCInferenceService/ModelInfer", context, [&] {
      const std::string& id = request->id();
      return Infer(*request, id.empty() ? Metadata(*context, "x-request-id") : id, response);
    });
  }

  grpc::Status ModelStreamInfer(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<proto::ModelStreamInferResponse, proto::ModelInferRequest>* stream)
      override {
    return Admit(context, [&] {
      // A stream may live for long: each of its messages is a request, and has a span, of its own.
      const std::string traceparent = TraceparentOf(*context);
      const std::string stream_id = Metadata(*context, "x-request-id");
      int64_t number = 0;
      proto::ModelInferRequest request;
      while (stream->Read(&request)) {
        proto::ModelStreamInferResponse response;
        TraceExporter::Span span(traces_, "inference.GRPCInferenceService/ModelStreamInfer",
                                 traceparent);
        const grpc::Status inferred = Told([&] {
          return Infer(request, IdInStream(request, stream_id, ++number),
                       response.mutable_infer_response());
        });
        span.EndCall(inferred.error_code());
        if (!inferred.ok()) {
          response.mutable_infer_response()->Clear();
          response.mutable_infer_response()->set_id(request.id());
          response.set_error_message(ToUtf8(inferred.error_message()));
        }
        // A client that went away ends the stream; there is nobody to tell.
        if (!stream->Write(response)) break;
      }
      return grpc::Status::OK;
    });
  }

  grpc::Status ModelConfig(grpc::ServerContext* context, const proto::ModelConfigRequest* request,
                           proto::ModelConfigResponse* response) override {
    return Answer("inference.GRPCInferenceService/ModelConfig", context, [&]() -> Status {
      ARROW_ASSIGN_OR_RAISE(const auto known,
                            inference_->Model(request->name(), request->version()));
      WriteGrpcConfig(request->name(), known->contract, response->mutable_config());
      return Status::OK();
    });
  }

  grpc::Status ModelStatistics(grpc::ServerContext* context,
                               const proto::ModelStatisticsRequest* request,
                               proto::ModelStatisticsResponse* response) override {
    return Answer("inference.GRPCInferenceService/ModelStatistics", context, [&]() -> Status {
      ARROW_ASSIGN_OR_RAISE(const auto deployments, inference_->Statistics(request->name()));
      for (const auto& [name, statistics] : deployments) {
        for (const ReleaseStatistics& release : statistics.releases) {
          if (request->version().empty() ||
              request->version() == std::to_string(release.number)) {
            WriteGrpcStatistics(name, release, response->add_model_stats());
          }
        }
      }
      if (request->version().empty() || !response->model_stats().empty()) return Status::OK();
      return inference_->Model(request->name(), request->version()).status();
    });
  }

  grpc::Status RepositoryIndex(grpc::ServerContext* context,
                               const proto::RepositoryIndexRequest* request,
                               proto::RepositoryIndexResponse* response) override {
    return Answer("inference.GRPCInferenceService/RepositoryIndex", context, [&]() -> Status {
      ARROW_ASSIGN_OR_RAISE(const auto index, inference_->Index(request->ready()));
      for (const auto& entry : index) {
        auto* model = response->add_models();
        model->set_name(entry.name);
        model->set_version(entry.version);
        model->set_state(entry.state);
        model->set_reason(entry.reason);
      }
      return Status::OK();
    });
  }

  grpc::Status RepositoryModelLoad(grpc::ServerContext* context,
                                   const proto::RepositoryModelLoadRequest* request,
                                   proto::RepositoryModelLoadResponse*) override {
    return Answer("inference.GRPCInferenceService/RepositoryModelLoad", context,
                  [&] {
                    std::vector<std::string> names;
                    for (const auto& parameter : request->parameters()) {
                      names.push_back(parameter.first);
                    }
                    return inference_->Load(request->model_name(), names);
                  });
  }

  grpc::Status RepositoryModelUnload(grpc::ServerContext* context,
                                     const proto::RepositoryModelUnloadRequest* request,
                                     proto::RepositoryModelUnloadResponse*) override {
    return Answer("inference.GRPCInferenceService/RepositoryModelUnload", context,
                  [&] { return inference_->Unload(request->model_name()); });
  }

  void Refuse() { stopping_ = true; }
  int under_way() const { return under_way_.load(); }

 private:
  Status Infer(const proto::ModelInferRequest& request, const std::string& request_id,
               proto::ModelInferResponse* response) {
    ARROW_ASSIGN_OR_RAISE(const GrpcInferenceRequest read, ReadGrpcRequest(request));
    ARROW_ASSIGN_OR_RAISE(const auto answer,
                          inference_->Infer(request.model_name(), request.model_version(),
                                            read.request, request_id));
    return WriteGrpcAnswer(request, answer, response);
  }

  /// What the client sent along under a name; empty where it did not.
  static std::string Metadata(const grpc::ServerContext& context, const char* name) {
    const auto found = context.client_metadata().find(name);
    if (found == context.client_metadata().end()) return {};
    return {found->second.data(), found->second.size()};
  }

  /// By what a message is logged: its own id, or else the stream's and its number. The first needs
  /// no number: a stream of one is a request.
  static std::string IdInStream(const proto::ModelInferRequest& request,
                                const std::string& stream_id, int64_t number) {
    if (!request.id().empty()) return request.id();
    if (stream_id.empty() || number == 1) return stream_id;
    return stream_id + "." + std::to_string(number);
  }

  /// The trace that the caller is in; empty where nobody asked for traces.
  std::string TraceparentOf(const grpc::ServerContext& context) const {
    return traces_ == nullptr ? "" : Metadata(context, "traceparent");
  }

  /// Runs `call` in a span named `method`.
  template <typename Call>
  grpc::Status Answer(std::string_view method, grpc::ServerContext* context, const Call& call) {
    return Admit(context, [&] {
      TraceExporter::Span span(traces_, method, TraceparentOf(*context));
      grpc::Status status = Told(call);
      span.EndCall(status.error_code());
      return status;
    });
  }

  /// Runs `call` and tells its error; what is thrown below is one.
  template <typename Call>
  static grpc::Status Told(const Call& call) {
    try {
      return GrpcStatusOf(call());
    } catch (const std::exception& error) {
      return {grpc::StatusCode::INTERNAL, std::string("internal error: ") + error.what()};
    }
  }

  /// Checks the token, and has `call` finish before the server ends.
  template <typename Call>
  grpc::Status Admit(grpc::ServerContext* context, const Call& call) {
    const Status allowed = access_->CheckToken(Metadata(*context, "authorization"));
    if (!allowed.ok()) {
      return {grpc::StatusCode::UNAUTHENTICATED, std::string(allowed.message())};
    }
    ++under_way_;
    grpc::Status status(grpc::StatusCode::UNAVAILABLE, "the server stops");
    if (!stopping_) status = call();
    --under_way_;
    return status;
  }

  OpenInference* const inference_;
  const Access* const access_;
  TraceExporter* const traces_;  ///< null: nobody asked
  std::atomic<bool> stopping_{false};
  std::atomic<int> under_way_{0};
};

}  // namespace

struct GrpcDoor::Running {
  Running(OpenInference* inference, const Access* access, TraceExporter* traces)
      : service(inference, access, traces) {}
  InferenceService service;
  int port = 0;
  std::unique_ptr<grpc::Server> server;  ///< ends before its service
};

GrpcDoor::GrpcDoor(std::unique_ptr<Running> running) : running_(std::move(running)) {}

Result<std::unique_ptr<GrpcDoor>> GrpcDoor::Start(const Address& address, OpenInference* inference,
                                                  const Access* access,
                                                  TraceExporter* traces) {
  ARROW_RETURN_NOT_OK(access->CheckBind("gRPC", address));
  auto running = std::make_unique<Running>(inference, access, traces);
  // grpc.health.v1.Health, which Kubernetes' probes and load balancers ask.
  grpc::EnableDefaultHealthCheckService(true);
  // By which grpcurl and its like learn what may be called.
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  grpc::ResourceQuota quota("tercet");
  quota.SetMaxThreads(kMaxThreads);
  builder.SetResourceQuota(quota);
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.SetMaxSendMessageSize(kMaxMessageBytes);
  // Another server on the port is an error, not a partner.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 2);
  builder.AddListeningPort(address.ToText(), grpc::InsecureServerCredentials(), &running->port);
  builder.RegisterService(&running->service);
  running->server = builder.BuildAndStart();
  if (running->server == nullptr || running->port == 0) {
    return Status::IOError("cannot listen on ", address.ToText(), " for gRPC");
  }
  running->server->GetHealthCheckService()->SetServingStatus(
      proto::GRPCInferenceService::service_full_name(), true);
  return std::unique_ptr<GrpcDoor>(new GrpcDoor(std::move(running)));
}

int GrpcDoor::port() const { return running_->port; }

bool GrpcDoor::Stop(std::chrono::milliseconds patience) {
  running_->service.Refuse();
  running_->server->GetHealthCheckService()->SetServingStatus(false);
  const auto until = std::chrono::steady_clock::now() + patience;
  while (running_->service.under_way() > 0) {
    if (std::chrono::steady_clock::now() >= until) return false;
    std::this_thread::sleep_for(kDrainStep);
  }
  return true;
}

GrpcDoor::~GrpcDoor() {
  Stop(std::chrono::milliseconds(0));
  running_->server->Shutdown(std::chrono::system_clock::now());
  running_->server->Wait();
}

}  // namespace tercet
