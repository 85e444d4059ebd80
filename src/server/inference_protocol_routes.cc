#include "base/name.h"
#include "client/json_rows.h"
#include "client/version.h"
#include "server/deployment_schema.h"
#include "server/inference_request.h"
#include "server/model_statistics.h"
#include "server/open_inference.h"
#include "server/rest_arguments.h"
#include "server/rest_routes.h"

namespace tercet {
namespace {

using Answer = Result<HttpAnswer>;

json::array TensorsJson(const arrow::Schema& schema) {
  json::array tensors;
  for (const TensorDescription& tensor : DescribeTensors(schema)) {
    json::array shape;
    for (const int64_t size : tensor.shape) shape.push_back(size);
    tensors.push_back({{"name", tensor.name},
                       {"datatype", tensor.datatype},
                       {"shape", std::move(shape)}});
  }
  return tensors;
}

json::object Metadata(const std::string& name, const DeploymentContract& contract) {
  return {
      {"name", name},
      {"versions", json::array{std::to_string(contract.release_number)}},
      {"platform", "tercet"},
      {"inputs", TensorsJson(*contract.entities)},
      {"outputs", TensorsJson(*contract.outputs)},
      // Features that a request may bring instead of having them looked up.
      {"optional_inputs", TensorsJson(*contract.optional)},
  };
}

Answer InferAnswer(const std::string& name, const InferenceRequest& request,
                   const OpenInference::Answer& inferred) {
  const auto& outputs = inferred.outputs;
  HttpAnswer answer;
  std::string& out = answer.body;
  std::string binary;
  bool has_binary = false;
  out = "{\"model_name\":";
  AppendJsonText(name, &out);
  out += ",\"model_version\":\"" + std::to_string(inferred.release_number) + "\"";
  if (!request.id.empty()) {
    out += ",\"id\":";
    AppendJsonText(request.id, &out);
  }
  out += ",\"parameters\":{\"release_id\":";
  AppendJsonText(inferred.release_id, &out);
  if (!inferred.missing.empty()) {
    std::string missing;
    for (const std::string& text : inferred.missing) {
      missing += (missing.empty() ? "" : "; ") + text;
    }
    out += ",\"missing\":";
    AppendJsonText(missing, &out);
  }
  out += "},\"outputs\":[";
  for (size_t i = 0; i < outputs.size(); ++i) {
    const auto& [tensor, as_binary] = outputs[i];
    if (i > 0) out.push_back(',');
    AppendTensorHead(tensor.name, tensor.datatype, tensor.shape, &out);
    if (as_binary) {
      has_binary = true;
      const size_t before = binary.size();
      ARROW_RETURN_NOT_OK(AppendTensorBytes(tensor, &binary));
      AppendBinarySize(binary.size() - before, &out);
      out.push_back('}');
    } else {
      out += ",\"data\":";
      AppendTensorJson(tensor, &out);
      out.push_back('}');
    }
  }
  out += "]}";
  if (has_binary) {
    answer.content_type = "application/octet-stream";
    answer.headers.emplace_back("Inference-Header-Content-Length", std::to_string(out.size()));
    out += binary;
  }
  return answer;
}

Answer Infer(OpenInference* inference, const std::string& name, std::string_view version,
             const HttpRequest& http) {
  const auto read = [&]() -> Result<InferenceRequest> {
    if (http.inference_header_length != "0") {
      return ReadInferenceRequest(http.body, http.inference_header_length);
    }
    ARROW_ASSIGN_OR_RAISE(const auto known, inference->contracts()->Get(name));
    return ReadRawRequest(http.body, *known->contract.entities);
  };
  ARROW_ASSIGN_OR_RAISE(const InferenceRequest request, read());
  const std::string& id = request.id.empty() ? http.request_id : request.id;
  ARROW_ASSIGN_OR_RAISE(const auto answer, inference->Infer(name, version, request, id));
  return InferAnswer(name, request, answer);
}

Answer Index(OpenInference* inference, const HttpRequest& request) {
  ARROW_ASSIGN_OR_RAISE(const json::object body, request.JsonBody());
  ARROW_ASSIGN_OR_RAISE(const auto ready, FindBool(body, "ready"));
  ARROW_ASSIGN_OR_RAISE(const auto index, inference->Index(ready.value_or(false)));
  json::array models;
  for (const auto& entry : index) {
    models.push_back({{"name", entry.name},
                      {"version", entry.version},
                      {"state", entry.state},
                      {"reason", entry.reason}});
  }
  return HttpAnswer::Json(models);
}

Answer Names(OpenInference* inference) {
  ARROW_ASSIGN_OR_RAISE(const auto index, inference->Index(true));
  json::array names;
  for (const auto& entry : index) names.push_back(json::string(entry.name));
  return HttpAnswer::Json(json::object{{"models", std::move(names)}});
}

/// A version in a path must be a deployment's release that was asked, or its present one.
Answer Statistics(OpenInference* inference, const std::string& name, std::string_view version) {
  ARROW_ASSIGN_OR_RAISE(auto statistics, inference->Statistics(name));
  if (!version.empty()) {
    auto& releases = statistics[0].second.releases;
    std::erase_if(releases, [&](const ReleaseStatistics& release) {
      return std::to_string(release.number) != version;
    });
    if (releases.empty()) ARROW_RETURN_NOT_OK(inference->Model(name, version));
  }
  return HttpAnswer::Json(ModelStatisticsJson(statistics));
}

}  // namespace

std::vector<Route> InferenceProtocolRoutes(OpenInference* inference) {
  std::vector<Route> routes;
  const auto add = [&routes](std::string method, std::string pattern, Handler handler, auto lane) {
    routes.push_back({.method = std::move(method),
                      .pattern = std::move(pattern),
                      .handler = std::move(handler),
                      .lane = lane,
                      .errors = ErrorForm::kPlain});
  };
  const auto no_version = [](const PathArguments& arguments) {
    return arguments.size() > 1 ? arguments[1] : std::string_view();
  };
  const auto of_model = [inference, no_version](const auto& answer) -> Handler {
    return [inference, no_version, answer](const HttpRequest&,
                                           const PathArguments& arguments) -> Answer {
      const std::string name(arguments[0]);
      ARROW_ASSIGN_OR_RAISE(const auto known, inference->Model(name, no_version(arguments)));
      return HttpAnswer::Json(answer(name, known->contract));
    };
  };
  add(
      "GET", "/v2/health/live",
      [](const HttpRequest&, const PathArguments&) -> Answer {
        HttpAnswer answer;
        answer.body = "{\"live\":true}";
        return answer;
      },
      AlwaysHot);
  add(
      "GET", "/v2/health/ready",
      [inference](const HttpRequest&, const PathArguments&) -> Answer {
        HttpAnswer answer;
        const bool ready = inference->ServerReady();
        answer.body = ready ? "{\"live\":true,\"ready\":true}" : "{\"live\":true,\"ready\":false}";
        answer.status = ready ? 200 : 503;
        return answer;
      },
      AlwaysHot);
  add(
      "GET", "/v2",
      [](const HttpRequest&, const PathArguments&) -> Answer {
        return HttpAnswer::Json(json::object{
            {"name", "tercet"},
            {"version", kTercetVersion},
            {"extensions", ToJsonArray(OpenInference::Extensions())}});
      },
      AlwaysHot);
  add(
      "GET", "/v2/models",
      [inference](const HttpRequest&, const PathArguments&) { return Names(inference); }, nullptr);
  add(
      "GET", "/v2/models/stats",
      [inference](const HttpRequest&, const PathArguments&) {
        return Statistics(inference, "", "");
      },
      nullptr);
  add(
      "POST", "/v2/repository/index",
      [inference](const HttpRequest& request, const PathArguments&) {
        return Index(inference, request);
      },
      nullptr);
  for (const bool load : {true, false}) {
    add(
        "POST", std::string("/v2/repository/models/{name}/") + (load ? "load" : "unload"),
        [inference, load](const HttpRequest& request, const PathArguments& arguments) -> Answer {
          const std::string name(arguments[0]);
          ARROW_ASSIGN_OR_RAISE(const json::object body, request.JsonBody());
          ARROW_ASSIGN_OR_RAISE(const json::object parameters, FindObject(body, "parameters"));
          std::vector<std::string> names;
          for (const auto& parameter : parameters) names.emplace_back(parameter.key());
          ARROW_RETURN_NOT_OK(load ? inference->Load(name, names) : inference->Unload(name));
          return HttpAnswer::Json(json::object());
        },
        nullptr);
  }
  // Without and with a version: the last argument is it.
  for (const std::string& one :
       {std::string("/v2/models/{name}"), std::string("/v2/models/{name}/versions/{version}")}) {
    add(
        "POST", one + "/infer",
        [inference, no_version](const HttpRequest& request, const PathArguments& arguments) {
          return Infer(inference, std::string(arguments[0]), no_version(arguments), request);
        },
        PredictionLane(inference->contracts()));
    add("GET", one, of_model(Metadata), nullptr);
    add("GET", one + "/config", of_model(ModelConfigJson), nullptr);
    add("GET", one + "/ready", of_model([](const std::string& name, const DeploymentContract&) {
          return json::object{{"name", name}, {"ready", true}};
        }),
        nullptr);
    add(
        "GET", one + "/stats",
        [inference, no_version](const HttpRequest&, const PathArguments& arguments) {
          return Statistics(inference, std::string(arguments[0]), no_version(arguments));
        },
        nullptr);
    add("GET", one + "/openapi.json", of_model(DeploymentOpenApi), nullptr);
    add("GET", one + "/schema.json", of_model(DeploymentRequestSchema), nullptr);
  }
  return routes;
}

}  // namespace tercet
