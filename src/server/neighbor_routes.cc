#include "server/neighbor_routes.h"

#include <arrow/array/array_primitive.h>
#include <fmt/format.h>

#include "base/rows_to_json.h"
#include "base/short_text.h"
#include "catalog/definition_json.h"
#include "client/json_rows.h"
#include "client/wire.h"
#include "client/wire_frames.h"
#include "platform/neighbors.h"
#include "server/rest_arguments.h"
#include "server/rest_routes.h"
#include "server/vector_json.h"

namespace tercet {
namespace {

using Answer = Result<HttpAnswer>;

/// {"commit": 3, "neighbors": [[{…}, …], …]}: a list for each vector. `append`: writes a row.
template <typename Append>
Answer JsonAnswer(int64_t commit, const arrow::Array& queries, size_t vectors, Append append) {
  const auto& query_of = static_cast<const arrow::Int64Array&>(queries);
  HttpAnswer answer;
  answer.body = fmt::format("{{\"commit\":{},\"neighbors\":[", commit);
  int64_t row = 0;
  for (size_t vector = 0; vector < vectors; ++vector) {
    answer.body += vector == 0 ? "[" : ",[";
    for (bool first = true;
         row < query_of.length() && query_of.Value(row) == static_cast<int64_t>(vector);
         ++row, first = false) {
      if (!first) answer.body += ',';
      append(row, &answer.body);
    }
    answer.body += ']';
  }
  answer.body += "]}";
  return answer;
}

/// {"_distance": 0.1, column: value, …} a row.
Answer JsonAnswer(const NeighborsAnswer& found, size_t vectors) {
  const auto queries = found.rows->GetColumnByName(std::string(kQueryColumn));
  ARROW_ASSIGN_OR_RAISE(
      const auto rows,
      found.rows->RemoveColumn(found.rows->schema()->GetFieldIndex(std::string(kQueryColumn))));
  return JsonAnswer(found.commit, *queries, vectors, [&](int64_t row, std::string* out) {
    AppendJsonRow(*rows, row, out);
  });
}

/// {"_distance": 0.1, "entity": {…}, "vector": {"features": {…}, …}} a row.
Answer JsonAnswer(const VectorNeighborsAnswer& found, size_t vectors) {
  const auto distances = found.near->GetColumnByName(std::string(kDistanceColumn));
  return JsonAnswer(found.commit, *found.near->GetColumnByName(std::string(kQueryColumn)), vectors,
                    [&](int64_t row, std::string* out) {
                      *out += "{\"_distance\":";
                      AppendJsonCell(*distances, row, out);
                      *out += ",\"entity\":";
                      AppendJsonRow(*found.entities, row, out);
                      *out += ",\"vector\":";
                      AppendVector(found.vectors, row, out);
                      *out += '}';
                    });
}

/// As the query's "format" says.
template <typename Found>
Answer AnswerOf(const HttpRequest& request, const Found& found, size_t vectors) {
  const std::string* format = request.Query("format");
  if (format == nullptr || *format == "json") return JsonAnswer(found, vectors);
  HttpAnswer answer;
  answer.content_type = kArrowStream;
  ARROW_ASSIGN_OR_RAISE(answer.body, ToBytes(found));
  return answer;
}

Status CheckFormat(const HttpRequest& request) {
  const std::string* format = request.Query("format");
  if (format == nullptr || *format == "arrow" || *format == "json") return Status::OK();
  return Status::Invalid("format '", ShortText(*format), "' is neither 'json' nor 'arrow'");
}

Answer FindNeighbors(Platform* platform, const HttpRequest& request,
                     const PathArguments& arguments) {
  ARROW_ASSIGN_OR_RAISE(const Ref group, ReadRef(arguments[0], arguments[1]));
  ARROW_ASSIGN_OR_RAISE(const json::object body, request.JsonBody());
  ARROW_ASSIGN_OR_RAISE(const NeighborsRequest wanted, NeighborsRequest::FromJson(body));
  ARROW_RETURN_NOT_OK(CheckFormat(request));
  ARROW_ASSIGN_OR_RAISE(const NeighborsAnswer found, platform->neighbors()->Find(group, wanted));
  return AnswerOf(request, found, wanted.vectors.size());
}

Answer FindVectorNeighbors(Platform* platform, VectorContracts* contracts,
                           const HttpRequest& request, const PathArguments& arguments) {
  ARROW_ASSIGN_OR_RAISE(const Ref view, ReadRef(arguments[0], arguments[1]));
  ARROW_ASSIGN_OR_RAISE(json::object body, request.JsonBody());
  VectorNeighborsRequest wanted;
  ARROW_ASSIGN_OR_RAISE(wanted.training_dataset_version,
                        FindInt(body, "training_dataset_version"));
  std::optional<json::value> entities;
  if (const json::value* given = body.if_contains("entities")) entities = *given;
  body.erase("training_dataset_version");
  body.erase("entities");
  ARROW_ASSIGN_OR_RAISE(wanted.search, NeighborsRequest::FromJson(body));
  ARROW_RETURN_NOT_OK(CheckFormat(request));
  return WithContract(
      contracts, view.ToText(), [&](const KnownContract<VectorContract>& known) -> Answer {
        if (entities) {
          ARROW_ASSIGN_OR_RAISE(wanted.entities,
                                RowsFromJson("feature view '" + view.ToText() + "'", *entities,
                                             *known.columns));
        }
        ARROW_ASSIGN_OR_RAISE(const VectorNeighborsAnswer found,
                              platform->neighbors()->FindVectors(view, wanted));
        return AnswerOf(request, found, wanted.search.vectors.size());
      });
}

struct Metric {
  const char* name;
  const char* kind;
  const char* help;
  int64_t (*value)(const NeighborIndexInfo&);
};

constexpr Metric kMetrics[] = {
    {"tercet_neighbor_index_rows", "gauge", "Rows with a vector in an index of an embedding.",
     [](const NeighborIndexInfo& info) { return info.rows; }},
    {"tercet_neighbor_index_graph_rows", "gauge", "Of those, in its graph, dead ones among them.",
     [](const NeighborIndexInfo& info) { return info.in_graph; }},
    {"tercet_neighbor_index_bytes", "gauge", "Memory that an index of an embedding takes.",
     [](const NeighborIndexInfo& info) { return info.bytes; }},
    {"tercet_neighbor_searches_total", "counter", "Vectors whose neighbours were searched for.",
     [](const NeighborIndexInfo& info) { return info.searches; }},
    {"tercet_neighbor_exact_searches_total", "counter",
     "Of those, compared with every row that fits.",
     [](const NeighborIndexInfo& info) { return info.exact; }},
};

}  // namespace

std::vector<Route> NeighborRoutes(Platform* platform, VectorContracts* contracts) {
  std::vector<Route> routes;
  const auto add = AddTo(&routes);
  add("POST", "/api/v1/feature-groups/{name}/{version}/neighbors",
      [platform](const HttpRequest& request, const PathArguments& arguments) -> Answer {
        return FindNeighbors(platform, request, arguments);
      });
  add("POST", "/api/v1/feature-views/{name}/{version}/neighbors",
      [platform, contracts](const HttpRequest& request, const PathArguments& arguments) -> Answer {
        return FindVectorNeighbors(platform, contracts, request, arguments);
      });
  add("GET", "/api/v1/neighbor-indexes",
      [platform](const HttpRequest&, const PathArguments&) -> Answer {
        ARROW_ASSIGN_OR_RAISE(const auto infos, platform->neighbors()->Indexes());
        return HttpAnswer::Json(ItemsToJson(infos));
      });
  return routes;
}

Result<std::string> NeighborMetricsText(Platform* platform) {
  ARROW_ASSIGN_OR_RAISE(const auto infos, platform->neighbors()->Indexes());
  std::string text;
  for (const Metric& metric : kMetrics) {
    fmt::format_to(std::back_inserter(text), "# HELP {0} {1}\n# TYPE {0} {2}\n", metric.name,
                   metric.help, metric.kind);
    for (const NeighborIndexInfo& info : infos) {
      std::string column;
      AppendJsonText(info.column, &column);
      fmt::format_to(std::back_inserter(text), "{}{{feature_group=\"{}\",column={}}} {}\n",
                     metric.name, info.group.ToText(), column, metric.value(info));
    }
  }
  return text;
}

}  // namespace tercet
