#include "catalog/data_source.h"

#include <algorithm>

#include "base/name.h"
#include "base/short_text.h"
#include "catalog/definition_json.h"

namespace tercet {
namespace {

const std::vector<std::string>& Kinds() {
  static const std::vector<std::string> kinds = {"parquet", "csv",     "json",   "delta",
                                                 "hudi",    "iceberg", "duckdb", "postgres"};
  return kinds;
}

}  // namespace

json::object DataSource::ToJson() const {
  json::object object = {{"kind", kind}, {"location", location}};
  if (!table.empty()) object["table"] = table;
  return object;
}

Result<DataSource> DataSource::FromJson(const json::object& object) {
  ARROW_RETURN_NOT_OK(CheckMembers("source", object, {"kind", "location", "table"}));
  DataSource source;
  ARROW_ASSIGN_OR_RAISE(source.kind, GetString(object, "kind"));
  ARROW_ASSIGN_OR_RAISE(source.location, GetString(object, "location"));
  ARROW_ASSIGN_OR_RAISE(const auto table, FindString(object, "table"));
  source.table = table.value_or("");
  return source;
}

Status DataSource::Check() const {
  if (std::find(Kinds().begin(), Kinds().end(), kind) == Kinds().end()) {
    return Status::Invalid("there is no kind of source '", ShortText(kind), "'",
                           Suggest(kind, Kinds()));
  }
  if (location.empty()) return Status::Invalid("a ", kind, " source needs a location");
  const bool database = kind == "duckdb" || kind == "postgres";
  if (database && table.empty()) {
    return Status::Invalid("a ", kind, " source needs the name of a table");
  }
  if (!database && !table.empty()) {
    return Status::Invalid("a ", kind, " source has no tables, but '", table, "' is given");
  }
  // The catalog is no place for secrets: everybody who may read a definition would see it.
  if (kind == "postgres" && (location.find("password") != std::string::npos ||
                             location.find("://") != std::string::npos)) {
    return Status::Invalid(
        "a postgres source is given as 'host=… dbname=… user=…', without a password and not as "
        "a URL; PGPASSWORD or ~/.pgpass of the process that reads it has the password");
  }
  return Status::OK();
}

std::string DataSource::ToText() const {
  return kind + " " + location + (table.empty() ? "" : " table " + table);
}

}  // namespace tercet
