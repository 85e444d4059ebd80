#include "online/redis_link.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <hiredis/hiredis.h>

namespace tercet {
namespace {

constexpr timeval kConnectTimeout{1, 0};
constexpr timeval kAnswerTimeout{5, 0};
constexpr std::chrono::milliseconds kFirstPause{50};
constexpr std::chrono::milliseconds kLongestPause{2000};
/// Times that replies may send a command elsewhere.
constexpr int kRedirects = 16;

/// CRC-16/XMODEM, which the Redis Cluster specification names.
constexpr std::array<uint16_t, 256> MakeCrcTable() {
  std::array<uint16_t, 256> table{};
  for (int i = 0; i < 256; ++i) {
    auto crc = static_cast<uint16_t>(i << 8);
    for (int bit = 0; bit < 8; ++bit) {
      crc = static_cast<uint16_t>((crc & 0x8000) != 0 ? (crc << 1) ^ 0x1021 : crc << 1);
    }
    table[static_cast<size_t>(i)] = crc;
  }
  return table;
}
constexpr std::array<uint16_t, 256> kCrcTable = MakeCrcTable();

}  // namespace

Result<RedisAddress> RedisAddress::Parse(const std::string& url) {
  constexpr std::string_view kScheme = "redis://";
  const Status wrong = Status::Invalid(
      "the online store's address must be "
      "redis://[:PASSWORD@]HOST:PORT[/DATABASE][?stale=SECONDS]");
  if (!url.starts_with(kScheme)) return wrong;
  std::string_view rest = std::string_view(url).substr(kScheme.size());
  RedisAddress address;
  const auto number = [](std::string_view text, int* value) {
    const char* end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, *value);
    return error == std::errc() && at == end && *value >= 0;
  };
  if (const size_t at = rest.rfind('@'); at != std::string_view::npos) {
    if (!rest.starts_with(':')) return wrong;
    address.password = rest.substr(1, at - 1);
    rest = rest.substr(at + 1);
  }
  if (const size_t question = rest.find('?'); question != std::string_view::npos) {
    constexpr std::string_view kStale = "?stale=";
    const std::string_view query = rest.substr(question);
    if (!query.starts_with(kStale)) return wrong;
    if (!number(query.substr(kStale.size()), &address.stale_seconds)) return wrong;
    rest = rest.substr(0, question);
  }
  if (const size_t slash = rest.find('/'); slash != std::string_view::npos) {
    const std::string_view database = rest.substr(slash + 1);
    if (!database.empty() && !number(database, &address.database)) return wrong;
    rest = rest.substr(0, slash);
  }
  if (const size_t colon = rest.rfind(':'); colon != std::string_view::npos) {
    if (!number(rest.substr(colon + 1), &address.port) || address.port > 65535) return wrong;
    rest = rest.substr(0, colon);
  }
  if (rest.empty()) return wrong;
  address.host = rest;
  return address;
}

/// One hiredis context.
class RedisLink::Connection {
 public:
  static Result<std::unique_ptr<Connection>> Open(const std::string& node,
                                                  const RedisAddress& address) {
    const size_t colon = node.rfind(':');
    const std::string host = node.substr(0, colon);
    const int port = std::stoi(node.substr(colon + 1));
    std::unique_ptr<Connection> connection(
        new Connection(redisConnectWithTimeout(host.c_str(), port, kConnectTimeout)));
    redisContext* context = connection->context_.get();
    if (context == nullptr || context->err != 0) {
      return Status::IOError("Redis at ", node, " can't be reached: ",
                             context == nullptr ? "out of memory" : context->errstr);
    }
    redisSetTimeout(context, kAnswerTimeout);
    if (redisEnableKeepAlive(context) != REDIS_OK) {
      return Status::IOError("Redis at ", node, ": ", context->errstr);
    }
    std::vector<RedisCommand> greeting;
    const std::string database = std::to_string(address.database);
    if (!address.password.empty()) greeting.push_back({"AUTH", address.password});
    if (address.database != 0) greeting.push_back({"SELECT", database});
    for (const RedisCommand& command : greeting) {
      ARROW_RETURN_NOT_OK(connection->Send(command));
      ARROW_ASSIGN_OR_RAISE(const RedisReply reply, connection->Receive());
      if (reply.kind == RedisReply::Kind::kError) {
        return Status::IOError("Redis at ", node, " refuses ", command[0], ": ", reply.text);
      }
    }
    return connection;
  }

