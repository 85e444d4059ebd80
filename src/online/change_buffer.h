#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include <arrow/record_batch.h>

#include "online/group_state.h"
#include "online/key_rows.h"
#include "online/row_encoder.h"

namespace tercet {

/// Row changes of a group gathered by key, so that each key is read and written once for many
/// changes. Upserts take effect as they come; removals (deletes, and the old images of updates)
/// when their commit is through, for a change feed may list the old image of a row before or after
/// its new one, and in between the row must not be gone.
class ChangeBuffer {
 public:
  struct Change {
    int64_t event_time_us = kNoEventTime;
    int64_t commit = 0;
    bool removal = false;
    std::string bytes;  ///< of an upsert: the row; of a removal: the key columns
  };
  using Changes = std::unordered_map<std::string, std::vector<Change>>;

  explicit ChangeBuffer(std::shared_ptr<const GroupState> state);

  /// Adds the changes of one batch of Table::Changes. Invalid for columns
  /// that are missing or of the wrong type.
  Status Add(const std::shared_ptr<arrow::RecordBatch>& batch);

  /// Changes by key (SortKeys' byte form), in the order in which they take effect.
  const Changes& changes() const { return changes_; }
  bool empty() const { return changes_.empty(); }
  /// Enough to be written.
  bool full() const { return changes_.size() >= kFullKeys || bytes_ >= kFullBytes; }
  /// Starts the next fill. Removals of the commit in progress stay for its end.
  void Clear();
  /// Lets the removals of the last commit take effect, at the end of the feed.
  void Finish() { ReleaseRemovals(); }

 private:
  static constexpr size_t kFullKeys = 4096;
  static constexpr size_t kFullBytes = 16 << 20;

  struct Removal {
    std::string key;
    Change change;
  };

  void ReleaseRemovals();
  void AddChange(const std::string& key, Change change);

  const std::shared_ptr<const GroupState> state_;
  std::shared_ptr<const RowLayout> key_layout_;
  Changes changes_;
  size_t bytes_ = 0;
  int64_t commit_ = -1;            // in progress
  std::vector<Removal> removals_;  // of the commit in progress
};

}  // namespace tercet
