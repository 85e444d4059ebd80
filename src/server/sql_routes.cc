#include "server/sql_routes.h"

#include <algorithm>

#include "catalog/definition_json.h"
#include "client/sql_wire.h"
#include "server/rest_arguments.h"

namespace tercet {
namespace {

using Answer = Result<HttpAnswer>;

/// No query holds a server longer.
constexpr int64_t kTimeLimitUs = 600LL * 1'000'000;
/// Rows that a REST answer has unless told otherwise; Flight gives all.
constexpr int64_t kRows = 1000;

Answer Query(Platform* platform, const HttpRequest& request) {
  ARROW_ASSIGN_OR_RAISE(json::object body, request.JsonBody());
  ARROW_ASSIGN_OR_RAISE(const auto limit, FindInt(body, "limit"));
  body.erase("limit");
  ARROW_ASSIGN_OR_RAISE(const SqlRequest sql, SqlRequestFromJson(body));
  ARROW_ASSIGN_OR_RAISE(const SqlData data, ServeSql(platform, sql));
  return RowsAnswer(data.rows.get(), limit.value_or(kRows));
}

Answer Step(Platform* platform, const HttpRequest& request) {
  ARROW_ASSIGN_OR_RAISE(const json::object body, request.JsonBody());
  ARROW_RETURN_NOT_OK(CheckMembers("SQL step", body, {"text"}));
  ARROW_ASSIGN_OR_RAISE(const std::string text, GetString(body, "text"));
  ARROW_ASSIGN_OR_RAISE(const SqlStepData data, platform->RunSqlStep(text));
  return HttpAnswer::Json(ToJson(data));
}

}  // namespace

Result<SqlData> ServeSql(Platform* platform, SqlRequest request) {
  if (!request.files.empty()) {
    return Status::NotImplemented("a server's SQL reads feature groups and no files; '",
                                  request.files[0], "' was asked for");
  }
  request.time_limit_us = std::min(request.time_limit_us.value_or(kTimeLimitUs), kTimeLimitUs);
  return platform->Sql(request);
}

std::vector<Route> SqlRoutes(Platform* platform) {
  return {
      {.method = "POST",
       .pattern = "/api/v1/sql",
       .handler = [platform](const HttpRequest& request,
                             const PathArguments&) { return Query(platform, request); },
       .lane = nullptr},
      {.method = "POST",
       .pattern = "/api/v1/sql-steps",
       .handler = [platform](const HttpRequest& request,
                             const PathArguments&) { return Step(platform, request); },
       .lane = nullptr},
      {.method = "POST",
       .pattern = "/api/v1/feature-groups/{name}/{version}/materialize",
       .handler = [platform](const HttpRequest&, const PathArguments& arguments) -> Answer {
         ARROW_ASSIGN_OR_RAISE(const Ref ref, ReadRef(arguments[0], arguments[1]));
         ARROW_RETURN_NOT_OK(platform->Materialize(ref));
         return HttpAnswer::Json(json::object());
       },
       .lane = nullptr},
  };
}

}  // namespace tercet
