#include "runtime/worker_pool.h"

#include <algorithm>

#include "base/overload.h"

namespace tercet {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kFirstPause{100};
constexpr std::chrono::milliseconds kLongestPause{30'000};
/// A call waits so long for a worker that is started again.
constexpr std::chrono::seconds kPatience{1};
/// Of the room between what a worker has after loading and its limit, so much may be used.
constexpr double kUsableRoom = 0.8;

/// The first failure is made good at once, further ones after pauses that double.
std::chrono::milliseconds PauseAfter(int64_t failures) {
  if (failures < 2) return std::chrono::milliseconds(0);
  const int64_t doublings = std::min<int64_t>(failures - 2, 20);
  return std::min(std::chrono::milliseconds(kFirstPause.count() << doublings), kLongestPause);
}

}  // namespace

WorkerPool::WorkerPool(Start start) : start_(std::move(start)), thread_([this] { Loop(); }) {}

WorkerPool::~WorkerPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

Status WorkerPool::Reserve(const WorkerLimits& limits) {
  std::unique_lock lock(mutex_);
  const int64_t workers = std::max(limits.workers, limits_.workers);
  limits_ = limits;
  limits_.workers = workers;
  const auto other = [&](const std::unique_ptr<Worker>& worker) { return MustRetire(*worker); };
  const auto keep = std::stable_partition(
      idle_.begin(), idle_.end(), [&](const auto& worker) { return !other(worker); });
  std::vector<std::unique_ptr<Worker>> retired(std::make_move_iterator(keep),
                                               std::make_move_iterator(idle_.end()));
  idle_.erase(keep, idle_.end());
  for (auto& worker : retired) Retire(std::move(worker));
  const int64_t failed_before = failed_starts_;
  changed_.notify_all();
  changed_.wait(lock, [&] {
    return stopping_ || alive_ >= limits_.workers || failed_starts_ != failed_before;
  });
  if (alive_ >= limits_.workers) return Status::OK();
  return last_failure_;
}

bool WorkerPool::MustRetire(const Worker& worker) const {
  return worker.memory_limit_bytes != limits_.memory_bytes ||
         (limits_.requests > 0 && worker.calls >= limits_.requests);
}

void WorkerPool::Retire(std::unique_ptr<Worker> worker) {
  worker.reset();  // ends the process
  --alive_;
}

Result<std::unique_ptr<WorkerPool::Worker>> WorkerPool::Take(
    const std::optional<TimePoint>& deadline) {
  std::unique_lock lock(mutex_);
  const int64_t failed_before = failed_starts_;
  const auto hopeless = [&] {
    return alive_ == 0 && (failed_starts_ != failed_before ||
                           next_start_ > SteadyClock::now() + kPatience);
  };
  const auto ready = [&] { return !idle_.empty() || hopeless(); };
  if (!deadline) {
    changed_.wait(lock, ready);
  } else if (!changed_.wait_until(lock, *deadline, ready)) {
    return TooLate("no worker was free in time");
  }
  if (idle_.empty()) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        next_start_ - SteadyClock::now());
    return Explain(last_failure_, "no worker runs, after " + std::to_string(failures_) +
                                      " failures in a row; the next start is in " +
                                      std::to_string(std::max<int64_t>(left.count(), 0)) + " ms");
  }
  std::unique_ptr<Worker> worker = std::move(idle_.back());
  idle_.pop_back();
  return worker;
}

void WorkerPool::GiveBack(std::unique_ptr<Worker> worker, Left left, const Status& why) {
  // Read before the lock is taken; a process that is gone has no size.
  const int64_t room = worker->memory_limit_bytes - worker->loaded_bytes;
  const bool full = static_cast<double>(worker->process.AddressSpaceBytes() -
                                        worker->loaded_bytes) >
                    kUsableRoom * static_cast<double>(room);
  {
    const std::lock_guard lock(mutex_);
    ++worker->calls;
    if (left == Left::kFailed) {
      ++failures_;
      last_failure_ = why;
      next_start_ = SteadyClock::now() + PauseAfter(failures_);
      Retire(std::move(worker));
    } else if (left == Left::kTired || full || MustRetire(*worker)) {
      failures_ = 0;
      Retire(std::move(worker));
    } else {
      failures_ = 0;
      idle_.push_back(std::move(worker));
    }
  }
  changed_.notify_all();
}

void WorkerPool::Loop() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (alive_ >= limits_.workers) {
      changed_.wait(lock);
      continue;
    }
    if (SteadyClock::now() < next_start_) {
      changed_.wait_until(lock, next_start_);
      continue;
    }
    auto worker = std::make_unique<Worker>();
    worker->memory_limit_bytes = limits_.memory_bytes;
    lock.unlock();
    const Status started = start_(&worker->process, worker->memory_limit_bytes);
    worker->loaded_bytes = worker->process.AddressSpaceBytes();
    lock.lock();
    if (started.ok()) {
      ++alive_;
      idle_.push_back(std::move(worker));
    } else {
      ++failures_;
      ++failed_starts_;
      last_failure_ = started;
      next_start_ = SteadyClock::now() + PauseAfter(failures_);
    }
    changed_.notify_all();
  }
  // Lent ones are back by now; they end on the thread that started them.
  idle_.clear();
}

}  // namespace tercet
