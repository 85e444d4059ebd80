#include "runtime/worker_process.h"

#include <sys/resource.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tercet {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kMemory = int64_t{4} << 30;
constexpr int64_t kLong = 60'000'000;

Status Start(WorkerProcess* worker, const std::string& program) {
  return worker->Start({"python3", "-S", "-c",
                        "import os, socket, sys, time\ns = socket.socket(fileno=3)\n" + program},
                       kMemory);
}

double ThreadSeconds() {
  rusage used{};
  ::getrusage(RUSAGE_THREAD, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

TEST(WorkerProcess, EchoesFramesInParts) {
  WorkerProcess worker;
  ASSERT_TRUE(Start(&worker, R"(
head = s.recv(9, socket.MSG_WAITALL)
size = int.from_bytes(head[1:], "little")
body = s.recv(size, socket.MSG_WAITALL)
s.sendall(head[:3])
s.sendall(head[3:] + body)
)").ok());
  const std::string payload(3 << 20, 'x');
  const auto answer = worker.Call({'P', payload}, kLong);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->type, 'P');
  EXPECT_EQ(answer->payload, payload);
}

TEST(WorkerProcess, WaitsWithoutWorkForOneThatClosedItsErrors) {
  WorkerProcess worker;
  ASSERT_TRUE(Start(&worker, R"(
os.close(1)
os.close(2)
s.recv(9, socket.MSG_WAITALL)
time.sleep(2)
s.sendall(b"R" + bytes(8))
)").ok());
  const double before = ThreadSeconds();
  const auto answer = worker.Call({'P', ""}, kLong);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_LT(ThreadSeconds() - before, 1) << "of two seconds that were waited for";
}

TEST(WorkerProcess, TellsHowItEnded) {
  WorkerProcess worker;
  ASSERT_TRUE(Start(&worker, "print('no more', file=sys.stderr, flush=True)\nos._exit(3)").ok());
  Status status = worker.Call({'P', ""}, kLong).status();
  EXPECT_TRUE(status.IsIOError());
  EXPECT_THAT(status.message(), HasSubstr("exit code 3"));
  EXPECT_THAT(status.message(), HasSubstr("no more"));
  ASSERT_TRUE(Start(&worker, R"(s.sendall(b"R" + bytes([255] * 8)))").ok());
  status = worker.Call({'P', ""}, kLong).status();
  EXPECT_THAT(status.message(), HasSubstr("too large"));
  EXPECT_FALSE(worker.running());
}

}  // namespace
}  // namespace tercet
