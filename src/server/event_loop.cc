#include "server/event_loop.h"

#include <sched.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace tercet {
namespace {

/// Events that one wait brings, at most.
constexpr int kEvents = 256;
/// How long a loop stays awake for events that come soon.
constexpr std::chrono::microseconds kAwake{20};
/// A sleep that was so short, with the waking itself, had better not been.
constexpr std::chrono::microseconds kShortSleep{50};
/// It stays awake from so many events that came soon, and counts so many at most. To have stayed
/// awake in vain counts against as many, so that it happens once in a few times at most.
constexpr int kStayAwake = 4;
constexpr int kMostSoon = 8;

Status SystemError(std::string_view what) {
  return Status::IOError("event loop: ", what, ": ", std::strerror(errno));
}

/// Takes what an eventfd or a timerfd has counted.
void TakeCount(int descriptor) {
  uint64_t count = 0;
  // Nothing to take is as good.
  [[maybe_unused]] const ssize_t taken = ::read(descriptor, &count, sizeof(count));
}

}  // namespace

/// Rung by other threads; brings the loop what they posted.
class EventLoop::Bell : public Handler {
 public:
  Bell(EventLoop* loop, int descriptor) : loop_(loop), descriptor_(descriptor) {}
  ~Bell() override { ::close(descriptor_); }

  void Ring() {
    const uint64_t one = 1;
    // It fails only when it was rung 2^64 times and nobody has heard it: then it is heard, too.
    [[maybe_unused]] const ssize_t written = ::write(descriptor_, &one, sizeof(one));
  }

  void OnReady(uint32_t) override {
    TakeCount(descriptor_);
    std::vector<Task> posted;
    {
      const std::lock_guard lock(loop_->mutex_);
      posted.swap(loop_->posted_);
    }
    for (Task& task : posted) loop_->Later(std::move(task));
  }

 private:
  EventLoop* const loop_;
  const int descriptor_;
};

class EventLoop::Timer : public Handler {
 public:
  Timer(EventLoop* loop, int descriptor, Task task)
      : loop_(loop), descriptor_(descriptor), task_(std::move(task)) {}
  ~Timer() override { ::close(descriptor_); }

  void OnReady(uint32_t) override {
    TakeCount(descriptor_);
    loop_->Later(task_);
  }

 private:
  EventLoop* const loop_;
  const int descriptor_;
  const Task task_;
};

Result<std::unique_ptr<EventLoop>> EventLoop::Make() {
  std::unique_ptr<EventLoop> loop(new EventLoop());
  loop->epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  if (loop->epoll_ < 0) return SystemError("epoll");
  const int bell = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (bell < 0) return SystemError("eventfd");
  loop->bell_ = std::make_unique<Bell>(loop.get(), bell);
  ARROW_RETURN_NOT_OK(loop->Add(bell, EPOLLIN, loop->bell_.get()));
  return loop;
}

EventLoop::~EventLoop() {
  if (epoll_ >= 0) ::close(epoll_);
}

void EventLoop::Run() {
  std::array<epoll_event, kEvents> events;
  while (!stopped_.load(std::memory_order_acquire)) {
    const int count = Wait(events);
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<size_t>(i)];
      static_cast<Handler*>(event.data.ptr)->OnReady(event.events);
    }
    RunTasks();
  }
}

int EventLoop::Wait(std::span<epoll_event> events) {
  using Clock = std::chrono::steady_clock;
  const auto wait = [&](int timeout_ms) {
    // Nothing but a signal interrupts it.
    return ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), timeout_ms);
  };
  int count = wait(0);
  if (count != 0 || !later_.empty()) return count;
  const Clock::time_point begun = Clock::now();
  if (soon_ >= kStayAwake) {
    do {
      ::sched_yield();
      count = wait(0);
    } while (count == 0 && Clock::now() - begun < kAwake);
    soon_ = count != 0 ? std::min(soon_ + 1, kMostSoon) : soon_ - kStayAwake;
    if (count != 0) return count;
    return wait(-1);
  }
  count = wait(-1);
  soon_ = Clock::now() - begun < kShortSleep ? soon_ + 1 : std::max(soon_ - 1, 0);
  return count;
}

void EventLoop::RunTasks() {
  if (later_.empty()) return;
  // What these tasks put off comes after the next look at the descriptors.
  running_.swap(later_);
  for (const Task& task : running_) task();
  running_.clear();
}

void EventLoop::Stop() {
  stopped_.store(true, std::memory_order_release);
  bell_->Ring();
}

void EventLoop::Post(Task task) {
  bool first;
  {
    const std::lock_guard lock(mutex_);
    first = posted_.empty();
    posted_.push_back(std::move(task));
  }
  if (first) bell_->Ring();
}

Status EventLoop::Every(std::chrono::milliseconds time, Task task) {
  const int descriptor = ::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  if (descriptor < 0) return SystemError("timerfd");
  timer_ = std::make_unique<Timer>(this, descriptor, std::move(task));
  itimerspec times{};
  times.it_interval.tv_sec = time.count() / 1000;
  times.it_interval.tv_nsec = time.count() % 1000 * 1'000'000;
  times.it_value = times.it_interval;
  if (::timerfd_settime(descriptor, 0, &times, nullptr) != 0) return SystemError("timerfd");
  return Add(descriptor, EPOLLIN, timer_.get());
}

Status EventLoop::Watch(int descriptor, Handler* handler) {
  return Add(descriptor, EPOLLIN | EPOLLOUT | EPOLLRDHUP, handler);
}

Status EventLoop::Add(int descriptor, uint32_t events, Handler* handler) {
  epoll_event event{};
  event.events = events | EPOLLET;
  event.data.ptr = handler;
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) != 0) return SystemError("epoll_ctl");
  return Status::OK();
}

}  // namespace tercet