  Status Send(const RedisCommand& command) {
    std::vector<const char*> parts;
    std::vector<size_t> sizes;
    for (const std::string_view part : command) {
      parts.push_back(part.data());
      sizes.push_back(part.size());
    }
    if (redisAppendCommandArgv(context_.get(), static_cast<int>(parts.size()), parts.data(),
                               sizes.data()) != REDIS_OK) {
      return Failed();
    }
    return Status::OK();
  }

  Result<RedisReply> Receive() {
    void* raw = nullptr;
    if (redisGetReply(context_.get(), &raw) != REDIS_OK || raw == nullptr) return Failed();
    const std::unique_ptr<redisReply, decltype(&freeReplyObject)> reply(
        static_cast<redisReply*>(raw), &freeReplyObject);
    return ReplyOf(*reply);
  }

 private:
  struct Free {
    void operator()(redisContext* context) const { redisFree(context); }
  };
  explicit Connection(redisContext* context) : context_(context) {}
  Status Failed() const {
    return Status::IOError("Redis does not answer: ", context_->errstr);
  }

  std::unique_ptr<redisContext, Free> context_;
};

RedisLink::RedisLink(RedisAddress address) : address_(std::move(address)) {}

RedisLink::~RedisLink() = default;

Result<std::unique_ptr<RedisLink>> RedisLink::Connect(const RedisAddress& address) {
  std::unique_ptr<RedisLink> link(new RedisLink(address));
  ARROW_RETURN_NOT_OK(link->ReadSlots());
  return link;
}

int RedisLink::SlotOf(std::string_view key) {
  if (const size_t open = key.find('{'); open != std::string_view::npos) {
    const size_t close = key.find('}', open + 1);
    if (close != std::string_view::npos && close > open + 1) {
      key = key.substr(open + 1, close - open - 1);
    }
  }
  uint16_t crc = 0;
  for (const char byte : key) {
    crc = static_cast<uint16_t>((crc << 8) ^
                                kCrcTable[((crc >> 8) ^ static_cast<uint8_t>(byte)) & 0xff]);
  }
  return crc % kRedisSlots;
}

Result<std::unique_ptr<RedisLink::Connection>> RedisLink::Take(const std::string& node) {
  {
    const std::lock_guard lock(mutex_);
    Node& known = nodes_[node];
    if (!known.idle.empty()) {
      std::unique_ptr<Connection> connection = std::move(known.idle.back());
      known.idle.pop_back();
      return connection;
    }
    if (std::chrono::steady_clock::now() < known.away_until) {
      return Status::IOError("Redis at ", node, " is away; it is tried again shortly");
    }
  }
  auto connection = Connection::Open(node, address_);
  if (!connection.ok()) Lost(node);
  return connection;
}

void RedisLink::GiveBack(const std::string& node, std::unique_ptr<Connection> connection) {
  const std::lock_guard lock(mutex_);
  Node& known = nodes_[node];
  known.pause = std::chrono::milliseconds(0);
  known.away_until = {};
  known.idle.push_back(std::move(connection));
}

void RedisLink::Lost(const std::string& node) {
  const std::lock_guard lock(mutex_);
  Node& known = nodes_[node];
  known.idle.clear();  // They were to the same server.
  known.pause = std::clamp(known.pause * 2, kFirstPause, kLongestPause);
  known.away_until = std::chrono::steady_clock::now() + known.pause;
}

std::string RedisLink::NodeOf(std::string_view key) {
  const std::lock_guard lock(mutex_);
  if (!cluster_) return address_.Node();
  const std::string& node = slots_[static_cast<size_t>(SlotOf(key))];
  return node.empty() ? address_.Node() : node;
}

bool RedisLink::OnOneNode(const std::vector<std::string>& keys) {
  return std::all_of(keys.begin(), keys.end(),
                     [&](const std::string& key) { return NodeOf(key) == NodeOf(keys[0]); });
}

