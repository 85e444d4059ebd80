// Nodes of a Redis Cluster that send a command to each other, as they do for a moment while a slot
// moves. A real Cluster can't be held in that moment; two listeners can.

#include <atomic>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "online/test_redis.h"

namespace tercet {
namespace {

using ::testing::HasSubstr;

/// Answers each connection's commands by `reply(words)`, on a port that the system chose.
class FakeNode {
 public:
  using Reply = std::function<std::string(const std::vector<std::string>& words)>;

  FakeNode() : listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in any{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(any);
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&any), size), 0);
    EXPECT_EQ(::getsockname(listener_, reinterpret_cast<sockaddr*>(&any), &size), 0);
    EXPECT_EQ(::listen(listener_, 16), 0);
    port_ = ntohs(any.sin_port);
  }
  /// After the clients are gone.
  ~FakeNode() {
    ::shutdown(listener_, SHUT_RDWR);
    accepting_.join();
    for (std::thread& one : serving_) one.join();
    ::close(listener_);
  }

  void Serve(Reply reply) {
    accepting_ = std::thread([this, reply = std::move(reply)] {
      for (int client = 0; (client = ::accept(listener_, nullptr, nullptr)) >= 0;) {
        serving_.emplace_back([client, reply] {
          Talk(client, reply);
          ::close(client);
        });
      }
    });
  }

  int port() const { return port_; }
  std::string at() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  /// Cuts a line off the front of `text`; false when there is none yet.
  static bool TakeLine(std::string* text, std::string* line) {
    const size_t end = text->find("\r\n");
    if (end == std::string::npos) return false;
    *line = text->substr(0, end);
    text->erase(0, end + 2);
    return true;
  }

  /// Commands come as "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"; no word here has a line's end in it.
  static void Talk(int client, const Reply& reply) {
    std::string text, line;
    std::vector<std::string> words;
    size_t wanted = 0;
    char bytes[4096];
    for (ssize_t got = 0; (got = ::recv(client, bytes, sizeof(bytes), 0)) > 0;) {
      text.append(bytes, static_cast<size_t>(got));
      while (TakeLine(&text, &line)) {
        if (line[0] == '*') {
          wanted = std::stoul(line.substr(1));
        } else if (line[0] != '$') {
          words.push_back(line);
          if (words.size() < wanted) continue;
          const std::string answer = reply(words);
          ::send(client, answer.data(), answer.size(), MSG_NOSIGNAL);
          words.clear();
        }
      }
    }
  }

  const int listener_;
  int port_ = 0;
  std::thread accepting_;
  std::vector<std::thread> serving_;  ///< touched by accepting_ alone, until it has ended
};

std::string Bulk(const std::string& text) {
  return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}

/// Two nodes; the first says that it has all slots, and each sends a GET to the other until
/// `agreed` commands have come.
class RedisRedirect : public ::testing::Test {
 protected:
  void SetUp() override {
    for (size_t i = 0; i < 2; ++i) {
      nodes_[i].Serve([this, i](const std::vector<std::string>& words) -> std::string {
        const FakeNode& other = nodes_[1 - i];
        if (words[0] == "CLUSTER") {
          return "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n" + Bulk("127.0.0.1") + ":" +
                 std::to_string(nodes_[0].port()) + "\r\n";
        }
        if (words[0] == "GET") {
          if (++asked_ >= agreed_) return Bulk("found");
          return "-MOVED 12182 " + other.at() + "\r\n";
        }
        return "+OK\r\n";
      });
    }
  }

  Result<RedisReply> Ask() {
    RedisAddress address;
    address.host = "127.0.0.1";
    address.port = nodes_[0].port();
    ARROW_ASSIGN_OR_RAISE(const auto link, RedisLink::Connect(address));
    return link->Run(RedisCommand{"GET", "foo"});
  }

  std::atomic<int> asked_ = 0, agreed_ = 0;
  FakeNode nodes_[2];
};

TEST_F(RedisRedirect, NodesThatAgreeAfterAWhileAreFollowed) {
  agreed_ = 8;
  const auto reply = Ask();
  ASSERT_TRUE(reply.ok()) << reply.status().ToString();
  EXPECT_EQ(reply->text, "found");
  EXPECT_EQ(asked_, 8);
}

TEST_F(RedisRedirect, NodesThatNeverAgreeAreGivenUp) {
  agreed_ = 1'000'000;
  const Status failed = Ask().status();
  EXPECT_TRUE(failed.IsIOError()) << failed.ToString();
  EXPECT_THAT(failed.message(), HasSubstr("from node to node: MOVED 12182"));
  EXPECT_EQ(asked_, 17);  // once, and after each of sixteen redirections
}

}  // namespace
}  // namespace tercet
