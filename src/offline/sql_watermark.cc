#include "offline/sql_watermark.h"

#include <algorithm>
#include <charconv>

#include "offline/table_snapshot.h"

namespace tercet {
namespace {

std::string PrefixOf(const std::string& step) { return "sql step " + step + " up to "; }

}  // namespace

std::string WatermarkKey(const std::string& step, int64_t watermark_us) {
  return PrefixOf(step) + std::to_string(watermark_us);
}

Result<std::optional<int64_t>> LastWatermark(Table* table, const std::string& step) {
  ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<Snapshot> head, table->Head());
  const auto* snapshot = dynamic_cast<const TableSnapshot*>(head.get());
  if (snapshot == nullptr) return std::nullopt;  // an external table, which no step writes
  const std::string prefix = PrefixOf(step);
  std::optional<int64_t> watermark_us;
  for (const auto& [key, transaction] : snapshot->state()->transactions) {
    if (!key.starts_with(prefix)) continue;
    int64_t time_us = 0;
    const char *first = key.data() + prefix.size(), *end = key.data() + key.size();
    const auto [last, error] = std::from_chars(first, end, time_us);
    if (error != std::errc() || last != end) continue;  // of a step whose name begins like ours
    watermark_us = std::max(watermark_us.value_or(time_us), time_us);
  }
  return watermark_us;
}

}  // namespace tercet
