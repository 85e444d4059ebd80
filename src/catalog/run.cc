#include "catalog/run.h"

#include "base/name.h"
#include "catalog/definition_json.h"

namespace tercet {

json::object Run::ToJson() const {
  return {{"id", id},
          {"name", name},
          {"status", status},
          {"started_us", started_us},
          {"ended_us", OrNull(ended_us)},
          {"error", error},
          {"parameters", parameters},
          {"metrics", metrics},
          {"inputs", ToJsonArray(inputs)},
          {"outputs", ToJsonArray(outputs)},
          {"code_version", code_version},
          {"log", log}};
}

Result<Run> Run::FromJson(const json::object& object) {
  ARROW_RETURN_NOT_OK(CheckMembers(
      "run", object, {"id", "name", "status", "started_us", "ended_us", "error", "parameters",
                      "metrics", "inputs", "outputs", "code_version", "log"}));
  Run run;
  ARROW_ASSIGN_OR_RAISE(run.id, GetString(object, "id"));
  ARROW_ASSIGN_OR_RAISE(const auto name, FindString(object, "name"));
  ARROW_ASSIGN_OR_RAISE(const auto status, FindString(object, "status"));
  ARROW_ASSIGN_OR_RAISE(const auto started_us, FindInt(object, "started_us"));
  ARROW_ASSIGN_OR_RAISE(run.ended_us, FindInt(object, "ended_us"));
  ARROW_ASSIGN_OR_RAISE(const auto error, FindString(object, "error"));
  ARROW_ASSIGN_OR_RAISE(run.parameters, FindObject(object, "parameters"));
  ARROW_ASSIGN_OR_RAISE(run.metrics, FindMetrics(object, "metrics"));
  ARROW_ASSIGN_OR_RAISE(run.inputs, FindStrings(object, "inputs"));
  ARROW_ASSIGN_OR_RAISE(run.outputs, FindStrings(object, "outputs"));
  ARROW_ASSIGN_OR_RAISE(const auto code_version, FindString(object, "code_version"));
  ARROW_ASSIGN_OR_RAISE(const auto log, FindString(object, "log"));
  run.name = name.value_or("");
  run.status = status.value_or("running");
  run.started_us = started_us.value_or(0);
  run.error = error.value_or("");
  run.code_version = code_version.value_or("");
  run.log = log.value_or("");
  if (run.status != "running" && run.status != "finished" && run.status != "failed") {
    return Status::Invalid("run '", run.id, "' cannot have the status '", run.status, "'",
                           Suggest(run.status, {"running", "finished", "failed"}));
  }
  return run;
}

}  // namespace tercet
