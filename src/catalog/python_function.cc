#include "catalog/python_function.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "base/short_text.h"
#include "catalog/definition_json.h"
#include "catalog/feature_group.h"

namespace tercet {
namespace {

constexpr size_t kMaxSourceBytes = 64 << 10;

/// A limit of the function's own, 0 when it has none.
Status ReadLimit(const json::object& object, std::string_view key, int64_t least, int64_t most,
                 int64_t* limit) {
  ARROW_ASSIGN_OR_RAISE(const auto found, FindInt(object, key));
  if (!found || *found == 0) return Status::OK();
  if (*found < least || *found > most) {
    return Status::Invalid("'", key, "' is ", *found, ", which must be between ", least, " and ",
                           most);
  }
  *limit = *found;
  return Status::OK();
}

/// Of ASCII, so that it can be written as a word in an expression.
bool IsIdentifier(std::string_view name) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  return !name.empty() && letter(name[0]) && std::all_of(name.begin(), name.end(), [&](char c) {
    return letter(c) || (c >= '0' && c <= '9');
  });
}

}  // namespace

json::object PythonFunction::ToJson() const {
  json::object object{{"name", name},
                      {"source", source},
                      {"inputs", ToJsonObject(inputs)},
                      {"output", output}};
  // A function without limits is written as before there were any: its view's content is the same.
  if (workers != 0) object["workers"] = workers;
  if (timeout_ms != 0) object["timeout_ms"] = timeout_ms;
  if (memory_mb != 0) object["memory_mb"] = memory_mb;
  return object;
}

Result<PythonFunction> PythonFunction::FromJson(const json::object& object) {
  ARROW_RETURN_NOT_OK(CheckMembers("Python function", object,
                                   {"name", "source", "inputs", "output", "workers", "timeout_ms",
                                    "memory_mb"}));
  PythonFunction function;
  ARROW_ASSIGN_OR_RAISE(function.name, GetString(object, "name"));
  ARROW_ASSIGN_OR_RAISE(function.source, GetString(object, "source"));
  ARROW_ASSIGN_OR_RAISE(function.inputs, FindStringPairs(object, "inputs"));
  ARROW_ASSIGN_OR_RAISE(function.output, GetString(object, "output"));
  const std::string what = "Python function '" + ShortText(function.name) + "'";
  if (!IsIdentifier(function.name)) {
    return Status::Invalid(what, ": its name is not a word of letters, digits and underscores");
  }
  if (function.source.size() > kMaxSourceBytes) {
    return Status::Invalid(what, ": its text has ", function.source.size(), " bytes; at most ",
                           kMaxSourceBytes, " are allowed");
  }
  for (const Status& status :
       {ReadLimit(object, "workers", 1, 64, &function.workers),
        ReadLimit(object, "timeout_ms", 1, 86'400'000, &function.timeout_ms),
        ReadLimit(object, "memory_mb", 256, 1 << 20, &function.memory_mb)}) {
    if (!status.ok()) return Explain(status, what);
  }
  if (function.inputs.empty()) return Status::Invalid(what, " takes no column");
  std::set<std::string> seen;
  for (const auto& [parameter, type] : function.inputs) {
    if (!IsIdentifier(parameter) || !seen.insert(parameter).second) {
      return Status::Invalid(what, ": '", ShortText(parameter),
                             "' is no parameter's name, or there twice");
    }
  }
  for (const Status& status : {function.InputSchema().status(), function.OutputType().status()}) {
    if (!status.ok()) return Explain(status, what);
  }
  return function;
}

WorkerLimits PythonFunction::WithOwn(WorkerLimits limits) const {
  if (workers != 0) limits.workers = workers;
  if (timeout_ms != 0) limits.timeout_us = timeout_ms * 1000;
  if (memory_mb != 0) limits.memory_bytes = memory_mb << 20;
  return limits;
}

Result<std::shared_ptr<arrow::Schema>> PythonFunction::InputSchema() const {
  arrow::FieldVector fields;
  for (const auto& [parameter, text] : inputs) {
    auto type = TypeFromText(text);
    if (!type.ok()) return Explain(type.status(), "parameter '" + parameter + "'");
    fields.push_back(arrow::field(parameter, std::move(type).ValueUnsafe()));
  }
  return arrow::schema(std::move(fields));
}

Result<std::shared_ptr<arrow::DataType>> PythonFunction::OutputType() const {
  auto type = TypeFromText(output);
  if (!type.ok()) return Explain(type.status(), "its output");
  return type;
}

}  // namespace tercet
