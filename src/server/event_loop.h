#pragma once

#include <sys/epoll.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/result.h"

namespace tercet {

/// Waits for many descriptors on one thread, and tells those whom they belong to. A descriptor is
/// named once and told of at each change (edge-triggered): a connection that is asked again and
/// again costs nothing but its own reads and writes, and one wait for all that are ready.
///
/// To put a thread to sleep and wake it costs more than a request (several microseconds, and on a
/// virtual machine whose core falls asleep as well, twenty). So where events have come soon after
/// one another, the loop stays awake for up to 20 µs, letting other threads run meanwhile; where
/// they do not, it soon stops doing so, and an idle loop sleeps.
///
/// Methods are the loop's thread's, but for Post and Stop.
class EventLoop {
 public:
  /// Whom a descriptor belongs to. It may only be destroyed in a task: until the tasks run, the
  /// loop may hold events of it.
  class Handler {
   public:
    virtual ~Handler() = default;
    /// `events`: EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLHUP and EPOLLERR as they are now.
    virtual void OnReady(uint32_t events) = 0;
  };
  using Task = std::function<void()>;

  /// IOError when the system has no descriptors left.
  static Result<std::unique_ptr<EventLoop>> Make();
  ~EventLoop();

  /// Calls handlers and tasks until Stop. Tasks that come later are destroyed with the loop.
  void Run();
  /// Makes Run return soon. From any thread.
  void Stop();

  /// Has a task run by the loop's thread. From any thread.
  void Post(Task task);
  /// The same from the loop's own thread: after the events that are at hand.
  void Later(Task task) { later_.push_back(std::move(task)); }
  /// Has a task run again and again, from Run on. To be called once, before.
  Status Every(std::chrono::milliseconds time, Task task);

  /// Tells `handler` of all changes of a socket until it is closed; also of how it is now.
  Status Watch(int descriptor, Handler* handler);

 private:
  class Bell;
  class Timer;

  EventLoop() = default;
  Status Add(int descriptor, uint32_t events, Handler* handler);
  /// Waits for events; looks again and again for a while before it sleeps, where that mostly pays.
  int Wait(std::span<epoll_event> events);
  void RunTasks();

  int epoll_ = -1;
  int soon_ = 0;  ///< how much speaks for events that come soon
  std::unique_ptr<Bell> bell_;
  std::unique_ptr<Timer> timer_;  ///< null: there is none
  std::atomic<bool> stopped_{false};
  std::vector<Task> later_, running_;
  std::mutex mutex_;
  std::vector<Task> posted_;  ///< guarded by mutex_
};

}  // namespace tercet
