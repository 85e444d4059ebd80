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

/// A connection to one node, which has said who we are. It waits no longer than the calling request
/// may (base/deadline.h), nor than the times below. Used by one thread at a time; of no more use
/// after an error.
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
  RedisConnection(std::unique_ptr<ByteStream> stream, int silence_ms);
  Status Greet(const RedisAddress& address);
  /// Has the next read or write wait for as long as it may now.
  Status LimitSilence();

  const std::unique_ptr<ByteStream> stream_;
  const std::unique_ptr<redisReader, void (*)(redisReader*)> reader_;  ///< of replies
  std::string waiting_;
  int silence_ms_;  ///< that the stream waits for now
};

}  // namespace tercet
