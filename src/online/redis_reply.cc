#include "online/redis_reply.h"

#include <algorithm>
#include <charconv>

#include <hiredis/hiredis.h>

namespace tercet {
namespace {

std::string HostOf(const std::string& node) { return node.substr(0, node.rfind(':')); }

bool IsPort(std::string_view text) {
  int port = 0;
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, port);
  return error == std::errc() && at == end && port > 0 && port <= 65535;
}

}  // namespace

RedisReply ReplyOf(const redisReply& reply) {
  RedisReply answer;
  switch (reply.type) {
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
      answer.kind = RedisReply::Kind::kText;
      answer.text.assign(reply.str, reply.len);
      break;
    case REDIS_REPLY_ERROR:
      answer.kind = RedisReply::Kind::kError;
      answer.text.assign(reply.str, reply.len);
      break;
    case REDIS_REPLY_INTEGER:
      answer.kind = RedisReply::Kind::kNumber;
      answer.number = reply.integer;
      break;
    case REDIS_REPLY_ARRAY:
      answer.kind = RedisReply::Kind::kList;
      answer.list.reserve(reply.elements);
      for (size_t i = 0; i < reply.elements; ++i) {
        answer.list.push_back(ReplyOf(*reply.element[i]));
      }
      break;
    default:
      break;
  }
  return answer;
}

bool IsNotReady(const RedisReply& reply) {
  if (reply.kind != RedisReply::Kind::kError) return false;
  return reply.text.starts_with("LOADING") || reply.text.starts_with("CLUSTERDOWN") ||
         reply.text.starts_with("MASTERDOWN");
}

std::string RedirectOf(const RedisReply& reply, std::string_view word, const std::string& from) {
  if (reply.kind != RedisReply::Kind::kError || !reply.text.starts_with(word)) return "";
  const std::string node = reply.text.substr(reply.text.rfind(' ') + 1);
  const size_t colon = node.rfind(':');
  if (colon == std::string::npos || !IsPort(std::string_view(node).substr(colon + 1))) return "";
  // A node that does not know its own address leaves the host out: it is the one that was asked.
  return colon == 0 ? HostOf(from) + node : node;
}

std::vector<std::string> NodesOfSlots(const RedisReply& reply, const std::string& from) {
  std::vector<std::string> nodes;
  if (reply.kind != RedisReply::Kind::kList) return nodes;
  nodes.resize(kRedisSlots);
  for (const RedisReply& range : reply.list) {
    // [first slot, last slot, [host, port, …], replicas …]
    if (range.list.size() < 3 || range.list[2].list.size() < 2) continue;
    const RedisReply& owner = range.list[2];
    const int64_t port = owner.list[1].number;
    if (port <= 0 || port > 65535) continue;
    const std::string host = owner.list[0].text.empty() ? HostOf(from) : owner.list[0].text;
    const int64_t last = std::min<int64_t>(range.list[1].number, kRedisSlots - 1);
    for (int64_t slot = std::max<int64_t>(0, range.list[0].number); slot <= last; ++slot) {
      nodes[static_cast<size_t>(slot)] = host + ":" + std::to_string(port);
    }
  }
  return nodes;
}

}  // namespace tercet
