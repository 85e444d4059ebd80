#include "online/group_sync.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "base/interrupt.h"

namespace tercet {

void GroupSync::Close() {
  // Taken out, since calls that are still on their way may add entries while these are joined.
  std::vector<std::thread> threads;
  {
    std::lock_guard lock(mutex_);
    closing_ = true;
    changed_.notify_all();
    for (auto& [group, run] : runs_) {
      if (run.thread.joinable()) threads.push_back(std::move(run.thread));
    }
  }
  for (std::thread& thread : threads) thread.join();
}

void GroupSync::Start(const Ref& group, int64_t version, const OnlineAccess::Sync& sync,
                      Run* run) {
  if (run->running || closing_) return;
  if (run->thread.joinable()) run->thread.join();  // It has ended: it set running to false last.
  run->running = true;
  ++run->started;
  run->thread = std::thread([this, group, version, sync, run] {
    Status status = sync(store_, group, version);
    std::lock_guard lock(mutex_);
    run->running = false;
    run->finished = run->started;
    run->status = std::move(status);
    changed_.notify_all();
  });
}

Status GroupSync::SyncTo(const Ref& group, int64_t version, int64_t timeout_us) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::microseconds(timeout_us);
  std::unique_lock lock(mutex_);
  Run& run = runs_[group];
  // A run that began before this call may not have seen what this caller wants applied; a failure
  // counts only of a run that began after.
  const int64_t mine = run.started + 1;
  while (true) {
    if (version >= 0) {
      ARROW_ASSIGN_OR_RAISE(const int64_t applied, store_->AppliedVersion(group));
      // A run that is under way may have applied the version and not yet brought back the previous
      // rows of deleted keys; one that failed may have left them.
      if (applied >= version && !run.running && run.status.ok()) return Status::OK();
    }
    if (run.finished >= mine) {
      if (!run.status.ok() || version < 0) return run.status;
      return Status::IOError("online store: feature group '", group.ToText(),
                             "' was brought up to its newest commit, which is before version ",
                             version);
    }
    if (closing_) {
      return Status::Cancelled("the online store is closing; feature group '", group.ToText(),
                               "' is caught up when it is next opened");
    }
    Start(group, version, sync_, &run);
    const auto look = std::chrono::steady_clock::now() + kBetweenLooks;
    const auto until = CanBeInterrupted() ? std::min(look, deadline) : deadline;
    if (changed_.wait_until(lock, until) != std::cv_status::timeout) continue;
    lock.unlock();
    ARROW_RETURN_NOT_OK(CheckInterrupt());
    lock.lock();
    if (until == deadline) {
      return Status::Cancelled("waiting for version ", version, " of feature group '",
                               group.ToText(), "' to be applied online took longer than ",
                               timeout_us / 1000, " ms; it is still being applied");
    }
  }
}

Status GroupSync::Rebuild(const Ref& group, int64_t version, int64_t timeout_us) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::microseconds(timeout_us);
  if (!rebuild_) return Status::NotImplemented("this online store's owner does not rebuild groups");
  std::unique_lock lock(mutex_);
  Run& run = runs_[group];
  const auto wait_until = [&](const auto& done) -> Status {
    if (changed_.wait_until(lock, deadline, done)) return Status::OK();
    return Status::Cancelled("rebuilding feature group '", group.ToText(), "' online took longer ",
                             "than ", timeout_us / 1000, " ms; it goes on");
  };
  ARROW_RETURN_NOT_OK(wait_until([&] { return !run.running || closing_; }));
  if (closing_) {
    return Status::Cancelled("the online store is closing; feature group '", group.ToText(),
                             "' is as it was");
  }
  const int64_t mine = run.started + 1;
  const auto status = std::make_shared<Status>();  // this run's, whatever runs after it
  Start(
      group, version,
      [rebuild = rebuild_, status](OnlineStore* store, const Ref& ref, int64_t wanted) {
        *status = rebuild(store, ref, wanted);
        return *status;
      },
      &run);
  ARROW_RETURN_NOT_OK(wait_until([&] { return run.finished >= mine; }));
  return *status;
}

Status GroupSync::Drop(const Ref& group) {
  std::unique_lock lock(mutex_);
  Run& run = runs_[group];
  changed_.wait(lock, [&] { return !run.running; });
  // Holding the mutex keeps a new run from starting in between.
  return store_->Drop(group);
}

}  // namespace tercet
