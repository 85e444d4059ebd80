#include "client/remote_platform.h"

#include "base/parallel.h"
#include "client/remote_call.h"
#include "client/wire_error.h"
#include "client/wire_frames.h"

namespace tercet {
namespace {

constexpr std::string_view kScheme = "tercet://";

struct ServerAddress {
  std::string host, port, project;
};

Result<ServerAddress> ParseLocation(const std::string& location) {
  std::string_view rest = location;
  rest.remove_prefix(kScheme.size());
  ServerAddress address;
  const size_t slash = rest.find('/');
  if (slash != std::string_view::npos) {
    address.project = rest.substr(slash + 1);
    while (!address.project.empty() && address.project.back() == '/') address.project.pop_back();
    rest = rest.substr(0, slash);
  }
  const size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == rest.size() ||
      rest.find_first_not_of("0123456789", colon + 1) != std::string_view::npos) {
    return Status::Invalid("server address '", location,
                           "' must be tercet://HOST:PORT, with the server's HTTP port");
  }
  address.host = rest.substr(0, colon);
  address.port = rest.substr(colon + 1);
  if (address.host.size() > 2 && address.host.front() == '[') {
    address.host = address.host.substr(1, address.host.size() - 2);
  }
  return address;
}

Result<json::object> ObjectOf(const HttpReply& reply) {
  if (reply.status >= 400) return ErrorFromBody(reply.status, reply.body);
  return ParseJsonObject(reply.body);
}

}  // namespace

RemotePlatform::RemotePlatform(std::string location, std::unique_ptr<HttpLink> http,
                               std::unique_ptr<FlightLink> flight)
    : location_(std::move(location)),
      http_(std::move(http)),
      flight_(std::move(flight)),
      batch_predictions_(MakeBatchPredictions()),
      prediction_logs_(MakePredictionLogs()),
      trials_(MakeTrials()),
      view_exports_(MakeViewExports()) {}

Result<std::shared_ptr<Platform>> RemotePlatform::Open(const std::string& location,
                                                       const PlatformOptions& options) {
  InitializeArrow();
  ARROW_ASSIGN_OR_RAISE(const ServerAddress address, ParseLocation(location));
  auto http = std::make_unique<HttpLink>(address.host, address.port, options.token);
  ARROW_ASSIGN_OR_RAISE(const HttpReply reply, http->Send("GET", "/api/v1", "", ""));
  ARROW_ASSIGN_OR_RAISE(const json::object object, ObjectOf(reply));
  const Result<ServerDescription> description = ServerDescription::FromJson(object);
  if (!description.ok()) {
    return Status::IOError("what answers at ", address.host, ":", address.port,
                           " is not a Tercet server: ", description.status().message());
  }
  if (!address.project.empty() && address.project != description->project) {
    return Status::KeyError("the server at ", address.host, ":", address.port,
                            " serves the project '", description->project, "', not '",
                            address.project, "'");
  }
  auto flight = std::make_unique<FlightLink>(
      address.host, static_cast<int>(description->flight_port), options.token);
  return std::shared_ptr<Platform>(
      new RemotePlatform(location, std::move(http), std::move(flight)));
}

Result<json::object> RemotePlatform::Call(std::string_view method, const std::string& path) const {
  ARROW_ASSIGN_OR_RAISE(const HttpReply reply, http_->Send(method, path, "", ""));
  return ObjectOf(reply);
}

Result<json::object> RemotePlatform::Call(std::string_view method, const std::string& path,
                                          const json::object& body) const {
  ARROW_ASSIGN_OR_RAISE(const HttpReply reply,
                        http_->Send(method, path, "application/json", ToText(body)));
  return ObjectOf(reply);
}

Result<std::string> RemotePlatform::CallArrow(const std::string& path,
                                              std::string_view body) const {
  ARROW_ASSIGN_OR_RAISE(HttpReply reply, http_->Send("POST", path, kArrowStream, body));
  if (reply.status >= 400) return ErrorFromBody(reply.status, reply.body);
  return std::move(reply.body);
}

}  // namespace tercet
