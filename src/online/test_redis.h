#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
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

/// Whether it comes about; a Redis that starts or hands over takes seconds.
template <typename Condition>
bool WithinAMinute(const Condition& condition) {
  for (int i = 0; i < 6000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

/// A redis-server of a test's own, on a port of the loopback interface, with its files in a
/// directory of its own.
class TestRedis {
 public:
  /// `as`: how clients connect, but for where it is.
  explicit TestRedis(std::vector<std::string> arguments = {}, RedisAddress as = {})
      : arguments_(std::move(arguments)),
        as_(std::move(as)),
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

  RedisAddress address() const {
    RedisAddress address = as_;
    address.host = "127.0.0.1";
    address.port = port_;
    return address;
  }
  int port() const { return port_; }

  void Start() {
    std::vector<std::string> words = {"redis-server",
                                      as_.tls ? "--tls-port" : "--port",
                                      std::to_string(port_),
                                      "--bind",
                                      "127.0.0.1",
                                      "--dir",
                                      directory_.string(),
                                      "--save",
                                      "",
                                      "--logfile",
                                      "log"};
    if (as_.tls) words.insert(words.end(), {"--port", "0"});
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
    bool answers = false;
    const bool decided = WithinAMinute([&] {
      const auto link = RedisLink::Connect(address());
      answers = link.ok() && (*link)->Run(RedisCommand{"PING", ""}).ok();
      return answers || ::waitpid(process_, nullptr, WNOHANG) == process_;
    });
    ASSERT_TRUE(decided && answers)
        << "redis-server did not start; it is Debian's package redis-server";
  }

  void Kill() {
    if (process_ <= 0) return;
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
    process_ = 0;
  }

  /// Has it answer nobody, though the system accepts connections for it; until GoOn.
  void Hang() { ::kill(process_, SIGSTOP); }
  void GoOn() { ::kill(process_, SIGCONT); }

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
  const RedisAddress as_;
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

/// A Redis Cluster of three masters, each with a third of the slots, and with a replica if that is
/// asked for: node i + 3 is node i's.
class TestCluster {
 public:
  static constexpr size_t kMasters = 3;

  /// `arguments`: more of each node's.
  explicit TestCluster(bool replicas = false, const std::vector<std::string>& arguments = {}) {
    const size_t count = replicas ? 2 * kMasters : kMasters;
    for (size_t i = 0; i < count; ++i) {
      std::vector<std::string> words = {"--cluster-enabled",      "yes",
                                        "--cluster-config-file",  "nodes.conf",
                                        "--cluster-node-timeout", "2000"};
      words.insert(words.end(), arguments.begin(), arguments.end());
      nodes_.push_back(std::make_unique<TestRedis>(std::move(words)));
    }
    for (size_t i = 0; i < kMasters; ++i) {
      AskNode(*nodes_[i], "cluster addslotsrange " + std::to_string(FirstSlot(i)) + " " +
                              std::to_string(FirstSlot(i + 1) - 1));
    }
    for (size_t i = 1; i < count; ++i) {
      AskNode(*nodes_[i], "cluster meet 127.0.0.1 " + std::to_string(nodes_[0]->port()));
    }
    Await("cluster_known_nodes:" + std::to_string(count));
    for (size_t i = kMasters; i < count; ++i) {
      AskNode(*nodes_[i], "cluster replicate " + IdOf(i - kMasters));
    }
    Await("cluster_state:ok");
    Await("cluster_slots_ok:16384");
  }

  RedisAddress address() const { return nodes_[0]->address(); }
  TestRedis& node(size_t i) const { return *nodes_[i]; }
  std::string IdOf(size_t i) const { return AskNode(*nodes_[i], "cluster myid").substr(0, 40); }

  /// The master that was given the slot at the beginning.
  static size_t MasterOf(int slot) {
    size_t master = 0;
    while (slot >= FirstSlot(master + 1)) ++master;
    return master;
  }

 private:
  static int FirstSlot(size_t master) { return static_cast<int>(16384 * master / kMasters); }

  /// Waits until all nodes say so of themselves.
  void Await(const std::string& info) {
    EXPECT_TRUE(WithinAMinute([&] {
      return std::all_of(nodes_.begin(), nodes_.end(), [&](const auto& node) {
        return AskNode(*node, "cluster info").find(info) != std::string::npos;
      });
    })) << "the Redis Cluster did not form: "
        << info;
  }

  std::vector<std::unique_ptr<TestRedis>> nodes_;
};

}  // namespace tercet
