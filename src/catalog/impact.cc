#include "catalog/impact.h"

#include "catalog/definition_json.h"

namespace tercet {

json::object ImpactReport::ToJson() const {
  json::array items, refusals;
  for (const Item& item : broken) {
    items.push_back(json::object{{"kind", item.kind},
                                 {"name", item.name},
                                 {"path", item.path},
                                 {"uses", item.uses},
                                 {"served", item.served}});
  }
  for (const Refusal& refusal : refused) {
    refusals.push_back(
        json::object{{"operation", refusal.operation}, {"because", refusal.because}});
  }
  return {{"object", object}, {"broken", std::move(items)}, {"refused", std::move(refusals)}};
}

Result<ImpactReport> ImpactReport::FromJson(const json::object& object) {
  ARROW_RETURN_NOT_OK(CheckMembers("impact report", object, {"object", "broken", "refused"}));
  ImpactReport report;
  ARROW_ASSIGN_OR_RAISE(report.object, GetString(object, "object"));
  ARROW_ASSIGN_OR_RAISE(const auto items, FindObjects(object, "broken"));
  for (const json::object& one : items) {
    ARROW_RETURN_NOT_OK(
        CheckMembers("what breaks", one, {"kind", "name", "path", "uses", "served"}));
    Item& item = report.broken.emplace_back();
    ARROW_ASSIGN_OR_RAISE(item.kind, GetString(one, "kind"));
    ARROW_ASSIGN_OR_RAISE(item.name, GetString(one, "name"));
    ARROW_ASSIGN_OR_RAISE(item.path, GetString(one, "path"));
    ARROW_ASSIGN_OR_RAISE(const auto uses, FindBool(one, "uses"));
    ARROW_ASSIGN_OR_RAISE(const auto served, FindBool(one, "served"));
    item.uses = uses.value_or(true);
    item.served = served.value_or(false);
  }
  ARROW_ASSIGN_OR_RAISE(const auto refusals, FindObjects(object, "refused"));
  for (const json::object& one : refusals) {
    ARROW_RETURN_NOT_OK(CheckMembers("refusal", one, {"operation", "because"}));
    Refusal& refusal = report.refused.emplace_back();
    ARROW_ASSIGN_OR_RAISE(refusal.operation, GetString(one, "operation"));
    ARROW_ASSIGN_OR_RAISE(refusal.because, GetString(one, "because"));
  }
  return report;
}

}  // namespace tercet
