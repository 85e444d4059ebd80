#include "base/parallel.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <thread>

#include <arrow/compute/initialize.h>
#include <arrow/util/thread_pool.h>

#include "base/interrupt.h"

namespace tercet {
namespace {

int ThreadsFromEnvironment() {
  const char* text = std::getenv("TERCET_THREADS");
  const int threads = text == nullptr ? 0 : std::atoi(text);
  if (threads > 0) return std::min(threads, 1024);
  return std::max(1u, std::thread::hardware_concurrency());
}

std::atomic<int>& Threads() {
  static std::atomic<int> threads{ThreadsFromEnvironment()};
  return threads;
}

/// Shared by the caller and the pool's threads; a pool thread may come late, when all is done and
/// the caller has gone, so it is owned by all of them.
struct Work {
  int64_t count;
  const std::function<Status(int64_t)>* task;  // outlives every i < count
  std::atomic<int64_t> next{0};
  std::atomic<bool> failed{false};
  std::mutex mutex;
  std::condition_variable changed;
  int64_t finished = 0;
  int64_t failed_index = -1;
  Status failure;

  void Run() {
    while (true) {
      const int64_t i = next.fetch_add(1);
      if (i >= count) return;
      const Status status = failed.load() ? Status::OK() : RunOne(i);
      std::lock_guard lock(mutex);
      Note(i, status);
      if (++finished == count) changed.notify_all();
    }
  }

  /// Only the calling thread can be interrupted, so a helper's look costs nothing. What is thrown
  /// would end the process on a helper, and take the task from the helpers on the caller.
  Status RunOne(int64_t i) const {
    ARROW_RETURN_NOT_OK(CheckInterrupt());
    try {
      return (*task)(i);
    } catch (const std::bad_alloc&) {
      return Status::OutOfMemory("no memory for a part of the work");
    } catch (const std::exception& error) {
      return Status::UnknownError(error.what());
    }
  }

  /// Keeps the failure of the lowest i. The mutex is held.
  void Note(int64_t i, const Status& status) {
    if (status.ok() || (failed_index >= 0 && failed_index <= i)) return;
    failed_index = i;
    failure = status;
    failed.store(true);
  }

  /// Until every task has ended; an interrupt meanwhile skips those not yet begun.
  Status Wait() {
    const auto done = [&] { return finished == count; };
    std::unique_lock lock(mutex);
    while (CanBeInterrupted() && !changed.wait_for(lock, kBetweenLooks, done)) {
      lock.unlock();
      const Status status = CheckInterrupt();
      lock.lock();
      Note(count, status);
    }
    changed.wait(lock, done);
    return failure;
  }
};

}  // namespace

int ThreadCount() { return Threads().load(); }

Status SetThreadCount(int threads) {
  if (threads < 1 || threads > 1024) {
    return Status::Invalid("thread count ", threads, " must be from 1 to 1024");
  }
  Threads().store(threads);
  return arrow::SetCpuThreadPoolCapacity(threads);
}

Status ParallelFor(int64_t count, const std::function<Status(int64_t)>& task) {
  if (count <= 0) return Status::OK();
  auto work = std::make_shared<Work>();
  work->count = count;
  work->task = &task;
  const int64_t helpers = std::min<int64_t>(count, ThreadCount()) - 1;
  for (int64_t i = 0; i < helpers; ++i) {
    // A pool that takes no more leaves the rest to the caller, who must not go while helpers run.
    if (!arrow::internal::GetCpuThreadPool()->Spawn([work] { work->Run(); }).ok()) break;
  }
  work->Run();
  return work->Wait();
}

void InitializeArrow() {
  static const Status status = arrow::compute::Initialize();
  if (!status.ok()) status.Abort("arrow::compute::Initialize");
}

}  // namespace tercet
