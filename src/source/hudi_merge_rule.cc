#include "source/hudi_merge_rule.h"

#include <map>
#include <string_view>

#include "base/short_text.h"

namespace tercet {
namespace {

using Silent = HudiMergeRule::Silent;

constexpr char kByCommit[] = "COMMIT_TIME_ORDERING", kByEvent[] = "EVENT_TIME_ORDERING";
constexpr char kUnavailable[] = "__debezium_unavailable_value";

/// What a payload class of Hudi's own means.
struct Payload {
  const char* mode;
  Silent silent = Silent::kNone;
  bool logs_fill = true;
  const char* delete_column = "";
  const char* delete_marker = "";
};

/// null for a class of which that is not known.
const Payload* FindPayload(const std::string& name, bool before_version_8) {
  static const std::map<std::string_view, Payload> always = {
      {"OverwriteWithLatestAvroPayload", {kByCommit}},
      {"AWSDmsAvroPayload", {kByCommit, Silent::kNone, true, "Op", "D"}},
      {"DefaultHoodieRecordPayload", {kByEvent}},
      {"EventTimeAvroPayload", {kByEvent}},
      {"PartialUpdateAvroPayload", {kByEvent, Silent::kNulls}},
      {"OverwriteNonDefaultsWithLatestAvroPayload", {kByCommit, Silent::kNulls}},
  };
  // Hudi 0.x takes one of two records in logs as it is.
  static const std::map<std::string_view, Payload> before = {
      {"OverwriteNonDefaultsWithLatestAvroPayload", {kByCommit, Silent::kNulls, false}},
      {"PostgresDebeziumAvroPayload", {kByEvent, Silent::kMarker, false}},
  };
  if (before_version_8) {
    if (const auto found = before.find(name); found != before.end()) return &found->second;
  }
  const auto found = always.find(name);
  return found == always.end() ? nullptr : &found->second;
}

}  // namespace

Result<HudiMergeRule> HudiMergeRule::Of(const HudiTimeline& timeline) {
  const auto refuse = [&](const auto&... words) {
    return Status::NotImplemented("the Hudi table in '", timeline.folder(), "' has log files and ",
                                  words..., ": compact it (in Spark SQL: CALL run_compaction(op => "
                                  "'run', path => '", timeline.folder(), "'))");
  };
  // Hudi 1.x keeps what a merge needs to know under a prefix.
  const auto setting = [&](const std::string& name) {
    const std::string kept = timeline.PropertyOf("hoodie.record.merge.property." + name);
    return kept.empty() ? timeline.PropertyOf(name) : kept;
  };
  if (timeline.PropertyOf("hoodie.populate.meta.fields") == "false") {
    return refuse("records without their keys (hoodie.populate.meta.fields=false)");
  }
  HudiMergeRule rule;
  rule.deletes_are_unordered = !timeline.logs_name_their_write();
  std::string mode = timeline.PropertyOf("hoodie.record.merge.mode");
  std::string payload = timeline.PropertyOf("hoodie.compaction.payload.class");
  payload = payload.substr(payload.rfind('.') + 1);
  if (mode.empty() && payload.empty()) mode = kByEvent;
  if (mode.empty() || mode == "CUSTOM") {
    const Payload* known = FindPayload(payload, rule.deletes_are_unordered);
    if (known == nullptr) {
      return refuse("merges records by code of its own (",
                    payload.empty() ? "hoodie.record.merge.mode=CUSTOM" : ShortText(payload),
                    ")");
    }
    mode = known->mode;
    rule.silent = known->silent;
    rule.marker = kUnavailable;
    rule.logs_fill = known->logs_fill;
    rule.delete_column = known->delete_column;
    rule.delete_marker = known->delete_marker;
  }
  const std::string partial = timeline.PropertyOf("hoodie.table.partial.update.mode");
  if (partial == "IGNORE_DEFAULTS") {
    rule.silent = Silent::kNulls;
  } else if (partial == "FILL_UNAVAILABLE") {
    rule.silent = Silent::kMarker;
    rule.marker = setting("hoodie.write.partial.update.unavailable.value");
  } else if (!partial.empty() && partial != "KEEP_VALUES" && partial != "NONE") {
    return refuse("a way to merge records column by column that is not known "
                  "(hoodie.table.partial.update.mode=", ShortText(partial), ")");
  }
  if (const std::string column = setting("hoodie.payload.delete.field"); !column.empty()) {
    rule.delete_column = column;
    rule.delete_marker = setting("hoodie.payload.delete.marker");
  }
  std::string order_by = timeline.PropertyOf("hoodie.table.ordering.fields");
  if (order_by.empty()) order_by = timeline.PropertyOf("hoodie.table.precombine.field");
  if (mode == kByCommit) {
    // Hudi 0.x merges the logs by the order all the same, before it looks at the base file.
    rule.base_may_be_later = false;
    if (!rule.deletes_are_unordered) return rule;
  } else if (mode != kByEvent) {
    return refuse("a merge mode that is not known: ", ShortText(mode));
  }
  if (order_by.find(',') != std::string::npos) {
    return refuse("orders records by several columns (", order_by, ")");
  }
  rule.order_by = order_by;
  return rule;
}

}  // namespace tercet
