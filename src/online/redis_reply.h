#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

struct redisReply;

namespace tercet {

/// What a Redis answered a command.
struct RedisReply {
  enum class Kind { kNothing, kText, kNumber, kList, kError };
  Kind kind = Kind::kNothing;
  std::string text;  ///< of a text, or of an error
  int64_t number = 0;
  std::vector<RedisReply> list;
};

/// hiredis' reply as ours.
RedisReply ReplyOf(const redisReply& reply);

/// Whether a Redis that is there says that it can't answer yet: it is loading its files, or its
/// Cluster is not whole.
bool IsNotReady(const RedisReply& reply);

/// Where an error ("MOVED 3999 127.0.0.1:6381") sends a command, as host:port; `word`: "MOVED " or
/// "ASK ". `from`: the node that answered, whose host counts where the reply has none. Empty for
/// other replies, and for what is no address.
std::string RedirectOf(const RedisReply& reply, std::string_view word, const std::string& from);

/// The node of each slot by what `from` answered CLUSTER SLOTS: 16384, empty for slots of nobody;
/// none at all for a Redis that is no Cluster, which says so by an error.
std::vector<std::string> NodesOfSlots(const RedisReply& reply, const std::string& from);

inline constexpr int kRedisSlots = 16384;

}  // namespace tercet
