#include "client/remote_call.h"
#include "client/remote_platform.h"
#include "client/sql_wire.h"

namespace tercet {

Result<SqlData> RemotePlatform::Sql(const SqlRequest& request) {
  json::object command = ToJson(request);
  command["verb"] = "sql";
  ARROW_ASSIGN_OR_RAISE(RecordBatchReader stream, flight_->Get(command));
  return SqlDataFromStream(std::move(stream));
}

Result<SqlStepData> RemotePlatform::RunSqlStep(const std::string& text) {
  ARROW_ASSIGN_OR_RAISE(const json::object answer,
                        Call("POST", "/api/v1/sql-steps", {{"text", text}}));
  return SqlStepDataFromJson(answer);
}

Status RemotePlatform::Materialize(const Ref& ref) {
  return Call("POST", PathOf("feature-groups", ref) + "/materialize").status();
}

}  // namespace tercet
