#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "view/history.h"

namespace tercet {

/// The files of a snapshot whose rows follow each other, in their order: sorted runs that don't
/// overlap and have no deleted rows; nullopt where they are not like that, or others wrote some.
Result<std::optional<std::vector<std::shared_ptr<const DataFile>>>> FollowingRuns(
    Snapshot* snapshot);

/// History read straight from sorted runs that follow each other without overlap.
class RunHistory : public History {
 public:
  /// Null where the table's files are not like that (FollowingRuns).
  static Result<std::unique_ptr<History>> Make(Snapshot* snapshot, const HistoryRequest& request);

  Result<std::unique_ptr<HistoryStream>> Open(const HistoryRange& range) override;
  bool later(size_t feature) const override { return later_[feature]; }
  Result<std::unique_ptr<PlainRows>> ReadLater(size_t feature) override;

 private:
  friend class RunStream;
  RunHistory(Snapshot* snapshot, const HistoryRequest& request)
      : snapshot_(snapshot), request_(request), later_(request.features.size(), false) {}

  /// Numbers the rows of all row groups, and tells which features lie plain in each of them.
  Status PlanLater();

  /// Each file is opened once, by the task that comes first.
  Result<std::shared_ptr<RunFile>> File(size_t index);

  Snapshot* const snapshot_;
  const HistoryRequest request_;
  std::vector<std::shared_ptr<const DataFile>> files_;  // in order of their keys
  std::vector<bool> later_;
  std::vector<std::vector<int64_t>> numbers_;  // of each row group's first row, by file
  int64_t numbered_rows_ = 0;
  std::mutex mutex_;
  std::vector<std::shared_ptr<RunFile>> open_;  // guarded by mutex_
  std::vector<std::vector<bool>> given_;        // row groups that streams gave; guarded by mutex_
};

}  // namespace tercet
