#include "online/redis_link.h"

#include <algorithm>
#include <array>
#include <set>
#include <thread>

#include "base/deadline.h"

namespace tercet {
namespace {

constexpr std::chrono::milliseconds kFirstPause{50};
constexpr std::chrono::milliseconds kLongestPause{2000};
/// A connection that the other side has closed fails within this.
constexpr std::chrono::seconds kSoon{1};
/// Times that replies may send a command elsewhere. The first follow at once; then the nodes are
/// given time to agree: while a slot changes hands, each may for a moment name the other.
constexpr int kRedirects = 16;
constexpr int kRedirectsAtOnce = 3;
constexpr std::chrono::milliseconds kLongestRedirectPause{128};

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

/// Waits before a command is sent elsewhere once more, until the deadline at most.
void PauseBeforeRedirect(int redirects) {
  if (redirects < kRedirectsAtOnce) return;
  const auto pause = std::min(std::chrono::milliseconds(1 << (redirects - kRedirectsAtOnce)),
                              kLongestRedirectPause);
  auto until = std::chrono::steady_clock::now() + pause;
  if (const Deadline deadline = CurrentDeadline()) until = std::min(until, *deadline);
  std::this_thread::sleep_until(until);
}

}  // namespace

RedisLink::RedisLink(RedisAddress address)
    : address_(std::move(address)), plain_(address_.Node()) {}

RedisLink::~RedisLink() = default;

Result<std::unique_ptr<RedisLink>> RedisLink::Connect(const RedisAddress& address) {
  std::unique_ptr<RedisLink> link(new RedisLink(address));
  ARROW_RETURN_NOT_OK(link->ReadSlots());
  return link;
}

Result<std::vector<RedisReply>> RedisLink::RunOnEach(const RedisCommand& command) {
  std::set<std::string> nodes;
  {
    const std::lock_guard lock(mutex_);
    nodes.insert(slots_.begin(), slots_.end());
    nodes.erase("");
    if (nodes.empty()) nodes.insert(plain_);
  }
  std::vector<RedisReply> answers;
  for (const std::string& node : nodes) {
    std::vector<RedisReply> replies(1);
    ARROW_RETURN_NOT_OK(RunOn(node, false, {command}, {0}, &replies));
    answers.push_back(std::move(replies[0]));
  }
  return answers;
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

Result<std::unique_ptr<RedisConnection>> RedisLink::Take(const std::string& node,
                                                                  bool* kept) {
  {
    const std::lock_guard lock(mutex_);
    Node& known = nodes_[node];
    if (!known.idle.empty()) {
      std::unique_ptr<RedisConnection> connection = std::move(known.idle.back());
      known.idle.pop_back();
      *kept = true;
      return connection;
    }
    if (std::chrono::steady_clock::now() < known.away_until) {
      return Status::IOError("Redis at ", node, " is away; it is tried again shortly");
    }
  }
  auto connection = RedisConnection::Open(node, address_);
  if (!connection.ok()) Lost(node);
  return connection;
}

void RedisLink::GiveBack(const std::string& node, std::unique_ptr<RedisConnection> connection) {
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
  if (!cluster_) return plain_;
  const std::string& node = slots_[static_cast<size_t>(SlotOf(key))];
  return node.empty() ? plain_ : node;
}

bool RedisLink::OnOneNode(const std::vector<std::string>& keys) {
  return std::all_of(keys.begin(), keys.end(),
                     [&](const std::string& key) { return NodeOf(key) == NodeOf(keys[0]); });
}

Status RedisLink::ReadSlots() {
  std::vector<std::string> nodes = {address_.Node()};
  nodes.insert(nodes.end(), address_.others.begin(), address_.others.end());
  {
    const std::lock_guard lock(mutex_);
    // Any node knows, when the first has gone.
    for (const auto& [node, known] : nodes_) nodes.push_back(node);
  }
  Status failed;
  for (const std::string& node : nodes) {
    std::vector<RedisReply> replies(1);
    failed = RunOn(node, false, {{"CLUSTER", "SLOTS"}}, {0}, &replies);
    if (failed.ok() && IsNotReady(replies[0])) {
      failed = Status::IOError("Redis at ", node, ": ", replies[0].text);
    }
    if (!failed.ok()) continue;
    std::vector<std::string> slots = NodesOfSlots(replies[0], node);
    if (slots.empty() && !address_.others.empty()) {
      return Status::Invalid("several nodes are given, and Redis at ", node,
                             " says that it is none of a Cluster: ", replies[0].text);
    }
    const std::lock_guard lock(mutex_);
    slots_ = std::move(slots);
    cluster_ = !slots_.empty();
    plain_ = node;
    return Status::OK();
  }
  return failed;
}

Status RedisLink::RunOn(const std::string& node, bool asking,
                        const std::vector<RedisCommand>& commands,
                        const std::vector<size_t>& which, std::vector<RedisReply>* replies) {
  for (int attempt = 0;; ++attempt) {
    bool kept = false, answered = false;
    ARROW_ASSIGN_OR_RAISE(auto connection, Take(node, &kept));
    const auto begun = std::chrono::steady_clock::now();
    const Status done = [&]() -> Status {
      for (const size_t i : which) {
        if (asking) connection->Add({"ASKING"});
        connection->Add(commands[i]);
      }
      ARROW_RETURN_NOT_OK(connection->Send());
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
    // A connection that was kept may have been closed by a Redis that is there again; one that
    // hangs is told after a while. All that is sent may be run twice: it sets and reads.
    const bool closed = kept && std::chrono::steady_clock::now() < begun + kSoon;
    if (answered || attempt == 1 || !closed) return Explain(done, "Redis at " + node);
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
        // Another node may have its slots by now.
        const bool known = ReadSlots().ok();
        for (const size_t i : which) {
          const std::string now = NodeOf(commands[i][1]);
          if (!known || now == node || redirects == kRedirects) return run;
          next[{now, false}].push_back(i);
        }
        continue;
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
    if (!next.empty()) PauseBeforeRedirect(redirects);
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
