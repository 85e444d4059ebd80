#include "base/short_text.h"
#include "client/wire.h"
#include "platform/discovery.h"
#include "server/rest_arguments.h"
#include "server/rest_routes.h"

namespace tercet {
namespace {

constexpr int64_t kDefaultHits = 20;

using Answer = Result<HttpAnswer>;

Result<std::string> Required(const HttpRequest& request, std::string_view name) {
  const std::string* text = request.Query(name);
  if (text == nullptr || text->empty()) {
    return Status::Invalid("query parameter '", name, "' is missing");
  }
  return *text;
}

Result<bool> QueryFlag(const HttpRequest& request, std::string_view name) {
  const std::string* text = request.Query(name);
  if (text == nullptr || *text == "false") return false;
  if (*text == "true") return true;
  return Status::Invalid("query parameter '", name, "' must be true or false, not '",
                         ShortText(*text), "'");
}

Answer GetLineage(Platform* platform, const HttpRequest& request) {
  LineageRequest wanted;
  ARROW_ASSIGN_OR_RAISE(wanted.object, Required(request, "object"));
  if (const std::string* direction = request.Query("direction")) {
    ARROW_ASSIGN_OR_RAISE(wanted.direction, LineageDirectionFromName(*direction));
  }
  ARROW_ASSIGN_OR_RAISE(wanted.depth, QueryInt(request, "depth"));
  ARROW_ASSIGN_OR_RAISE(wanted.columns, QueryFlag(request, "columns"));
  ARROW_ASSIGN_OR_RAISE(const LineageGraph graph, platform->discovery()->Lineage(wanted));
  return HttpAnswer::Json(graph.ToJson());
}

Answer GetImpact(Platform* platform, const HttpRequest& request) {
  ARROW_ASSIGN_OR_RAISE(const std::string object, Required(request, "object"));
  ARROW_ASSIGN_OR_RAISE(const ImpactReport report, platform->discovery()->ImpactOf(object));
  return HttpAnswer::Json(report.ToJson());
}

Answer GetSearch(Platform* platform, const HttpRequest& request) {
  ARROW_ASSIGN_OR_RAISE(const std::string query, Required(request, "query"));
  ARROW_ASSIGN_OR_RAISE(const auto limit, QueryInt(request, "limit"));
  ARROW_ASSIGN_OR_RAISE(const auto hits,
                        platform->discovery()->Search(query, limit.value_or(kDefaultHits)));
  return HttpAnswer::Json(ItemsToJson(hits));
}

Answer GetAnnotation(Platform* platform, const HttpRequest& request) {
  ARROW_ASSIGN_OR_RAISE(const std::string object, Required(request, "object"));
  ARROW_ASSIGN_OR_RAISE(const Annotation said, platform->discovery()->GetAnnotation(object));
  return HttpAnswer::Json(said.ToJson());
}

Answer ChangeAnnotation(Platform* platform, const HttpRequest& request) {
  ARROW_ASSIGN_OR_RAISE(const std::string object, Required(request, "object"));
  ARROW_ASSIGN_OR_RAISE(const json::object body, request.JsonBody());
  ARROW_ASSIGN_OR_RAISE(const auto change, AnnotationChange::FromJson(body));
  ARROW_ASSIGN_OR_RAISE(const Annotation said, platform->discovery()->Annotate(object, change));
  return HttpAnswer::Json(said.ToJson());
}

}  // namespace

std::vector<Route> DiscoveryRoutes(Platform* platform) {
  const auto route = [platform](std::string method, std::string pattern,
                                Answer (*answer)(Platform*, const HttpRequest&)) {
    return Route{.method = std::move(method),
                 .pattern = "/api/v1/" + std::move(pattern),
                 .handler = [platform, answer](const HttpRequest& request,
                                               const PathArguments&) -> Answer {
                   return answer(platform, request);
                 },
                 .lane = nullptr};
  };
  return {route("GET", "lineage", &GetLineage), route("GET", "impact", &GetImpact),
          route("GET", "search", &GetSearch), route("GET", "annotations", &GetAnnotation),
          route("PATCH", "annotations", &ChangeAnnotation)};
}

}  // namespace tercet
