#include <arrow/util/base64.h>

#include "base/name.h"
#include "base/short_text.h"
#include "catalog/definition_json.h"
#include "client/wire.h"
#include "server/rest_arguments.h"
#include "server/rest_routes.h"

namespace tercet {
namespace {

using Answer = Result<HttpAnswer>;

/// {"definition": {…}, "files": {"model.onnx": base64}}; larger models come over Flight.
Answer Register(Platform* platform, const HttpRequest& request) {
  ARROW_ASSIGN_OR_RAISE(const json::object body, request.JsonBody());
  ARROW_RETURN_NOT_OK(CheckMembers("model registration", body, {"definition", "files"}));
  ARROW_ASSIGN_OR_RAISE(const json::object definition_json, FindObject(body, "definition"));
  ARROW_ASSIGN_OR_RAISE(const auto definition, ModelDefinition::FromJson(definition_json));
  ARROW_ASSIGN_OR_RAISE(const auto encoded, FindStringMap(body, "files"));
  ModelFiles files;
  for (const auto& [path, base64] : encoded) {
    Result<std::string> bytes = arrow::util::base64_decode(base64);
    if (!bytes.ok()) {
      return Status::Invalid("model file '", ShortText(path),
                             "' must be base64: ", bytes.status().message());
    }
    files[path] = *std::move(bytes);
  }
  ARROW_ASSIGN_OR_RAISE(const auto model, platform->RegisterModel(definition, files));
  return HttpAnswer::Json(model.ToJson());
}

Answer File(Platform* platform, const Ref& ref, std::string_view path) {
  ARROW_ASSIGN_OR_RAISE(ModelFiles files, platform->ReadModelFiles(ref));
  const auto found = files.find(std::string(path));
  if (found == files.end()) {
    std::vector<std::string> names;
    for (const auto& [name, bytes] : files) names.push_back(name);
    return Status::KeyError("model '", ref.ToText(), "' has no file '", ShortText(path), "'",
                            Suggest(path, names));
  }
  HttpAnswer answer;
  answer.content_type = "application/octet-stream";
  answer.body = std::move(found->second);
  return answer;
}

template <typename Use>
Handler OfModel(const Use& use) {
  return [use](const HttpRequest&, const PathArguments& arguments) -> Answer {
    ARROW_ASSIGN_OR_RAISE(const Ref ref, ReadRef(arguments[0], arguments[1]));
    return use(ref, arguments);
  };
}

}  // namespace

std::vector<Route> ModelRoutes(Platform* platform) {
  const std::string all = "/api/v1/models";
  const std::string one = all + "/{name}/{version}";
  return {
      {.method = "GET",
       .pattern = all,
       .handler = [platform](const HttpRequest&, const PathArguments&) -> Answer {
         ARROW_ASSIGN_OR_RAISE(const auto models, platform->ListModels());
         return HttpAnswer::Json(ItemsToJson(models));
       },
       .lane = nullptr},
      {.method = "POST",
       .pattern = all,
       .handler = [platform](const HttpRequest& request,
                             const PathArguments&) { return Register(platform, request); },
       .lane = nullptr},
      {.method = "GET",
       .pattern = one,
       .handler = OfModel([platform](const Ref& ref, const PathArguments&) -> Answer {
         ARROW_ASSIGN_OR_RAISE(const auto model, platform->GetModel(ref));
         return HttpAnswer::Json(model.ToJson());
       }),
       .lane = nullptr},
      {.method = "DELETE",
       .pattern = one,
       .handler = OfModel([platform](const Ref& ref, const PathArguments&) -> Answer {
         ARROW_RETURN_NOT_OK(platform->DropModel(ref));
         return HttpAnswer::Json(json::object());
       }),
       .lane = nullptr},
      {.method = "GET",
       .pattern = one + "/preflight",
       .handler = OfModel([platform](const Ref& ref, const PathArguments&) -> Answer {
         ARROW_ASSIGN_OR_RAISE(const auto checks, platform->Preflight(ref));
         return HttpAnswer::Json(ItemsToJson(checks));
       }),
       .lane = nullptr},
      {.method = "GET",
       .pattern = one + "/files/{path}",
       .handler = OfModel([platform](const Ref& ref, const PathArguments& arguments) {
         return File(platform, ref, arguments[2]);
       }),
       .lane = nullptr},
  };
}

}  // namespace tercet
