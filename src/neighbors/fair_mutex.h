#pragma once

#include <mutex>
#include <shared_mutex>

namespace tercet {

/// A shared mutex whose writer waits only for the readers that came before it: the standard's lets
/// readers go on overtaking a writer. For std::unique_lock and std::shared_lock.
class FairMutex {
 public:
  void lock() {
    turn_.lock();
    mutex_.lock();
    turn_.unlock();
  }
  void unlock() { mutex_.unlock(); }
  void lock_shared() {
    turn_.lock();
    mutex_.lock_shared();
    turn_.unlock();
  }
  void unlock_shared() { mutex_.unlock_shared(); }

 private:
  std::mutex turn_;  // to lock mutex_
  std::shared_mutex mutex_;
};

}  // namespace tercet
