#include "server/event_loop.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <future>
#include <thread>
#include <utility>

namespace tercet {
namespace {

/// A loop on a thread of its own.
class RunningLoop {
 public:
  RunningLoop() : loop_(EventLoop::Make().ValueOrDie()) {}
  ~RunningLoop() { Stop(); }
  void Start() {
    thread_ = std::thread([this] { loop_->Run(); });
  }
  void Stop() {
    loop_->Stop();
    if (thread_.joinable()) thread_.join();
  }
  EventLoop* operator->() { return loop_.get(); }

 private:
  std::unique_ptr<EventLoop> loop_;
  std::thread thread_;
};

/// Adds up what it reads, and tells when the other end is closed.
class Reader : public EventLoop::Handler {
 public:
  explicit Reader(int descriptor) : descriptor_(descriptor) {}
  void OnReady(uint32_t events) override {
    ++calls_;
    char bytes[16];
    ssize_t got = 0;
    while ((got = ::recv(descriptor_, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
      text_.append(bytes, static_cast<size_t>(got));
    }
    if ((events & EPOLLRDHUP) != 0 && !std::exchange(told_, true)) closed_.set_value();
  }
  std::future<void> closed() { return closed_.get_future(); }
  const std::string& text() const { return text_; }
  int calls() const { return calls_; }

 private:
  const int descriptor_;
  std::string text_;
  int calls_ = 0;
  bool told_ = false;
  std::promise<void> closed_;
};

TEST(EventLoopTest, TellsOfWhatCanBeReadAndOfTheEnd) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  Reader reader(ends[0]);
  std::future<void> closed = reader.closed();
  RunningLoop loop;
  ASSERT_TRUE(loop->Watch(ends[0], &reader).ok());
  loop.Start();
  for (const char* text : {"one, ", "two, ", "three"}) {
    ASSERT_EQ(::send(ends[1], text, std::strlen(text), 0),
              static_cast<ssize_t>(std::strlen(text)));
  }
  ::close(ends[1]);
  closed.get();
  loop.Stop();
  EXPECT_EQ(reader.text(), "one, two, three");
  // The first call may be of its being writable; none repeats what was told.
  EXPECT_LE(reader.calls(), 6);
  ::close(ends[0]);
}

TEST(EventLoopTest, RunsWhatOtherThreadsPostInTheirOrder) {
  RunningLoop loop;
  loop.Start();
  constexpr int kThreads = 4, kTasks = 2000;
  std::vector<int> last(kThreads, -1);  // of the loop's thread
  bool in_order = true;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kTasks; ++i) {
        loop->Post([&, t, i] {
          in_order &= last[static_cast<size_t>(t)] == i - 1;
          last[static_cast<size_t>(t)] = i;
        });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::promise<void> done;
  loop->Post([&] { done.set_value(); });
  done.get_future().get();
  EXPECT_TRUE(in_order);
  EXPECT_EQ(last, std::vector<int>(kThreads, kTasks - 1));
}

TEST(EventLoopTest, PutsTasksOffAndRepeatsThem) {
  RunningLoop loop;
  std::promise<void> thrice;
  int times = 0;
  ASSERT_TRUE(loop->Every(std::chrono::milliseconds(1), [&] {
                    if (++times == 3) thrice.set_value();
                  }).ok());
  std::string order;
  loop->Later([&] {
    loop->Later([&] { order += "b"; });
    order += "a";
  });
  loop.Start();
  thrice.get_future().get();
  loop.Stop();
  EXPECT_EQ(order, "ab");
  EXPECT_GE(times, 3);
}

TEST(EventLoopTest, DestroysTasksThatComeTooLate) {
  const auto held = std::make_shared<int>(1);
  {
    RunningLoop loop;
    loop.Start();
    loop.Stop();
    loop->Post([held] { FAIL() << "the loop had stopped"; });
    loop->Later([held] { FAIL() << "the loop had stopped"; });
  }
  EXPECT_EQ(held.use_count(), 1);
}

}  // namespace
}  // namespace tercet
