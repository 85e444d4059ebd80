#include "online/redis_connection.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

#include <hiredis/hiredis.h>

#include "base/deadline.h"

namespace tercet {
namespace {

constexpr ConnectionPatience kPatience = {.connect_ms = 1'000, .silence_ms = 5'000};
constexpr size_t kReadBytes = 64 << 10;

/// How long to wait now. IOError when the calling request has no time left.
Result<ConnectionPatience> PatienceNow() {
  ConnectionPatience patience = kPatience;
  const Deadline deadline = CurrentDeadline();
  if (!deadline) return patience;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(
      *deadline - std::chrono::steady_clock::now());
  if (left.count() <= 0) return Status::IOError("it has not answered by the request's deadline");
  const int left_ms = static_cast<int>(std::min<int64_t>(left.count(), patience.silence_ms));
  patience.connect_ms = std::min(patience.connect_ms, left_ms);
  patience.silence_ms = left_ms;
  return patience;
}

/// "*3\r\n" or "$3\r\n": how many parts, or bytes, follow.
void AppendCount(char kind, size_t count, std::string* bytes) {
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), count).ptr;
  bytes->push_back(kind);
  bytes->append(digits.data(), end);
  bytes->append("\r\n");
}

}  // namespace

RedisConnection::RedisConnection(std::unique_ptr<ByteStream> stream, int silence_ms)
    : stream_(std::move(stream)),
      reader_(redisReaderCreate(), &redisReaderFree),
      silence_ms_(silence_ms) {}

RedisConnection::~RedisConnection() = default;

Result<std::unique_ptr<RedisConnection>> RedisConnection::Open(const std::string& node,
                                                               const RedisAddress& address) {
  const size_t colon = node.rfind(':');
  const std::string host = node.substr(0, colon), port = node.substr(colon + 1);
  const auto patience = PatienceNow();
  if (!patience.ok()) return Explain(patience.status(), "Redis at " + node);
  auto stream = address.tls ? ConnectTls(host, port, *address.tls, *patience)
                            : ConnectTcp(host, port, *patience);
  if (!stream.ok()) return Explain(stream.status(), "Redis at " + node + " can't be reached");
  std::unique_ptr<RedisConnection> connection(
      new RedisConnection(*std::move(stream), patience->silence_ms));
  if (connection->reader_ == nullptr) return Status::OutOfMemory("for replies of Redis");
  const Status greeted = connection->Greet(address);
  if (!greeted.ok()) return Explain(greeted, "Redis at " + node);
  return connection;
}

Status RedisConnection::Greet(const RedisAddress& address) {
  std::vector<RedisCommand> greeting;
  const std::string database = std::to_string(address.database);
  if (!address.password.empty()) {
    RedisCommand& command = greeting.emplace_back(RedisCommand{"AUTH"});
    if (!address.user.empty()) command.push_back(address.user);
    command.push_back(address.password);
  }
  if (address.database != 0) greeting.push_back({"SELECT", database});
  for (const RedisCommand& command : greeting) {
    Add(command);
    ARROW_RETURN_NOT_OK(Send());
    ARROW_ASSIGN_OR_RAISE(const RedisReply reply, Receive());
    if (reply.kind == RedisReply::Kind::kError) {
      return Status::IOError("it refuses ", command[0], ": ", reply.text);
    }
  }
  return Status::OK();
}

void RedisConnection::Add(const RedisCommand& command) {
  AppendCount('*', command.size(), &waiting_);
  for (const std::string_view part : command) {
    AppendCount('$', part.size(), &waiting_);
    waiting_.append(part);
    waiting_.append("\r\n");
  }
}

Status RedisConnection::LimitSilence() {
  ARROW_ASSIGN_OR_RAISE(const ConnectionPatience patience, PatienceNow());
  if (patience.silence_ms == silence_ms_) return Status::OK();
  ARROW_RETURN_NOT_OK(stream_->SetSilence(patience.silence_ms));
  silence_ms_ = patience.silence_ms;
  return Status::OK();
}

Status RedisConnection::Send() {
  ARROW_RETURN_NOT_OK(LimitSilence());
  const Status sent = stream_->Write(waiting_);
  waiting_.clear();
  return sent;
}

Result<RedisReply> RedisConnection::Receive() {
  std::array<char, kReadBytes> bytes;
  while (true) {
    void* raw = nullptr;
    if (redisReaderGetReply(reader_.get(), &raw) != REDIS_OK) {
      return Status::IOError("its answer can't be read: ", reader_->errstr);
    }
    if (raw != nullptr) {
      const std::unique_ptr<redisReply, decltype(&freeReplyObject)> reply(
          static_cast<redisReply*>(raw), &freeReplyObject);
      return ReplyOf(*reply);
    }
    ARROW_RETURN_NOT_OK(LimitSilence());
    ARROW_ASSIGN_OR_RAISE(const size_t size, stream_->Read(bytes.data(), bytes.size()));
    if (size == 0) return Status::IOError("it closed the connection");
    if (redisReaderFeed(reader_.get(), bytes.data(), size) != REDIS_OK) {
      return Status::IOError("its answer can't be read: ", reader_->errstr);
    }
  }
}

}  // namespace tercet
