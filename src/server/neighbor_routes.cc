#include "server/neighbor_routes.h"

#include <arrow/array/array_primitive.h>
#include <fmt/format.h>

#include "base/rows_to_json.h"
#include "client/wire.h"
#include "client/wire_frames.h"
#include "platform/neighbors.h"
#include "server/rest_arguments.h"
#include "server/rest_routes.h"

namespace tercet {
namespace {

using Answer = Result<HttpAnswer>;

/// {"commit": 3, "neighbors": [[{"_distance": 0.1, …}, …], …]}: a list for each vector.
Answer JsonAnswer(const NeighborsAnswer& found, size_t vectors) {
  const auto& queries = static_cast<const arrow::Int64Array&>(
      *found.rows->GetColumnByName(std::string(kQueryColumn)));
  ARROW_ASSIGN_OR_RAISE(
      const auto rows,
      found.rows->RemoveColumn(found.rows->schema()->GetFieldIndex(std::string(kQueryColumn))));
  HttpAnswer answer;
  answer.body = fmt::format("{{\"commit\":{},\"neighbors\":[", found.commit);
  int64_t row = 0;
  for (size_t vector = 0; vector < vectors; ++vector) {
    answer.body += vector == 0 ? "[" : ",[";
    for (bool first = true;
         row < rows->num_rows() && queries.Value(row) == static_cast<int64_t>(vector);
         ++row, first = false) {
      if (!first) answer.body += ',';
      AppendJsonRow(*rows, row, &answer.body);
    }
    answer.body += ']';
  }
  answer.body += "]}";
  return answer;
}

Answer FindNeighbors(Platform* platform, const HttpRequest& request,
                     const PathArguments& arguments) {
  ARROW_ASSIGN_OR_RAISE(const Ref group, ReadRef(arguments[0], arguments[1]));
  ARROW_ASSIGN_OR_RAISE(const json::object body, request.JsonBody());
  ARROW_ASSIGN_OR_RAISE(const NeighborsRequest wanted, NeighborsRequest::FromJson(body));
  const std::string* format = request.Query("format");
  if (format != nullptr && *format != "arrow" && *format != "json") {
    return Status::Invalid("format '", format->substr(0, 80), "' is neither 'json' nor 'arrow'");
  }
  ARROW_ASSIGN_OR_RAISE(const NeighborsAnswer found, platform->neighbors()->Find(group, wanted));
  if (format == nullptr || *format == "json") return JsonAnswer(found, wanted.vectors.size());
  HttpAnswer answer;
  answer.content_type = kArrowStream;
  ARROW_ASSIGN_OR_RAISE(answer.body, ToBytes(found));
  return answer;
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

std::vector<Route> NeighborRoutes(Platform* platform) {
  std::vector<Route> routes;
  const auto add = AddTo(&routes);
  add("POST", "/api/v1/feature-groups/{name}/{version}/neighbors",
      [platform](const HttpRequest& request, const PathArguments& arguments) -> Answer {
        return FindNeighbors(platform, request, arguments);
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
