// No bytes that a Redis may send crash the readers of its replies.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include <hiredis/hiredis.h>

#include "online/redis_reply.h"
#include "online/redis_store.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tercet;
  const std::unique_ptr<redisReader, decltype(&redisReaderFree)> reader(redisReaderCreate(),
                                                                        &redisReaderFree);
  if (redisReaderFeed(reader.get(), reinterpret_cast<const char*>(data), size) != REDIS_OK) {
    return 0;
  }
  while (true) {
    void* raw = nullptr;
    if (redisReaderGetReply(reader.get(), &raw) != REDIS_OK || raw == nullptr) return 0;
    const std::unique_ptr<redisReply, decltype(&freeReplyObject)> owned(
        static_cast<redisReply*>(raw), &freeReplyObject);
    const RedisReply reply = ReplyOf(*owned);
    const std::string from = "127.0.0.1:6379";
    for (const std::string& node : NodesOfSlots(reply, from)) {
      if (!node.empty() && node.rfind(':') == std::string::npos) __builtin_trap();
    }
    for (const char* word : {"MOVED ", "ASK "}) {
      const std::string node = RedirectOf(reply, word, from);
      if (!node.empty() && node.rfind(':') + 1 == node.size()) __builtin_trap();
    }
    (void)IsNotReady(reply);
    (void)RedisStore::GroupsOf(reply);
    (void)RedisStore::Version::Parse(reply.text);
  }
}
