#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "offline/table.h"

namespace tercet {

/// How far a step in SQL has come is kept in its target's log, in the same commit as the rows: as
/// the idempotency key (Delta's `txn`) of that commit. So it is never ahead of the rows nor behind.

/// The key of a commit that holds a step's rows up to `watermark_us`.
std::string WatermarkKey(const std::string& step, int64_t watermark_us);

/// The largest watermark of the step's commits (two runs at once may commit in either order);
/// nullopt when it has none.
Result<std::optional<int64_t>> LastWatermark(Table* table, const std::string& step);

}  // namespace tercet
