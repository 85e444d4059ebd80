#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "online/redis_reply.h"

namespace tercet {

/// Where a Redis is: "redis://[:password@]host:port[/db][?stale=seconds]". Of a Cluster, any of its
/// nodes.
struct RedisAddress {
  std::string host;
  int port = 6379;
  std::string password;  ///< empty: none
  int database = 0;      ///< 0 in a Cluster
  int stale_seconds = 0;  ///< how long readers may answer without it; 0: not at all
  /// Invalid for any other text; the password is not repeated.
  static Result<RedisAddress> Parse(const std::string& url);
  std::string Node() const { return host + ":" + std::to_string(port); }
};

/// A command: its name and arguments, as bytes.
using RedisCommand = std::vector<std::string_view>;

/// Commands to a Redis, or to the nodes of a Redis Cluster by the slots of their keys. Connections
/// are kept and used by one thread at a time; one that broke is made again, at once and then, while
/// the node is away, after 50 ms and twice as long each time up to two seconds; calls in between
/// fail without a try. Thread-safe.
class RedisLink {
 public:
  /// IOError when nothing answers there.
  static Result<std::unique_ptr<RedisLink>> Connect(const RedisAddress& address);
  ~RedisLink();

  /// Sends commands, all those of one node in one round trip, and returns their replies in order.
  /// The second part of each is the key that says which node is asked. Commands of one node are run
  /// in their order. What a node answers with MOVED or ASK is sent where it says. IOError when a
  /// node can't be reached or does not answer in time: some commands may then have been run.
  Result<std::vector<RedisReply>> Run(const std::vector<RedisCommand>& commands);
  /// One command. IOError for an error reply.
  Result<RedisReply> Run(const RedisCommand& command);

  /// Whether all of these keys are on one node.
  bool OnOneNode(const std::vector<std::string>& keys);

  /// The slot of a key in a Cluster: of the part between braces, where there is one.
  static int SlotOf(std::string_view key);

 private:
  class Connection;
  struct Node {
    std::vector<std::unique_ptr<Connection>> idle;
    std::chrono::steady_clock::time_point away_until;
    std::chrono::milliseconds pause{0};
  };

  explicit RedisLink(RedisAddress address);
  Result<std::unique_ptr<Connection>> Take(const std::string& node);
  void GiveBack(const std::string& node, std::unique_ptr<Connection> connection);
  void Lost(const std::string& node);
  std::string NodeOf(std::string_view key);
  Status ReadSlots();
  /// Runs the commands `which` on a node, with ASKING before each where it is asked for.
  Status RunOn(const std::string& node, bool asking, const std::vector<RedisCommand>& commands,
               const std::vector<size_t>& which, std::vector<RedisReply>* replies);

  const RedisAddress address_;
  std::mutex mutex_;
  bool cluster_ = false;                        ///< guarded by mutex_
  std::vector<std::string> slots_;              ///< guarded by mutex_; the node of each
  std::map<std::string, Node, std::less<>> nodes_;  ///< guarded by mutex_
};

}  // namespace tercet
