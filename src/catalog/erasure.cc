#include "catalog/erasure.h"

#include "catalog/definition_json.h"

namespace tercet {

json::object ErasureReport::ToJson() const {
  json::object by_group;
  for (const auto& [name, group] : groups) {
    json::array lost;
    for (const int64_t version : group.lost_versions) lost.push_back(version);
    by_group[name] = json::object{{"version", group.version},
                                  {"rows", group.rows},
                                  {"files", group.files},
                                  {"lost_versions", std::move(lost)}};
  }
  return {{"groups", std::move(by_group)},
          {"lost_datasets", ToJsonArray(lost_datasets)},
          {"models", ToJsonArray(models)}};
}

Result<ErasureReport> ErasureReport::FromJson(const json::object& object) {
  ARROW_RETURN_NOT_OK(
      CheckMembers("erasure's report", object, {"groups", "lost_datasets", "models"}));
  ErasureReport report;
  ARROW_ASSIGN_OR_RAISE(const json::object groups, FindObject(object, "groups"));
  for (const auto& member : groups) {
    ARROW_ASSIGN_OR_RAISE(const json::object item, FindObject(groups, member.key()));
    Group& group = report.groups[member.key()];
    ARROW_ASSIGN_OR_RAISE(group.version, GetInt(item, "version"));
    ARROW_ASSIGN_OR_RAISE(group.rows, GetInt(item, "rows"));
    ARROW_ASSIGN_OR_RAISE(group.files, GetInt(item, "files"));
    ARROW_ASSIGN_OR_RAISE(const json::array lost, FindArray(item, "lost_versions"));
    for (const json::value& version : lost) {
      if (!version.is_int64()) return Status::Invalid("a version must be an integer");
      group.lost_versions.push_back(version.as_int64());
    }
  }
  ARROW_ASSIGN_OR_RAISE(report.lost_datasets, FindStrings(object, "lost_datasets"));
  ARROW_ASSIGN_OR_RAISE(report.models, FindStrings(object, "models"));
  return report;
}

}  // namespace tercet
