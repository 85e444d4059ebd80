#include "online/unix_socket.h"

#include <gtest/gtest.h>

#include "base/id.h"

namespace tercet {
namespace {

TEST(UnixSocket, AFrameComesAsItWasSent) {
  const std::string name = "tercet-test-" + NewUuid();
  UnixSocket listener = UnixSocket::Listen(name).ValueOrDie();
  UnixSocket sender = UnixSocket::Connect(name).ValueOrDie();
  UnixSocket receiver = *listener.Accept().ValueOrDie();
  ASSERT_TRUE(sender.Send("some text").ok());
  ASSERT_TRUE(sender.Send("").ok());
  EXPECT_EQ(receiver.Receive().ValueOrDie(), "some text");
  EXPECT_EQ(receiver.Receive().ValueOrDie(), "");
  sender.Shutdown();
  EXPECT_EQ(receiver.Receive().ValueOrDie(), std::nullopt);
}

TEST(UnixSocket, AProcessThatHangsIsWaitedForNoLongerThanSaid) {
  const std::string name = "tercet-test-" + NewUuid();
  const UnixSocket silent = UnixSocket::Listen(name).ValueOrDie();
  UnixSocket socket = UnixSocket::Connect(name).ValueOrDie();
  ASSERT_TRUE(socket.SetTimeout(20'000).ok());
  EXPECT_TRUE(socket.Receive().status().IsIOError());
  // More than the system keeps for a reader that does not come.
  EXPECT_TRUE(socket.Send(std::string(32 << 20, 'x')).IsIOError());
}

}  // namespace
}  // namespace tercet
