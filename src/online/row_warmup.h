#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include <rocksdb/db.h>

#include "online/row_cache.h"

namespace tercet {

/// Reads the rows of groups into the cache, in a thread of low priority, for as long as the cache
/// has room: a group whose rows fit is served from memory soon after its first read, and one that
/// is only written never costs memory. Thread-safe.
class RowWarmup {
 public:
  RowWarmup(rocksdb::DB* db, RowCache* cache) : db_(db), cache_(cache) {}
  /// Stops where it is.
  ~RowWarmup();

  /// The rows whose store keys begin with `prefix`, whose writes `writes` counts.
  void Ask(std::string prefix, std::shared_ptr<const RowWrites> writes);

 private:
  struct Group {
    std::string prefix;
    std::shared_ptr<const RowWrites> writes;
  };

  void Run();
  void Warm(const Group& group);
  bool closing();

  rocksdb::DB* const db_;
  RowCache* const cache_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool closing_ = false;     // guarded by mutex_
  std::deque<Group> asked_;  // guarded by mutex_
  std::thread thread_;       // started with the first group
};

}  // namespace tercet
