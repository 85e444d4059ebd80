#include "source/hudi_merge_rule.h"

#include "base/short_text.h"

namespace tercet {

Result<HudiMergeRule> HudiMergeRule::Of(const HudiTimeline& timeline) {
  const auto refuse = [&](const auto&... words) {
    return Status::NotImplemented("the Hudi table in '", timeline.folder(), "' has log files and ",
                                  words..., ": compact it (in Spark SQL: CALL run_compaction(op => "
                                  "'run', path => '", timeline.folder(), "'))");
  };
  if (timeline.PropertyOf("hoodie.populate.meta.fields") == "false") {
    return refuse("records without their keys (hoodie.populate.meta.fields=false)");
  }
  for (const char* prefix : {"", "hoodie.record.merge.property."}) {
    if (!timeline.PropertyOf(prefix + std::string("hoodie.payload.delete.field")).empty()) {
      return refuse("marks deletes in a column of its own (hoodie.payload.delete.field)");
    }
  }
  if (!timeline.PropertyOf("hoodie.table.partial.update.mode").empty()) {
    return refuse("merges records column by column (hoodie.table.partial.update.mode)");
  }
  std::string order_by = timeline.PropertyOf("hoodie.table.ordering.fields");
  if (order_by.empty()) order_by = timeline.PropertyOf("hoodie.table.precombine.field");
  std::string mode = timeline.PropertyOf("hoodie.record.merge.mode");
  std::string payload = timeline.PropertyOf("hoodie.compaction.payload.class");
  payload = payload.substr(payload.rfind('.') + 1);
  if (mode.empty() || mode == "CUSTOM") {
    if (payload == "OverwriteWithLatestAvroPayload") {
      mode = "COMMIT_TIME_ORDERING";
    } else if (payload == "DefaultHoodieRecordPayload" || payload == "EventTimeAvroPayload" ||
               (payload.empty() && mode.empty())) {
      mode = "EVENT_TIME_ORDERING";
    } else {
      return refuse("merges records by code of its own (",
                    payload.empty() ? "hoodie.record.merge.mode=CUSTOM" : ShortText(payload),
                    ")");
    }
  }
  HudiMergeRule rule;
  rule.deletes_are_unordered = !timeline.logs_name_their_write();
  if (mode == "COMMIT_TIME_ORDERING") {
    // Hudi 0.x merges the logs by the order all the same, before it looks at the base file.
    rule.base_may_be_later = false;
    if (!rule.deletes_are_unordered) return rule;
  } else if (mode != "EVENT_TIME_ORDERING") {
    return refuse("a merge mode that is not known: ", mode);
  }
  if (order_by.find(',') != std::string::npos) {
    return refuse("orders records by several columns (", order_by, ")");
  }
  rule.order_by = order_by;
  return rule;
}

}  // namespace tercet
