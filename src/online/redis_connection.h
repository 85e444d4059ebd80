#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_stream.h"
#include "base/result.h"
#include "online/redis_address.h"
#include "online/redis_reply.h"

struct redisReader;

namespace tercet {

/// A command: its name and arguments, as bytes.
using RedisCommand = std::vector<std::string_view>;

/// A connection to one node, which has said who we are. Used by one thread at a time; of no more
/// use after an error.
class RedisConnection {
 public:
  /// IOError when nobody answers at `node` (host:port) within a second, when its certificate is not
  /// trusted, or when it refuses the user or the database.
  static Result<std::unique_ptr<RedisConnection>> Open(const std::string& node,
                                                       const RedisAddress& address);
  ~RedisConnection();

  /// Puts a command behind those that wait to be sent.
  void Add(const RedisCommand& command);
  /// Sends what waits. IOError when that makes no progress for five seconds.
  Status Send();
  /// The reply to the next command that was sent. IOError when none comes for five seconds.
  Result<RedisReply> Receive();

 private:
  explicit RedisConnection(std::unique_ptr<ByteStream> stream);
  Status Greet(const RedisAddress& address);

  const std::unique_ptr<ByteStream> stream_;
  const std::unique_ptr<redisReader, void (*)(redisReader*)> reader_;  ///< of replies
  std::string waiting_;
};

}  // namespace tercet
