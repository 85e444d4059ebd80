#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "online/online_access.h"

namespace tercet {

/// Brings groups up to their offline tables, one run a group at a time, each in a thread of its
/// own, so that a caller may stop waiting and a large load of one group holds up no other.
/// Thread-safe.
class GroupSync {
 public:
  GroupSync(OnlineStore* store, OnlineAccess::Sync sync, OnlineAccess::Sync rebuild)
      : store_(store), sync_(std::move(sync)), rebuild_(std::move(rebuild)) {}
  ~GroupSync() { Close(); }

  /// Ends all waits, starts nothing any more, and waits for the runs in progress. Waiting calls
  /// must have returned before destruction.
  void Close();

  /// Returns when the group is applied up to `version` (< 0: the newest when called). A failure of
  /// the run, or Cancelled after `timeout_us` (the run goes on) and when the owner closes.
  Status SyncTo(const Ref& group, int64_t version, int64_t timeout_us);

  /// OnlineAccess::Rebuild, after the run in progress and before the next.
  Status Rebuild(const Ref& group, int64_t version, int64_t timeout_us);

  /// Takes the group out of the store, after the run in progress.
  Status Drop(const Ref& group);

 private:
  struct Run {
    std::thread thread;
    bool running = false;
    int64_t started = 0;   ///< runs begun
    int64_t finished = 0;  ///< runs ended; the newest ended with `status`
    Status status;
  };

  /// Starts a run when none is in progress. mutex_ is held.
  void Start(const Ref& group, int64_t version, const OnlineAccess::Sync& sync, Run* run);

  OnlineStore* const store_;
  const OnlineAccess::Sync sync_;
  const OnlineAccess::Sync rebuild_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool closing_ = false;     // guarded by mutex_
  std::map<Ref, Run> runs_;  // guarded by mutex_; entries stay
};

}  // namespace tercet
