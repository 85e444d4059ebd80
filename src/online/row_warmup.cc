#include "online/row_warmup.h"

#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"

namespace tercet {
namespace {

/// Rows that are read under one count of the group's writes.
constexpr int kRowsAtOnce = 2048;
constexpr int kLowPriority = 10;

}  // namespace

RowWarmup::~RowWarmup() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void RowWarmup::Ask(std::string prefix, std::shared_ptr<const RowWrites> writes) {
  {
    const std::lock_guard lock(mutex_);
    asked_.push_back({std::move(prefix), std::move(writes)});
    if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
  }
  changed_.notify_all();
}

bool RowWarmup::closing() {
  const std::lock_guard lock(mutex_);
  return closing_;
}

void RowWarmup::Run() {
  // On Linux a thread has a priority of its own. Without it the thread is only less polite.
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kLowPriority);
  while (true) {
    Group group;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return closing_ || !asked_.empty(); });
      if (closing_) return;
      group = std::move(asked_.front());
      asked_.pop_front();
    }
    Warm(group);
  }
}

void RowWarmup::Warm(const Group& group) {
  rocksdb::ReadOptions options;
  options.fill_cache = false;  // The blocks are read once.
  std::string from = group.prefix;
  while (!closing() && cache_->HasRoom()) {
    const uint64_t as_of = group.writes->count();
    const std::unique_ptr<rocksdb::Iterator> row(db_->NewIterator(options));
    int rows = 0;
    for (row->Seek(from); row->Valid() && rows < kRowsAtOnce; row->Next(), ++rows) {
      const std::string_view key = row->key().ToStringView();
      if (!key.starts_with(group.prefix)) return;
      cache_->Fill(key, cache_->Prepare(key), row->value().ToStringView(), *group.writes, as_of);
    }
    if (!row->Valid()) {
      if (!row->status().ok()) {
        LogWarn("online store: reading rows into memory: " + row->status().ToString());
      }
      return;
    }
    from = row->key().ToString();
  }
}

}  // namespace tercet
