#include "base/time_text.h"
#include "catalog/definition_json.h"
#include "client/json_rows.h"
#include "client/wire.h"
#include "client/wire_frames.h"
#include "platform/prediction_logs.h"
#include "server/rest_arguments.h"
#include "server/rest_routes.h"
#include "server/row_answer.h"

namespace tercet {
namespace {

using Answer = Result<HttpAnswer>;

/// What follows the outputs in an answer.
void AppendProvenance(const std::vector<std::string>& missing, std::string_view release_id,
                      int64_t release_number, std::string_view request_id, std::string* out) {
  *out += ",\"missing\":[";
  for (size_t i = 0; i < missing.size(); ++i) {
    if (i > 0) out->push_back(',');
    AppendJsonText(missing[i], out);
  }
  *out += "],\"release_id\":";
  AppendJsonText(release_id, out);
  *out += ",\"release_number\":";
  *out += std::to_string(release_number);
  *out += ",\"request_id\":";
  AppendJsonText(request_id, out);
  out->push_back('}');
}

HttpAnswer PredictAnswerOf(const PredictData& data, bool single) {
  HttpAnswer answer;
  std::string& out = answer.body;
  if (single) {
    out = "{\"prediction\":";
    AppendJsonRow(*data.outputs, 0, &out);
  } else {
    out = "{\"predictions\":[";
    for (int64_t row = 0; row < data.outputs->num_rows(); ++row) {
      if (row > 0) out.push_back(',');
      AppendJsonRow(*data.outputs, row, &out);
    }
    out.push_back(']');
  }
  AppendProvenance(data.missing, data.release_id, data.release_number, data.request_id, &out);
  return answer;
}

HttpAnswer PredictAnswerOf(const RowAnswer& rows, bool single) {
  HttpAnswer answer;
  std::string& out = answer.body;
  out.reserve(512);
  if (single) {
    out = "{\"prediction\":";
    AppendJsonRow(*rows.schema(), rows.row(0), &out);
  } else {
    out = "{\"predictions\":[";
    for (size_t row = 0; row < rows.rows(); ++row) {
      if (row > 0) out.push_back(',');
      AppendJsonRow(*rows.schema(), rows.row(row), &out);
    }
    out.push_back(']');
  }
  const RowPrediction& prediction = *rows.prediction;
  AppendProvenance(prediction.missing, prediction.release_id, prediction.release_number,
                   prediction.request_id, &out);
  return answer;
}

Answer ArrowPredict(Platform* platform, DeploymentContracts* contracts, const std::string& name,
                    const HttpRequest& request) {
  // Kept for the choice of the next request's lane alone; Predict tells the same errors.
  ARROW_RETURN_NOT_OK(contracts->Get(name));
  ARROW_ASSIGN_OR_RAISE(const auto batches, BatchesFromBytes(request.body, 1));
  ARROW_ASSIGN_OR_RAISE(const auto event_time_us, QueryTime(request, "event_time"));
  ARROW_ASSIGN_OR_RAISE(const auto data, platform->Predict(name, batches[0],
                                                           {event_time_us, RequestId(request)}));
  HttpAnswer answer;
  answer.content_type = kArrowStream;
  ARROW_ASSIGN_OR_RAISE(answer.body, ToBytes(data));
  return answer;
}

Answer Predict(Platform* platform, DeploymentContracts* contracts, const std::string& name,
               const HttpRequest& request) {
  if (request.content_type == kArrowStream) {
    return ArrowPredict(platform, contracts, name, request);
  }
  JsonMemory memory;
  ARROW_ASSIGN_OR_RAISE(const json::object body, request.JsonBody(&memory));
  ARROW_RETURN_NOT_OK(CheckMembers("predict request", body, {"entities", "event_time"}));
  const json::value* entities = body.if_contains("entities");
  if (entities == nullptr) return Status::Invalid("member 'entities' is missing");
  ARROW_ASSIGN_OR_RAISE(const auto event_time_us, FindTime(body, "event_time"));
  // Kept for the choice of the next request's lane.
  ARROW_RETURN_NOT_OK(contracts->Get(name));
  ARROW_ASSIGN_OR_RAISE(
      const RowAnswer rows,
      AnswerRows(platform, name, event_time_us, RequestId(request),
                 [&](const arrow::Schema& needed, size_t most, auto* cells, auto* numbers) {
                   return CellsFromJson(*entities, needed, most, cells, numbers);
                 }));
  if (rows) return PredictAnswerOf(rows, entities->is_object());
  const auto answer = [&](const KnownContract<DeploymentContract>& known) -> Answer {
    ARROW_ASSIGN_OR_RAISE(const auto batch,
                          RowsFromJson("deployment '" + name + "'", *entities, *known.columns));
    ARROW_ASSIGN_OR_RAISE(const auto data,
                          platform->Predict(name, batch, {event_time_us, RequestId(request)}));
    return PredictAnswerOf(data, entities->is_object());
  };
  return WithContract(contracts, name, answer);
}

/// A switch was made: the next requests find its contract ready, and need not read it themselves.
HttpAnswer Switched(DeploymentContracts* contracts, const Deployment& deployment) {
  const auto known = contracts->Refresh(deployment.name);
  // A contract that can't be read is told to who asks for it.
  if (!known.ok()) contracts->Forget(deployment.name);
  return HttpAnswer::Json(deployment.ToJson());
}

/// A switch to the release of {"model": "delay@2"}.
template <typename Switch>
Handler SwitchTo(DeploymentContracts* contracts, const Switch& change) {
  return [contracts, change](const HttpRequest& request, const PathArguments& arguments) -> Answer {
    ARROW_ASSIGN_OR_RAISE(const json::object body, request.JsonBody());
    ARROW_RETURN_NOT_OK(CheckMembers("deployment request", body, {"model"}));
    ARROW_ASSIGN_OR_RAISE(const std::string text, GetString(body, "model"));
    ARROW_ASSIGN_OR_RAISE(const Ref model, Ref::Parse(text));
    const std::string name(arguments[0]);
    ARROW_ASSIGN_OR_RAISE(const Deployment deployment, change(name, model));
    return Switched(contracts, deployment);
  };
}

}  // namespace

std::function<Lane(const HttpRequest&, const PathArguments&)> PredictionLane(
    DeploymentContracts* contracts) {
  return [contracts](const HttpRequest& request, const PathArguments& arguments) {
    const auto known = contracts->Find(std::string(arguments[0]));
    const bool hot =
        known != nullptr && !known->slow && request.body.size() <= kHotBodyBytes;
    return hot ? Lane::kHot : Lane::kPrediction;
  };
}

std::vector<Route> DeploymentRoutes(Platform* platform, DeploymentContracts* contracts) {
  const std::string all = "/api/v1/deployments";
  const std::string one = all + "/{name}";
  std::vector<Route> routes;
  routes.push_back(
      {.method = "POST",
       .pattern = one + "/predict",
       .handler =
           [platform, contracts](const HttpRequest& request, const PathArguments& arguments) {
             return Predict(platform, contracts, std::string(arguments[0]), request);
           },
       .lane = PredictionLane(contracts)});
  const auto add = AddTo(&routes);
  add("GET", all, [platform](const HttpRequest&, const PathArguments&) -> Answer {
    ARROW_ASSIGN_OR_RAISE(const auto deployments, platform->ListDeployments());
    return HttpAnswer::Json(ItemsToJson(deployments));
  });
  add("GET", one, [platform](const HttpRequest&, const PathArguments& arguments) -> Answer {
    ARROW_ASSIGN_OR_RAISE(const auto deployment,
                          platform->GetDeployment(std::string(arguments[0])));
    return HttpAnswer::Json(deployment.ToJson());
  });
  add("DELETE", one,
      [platform, contracts](const HttpRequest&, const PathArguments& arguments) -> Answer {
        ARROW_RETURN_NOT_OK(platform->DropDeployment(std::string(arguments[0])));
        contracts->Forget(std::string(arguments[0]));
        return HttpAnswer::Json(json::object());
      });
  add("GET", one + "/contract",
      [platform](const HttpRequest&, const PathArguments& arguments) -> Answer {
        ARROW_ASSIGN_OR_RAISE(const auto contract, platform->Contract(std::string(arguments[0])));
        return HttpAnswer::Json(ToJson(contract));
      });
  add("POST", one + "/deploy",
      SwitchTo(contracts, [platform](const std::string& name, const Ref& model) {
        return platform->Deploy(name, model);
      }));
  add("POST", one + "/upgrade",
      SwitchTo(contracts, [platform](const std::string& name, const Ref& model) {
        return platform->Upgrade(name, model);
      }));
  add("POST", one + "/rollback",
      [platform, contracts](const HttpRequest&, const PathArguments& arguments) -> Answer {
        const std::string name(arguments[0]);
        ARROW_ASSIGN_OR_RAISE(const auto deployment, platform->Rollback(name));
        return Switched(contracts, deployment);
      });
  add("POST", one + "/downgrade",
      [platform, contracts](const HttpRequest& request, const PathArguments& arguments) -> Answer {
        ARROW_ASSIGN_OR_RAISE(const json::object body, request.JsonBody());
        ARROW_RETURN_NOT_OK(CheckMembers("downgrade request", body, {"release"}));
        ARROW_ASSIGN_OR_RAISE(const int64_t number, GetInt(body, "release"));
        ARROW_ASSIGN_OR_RAISE(const auto deployment,
                              platform->Downgrade(std::string(arguments[0]), number));
        return Switched(contracts, deployment);
      });
  add("PUT", one + "/policy",
      [platform, contracts](const HttpRequest& request, const PathArguments& arguments) -> Answer {
        ARROW_ASSIGN_OR_RAISE(const json::object body, request.JsonBody());
        ARROW_ASSIGN_OR_RAISE(const ServingPolicy policy, ServingPolicy::FromJson(body));
        ARROW_ASSIGN_OR_RAISE(const auto deployment,
                              platform->SetServingPolicy(std::string(arguments[0]), policy));
        return Switched(contracts, deployment);
      });
  add("PATCH", one + "/policy",
      [platform, contracts](const HttpRequest& request, const PathArguments& arguments) -> Answer {
        ARROW_ASSIGN_OR_RAISE(const json::object body, request.JsonBody());
        ARROW_ASSIGN_OR_RAISE(const auto deployment,
                              platform->ChangeServingPolicy(std::string(arguments[0]), body));
        return Switched(contracts, deployment);
      });
  add("PUT", one + "/traffic",
      [platform, contracts](const HttpRequest& request, const PathArguments& arguments) -> Answer {
        ARROW_ASSIGN_OR_RAISE(const json::object body, request.JsonBody());
        ARROW_ASSIGN_OR_RAISE(const TrafficRequest traffic, TrafficRequestFromJson(body));
        ARROW_ASSIGN_OR_RAISE(const auto deployment,
                              platform->SetTraffic(std::string(arguments[0]), traffic));
        return Switched(contracts, deployment);
      });
  add("GET", one + "/diff",
      [platform](const HttpRequest& request, const PathArguments& arguments) -> Answer {
        ARROW_ASSIGN_OR_RAISE(const auto before, QueryInt(request, "before"));
        ARROW_ASSIGN_OR_RAISE(const auto after, QueryInt(request, "after"));
        if (!before || !after) {
          return Status::Invalid("say which releases: ?before=1&after=2");
        }
        ARROW_ASSIGN_OR_RAISE(
            json::array items,
            platform->DiffReleases(std::string(arguments[0]), *before, *after));
        return HttpAnswer::Json(json::object{{"items", std::move(items)}});
      });
  add("GET", one + "/statistics",
      [platform](const HttpRequest&, const PathArguments& arguments) -> Answer {
        ARROW_ASSIGN_OR_RAISE(const auto statistics,
                              platform->GetServingStatistics(std::string(arguments[0])));
        return HttpAnswer::Json(statistics.ToJson());
      });
  add("POST", one + "/flush-log",
      [platform](const HttpRequest&, const PathArguments& arguments) -> Answer {
        ARROW_RETURN_NOT_OK(platform->prediction_logs()->Flush(std::string(arguments[0])));
        return HttpAnswer::Json(json::object());
      });
  add("POST", one + "/verify",
      [platform](const HttpRequest& request, const PathArguments& arguments) -> Answer {
        ARROW_ASSIGN_OR_RAISE(const json::object body, request.JsonBody());
        ARROW_ASSIGN_OR_RAISE(const VerifyRequest wanted, VerifyRequest::FromJson(body));
        ARROW_ASSIGN_OR_RAISE(
            const Verification report,
            platform->prediction_logs()->Verify(std::string(arguments[0]), wanted));
        return HttpAnswer::Json(report.ToJson());
      });
  add("GET", "/api/v1/releases/{id}",
      [platform](const HttpRequest&, const PathArguments& arguments) -> Answer {
        ARROW_ASSIGN_OR_RAISE(const auto release, platform->GetRelease(std::string(arguments[0])));
        return HttpAnswer::Json(release.ToJson());
      });
  return routes;
}

}  // namespace tercet
