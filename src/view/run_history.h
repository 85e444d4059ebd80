#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "view/history.h"

namespace tercet {

/// History read straight from sorted runs that follow each other without overlap.
class RunHistory : public History {
 public:
  /// Null where the table's files are not like that: some overlap, have deleted rows, or were
  /// written by others.
  static Result<std::unique_ptr<History>> Make(Snapshot* snapshot, const HistoryRequest& request);

  Result<std::unique_ptr<HistoryStream>> Open(const HistoryRange& range) override;

 private:
  friend class RunStream;
  RunHistory(Snapshot* snapshot, const HistoryRequest& request)
      : snapshot_(snapshot), request_(request) {}

  /// Each file is opened once, by the task that comes first.
  Result<std::shared_ptr<RunFile>> File(size_t index);

  Snapshot* const snapshot_;
  const HistoryRequest request_;
  std::vector<std::shared_ptr<const DataFile>> files_;  // in order of their keys
  std::mutex mutex_;
  std::vector<std::shared_ptr<RunFile>> open_;  // guarded by mutex_
};

}  // namespace tercet
