#include "catalog/definition_json.h"
#include "client/wire.h"
#include "platform/batch_predictions.h"
#include "server/rest_arguments.h"
#include "server/rest_routes.h"

namespace tercet {
namespace {

using Answer = Result<HttpAnswer>;

/// {"into": "scores@1", "start", "end", "insert": {…}}; the answer is the run that tells of it.
Answer Start(Platform* platform, const Ref& model, const HttpRequest& request) {
  ARROW_ASSIGN_OR_RAISE(const json::object body, request.JsonBody());
  ARROW_RETURN_NOT_OK(CheckMembers("batch request", body, {"into", "start", "end", "insert"}));
  ARROW_ASSIGN_OR_RAISE(const std::string into, GetString(body, "into"));
  ARROW_ASSIGN_OR_RAISE(const Ref group, Ref::Parse(into));
  ARROW_ASSIGN_OR_RAISE(const json::object how, FindObject(body, "insert"));
  ARROW_ASSIGN_OR_RAISE(const InsertRequest insert, InsertRequestFromJson(how));
  BatchRequest batch{.model = model, .start_us = {}, .end_us = {}, .spine = nullptr};
  ARROW_ASSIGN_OR_RAISE(batch.start_us, FindTime(body, "start"));
  ARROW_ASSIGN_OR_RAISE(batch.end_us, FindTime(body, "end"));
  ARROW_ASSIGN_OR_RAISE(const Run run,
                        platform->batch_predictions()->StartToGroup(batch, group, insert));
  return HttpAnswer::Json(run.ToJson(), 202);
}

}  // namespace

std::vector<Route> BatchRoutes(Platform* platform) {
  std::vector<Route> routes;
  const auto add = AddTo(&routes);
  add("POST", "/api/v1/models/{name}/{version}/batch",
      [platform](const HttpRequest& request, const PathArguments& arguments) -> Answer {
        ARROW_ASSIGN_OR_RAISE(const Ref model, ReadRef(arguments[0], arguments[1]));
        return Start(platform, model, request);
      });
  add("POST", "/api/v1/deployments/{name}/batch",
      [platform](const HttpRequest& request, const PathArguments& arguments) -> Answer {
        ARROW_ASSIGN_OR_RAISE(const auto deployment,
                              platform->GetDeployment(std::string(arguments[0])));
        ARROW_ASSIGN_OR_RAISE(const auto release, platform->GetRelease(deployment.release_id));
        return Start(platform, release.model, request);
      });
  return routes;
}

}  // namespace tercet
