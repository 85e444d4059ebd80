#include "base/name.h"
#include "client/json_rows.h"
#include "client/version.h"
#include "server/inference_request.h"
#include "server/rest_arguments.h"
#include "server/rest_routes.h"

namespace tercet {
namespace {

using Answer = Result<HttpAnswer>;
using Known = KnownContract<DeploymentContract>;

/// A release's number as a version of the model; a deployment serves one at a time.
Status CheckVersion(const std::string& name, const DeploymentContract& contract,
                    std::string_view version) {
  if (version.empty() || version == std::to_string(contract.release_number)) return Status::OK();
  return Status::KeyError("deployment '", name, "' serves version ", contract.release_number,
                          ", not ", version.substr(0, 40));
}

json::array TensorsOf(const arrow::Schema& schema) {
  json::array tensors;
  for (const auto& field : schema.fields()) {
    json::array shape = {-1};
    if (arrow::is_list_like(field->type()->id())) shape.push_back(-1);
    tensors.push_back({{"name", field->name()},
                       {"datatype", DatatypeOf(*field->type())},
                       {"shape", std::move(shape)}});
  }
  return tensors;
}

Answer Metadata(const std::string& name, std::string_view version, const Known& known) {
  const DeploymentContract& contract = known.contract;
  ARROW_RETURN_NOT_OK(CheckVersion(name, contract, version));
  return HttpAnswer::Json(json::object{
      {"name", name},
      {"versions", json::array{std::to_string(contract.release_number)}},
      {"platform", "tercet"},
      {"inputs", TensorsOf(*contract.entities)},
      {"outputs", TensorsOf(*contract.outputs)},
      // Features that a request may bring instead of having them looked up.
      {"optional_inputs", TensorsOf(*contract.optional)},
  });
}

/// The outputs that were asked for, as tensors, in the order of the asking.
Result<std::vector<std::pair<OutputTensor, bool>>> Outputs(const InferenceRequest& request,
                                                           const arrow::RecordBatch& batch) {
  std::vector<std::pair<OutputTensor, bool>> outputs;
  const auto add = [&](int column, bool binary) -> Status {
    ARROW_ASSIGN_OR_RAISE(OutputTensor tensor,
                          TensorOf(batch.schema()->field(column)->name(), batch.column(column)));
    outputs.emplace_back(std::move(tensor), binary);
    return Status::OK();
  };
  for (const InferenceRequest::Wish& wish : request.outputs) {
    const int column = batch.schema()->GetFieldIndex(wish.name);
    if (column < 0) {
      const std::string wished = wish.name.substr(0, 80);
      return Status::KeyError("there is no output '", wished, "'",
                              Suggest(wished, batch.schema()->field_names()));
    }
    ARROW_RETURN_NOT_OK(add(column, wish.binary));
  }
  if (request.outputs.empty()) {
    for (int column = 0; column < batch.num_columns(); ++column) {
      ARROW_RETURN_NOT_OK(add(column, request.binary_output));
    }
  }
  return outputs;
}

void AppendShape(const std::vector<int64_t>& shape, std::string* out) {
  out->push_back('[');
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) out->push_back(',');
    out->append(std::to_string(shape[i]));
  }
  out->push_back(']');
}

