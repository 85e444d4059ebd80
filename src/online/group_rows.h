#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/online_rows.h"
#include "online/change_buffer.h"
#include "online/group_state.h"
#include "online/key_rows.h"

namespace tercet {

/// What every online store does alike with the rows of a group, wherever it keeps their bytes.

/// Invalid or TypeError for a read that does not fit the group's key.
Status CheckRequest(const RowsRequest& request, const GroupState& state);

/// The row of a key as of a time, and what is to be said of it.
struct FoundRow {
  RowStatus status = RowStatus::kMissing;
  StoredRow row;  ///< none unless present
  int64_t event_time_us = kNoEventTime;
  int64_t commit = -1;
  /// As of all these times the key's value says the same; not so of what is unavailable.
  int64_t first_us = std::numeric_limits<int64_t>::min();
  int64_t last_us = std::numeric_limits<int64_t>::max();
};

/// `value`: of the key in the store; a null view: it has none. `ttl_us`: instead of the group's.
/// IOError when the value is corrupt.
Result<FoundRow> FindRow(const GroupState& state, std::string_view value, int64_t time_us,
                         std::optional<int64_t> ttl_us);

/// Takes a key (SortKeys' form) with the rows that are kept of it.
using RowsSink = std::function<Status(const std::string& key, const KeyRows& rows)>;

/// Groups rows in table order by key, as of commit `version`, lets go what is not kept, and hands
/// each key on.
Status CollectRows(const GroupState& state, arrow::RecordBatchReader* rows, int64_t version,
                   int64_t now_us, const RowsSink& sink);

/// Makes a key's changes in their order, and lets go what is not kept. Returns the key's columns
/// where a row was removed, so that it may have to be refilled; else null.
const std::string* ChangeRows(const GroupState& state,
                              const std::vector<ChangeBuffer::Change>& changes, int64_t now_us,
                              KeyRows* rows);

/// The batches of primary key columns that these bytes (of keys to refill) stand for.
Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> RefillBatches(
    const GroupState& state, const std::vector<std::string>& key_columns);

}  // namespace tercet
