#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "offline/table_state.h"

namespace tercet {

/// Whether users may set a property to a text, or take it away (nullopt). Names outside of
/// `delta.` and `tercet.` are the user's own. Invalid for names that are not known, for those that
/// Tercet keeps itself, and for a text that the property can't have.
Status CheckProperty(std::string_view name, const std::optional<std::string>& text);

/// Delta's durations: "interval 3650 days", "interval 1 week 12 hours", in microseconds. Invalid
/// when malformed.
Result<int64_t> ParseInterval(std::string_view text);

/// How long removed files, and the log, are kept (`delta.deletedFileRetentionDuration`, by default
/// a week; `delta.logRetentionDuration`, 30 days). Invalid when the property is malformed.
Result<int64_t> FileRetentionOf(const TableState& state);
Result<int64_t> LogRetentionOf(const TableState& state);

/// Whether an idempotency key is forgotten at a time: `delta.setTransactionRetentionDuration` has
/// passed since its commit. Never where the table has no such property. Invalid when it is
/// malformed.
Result<bool> IsExpired(const Transaction& transaction, const TableState& state, int64_t now_us);

/// The number of small runs at which a compaction is due; 0: never.
Result<int64_t> AutoCompactFilesOf(const TableState& state);

}  // namespace tercet
