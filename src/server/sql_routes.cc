#include "server/sql_routes.h"

#include <algorithm>
#include <chrono>
#include <semaphore>

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

/// So many queries run at once, since each may use the memory of one; others wait their turn.
constexpr int kQueries = 4;
constexpr std::chrono::seconds kPatience{30};

/// The right to run a query, for as long as it lives.
class QueryPermit {
 public:
  /// CapacityError when no other query ends in time.
  static Result<std::shared_ptr<QueryPermit>> Acquire() {
    if (!free_.try_acquire_for(kPatience)) {
      return Status::CapacityError("the server runs ", kQueries,
                                   " SQL queries already, and none ended within ",
                                   kPatience.count(), " s; try again later");
    }
    return std::shared_ptr<QueryPermit>(new QueryPermit);
  }
  ~QueryPermit() { free_.release(); }

 private:
  QueryPermit() = default;
  inline static std::counting_semaphore<kQueries> free_{kQueries};
};

/// The rows of a query, which runs until they are let go.
class PermittedReader : public arrow::RecordBatchReader {
 public:
  PermittedReader(std::shared_ptr<QueryPermit> permit,
                  std::shared_ptr<arrow::RecordBatchReader> rows)
      : permit_(std::move(permit)), rows_(std::move(rows)) {}

  std::shared_ptr<arrow::Schema> schema() const override { return rows_->schema(); }
  Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    return rows_->ReadNext(batch);
  }

 private:
  const std::shared_ptr<QueryPermit> permit_;  // before the rows, which end first
  const std::shared_ptr<arrow::RecordBatchReader> rows_;
};

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
  ARROW_ASSIGN_OR_RAISE(const auto permit, QueryPermit::Acquire());
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
  ARROW_ASSIGN_OR_RAISE(auto permit, QueryPermit::Acquire());
  ARROW_ASSIGN_OR_RAISE(SqlData data, platform->Sql(request));
  data.rows = std::make_shared<PermittedReader>(std::move(permit), std::move(data.rows));
  return data;
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
