#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "catalog/online_rows.h"

namespace tercet {

/// What the vectors of one view want of the groups that are looked up by one and the same key: made
/// once, asked for one key after the other. Immutable.
class VectorRead {
 public:
  explicit VectorRead(std::vector<CellColumns> groups)
      : groups_(std::move(groups)), id_(next_.fetch_add(1, std::memory_order_relaxed)) {}

  const std::vector<CellColumns>& groups() const { return groups_; }
  /// No other of this process has it, nor ever had, but for copies.
  uint64_t id() const { return id_; }

 private:
  static inline std::atomic<uint64_t> next_{1};

  std::vector<CellColumns> groups_;
  uint64_t id_;
};

/// Online rows that may keep what they answered of such a read, so that the same key costs less the
/// next time. They answer as OnlineRows does, of the same moment. Thread-safe.
class VectorRows : public OnlineRows {
 public:
  /// ReadColumns of one key, which no group's is null: `columns` are all groups', in order.
  virtual Result<ColumnsRead> ReadVector(const VectorRead& /*read*/, std::string_view /*key*/,
                                         int64_t /*event_time_us*/,
                                         std::span<const ColumnTarget> /*columns*/) {
    return ColumnsRead::kElsewhere;
  }
  /// ReadCells of one key.
  virtual Result<bool> ReadVectorCells(const VectorRead& /*read*/, std::string_view /*key*/,
                                       int64_t /*event_time_us*/, CellsAnswer* /*answer*/) {
    return false;
  }
};

}  // namespace tercet
