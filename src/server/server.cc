#include "server/server.h"

#include <algorithm>
#include <atomic>
#include <filesystem>

#include "base/log.h"
#include "base/parallel.h"
#include "client/version.h"
#include "client/wire.h"
#include "server/contract_cache.h"
#include "server/flight_door.h"
#include "server/grpc_door.h"
#include "server/http_server.h"
#include "server/model_statistics.h"
#include "server/neighbor_routes.h"
#include "server/open_inference.h"
#include "server/rest_routes.h"
#include "server/sql_routes.h"
#include "server/trial_metrics.h"

namespace tercet {
namespace {

const Address kDefaultGrpc{"127.0.0.1", 8082};

/// "/data/flights/" as "flights".
std::string LastPart(const std::string& location) {
  std::error_code error;
  std::filesystem::path path = std::filesystem::absolute(location, error).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  return path.filename().string();
}

class RunningServer : public Server {
 public:
  RunningServer(std::shared_ptr<Platform> platform, const ServerOptions& options,
                std::unique_ptr<TraceExporter> traces)
      : platform_(std::move(platform)),
        traces_(std::move(traces)),
        access_(options.token),
        vector_contracts_(MakeVectorContracts(platform_.get(), options.online_elsewhere)),
        deployment_contracts_(
            MakeDeploymentContracts(platform_.get(), options.online_elsewhere)),
        inference_(platform_.get(), deployment_contracts_.get(), [this] { return ready_.load(); }),
        router_(Routes(), traces_.get()),
        metrics_(router_.Names()) {
    description_.project = LastPart(platform_->location());
    description_.version = kTercetVersion;
  }

  Status Listen(const ServerOptions& options) {
    // Both before either: a server with one door open is not what was asked for.
    ARROW_RETURN_NOT_OK(access_.CheckBind("HTTP", options.http));
    ARROW_ASSIGN_OR_RAISE(flight_, FlightDoor::Start(options.flight, platform_.get(), &access_,
                                                     traces_.get()));
    description_.flight_port = flight_->port();
    ARROW_ASSIGN_OR_RAISE(grpc_, StartGrpc(options.grpc));
    ARROW_ASSIGN_OR_RAISE(
        http_, HttpServer::Start(options.http, &router_, &access_, &metrics_, options.limits));
    ready_ = true;
    return Status::OK();
  }

  int http_port() const override { return http_->port(); }
  int flight_port() const override { return flight_->port(); }
  int grpc_port() const override { return grpc_->port(); }

  bool Stop(std::chrono::milliseconds patience) override {
    ready_ = false;
    const auto until = std::chrono::steady_clock::now() + patience;
    const auto left = [until] {
      return std::max(std::chrono::milliseconds(0),
                      std::chrono::duration_cast<std::chrono::milliseconds>(
                          until - std::chrono::steady_clock::now()));
    };
    bool drained = grpc_->Stop(left());
    drained = http_->Stop(left()) && drained;
    // Flight waits for its handlers; what still runs then is a call that no one waits for.
    if (!drained) return false;
    const Status flight = flight_->Stop(left());
    if (!flight.ok()) LogWarn("stopping Flight: " + flight.ToString());
    return flight.ok();
  }

 private:
  Result<std::unique_ptr<GrpcDoor>> StartGrpc(const std::optional<Address>& address) {
    if (address) return GrpcDoor::Start(*address, &inference_, &access_, traces_.get());
    auto door = GrpcDoor::Start(kDefaultGrpc, &inference_, &access_, traces_.get());
    if (!door.status().IsIOError()) return door;
    return GrpcDoor::Start({kDefaultGrpc.host, 0}, &inference_, &access_, traces_.get());
  }

  std::vector<Route> Routes() {
    std::vector<Route> routes;
    const auto add = [&routes](std::vector<Route> more) {
      for (Route& route : more) routes.push_back(std::move(route));
    };
    // The order of trying: what is asked most comes first.
    add(FeatureViewRoutes(platform_.get(), vector_contracts_.get()));
    add(InferenceProtocolRoutes(&inference_));
    add(DeploymentRoutes(platform_.get(), deployment_contracts_.get()));
    add(TrialRoutes(platform_.get()));
    add(FeatureGroupRoutes(platform_.get()));
    add(NeighborRoutes(platform_.get(), vector_contracts_.get()));
    add(TrainingRoutes(platform_.get()));
    add(RunRoutes(platform_.get()));
    add(DiscoveryRoutes(platform_.get()));
    add(SqlRoutes(platform_.get()));
    add(ModelRoutes(platform_.get()));
    add(BatchRoutes(platform_.get()));
    add(ScoringRoutes(platform_.get(), &inference_));
    add({{.method = "GET",
          .pattern = "/api/v1",
          .handler = [this](const HttpRequest&, const PathArguments&) -> Result<HttpAnswer> {
            return HttpAnswer::Json(description_.ToJson());
          },
          .lane = AlwaysHot},
         {.method = "GET",
          .pattern = "/metrics",
          .handler = [this](const HttpRequest&, const PathArguments&) -> Result<HttpAnswer> {
            ARROW_ASSIGN_OR_RAISE(const auto statistics, inference_.Statistics(""));
            HttpAnswer answer;
            answer.content_type = "text/plain; version=0.0.4";
            ARROW_ASSIGN_OR_RAISE(const std::string trials, TrialMetricsText(platform_.get()));
            ARROW_ASSIGN_OR_RAISE(const std::string indexes, NeighborMetricsText(platform_.get()));
            answer.body = metrics_.ToText() + ServingMetricsText(statistics) + trials + indexes;
            if (traces_ != nullptr) answer.body += traces_->MetricsText();
            return answer;
          },
          .lane = nullptr}});
    return routes;
  }

  const std::shared_ptr<Platform> platform_;
  const std::unique_ptr<TraceExporter> traces_;  ///< null: nobody asked
  const Access access_;
  const std::unique_ptr<VectorContracts> vector_contracts_;
  const std::unique_ptr<DeploymentContracts> deployment_contracts_;
  std::atomic<bool> ready_{false};
  ServerDescription description_;
  OpenInference inference_;
  const Router router_;
  Metrics metrics_;
  // Last, so that no request outlives what it stands on.
  std::unique_ptr<FlightDoor> flight_;
  std::unique_ptr<GrpcDoor> grpc_;
  std::unique_ptr<HttpServer> http_;
};

}  // namespace

Result<std::unique_ptr<Server>> Server::Start(std::shared_ptr<Platform> platform,
                                              const ServerOptions& options) {
  InitializeArrow();
  std::unique_ptr<TraceExporter> traces;
  if (options.traces) {
    ARROW_ASSIGN_OR_RAISE(traces, TraceExporter::Make(*options.traces));
  }
  auto server =
      std::make_unique<RunningServer>(std::move(platform), options, std::move(traces));
  ARROW_RETURN_NOT_OK(server->Listen(options));
  return server;
}

}  // namespace tercet
