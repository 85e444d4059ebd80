#include "catalog/definition_json.h"
#include "client/wire.h"
#include "platform/trials.h"
#include "server/rest_routes.h"

namespace tercet {
namespace {

using Answer = Result<HttpAnswer>;

/// Trials change what a deployment's next requests are answered by, not what they must have.
Answer StartCanary(Platform* platform, const std::string& name, const json::object& body) {
  ARROW_RETURN_NOT_OK(CheckMembers("canary request", body, {"model", "plan"}));
  ARROW_ASSIGN_OR_RAISE(const std::string text, GetString(body, "model"));
  ARROW_ASSIGN_OR_RAISE(const Ref model, Ref::Parse(text));
  ARROW_ASSIGN_OR_RAISE(const json::object plan_json, FindObject(body, "plan"));
  ARROW_ASSIGN_OR_RAISE(const CanaryPlan plan, CanaryPlan::FromJson(plan_json));
  ARROW_ASSIGN_OR_RAISE(const auto deployment,
                        platform->trials()->StartCanary(name, model, plan));
  return HttpAnswer::Json(deployment.ToJson());
}

Answer StartExperiment(Platform* platform, const std::string& name, const json::object& body) {
  ARROW_RETURN_NOT_OK(CheckMembers("experiment request", body, {"traffic", "plan"}));
  ARROW_ASSIGN_OR_RAISE(const json::object traffic_json, FindObject(body, "traffic"));
  ARROW_ASSIGN_OR_RAISE(const TrafficRequest traffic, TrafficRequestFromJson(traffic_json));
  ARROW_ASSIGN_OR_RAISE(const json::object plan_json, FindObject(body, "plan"));
  ARROW_ASSIGN_OR_RAISE(const ExperimentPlan plan, ExperimentPlan::FromJson(plan_json));
  ARROW_ASSIGN_OR_RAISE(const auto deployment,
                        platform->trials()->StartExperiment(name, traffic, plan));
  return HttpAnswer::Json(deployment.ToJson());
}

Answer RecordOutcomes(Platform* platform, const std::string& name, const json::object& body) {
  ARROW_RETURN_NOT_OK(CheckMembers("outcomes request", body, {"outcomes"}));
  ARROW_ASSIGN_OR_RAISE(const json::array items, FindArray(body, "outcomes"));
  std::vector<Outcome> outcomes;
  for (const json::value& item : items) {
    if (!item.is_object()) return Status::Invalid("each of 'outcomes' must be an object");
    ARROW_ASSIGN_OR_RAISE(outcomes.emplace_back(), Outcome::FromJson(item.as_object()));
  }
  ARROW_ASSIGN_OR_RAISE(const int64_t recorded,
                        platform->trials()->RecordOutcomes(name, outcomes));
  return HttpAnswer::Json(json::object{{"recorded", recorded}});
}

}  // namespace

std::vector<Route> TrialRoutes(Platform* platform) {
  const std::string one = "/api/v1/deployments/{name}";
  std::vector<Route> routes;
  const auto add = [&](std::string method, std::string rest, auto handler) {
    routes.push_back(
        {.method = std::move(method),
         .pattern = one + rest,
         .handler = [platform, handler](const HttpRequest& request,
                                        const PathArguments& arguments) -> Answer {
           return handler(platform, std::string(arguments[0]), request);
         },
         .lane = nullptr});
  };
  const auto with_body = [](auto handler) {
    return [handler](Platform* to, const std::string& name, const HttpRequest& request) -> Answer {
      ARROW_ASSIGN_OR_RAISE(const json::object body, request.JsonBody());
      return handler(to, name, body);
    };
  };
  add("PUT", "/canary", with_body(StartCanary));
  add("GET", "/canary", [](Platform* to, const std::string& name, const HttpRequest&) -> Answer {
    ARROW_ASSIGN_OR_RAISE(const Canary canary, to->trials()->GetCanary(name));
    return HttpAnswer::Json(canary.ToJson());
  });
  add("POST", "/canary/end",
      with_body([](Platform* to, const std::string& name, const json::object& body) -> Answer {
        ARROW_RETURN_NOT_OK(CheckMembers("request to end a canary", body, {"promote"}));
        ARROW_ASSIGN_OR_RAISE(const auto promote, FindBool(body, "promote"));
        ARROW_ASSIGN_OR_RAISE(const auto deployment,
                              to->trials()->EndCanary(name, promote.value_or(false)));
        return HttpAnswer::Json(deployment.ToJson());
      }));
  add("PUT", "/experiment", with_body(StartExperiment));
  add("GET", "/experiment",
      [](Platform* to, const std::string& name, const HttpRequest&) -> Answer {
        ARROW_ASSIGN_OR_RAISE(json::object report, to->trials()->GetExperiment(name));
        return HttpAnswer::Json(std::move(report));
      });
  add("POST", "/experiment/stop",
      [](Platform* to, const std::string& name, const HttpRequest&) -> Answer {
        ARROW_ASSIGN_OR_RAISE(json::object report, to->trials()->StopExperiment(name));
        return HttpAnswer::Json(std::move(report));
      });
  add("POST", "/outcomes", with_body(RecordOutcomes));
  return routes;
}

}  // namespace tercet
