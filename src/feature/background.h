#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "feature/ingest.h"

namespace tercet {

/// The thread that has commits applied online: those of this process when they are made, and while
/// this process owns the online store also those of foreign writers, for which it looks about once
/// a second. Thread-safe.
class Ingest::Background {
 public:
  Background(FeatureTables* tables, OnlineAccess* online);
  /// Stops; what is not applied yet is caught up by the next owner.
  ~Background();

  /// Has the group applied up to `version`, soon.
  void Enqueue(const Ref& group, int64_t version);

  /// Has the group's small files merged, if a policy asks for it, when nothing else is to do.
  void CompactIfDue(const Ref& group);
  /// Waits until all that was enqueued is applied; the first failure.
  Status Flush();

 private:
  using TimePoint = std::chrono::steady_clock::time_point;

  /// A group that is to be brought up to a version. Groups take turns by `due`, so that one that is
  /// written all the time, or can't be applied, holds up no other.
  struct Behind {
    int64_t version = 0;
    TimePoint due;
  };

  void Work();
  /// The group whose turn is next; end() when none waits. mutex_ is held.
  std::map<Ref, Behind>::iterator Next();
  /// Looks for commits that nobody enqueued.
  void Poll();
  void Compact(const Ref& group) const;

  FeatureTables* const tables_;
  OnlineAccess* const online_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<Ref, Behind> waiting_;   // guarded by mutex_, like what follows
  std::set<Ref> written_;           // that a compaction may be due for
  bool busy_ = false;               // with a group that is not in waiting_ any more
  int64_t failures_ = 0;
  Status failure_;                  // the newest
  bool closing_ = false;
  std::thread thread_;              // last: it uses all of the above
};

}  // namespace tercet
