#include <algorithm>
#include <array>

#include "base/json_memory.h"
#include "base/short_text.h"
#include "client/json_rows.h"
#include "server/rest_arguments.h"
#include "server/rest_routes.h"
#include "server/scoring_answer.h"
#include "server/scoring_request.h"

namespace tercet {
namespace {

using Answer = Result<HttpAnswer>;
using Known = KnownContract<DeploymentContract>;

constexpr std::string_view kPredict = ":predict";

/// Rows that `read` makes of the request, predicted.
template <typename ReadRows>
Answer Score(Platform* platform, OpenInference* inference, const std::string& name,
             const HttpRequest& request, const ReadRows& read) {
  ARROW_ASSIGN_OR_RAISE(const auto event_time_us, QueryTime(request, "event_time"));
  return WithContract(inference->contracts(), name, [&](const Known& known) -> Answer {
    const auto read_rows = read("deployment '" + name + "'", known);
    // A column that is not known is a wrong request to these servers' clients, not a missing thing.
    if (read_rows.status().IsKeyError()) return Status::Invalid(read_rows.status().message());
    ARROW_ASSIGN_OR_RAISE(const auto rows, read_rows);
    ARROW_ASSIGN_OR_RAISE(const auto data,
                          platform->Predict(name, rows, {event_time_us, RequestId(request)}));
    return ScoringAnswer(data, request.accept);
  });
}

/// "delay:predict" → "delay".
Result<std::string> ModelOfPredict(std::string_view segment) {
  if (!segment.ends_with(kPredict)) {
    return Status::KeyError("POST takes /v1/models/NAME:predict, not '", ShortText(segment),
                            "'");
  }
  return std::string(segment.substr(0, segment.size() - kPredict.size()));
}

Answer KservePredict(Platform* platform, OpenInference* inference, const HttpRequest& request,
                     std::string_view segment) {
  ARROW_ASSIGN_OR_RAISE(const std::string name, ModelOfPredict(segment));
  JsonMemory memory;
  ARROW_ASSIGN_OR_RAISE(const json::object body, request.JsonBody(&memory));
  // What else a body has is for other servers. "inputs" are read as in /invocations.
  const std::string_view form = body.contains("instances") ? "instances" : "inputs";
  const json::value* rows = body.if_contains(form);
  if (rows == nullptr) return Status::Invalid("member 'instances' is missing");
  if (rows->is_array() && TakesPredictions(request.accept)) {
    ARROW_ASSIGN_OR_RAISE(const auto event_time_us, QueryTime(request, "event_time"));
    // Kept for the choice of the next request's lane.
    ARROW_RETURN_NOT_OK(inference->contracts()->Get(name));
    ARROW_ASSIGN_OR_RAISE(
        const RowAnswer answer,
        AnswerRows(platform, name, event_time_us, RequestId(request),
                   [&](const arrow::Schema& needed, size_t most, auto* cells, auto* numbers) {
                     return CellsFromJson(*rows, needed, most, cells, numbers);
                   }));
    if (answer) return ScoringAnswer(answer);
  }
  return Score(platform, inference, name, request,
               [&](const std::string& noun, const Known& known) {
                 return RowsOfInvocation(noun, json::object{{form, *rows}},
                                         *known.contract.entities, *known.columns);
               });
}

/// The one that `?deployment=` names, else the only one.
Result<std::string> InvokedDeployment(OpenInference* inference, const HttpRequest& request) {
  if (const std::string* name = request.Query("deployment")) return *name;
  ARROW_ASSIGN_OR_RAISE(const auto index, inference->Index(true));
  if (index.size() == 1) return index[0].name;
  std::string names;
  for (const auto& entry : index) names += (names.empty() ? "" : ", ") + entry.name;
  if (index.empty()) return Status::KeyError("the project has no deployment to invoke");
  return Status::Invalid("which deployment? Say /invocations?deployment=NAME, one of ", names);
}

/// Whether a body of this media type is read as JSON. Programs that do not say what they send
/// are given the types behind the first ones by their libraries.
bool IsJson(std::string_view type) {
  constexpr std::array<std::string_view, 6> kNames = {
      "", "application/json", "text/json", "text/plain", "application/x-www-form-urlencoded",
      "application/octet-stream"};
  return type.ends_with("+json") || std::find(kNames.begin(), kNames.end(), type) != kNames.end();
}

Answer Invoke(Platform* platform, OpenInference* inference, const HttpRequest& request) {
  const bool csv = request.content_type == "text/csv", lines = IsJsonLines(request.content_type);
  const bool npy = request.content_type == kNpy;
  if (!csv && !lines && !npy && !IsJson(request.content_type)) {
    HttpAnswer refused = ErrorAnswer(
        Status::NotImplemented("rows are read as application/json, application/jsonlines, "
                               "text/csv or application/x-npy, not as '",
                               ShortText(request.content_type), "'"),
        ErrorForm::kPlain);
    refused.status = 415;
    return refused;
  }
  ARROW_ASSIGN_OR_RAISE(const std::string name, InvokedDeployment(inference, request));
  return Score(platform, inference, name, request,
               [&](const std::string& noun, const Known& known) {
                 const arrow::Schema& needed = *known.contract.entities;
                 if (csv) {
                   return RowsOfCsv(noun, request.body, needed, *known.columns);
                 }
                 if (npy) return RowsOfNpy(noun, request.body, needed, *known.columns);
                 if (lines) {
                   return RowsOfJsonLines(noun, request.body, needed, *known.columns);
                 }
                 return RowsOfInvocation(noun, request.body, needed, *known.columns);
               });
}

}  // namespace

std::vector<Route> ScoringRoutes(Platform* platform, OpenInference* inference) {
  const auto route_by = [](std::string method, std::string pattern, Handler handler, auto lane) {
    return Route{.method = std::move(method),
                 .pattern = std::move(pattern),
                 .handler = std::move(handler),
                 .lane = std::move(lane),
                 .errors = ErrorForm::kPlain};
  };
  const auto route = [route_by](std::string method, std::string pattern, Handler handler,
                                Lane lane) {
    return route_by(std::move(method), std::move(pattern), std::move(handler),
                    [lane](const HttpRequest&, const PathArguments&) { return lane; });
  };
  const Handler ping = [inference](const HttpRequest&, const PathArguments&) -> Answer {
    HttpAnswer answer = HttpAnswer::Json(json::object());
    answer.status = inference->ServerReady() ? 200 : 503;
    return answer;
  };
  return {
      // Whether a server of KServe's first protocol lives.
      route(
          "GET", "/",
          [](const HttpRequest&, const PathArguments&) -> Answer {
            return HttpAnswer::Json(json::object{{"status", "alive"}});
          },
          Lane::kHot),
      route(
          "GET", "/v1/models",
          [inference](const HttpRequest&, const PathArguments&) -> Answer {
            ARROW_ASSIGN_OR_RAISE(const auto index, inference->Index(true));
            json::array names;
            for (const auto& entry : index) names.push_back(json::string(entry.name));
            return HttpAnswer::Json(json::object{{"models", std::move(names)}});
          },
          Lane::kSlow),
      route(
          "GET", "/v1/models/{name}",
          [inference](const HttpRequest&, const PathArguments& arguments) -> Answer {
            const std::string name(arguments[0]);
            ARROW_RETURN_NOT_OK(inference->Model(name, ""));
            return HttpAnswer::Json(json::object{{"name", name}, {"ready", true}});
          },
          Lane::kSlow),
      route_by(
          "POST", "/v1/models/{name}",
          [platform, inference](const HttpRequest& request, const PathArguments& arguments) {
            return KservePredict(platform, inference, request, arguments[0]);
          },
          [lane = PredictionLane(inference->contracts())](const HttpRequest& request,
                                                          const PathArguments& arguments) {
            std::string_view name = arguments[0];
            if (name.ends_with(kPredict)) name.remove_suffix(kPredict.size());
            return lane(request, {name});
          }),
      route("GET", "/ping", ping, Lane::kHot),
      route("GET", "/health", ping, Lane::kHot),
      route(
          "POST", "/invocations",
          [platform, inference](const HttpRequest& request, const PathArguments&) {
            return Invoke(platform, inference, request);
          },
          Lane::kPrediction),
  };
}

}  // namespace tercet