Answer InferAnswer(const std::string& name, const InferenceRequest& request,
                   const PredictData& data) {
  ARROW_ASSIGN_OR_RAISE(const auto outputs, Outputs(request, *data.outputs));
  HttpAnswer answer;
  std::string& out = answer.body;
  std::string binary;
  bool has_binary = false;
  out = "{\"model_name\":";
  AppendJsonText(name, &out);
  out += ",\"model_version\":\"" + std::to_string(data.release_number) + "\"";
  if (!request.id.empty()) {
    out += ",\"id\":";
    AppendJsonText(request.id, &out);
  }
  out += ",\"parameters\":{\"release_id\":";
  AppendJsonText(data.release_id, &out);
  if (!data.missing.empty()) {
    std::string missing;
    for (const std::string& text : data.missing) missing += (missing.empty() ? "" : "; ") + text;
    out += ",\"missing\":";
    AppendJsonText(missing, &out);
  }
  out += "},\"outputs\":[";
  for (size_t i = 0; i < outputs.size(); ++i) {
    const auto& [tensor, as_binary] = outputs[i];
    if (i > 0) out.push_back(',');
    out += "{\"name\":";
    AppendJsonText(tensor.name, &out);
    out += ",\"datatype\":\"";
    out += tensor.datatype;
    out += "\",\"shape\":";
    AppendShape(tensor.shape, &out);
    if (as_binary) {
      has_binary = true;
      const size_t before = binary.size();
      ARROW_RETURN_NOT_OK(AppendTensorBytes(tensor, &binary));
      out +=
          ",\"parameters\":{\"binary_data_size\":" + std::to_string(binary.size() - before) + "}}";
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

Answer Infer(Platform* platform, DeploymentContracts* contracts, const std::string& name,
             std::string_view version, const HttpRequest& http) {
  ARROW_ASSIGN_OR_RAISE(const InferenceRequest request,
                        ReadInferenceRequest(http.body, http.inference_header_length));
  const auto answer = [&](const Known& known) -> Answer {
    ARROW_RETURN_NOT_OK(CheckVersion(name, known.contract, version));
    ARROW_ASSIGN_OR_RAISE(const auto entities, EntitiesOf(request, name, *known.columns));
    ARROW_ASSIGN_OR_RAISE(const PredictData data,
                          platform->Predict(name, entities, request.event_time_us));
    return InferAnswer(name, request, data);
  };
  return WithContract(contracts, name, answer);
}

Answer Index(Platform* platform) {
  ARROW_ASSIGN_OR_RAISE(const auto deployments, platform->ListDeployments());
  json::array index;
  for (const Deployment& deployment : deployments) {
    const int64_t number = deployment.history.empty() ? 0 : deployment.history.back().number;
    index.push_back({{"name", deployment.name},
                     {"version", std::to_string(number)},
                     {"state", "READY"},
                     {"reason", ""}});
  }
  return HttpAnswer::Json(index);
}

Answer Names(Platform* platform) {
  ARROW_ASSIGN_OR_RAISE(const auto deployments, platform->ListDeployments());
  json::array names;
  for (const Deployment& deployment : deployments) names.push_back(json::string(deployment.name));
  return HttpAnswer::Json(json::object{{"models", std::move(names)}});
}

}  // namespace

std::vector<Route> InferenceProtocolRoutes(Platform* platform, DeploymentContracts* contracts,
                                           std::function<bool()> ready) {
  std::vector<Route> routes;
  const auto add = [&routes](std::string method, std::string pattern, Handler handler, auto lane) {
    routes.push_back({.method = std::move(method),
                      .pattern = std::move(pattern),
                      .handler = std::move(handler),
                      .lane = lane,
                      .errors = ErrorForm::kPlain});
  };
  const auto infer_lane = [contracts](const HttpRequest& request, const PathArguments& arguments) {
    const auto known = contracts->Find(std::string(arguments[0]));
    return known != nullptr && !known->slow && request.body.size() <= kHotBodyBytes ? Lane::kHot
                                                                                    : Lane::kSlow;
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
      [ready](const HttpRequest&, const PathArguments&) -> Answer {
        HttpAnswer answer;
        answer.body =
            ready() ? "{\"live\":true,\"ready\":true}" : "{\"live\":true,\"ready\":false}";
        answer.status = ready() ? 200 : 503;
        return answer;
      },
      AlwaysHot);
  add(
      "GET", "/v2",
      [](const HttpRequest&, const PathArguments&) -> Answer {
        return HttpAnswer::Json(json::object{{"name", "tercet"},
                                             {"version", kTercetVersion},
                                             {"extensions", json::array{"binary_tensor_data"}}});
      },
      AlwaysHot);
  add(
      "GET", "/v2/models",
      [platform](const HttpRequest&, const PathArguments&) { return Names(platform); }, nullptr);
  add(
      "POST", "/v2/repository/index",
      [platform](const HttpRequest&, const PathArguments&) { return Index(platform); }, nullptr);
  // Without and with a version: the last argument is it.
  for (const std::string& one :
       {std::string("/v2/models/{name}"), std::string("/v2/models/{name}/versions/{version}")}) {
    const auto version_of = [](const PathArguments& arguments) {
      return arguments.size() > 1 ? arguments[1] : std::string_view();
    };
    add(
        "POST", one + "/infer",
        [platform, contracts, version_of](const HttpRequest& request,
                                          const PathArguments& arguments) {
          return Infer(platform, contracts, std::string(arguments[0]), version_of(arguments),
                       request);
        },
        infer_lane);
    add(
        "GET", one,
        [contracts, version_of](const HttpRequest&, const PathArguments& arguments) -> Answer {
          const std::string name(arguments[0]);
          ARROW_ASSIGN_OR_RAISE(const auto known, contracts->Refresh(name));
          return Metadata(name, version_of(arguments), *known);
        },
        nullptr);
    add(
        "GET", one + "/ready",
        [contracts, version_of](const HttpRequest&, const PathArguments& arguments) -> Answer {
          const std::string name(arguments[0]);
          ARROW_ASSIGN_OR_RAISE(const auto known, contracts->Refresh(name));
          ARROW_RETURN_NOT_OK(CheckVersion(name, known->contract, version_of(arguments)));
          return HttpAnswer::Json(json::object{{"name", name}, {"ready", true}});
        },
        nullptr);
  }
  return routes;
}

}  // namespace tercet
