#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/id.h"
#include "online/redis_link.h"

namespace tercet {

/// A redis-server of a test's own, on a port of the loopback interface, with its files in a
/// directory of its own.
class TestRedis {
 public:
  explicit TestRedis(std::vector<std::string> arguments = {})
      : arguments_(std::move(arguments)),
        directory_(std::filesystem::temp_directory_path() / ("tercet-redis-" + NewUuid())),
        port_(FreePort()) {
    std::filesystem::create_directories(directory_);
    Start();
  }
  ~TestRedis() {
    Kill();
    std::filesystem::remove_all(directory_);
  }
  TestRedis(const TestRedis&) = delete;

  RedisAddress address() const { return {.host = "127.0.0.1", .port = port_}; }
  int port() const { return port_; }

  void Start() {
    std::vector<std::string> words = {"redis-server", "--port", std::to_string(port_), "--bind",
                                      "127.0.0.1", "--dir", directory_.string(), "--save", "",
                                      "--logfile", "log"};
    words.insert(words.end(), arguments_.begin(), arguments_.end());
    process_ = ::fork();
    ASSERT_GE(process_, 0);
    if (process_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // It does not outlive a test that crashes.
      std::vector<char*> argv;
      for (std::string& word : words) argv.push_back(word.data());
      argv.push_back(nullptr);
      ::execvp(argv[0], argv.data());
      ::_exit(127);
    }
    for (int i = 0; i < 6000; ++i) {  // a minute
      const auto link = RedisLink::Connect(address());
      if (link.ok() && (*link)->Run(RedisCommand{"PING", ""}).ok()) return;
      if (::waitpid(process_, nullptr, WNOHANG) == process_) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    FAIL() << "redis-server did not start; it is Debian's package redis-server";
  }

  void Kill() {
    if (process_ <= 0) return;
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
    process_ = 0;
  }

  /// A port that is free now, and whose cluster bus (10,000 above) is a port, too. Both lie below
  /// those that the system gives to clients, so that no connection takes them before Redis does.
  static int FreePort() {
    std::random_device random;
    while (true) {
      const int port = std::uniform_int_distribution<int>(10'240, 22'000)(random);
      const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
      const sockaddr_in wanted{.sin_family = AF_INET,
                               .sin_port = htons(static_cast<uint16_t>(port)),
                               .sin_addr = {htonl(INADDR_LOOPBACK)}};
      const bool bound =
          ::bind(listener, reinterpret_cast<const sockaddr*>(&wanted), sizeof(wanted)) == 0;
      ::close(listener);
      if (bound) return port;
    }
  }

 private:
  const std::vector<std::string> arguments_;
  const std::filesystem::path directory_;
  const int port_;
  pid_t process_ = 0;
};

/// What redis-cli prints that this one node answers; it follows no redirection.
inline std::string AskNode(const TestRedis& node, const std::string& command) {
  const std::string line = "redis-cli -p " + std::to_string(node.port()) + " " + command;
  FILE* pipe = ::popen(line.c_str(), "r");
  EXPECT_NE(pipe, nullptr);
  std::string text;
  char bytes[4096];
  for (size_t got = 0; (got = std::fread(bytes, 1, sizeof(bytes), pipe)) > 0;) {
    text.append(bytes, got);
  }
  EXPECT_EQ(::pclose(pipe), 0) << line;
  return text;
}

/// A Redis Cluster of two nodes, each with half of the slots.
class TestCluster {
 public:
  TestCluster() {
    for (int i = 0; i < 2; ++i) {
      nodes_.push_back(std::make_unique<TestRedis>(std::vector<std::string>{
          "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf",
          "--cluster-node-timeout", "2000"}));
    }
    AskNode(*nodes_[0], "cluster addslotsrange 0 8191");
    AskNode(*nodes_[1], "cluster addslotsrange 8192 16383");
    AskNode(*nodes_[1], "cluster meet 127.0.0.1 " + std::to_string(nodes_[0]->port()));
    for (int i = 0; i < 1000; ++i) {
      bool ready = true;
      for (const auto& node : nodes_) {
        const std::string state = AskNode(*node, "cluster info");
        ready = ready && state.find("cluster_state:ok") != std::string::npos &&
                state.find("cluster_slots_ok:16384") != std::string::npos &&
                state.find("cluster_known_nodes:2") != std::string::npos;
      }
      if (ready) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    ADD_FAILURE() << "the Redis Cluster did not form";
  }

  RedisAddress address() const { return nodes_[0]->address(); }
  const TestRedis& node(size_t i) const { return *nodes_[i]; }

 private:
  std::vector<std::unique_ptr<TestRedis>> nodes_;
};

}  // namespace tercet
