#include "base/time_text.h"
#include "catalog/definition_json.h"
#include "client/json_rows.h"
#include "client/wire.h"
#include "client/wire_frames.h"
#include "server/rest_arguments.h"
#include "server/rest_routes.h"
#include "server/vector_json.h"
#include "server/vector_tensors.h"

namespace tercet {
namespace {

using Answer = Result<HttpAnswer>;

/// Answers one entity that names just what the view asks for; nullopt when the request, the view or
/// the store is not that plain.
Result<std::optional<HttpAnswer>> PlainVector(Platform* platform, const Ref& view,
                                              const json::value& entity,
                                              const VectorRequest& request) {
  if (!entity.is_object() || request.training_dataset_version) return std::nullopt;
  ARROW_ASSIGN_OR_RAISE(const auto reader, platform->Reader(view));
  if (reader == nullptr) return std::nullopt;
  thread_local std::vector<Cell> cells;
  thread_local std::vector<uint64_t> numbers;
  thread_local VectorCells vector;
  if (!CellsFromJson(entity, *reader->entities(), 1, &cells, &numbers)) return std::nullopt;
  ARROW_ASSIGN_OR_RAISE(const bool read, reader->Read(cells, request.event_time_us, &vector));
  if (!read) return std::nullopt;
  HttpAnswer answer;
  answer.body.reserve(static_cast<size_t>(reader->features()->num_fields()) * 32);
  AppendVector(*reader, vector, &answer.body);
  return answer;
}

HttpAnswer VectorAnswerOf(const VectorData& data, bool single) {
  HttpAnswer answer;
  if (single) {
    AppendVector(data, 0, &answer.body);
    return answer;
  }
  answer.body = "{\"vectors\":[";
  for (int64_t row = 0; row < data.features->num_rows(); ++row) {
    if (row > 0) answer.body.push_back(',');
    AppendVector(data, row, &answer.body);
  }
  answer.body += "]}";
  return answer;
}

/// The body is Arrow, the rest stands in the query.
Answer ArrowVectors(Platform* platform, const Ref& view, const HttpRequest& request) {
  VectorRequest vectors;
  ARROW_ASSIGN_OR_RAISE(const auto batches, BatchesFromBytes(request.body, 1));
  vectors.entities = batches[0];
  ARROW_ASSIGN_OR_RAISE(vectors.event_time_us, QueryTime(request, "event_time"));
  ARROW_ASSIGN_OR_RAISE(vectors.training_dataset_version,
                        QueryInt(request, "training_dataset_version"));
  ARROW_ASSIGN_OR_RAISE(const VectorData data, platform->Vectors(view, vectors));
  HttpAnswer answer;
  answer.content_type = kArrowStream;
  ARROW_ASSIGN_OR_RAISE(answer.body, ToBytes(data));
  return answer;
}

Answer Vectors(Platform* platform, VectorContracts* contracts, const Ref& view,
               const HttpRequest& request) {
  if (request.content_type == kArrowStream) return ArrowVectors(platform, view, request);
  if (!request.inference_header_length.empty()) {
    return TensorVectors(platform, contracts, view, request);
  }
  JsonMemory memory;
  ARROW_ASSIGN_OR_RAISE(const json::object body, request.JsonBody(&memory));
  ARROW_RETURN_NOT_OK(CheckMembers("vectors request", body,
                                   {"entities", "event_time", "training_dataset_version"}));
  const json::value* entities = body.if_contains("entities");
  if (entities == nullptr) return Status::Invalid("member 'entities' is missing");
  VectorRequest vectors;
  ARROW_ASSIGN_OR_RAISE(vectors.event_time_us, FindTime(body, "event_time"));
  ARROW_ASSIGN_OR_RAISE(vectors.training_dataset_version,
                        FindInt(body, "training_dataset_version"));
  ARROW_ASSIGN_OR_RAISE(auto plain, PlainVector(platform, view, *entities, vectors));
  if (plain) return *std::move(plain);
  const auto answer = [&](const KnownContract<VectorContract>& known) -> Answer {
    ARROW_ASSIGN_OR_RAISE(vectors.entities, RowsFromJson("feature view '" + view.ToText() + "'",
                                                         *entities, *known.columns));
    ARROW_ASSIGN_OR_RAISE(const VectorData data, platform->Vectors(view, vectors));
    return VectorAnswerOf(data, entities->is_object());
  };
  return WithContract(contracts, view.ToText(), answer);
}

template <typename Use>
Handler OfView(const Use& use) {
  return [use](const HttpRequest& request, const PathArguments& arguments) -> Answer {
    ARROW_ASSIGN_OR_RAISE(const Ref ref, ReadRef(arguments[0], arguments[1]));
    return use(ref, request);
  };
}

}  // namespace

std::vector<Route> FeatureViewRoutes(Platform* platform, VectorContracts* contracts) {
  const std::string all = "/api/v1/feature-views";
  const std::string one = all + "/{name}/{version}";
  std::vector<Route> routes;
  // First, since routes are tried in order.
  routes.push_back(
      {.method = "POST",
       .pattern = one + "/vectors",
       .handler = OfView([platform, contracts](const Ref& ref, const HttpRequest& request) {
         return Vectors(platform, contracts, ref, request);
       }),
       .lane = [contracts](const HttpRequest& request, const PathArguments& arguments) {
         if (request.body.size() > kHotBodyBytes) return Lane::kSlow;
         thread_local std::string view;
         view.assign(arguments[0]).append("@").append(arguments[1]);
         VectorContracts::Known known = contracts->Find(view);
         // Once a view: whether its vectors have to be waited for never changes.
         if (known == nullptr) known = contracts->Get(view).ValueOr(nullptr);
         return known != nullptr && !known->slow ? Lane::kHot : Lane::kPrediction;
       }});
  const auto add = AddTo(&routes);
  add("GET", all, [platform](const HttpRequest&, const PathArguments&) -> Answer {
    ARROW_ASSIGN_OR_RAISE(const auto views, platform->ListFeatureViews());
    return HttpAnswer::Json(ItemsToJson(views));
  });
  add("POST", all, [platform](const HttpRequest& request, const PathArguments&) -> Answer {
    ARROW_ASSIGN_OR_RAISE(const json::object body, request.JsonBody());
    ARROW_ASSIGN_OR_RAISE(const auto definition, FeatureViewDefinition::FromJson(body));
    ARROW_ASSIGN_OR_RAISE(const auto stored, platform->DefineFeatureView(definition));
    return HttpAnswer::Json(stored.ToJson());
  });
  add("GET", one, OfView([platform](const Ref& ref, const HttpRequest&) -> Answer {
        ARROW_ASSIGN_OR_RAISE(const auto view, platform->GetFeatureView(ref));
        return HttpAnswer::Json(view.ToJson());
      }));
  add("DELETE", one, OfView([platform](const Ref& ref, const HttpRequest&) -> Answer {
        ARROW_RETURN_NOT_OK(platform->DropFeatureView(ref));
        return HttpAnswer::Json(json::object());
      }));
  add("GET", one + "/contract", OfView([platform](const Ref& ref, const HttpRequest&) -> Answer {
        ARROW_ASSIGN_OR_RAISE(const auto contract, platform->ContractOfView(ref));
        return HttpAnswer::Json(ToJson(contract));
      }));
  return routes;
}

}  // namespace tercet
