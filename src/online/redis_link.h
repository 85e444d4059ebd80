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
#include "online/redis_address.h"
#include "online/redis_connection.h"
#include "online/redis_reply.h"

namespace tercet {

/// Commands to a Redis, or to the nodes of a Redis Cluster by the slots of their keys. Connections
/// are kept and used by one thread at a time; one that broke is made again, at once and then, while
/// the node is away, after 50 ms and twice as long each time up to two seconds; calls in between
/// fail without a try. When a node of a Cluster goes away, the others are asked who has its slots
/// now, and what it was asked is sent there. Thread-safe.
class RedisLink {
 public:
  /// IOError when none of the address's nodes answers.
  static Result<std::unique_ptr<RedisLink>> Connect(const RedisAddress& address);
  ~RedisLink();

  /// Sends commands, all those of one node in one round trip, and returns their replies in order.
  /// The second part of each is the key that says which node is asked. Commands of one node are run
  /// in their order. What a node answers with MOVED or ASK is sent where it says. IOError when a
  /// node can't be reached or does not answer in time: some commands may then have been run.
  Result<std::vector<RedisReply>> Run(const std::vector<RedisCommand>& commands);
  /// One command. IOError for an error reply.
  Result<RedisReply> Run(const RedisCommand& command);

  /// One command, of each node that has keys; of the address's one where there is no Cluster.
  Result<std::vector<RedisReply>> RunOnEach(const RedisCommand& command);

  /// Whether all of these keys are on one node.
  bool OnOneNode(const std::vector<std::string>& keys);

  /// The slot of a key in a Cluster: of the part between braces, where there is one.
  static int SlotOf(std::string_view key);

 private:
  struct Node {
    std::vector<std::unique_ptr<RedisConnection>> idle;
    std::chrono::steady_clock::time_point away_until;
    std::chrono::milliseconds pause{0};
  };

  explicit RedisLink(RedisAddress address);
  /// `*kept` is set when it is one that was used before.
  Result<std::unique_ptr<RedisConnection>> Take(const std::string& node, bool* kept);
  void GiveBack(const std::string& node, std::unique_ptr<RedisConnection> connection);
  void Lost(const std::string& node);
  std::string NodeOf(std::string_view key);
  /// Asks any node that answers which node has which slot.
  Status ReadSlots();
  /// Runs the commands `which` on a node, with ASKING before each where it is asked for.
  Status RunOn(const std::string& node, bool asking, const std::vector<RedisCommand>& commands,
               const std::vector<size_t>& which, std::vector<RedisReply>* replies);

  const RedisAddress address_;
  std::mutex mutex_;
  bool cluster_ = false;                        ///< guarded by mutex_
  std::string plain_;                           ///< guarded by mutex_; who answers for no slot
  std::vector<std::string> slots_;              ///< guarded by mutex_; the node of each
  std::map<std::string, Node, std::less<>> nodes_;  ///< guarded by mutex_
};

}  // namespace tercet
