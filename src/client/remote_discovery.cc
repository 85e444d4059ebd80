#include "client/remote_discovery.h"

#include "client/wire.h"
#include "client/wire_error.h"

namespace tercet {
namespace {

Result<json::object> ObjectOf(const HttpReply& reply) {
  if (reply.status >= 400) return ErrorFromBody(reply.status, reply.body);
  return ParseJsonObject(reply.body);
}

}  // namespace

Result<json::object> RemoteDiscovery::Get(const std::string& target) const {
  ARROW_ASSIGN_OR_RAISE(const HttpReply reply, http_->Send("GET", target, "", ""));
  return ObjectOf(reply);
}

Result<LineageGraph> RemoteDiscovery::Lineage(const LineageRequest& request) {
  std::string target = "/api/v1/lineage?object=" + EncodeUrl(request.object) + "&direction=" +
                       std::string(LineageDirectionName(request.direction));
  if (request.depth) target += "&depth=" + std::to_string(*request.depth);
  if (request.columns) target += "&columns=true";
  ARROW_ASSIGN_OR_RAISE(const json::object answer, Get(target));
  return LineageGraph::FromJson(answer);
}

Result<ImpactReport> RemoteDiscovery::ImpactOf(const std::string& object) {
  ARROW_ASSIGN_OR_RAISE(const json::object answer,
                        Get("/api/v1/impact?object=" + EncodeUrl(object)));
  return ImpactReport::FromJson(answer);
}

Result<Annotation> RemoteDiscovery::Annotate(const std::string& object,
                                             const AnnotationChange& change) {
  ARROW_ASSIGN_OR_RAISE(
      const HttpReply reply,
      http_->Send("PATCH", "/api/v1/annotations?object=" + EncodeUrl(object), "application/json",
                  ToText(change.ToJson())));
  ARROW_ASSIGN_OR_RAISE(const json::object answer, ObjectOf(reply));
  return Annotation::FromJson(answer);
}

Result<Annotation> RemoteDiscovery::GetAnnotation(const std::string& object) {
  ARROW_ASSIGN_OR_RAISE(const json::object answer,
                        Get("/api/v1/annotations?object=" + EncodeUrl(object)));
  return Annotation::FromJson(answer);
}

Result<std::vector<SearchHit>> RemoteDiscovery::Search(const std::string& query, int64_t limit) {
  ARROW_ASSIGN_OR_RAISE(const json::object answer,
                        Get("/api/v1/search?query=" + EncodeUrl(query) +
                            "&limit=" + std::to_string(limit)));
  return ItemsFromJson<SearchHit>(answer);
}

}  // namespace tercet
