#include "catalog/vacuum.h"

#include <charconv>

#include "catalog/definition_json.h"

namespace tercet {

json::object VacuumRequest::ToJson() const {
  return {{"retention_us", OrNull(retention_us)}, {"dry_run", dry_run}};
}

Result<VacuumRequest> VacuumRequest::FromJson(const json::object& object) {
  ARROW_RETURN_NOT_OK(CheckMembers("vacuum", object, {"retention_us", "dry_run"}));
  VacuumRequest request;
  ARROW_ASSIGN_OR_RAISE(request.retention_us, FindInt(object, "retention_us"));
  ARROW_ASSIGN_OR_RAISE(const auto dry_run, FindBool(object, "dry_run"));
  request.dry_run = dry_run.value_or(false);
  return request;
}

json::object VacuumReport::ToJson() const {
  json::object pins;
  for (const auto& [version, by] : pinned) pins[std::to_string(version)] = ToJsonArray(by);
  return {{"dry_run", dry_run},     {"files", ToJsonArray(files)},
          {"bytes", bytes},         {"orphans", orphans},
          {"log_files", log_files}, {"oldest_version", oldest_version},
          {"pinned", std::move(pins)}};
}

Result<VacuumReport> VacuumReport::FromJson(const json::object& object) {
  ARROW_RETURN_NOT_OK(CheckMembers("vacuum's report", object,
                                   {"dry_run", "files", "bytes", "orphans", "log_files",
                                    "oldest_version", "pinned"}));
  VacuumReport report;
  ARROW_ASSIGN_OR_RAISE(const auto dry_run, FindBool(object, "dry_run"));
  report.dry_run = dry_run.value_or(false);
  ARROW_ASSIGN_OR_RAISE(report.files, FindStrings(object, "files"));
  ARROW_ASSIGN_OR_RAISE(report.bytes, GetInt(object, "bytes"));
  ARROW_ASSIGN_OR_RAISE(report.orphans, GetInt(object, "orphans"));
  ARROW_ASSIGN_OR_RAISE(report.log_files, GetInt(object, "log_files"));
  ARROW_ASSIGN_OR_RAISE(report.oldest_version, GetInt(object, "oldest_version"));
  ARROW_ASSIGN_OR_RAISE(const json::object pins, FindObject(object, "pinned"));
  for (const auto& member : pins) {
    const std::string_view key = member.key();
    int64_t version = 0;
    const auto parsed = std::from_chars(key.data(), key.data() + key.size(), version);
    if (parsed.ec != std::errc() || parsed.ptr != key.data() + key.size()) {
      return Status::Invalid("'", key, "' is no version");
    }
    ARROW_ASSIGN_OR_RAISE(report.pinned[version], FindStrings(pins, key));
  }
  return report;
}

}  // namespace tercet
