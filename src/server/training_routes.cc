#include "catalog/definition_json.h"
#include "client/wire.h"
#include "server/rest_arguments.h"
#include "server/rest_routes.h"

namespace tercet {
namespace {

using Answer = Result<HttpAnswer>;

/// A handler of one dataset: …/{view}/{view_version}/{version}.
template <typename Use>
Handler OfDataset(const Use& use) {
  return [use](const HttpRequest&, const PathArguments& arguments) -> Answer {
    ARROW_ASSIGN_OR_RAISE(const Ref view, ReadRef(arguments[0], arguments[1]));
    ARROW_ASSIGN_OR_RAISE(const int64_t version, ReadVersion(arguments[2]));
    return use(view, version);
  };
}

Answer List(Platform* platform, const HttpRequest& request) {
  std::optional<Ref> view;
  if (const std::string* text = request.Query("view")) {
    ARROW_ASSIGN_OR_RAISE(view, Ref::Parse(*text));
  }
  ARROW_ASSIGN_OR_RAISE(const auto datasets, platform->ListTrainingDatasets(view));
  return HttpAnswer::Json(ItemsToJson(datasets));
}

Answer Create(Platform* platform, const HttpRequest& request) {
  ARROW_ASSIGN_OR_RAISE(json::object body, request.JsonBody());
  ARROW_ASSIGN_OR_RAISE(const std::string view_text, GetString(body, "view"));
  ARROW_ASSIGN_OR_RAISE(const Ref view, Ref::Parse(view_text));
  body.erase("view");
  ARROW_ASSIGN_OR_RAISE(const TrainingDataRequest training, TrainingDataRequestFromJson(body));
  ARROW_ASSIGN_OR_RAISE(const auto dataset, platform->CreateTrainingDataset(view, training, {}));
  return HttpAnswer::Json(dataset.definition.ToJson());
}

}  // namespace

std::vector<Route> TrainingRoutes(Platform* platform) {
  const std::string all = "/api/v1/training-datasets";
  const std::string one = all + "/{view}/{view_version}/{version}";
  return {
      {.method = "GET",
       .pattern = all,
       .handler = [platform](const HttpRequest& request,
                             const PathArguments&) { return List(platform, request); },
       .lane = nullptr},
      {.method = "POST",
       .pattern = all,
       .handler = [platform](const HttpRequest& request,
                             const PathArguments&) { return Create(platform, request); },
       .lane = nullptr},
      {.method = "GET",
       .pattern = one,
       .handler = OfDataset([platform](const Ref& view, int64_t version) -> Answer {
         ARROW_ASSIGN_OR_RAISE(const auto dataset, platform->GetTrainingDataset(view, version));
         return HttpAnswer::Json(dataset.ToJson());
       }),
       .lane = nullptr},
      {.method = "DELETE",
       .pattern = one,
       .handler = OfDataset([platform](const Ref& view, int64_t version) -> Answer {
         ARROW_RETURN_NOT_OK(platform->DropTrainingDataset(view, version));
         return HttpAnswer::Json(json::object());
       }),
       .lane = nullptr},
      {.method = "POST",
       .pattern = one + "/rebuild",
       .handler = OfDataset([platform](const Ref& view, int64_t version) -> Answer {
         ARROW_ASSIGN_OR_RAISE(const auto dataset,
                               platform->RebuildTrainingDataset(view, version, {}));
         return HttpAnswer::Json(dataset.definition.ToJson());
       }),
       .lane = nullptr},
  };
}

}  // namespace tercet
