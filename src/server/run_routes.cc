#include "client/wire.h"
#include "server/rest_routes.h"

namespace tercet {
namespace {

using Answer = Result<HttpAnswer>;

/// A run from a body; its id stands in the path, or is not known yet.
Result<Run> RunFromBody(const HttpRequest& request, std::string_view id) {
  ARROW_ASSIGN_OR_RAISE(json::object body, request.JsonBody());
  body["id"] = id;
  return Run::FromJson(body);
}

}  // namespace

std::vector<Route> RunRoutes(Platform* platform) {
  const std::string all = "/api/v1/runs";
  const std::string one = all + "/{id}";
  return {
      {.method = "GET",
       .pattern = all,
       .handler = [platform](const HttpRequest&, const PathArguments&) -> Answer {
         ARROW_ASSIGN_OR_RAISE(const auto runs, platform->ListRuns());
         return HttpAnswer::Json(ItemsToJson(runs));
       },
       .lane = nullptr},
      {.method = "POST",
       .pattern = all,
       .handler = [platform](const HttpRequest& request, const PathArguments&) -> Answer {
         ARROW_ASSIGN_OR_RAISE(const Run run, RunFromBody(request, ""));
         ARROW_ASSIGN_OR_RAISE(const Run started, platform->StartRun(run));
         return HttpAnswer::Json(started.ToJson());
       },
       .lane = nullptr},
      {.method = "GET",
       .pattern = one,
       .handler = [platform](const HttpRequest&, const PathArguments& arguments) -> Answer {
         ARROW_ASSIGN_OR_RAISE(const Run run, platform->GetRun(std::string(arguments[0])));
         return HttpAnswer::Json(run.ToJson());
       },
       .lane = nullptr},
      {.method = "PATCH",
       .pattern = one,
       .handler = [platform](const HttpRequest& request, const PathArguments& arguments) -> Answer {
         ARROW_ASSIGN_OR_RAISE(const Run additions, RunFromBody(request, arguments[0]));
         ARROW_ASSIGN_OR_RAISE(const Run run,
                               platform->LogRun(std::string(arguments[0]), additions));
         return HttpAnswer::Json(run.ToJson());
       },
       .lane = nullptr},
      {.method = "DELETE",
       .pattern = one,
       .handler = [platform](const HttpRequest&, const PathArguments& arguments) -> Answer {
         ARROW_RETURN_NOT_OK(platform->DropRun(std::string(arguments[0])));
         return HttpAnswer::Json(json::object());
       },
       .lane = nullptr},
  };
}

}  // namespace tercet
