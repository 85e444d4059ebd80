#include "inference/online_groups.h"

namespace tercet {

Status CheckOnlineGroups(const ViewPlan* plan, FeatureTables* tables, OnlineRows* online) {
  if (plan == nullptr) return Status::OK();
  for (size_t g = 0; g < plan->groups().size(); ++g) {
    if (!plan->online_group(static_cast<int>(g))) continue;
    const Ref group = plan->groups()[g].definition.ref();
    const std::string what = "feature group '" + group.ToText() + "'";
    const auto table = tables->Get(group);
    if (!table.ok()) return Explain(table.status(), what);
    ARROW_ASSIGN_OR_RAISE(const auto head, (*table)->Head());
    if (head->row_count() == 0) return Status::Invalid(what, " has no rows");
    const auto& keys = plan->groups()[g].key_schema;
    ARROW_ASSIGN_OR_RAISE(const auto none, arrow::RecordBatch::MakeEmpty(keys));
    const Status read = online
                            ->Read({{.group = group,
                                     .keys = none,
                                     .event_times_us = {},
                                     .columns = {},
                                     .ttl_us = std::nullopt}})
                            .status();
    if (!read.ok()) return Explain(read, what + " can't be read online");
  }
  return Status::OK();
}

}  // namespace tercet
