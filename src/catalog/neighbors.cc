#include "catalog/neighbors.h"

#include "base/short_text.h"
#include "catalog/definition_json.h"

namespace tercet {
namespace {

Result<std::vector<double>> VectorFromJson(const json::value& item) {
  if (!item.is_array()) {
    return Status::Invalid("member 'vectors' must be a list of lists of numbers, with ",
                           ShortText(ToText(item)), " in it");
  }
  std::vector<double> vector;
  vector.reserve(item.as_array().size());
  for (const json::value& element : item.as_array()) {
    boost::system::error_code error;
    const double number = element.to_number<double>(error);
    if (error) {
      return Status::Invalid("member 'vectors': ", ShortText(ToText(element)), " is no number");
    }
    vector.push_back(number);
  }
  return vector;
}

}  // namespace

Status NeighborsRequest::Check() const {
  if (k < 1 || k > kMaxK) {
    return Status::Invalid("k must be from 1 to ", kMaxK, ", not ", k);
  }
  if (vectors.empty()) return Status::Invalid("there is no vector to find neighbours of");
  if (static_cast<int64_t>(vectors.size()) > kMaxRows / k) {
    return Status::Invalid("one search finds at most ", kMaxRows, " rows; ", vectors.size(),
                           " vectors with k = ", k, " ask for more");
  }
  if (candidates && (*candidates < 1 || *candidates > kMaxRows)) {
    return Status::Invalid("candidates must be from 1 to ", kMaxRows, ", not ", *candidates);
  }
  return Status::OK();
}

json::object NeighborsRequest::ToJson() const {
  json::array items;
  for (const std::vector<double>& vector : vectors) {
    items.push_back(json::array(vector.begin(), vector.end()));
  }
  json::object object = {{"vectors", std::move(items)}, {"k", k}};
  if (!column.empty()) object["column"] = column;
  if (!filter.empty()) object["filter"] = filter;
  if (!columns.empty()) object["columns"] = ToJsonArray(columns);
  if (exact) object["exact"] = true;
  if (candidates) object["candidates"] = *candidates;
  return object;
}

Result<NeighborsRequest> NeighborsRequest::FromJson(const json::object& object) {
  ARROW_RETURN_NOT_OK(
      CheckMembers("search for neighbours", object,
                   {"vectors", "k", "column", "filter", "columns", "exact", "candidates"}));
  NeighborsRequest request;
  ARROW_ASSIGN_OR_RAISE(const json::array vectors, FindArray(object, "vectors"));
  for (const json::value& item : vectors) {
    ARROW_ASSIGN_OR_RAISE(request.vectors.emplace_back(), VectorFromJson(item));
  }
  ARROW_ASSIGN_OR_RAISE(const auto k, FindInt(object, "k"));
  if (k) request.k = *k;
  ARROW_ASSIGN_OR_RAISE(const auto column, FindString(object, "column"));
  request.column = column.value_or("");
  ARROW_ASSIGN_OR_RAISE(const auto filter, FindString(object, "filter"));
  request.filter = filter.value_or("");
  ARROW_ASSIGN_OR_RAISE(request.columns, FindStrings(object, "columns"));
  ARROW_ASSIGN_OR_RAISE(const auto exact, FindBool(object, "exact"));
  request.exact = exact.value_or(false);
  ARROW_ASSIGN_OR_RAISE(request.candidates, FindInt(object, "candidates"));
  return request;
}

json::object NeighborIndexInfo::ToJson() const {
  return {{"feature_group", group.ToText()},
          {"column", column},
          {"rows", rows},
          {"in_graph", in_graph},
          {"bytes", bytes},
          {"commit", commit},
          {"searches", searches},
          {"exact", exact}};
}

Result<NeighborIndexInfo> NeighborIndexInfo::FromJson(const json::object& object) {
  ARROW_RETURN_NOT_OK(CheckMembers(
      "index", object,
      {"feature_group", "column", "rows", "in_graph", "bytes", "commit", "searches", "exact"}));
  NeighborIndexInfo info;
  ARROW_ASSIGN_OR_RAISE(const std::string group, GetString(object, "feature_group"));
  ARROW_ASSIGN_OR_RAISE(info.group, Ref::Parse(group));
  ARROW_ASSIGN_OR_RAISE(info.column, GetString(object, "column"));
  ARROW_ASSIGN_OR_RAISE(info.rows, GetInt(object, "rows"));
  ARROW_ASSIGN_OR_RAISE(info.in_graph, GetInt(object, "in_graph"));
  ARROW_ASSIGN_OR_RAISE(info.bytes, GetInt(object, "bytes"));
  ARROW_ASSIGN_OR_RAISE(info.commit, GetInt(object, "commit"));
  ARROW_ASSIGN_OR_RAISE(info.searches, GetInt(object, "searches"));
  ARROW_ASSIGN_OR_RAISE(info.exact, GetInt(object, "exact"));
  return info;
}

}  // namespace tercet