Status RedisLink::ReadSlots() {
  std::vector<std::string> nodes = {address_.Node()};
  {
    const std::lock_guard lock(mutex_);
    // Any node knows, when the first has gone.
    for (const auto& [node, known] : nodes_) nodes.push_back(node);
  }
  Status failed;
  for (const std::string& node : nodes) {
    std::vector<RedisReply> replies(1);
    failed = RunOn(node, false, {{"CLUSTER", "SLOTS"}}, {0}, &replies);
    if (!failed.ok()) continue;
    const std::lock_guard lock(mutex_);
    slots_ = NodesOfSlots(replies[0], node);
    cluster_ = !slots_.empty();
    return Status::OK();
  }
  return failed;
}

Status RedisLink::RunOn(const std::string& node, bool asking,
                        const std::vector<RedisCommand>& commands,
                        const std::vector<size_t>& which, std::vector<RedisReply>* replies) {
  for (int attempt = 0;; ++attempt) {
    ARROW_ASSIGN_OR_RAISE(auto connection, Take(node));
    bool answered = false;
    const Status done = [&]() -> Status {
      for (const size_t i : which) {
        if (asking) ARROW_RETURN_NOT_OK(connection->Send({"ASKING"}));
        ARROW_RETURN_NOT_OK(connection->Send(commands[i]));
      }
      for (const size_t i : which) {
        if (asking) ARROW_RETURN_NOT_OK(connection->Receive().status());
        ARROW_ASSIGN_OR_RAISE((*replies)[i], connection->Receive());
        answered = true;
      }
      return Status::OK();
    }();
    if (done.ok()) {
      GiveBack(node, std::move(connection));
      return done;
    }
    Lost(node);
    // A connection that was idle may have been closed by a Redis that is there again. All that is
    // sent may be run twice: it sets and reads.
    if (answered || attempt == 1) return Explain(done, "Redis at " + node);
    const std::lock_guard lock(mutex_);
    nodes_[node].away_until = {};
  }
}

Result<std::vector<RedisReply>> RedisLink::Run(const std::vector<RedisCommand>& commands) {
  std::vector<RedisReply> replies(commands.size());
  std::map<std::pair<std::string, bool>, std::vector<size_t>> todo;  // by node, and whether ASKING
  for (size_t i = 0; i < commands.size(); ++i) {
    todo[{NodeOf(commands[i][1]), false}].push_back(i);
  }
  for (int redirects = 0; !todo.empty(); ++redirects) {
    std::map<std::pair<std::string, bool>, std::vector<size_t>> next;
    bool moved = false;
    for (const auto& [where, which] : todo) {
      const auto& [node, asking] = where;
      const Status run = RunOn(node, asking, commands, which, &replies);
      if (!run.ok()) {
        // Perhaps another node has its slots by now: the next call knows.
        (void)ReadSlots();
        return run;
      }
      for (const size_t i : which) {
        const std::string to = RedirectOf(replies[i], "MOVED ", node);
        const std::string ask = RedirectOf(replies[i], "ASK ", node);
        if (!to.empty()) next[{to, false}].push_back(i);
        if (!ask.empty()) next[{ask, true}].push_back(i);
        moved |= !to.empty();
        // While slots move, a command of several keys may have to wait.
        if (replies[i].kind == RedisReply::Kind::kError &&
            replies[i].text.starts_with("TRYAGAIN")) {
          next[where].push_back(i);
        }
      }
    }
    if (moved) ARROW_RETURN_NOT_OK(ReadSlots());
    if (redirects == kRedirects && !next.empty()) {
      return Status::IOError("the Redis Cluster sends a command from node to node: ",
                             replies[next.begin()->second[0]].text);
    }
    todo = std::move(next);
  }
  return replies;
}

Result<RedisReply> RedisLink::Run(const RedisCommand& command) {
  ARROW_ASSIGN_OR_RAISE(auto replies, Run(std::vector<RedisCommand>{command}));
  if (replies[0].kind == RedisReply::Kind::kError) {
    return Status::IOError("Redis refuses ", command[0], ": ", replies[0].text);
  }
  return std::move(replies[0]);
}

}  // namespace tercet
