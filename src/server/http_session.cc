#include "server/http_session.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include <boost/asio/post.hpp>
#include <boost/beast/http/error.hpp>

#include "base/interrupt.h"
#include "base/log.h"
#include "base/overload.h"
#include "server/content_encoding.h"

namespace tercet {
namespace {

namespace http = boost::beast::http;
using boost::system::error_code;

constexpr size_t kReadBytes = 8 << 10;
constexpr size_t kBodyReadBytes = 256 << 10;
constexpr std::chrono::seconds kLingerTime{2};
/// What waits longer than these take would be given up by its client anyhow.
constexpr size_t kWaitingPredictions = 2048;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

bool WouldBlock() { return errno == EAGAIN || errno == EWOULDBLOCK; }

}  // namespace

HttpSession::HttpSession(int socket, HttpService* service, EventLoop* loop, SessionSet* home)
    : socket_(socket), service_(service), loop_(loop), home_(home) {
  service_->sessions.fetch_add(1);
}

HttpSession::~HttpSession() {
  if (socket_ >= 0) ::close(socket_);
}

void HttpSession::Start() {
  home_->insert(shared_from_this());
  // A peer that vanished makes the next call fail, so these need no handling of their own.
  const int on = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  ::setsockopt(socket_, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
  deadline_ = Clock::now() + service_->limits.idle;
  const Status watched = loop_->Watch(socket_, this);
  if (watched.ok()) return;
  LogWarn("a connection is dropped: " + watched.ToString());
  Close();
}

void HttpSession::OnReady(uint32_t events) {
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) ended_ = true;
  readable_ |= ended_ || (events & EPOLLIN) != 0;
  if (state_ == State::kWriting) {
    Write(Clock::now());
  } else if (reads()) {
    Read();
  }
}

void HttpSession::Read() {
  if (!readable_) return;
  size_t wanted = kReadBytes;
  if (state_ == State::kReading && parser_->is_header_done()) {
    const auto left = parser_->content_length_remaining();
    if (left) wanted = std::clamp<size_t>(*left, kReadBytes, kBodyReadBytes);
  }
  const ssize_t got = ::recv(socket_, buffer_.prepare(wanted).data(), wanted, 0);
  if (got < 0 && WouldBlock()) {
    readable_ = false;
    return;
  }
  if (got < 0 && errno == EINTR) return ReadOn();
  if (got <= 0) return Close();
  buffer_.commit(static_cast<size_t>(got));
  // A short read has taken all there was: the next bytes are told of.
  readable_ = ended_ || static_cast<size_t>(got) == wanted;
  if (state_ == State::kLingering) {
    buffer_.consume(buffer_.size());
    return ReadOn();
  }
  Parse();
}

void HttpSession::ReadOn() {
  if (!readable_) return;
  loop_->Later([self = shared_from_this()] {
    if (self->reads()) self->Read();
  });
}

void HttpSession::Parse() {
  const bool first = state_ == State::kIdle;
  if (first) {
    if (!SkipEmptyLines()) return ReadOn();
    state_ = State::kReading;
    head_.Clear();
    request_.Clear();
    parser_.emplace(&head_, &request_);
    parser_->header_limit(static_cast<uint32_t>(service_->limits.header_bytes));
    parser_->body_limit(service_->limits.body_bytes);
    header_seen_ = false;
  }
  while (buffer_.size() > 0 && !parser_->is_done()) {
    error_code error;
    const size_t used = parser_->put(buffer_.cdata(), error);
    buffer_.consume(used);
    if (error == http::error::need_more) break;
    if (error == http::error::header_limit) {
      return Refuse(431, Status::CapacityError("request header of more than ",
                                               service_->limits.header_bytes, " bytes"));
    }
    if (error == http::error::body_limit) {
      return Refuse(413,
                    Status::CapacityError("request body of more than ", service_->limits.body_bytes,
                                          " bytes; send large frames over Flight"));
    }
    if (error) return Refuse(400, Status::Invalid("malformed HTTP request: ", error.message()));
    if (used == 0) break;
  }
  if (parser_->is_header_done() && !header_seen_) {
    header_seen_ = true;
    if (!OnHeader()) return;
  }
  if (parser_->is_done()) return Dispatch();
  // From its first bytes on; most requests come whole and need no clock.
  if (first && !header_seen_) deadline_ = Clock::now() + service_->limits.request;
  ReadOn();
}

bool HttpSession::SkipEmptyLines() {
  // Some clients end a body with a line of its own.
  const auto text = [this] {
    const auto bytes = buffer_.cdata();
    return std::string_view(static_cast<const char*>(bytes.data()), bytes.size());
  };
  while (text().starts_with("\r\n")) buffer_.consume(2);
  return !text().empty() && text() != "\r";
}

bool HttpSession::OnHeader() {
  const Status sound = head_.Check();
  if (!sound.ok()) {
    Refuse(sound.IsNotImplemented() ? 501 : 400, sound);
    return false;
  }
  // Refused before its body is read: who may not come in may not send 64 MiB either.
  const bool health = head_.target.starts_with("/v2/health/") || head_.target == "/ping" ||
                      head_.target == "/health";
  const Status token =
      health ? Status::OK() : service_->access->CheckToken(head_.authorization);
  if (!token.ok()) {
    Refuse(401, token);
    return false;
  }
  const Status browser = service_->access->CheckBrowser(head_.host, head_.origin);
  if (!browser.ok()) {
    Refuse(403, browser);
    return false;
  }
  if (parser_->is_done()) return true;
  const uint64_t length = parser_->content_length().value_or(service_->limits.body_bytes);
  deadline_ = Clock::now() + service_->limits.request +
              std::chrono::seconds(length / service_->limits.body_bytes_per_second);
  // 25 bytes into an empty socket buffer; a client that does not get them sends after a second.
  if (head_.expects_continue) Say(kContinue);
  return true;
}

void HttpSession::Dispatch() {
  begun_ = Clock::now();
  state_ = State::kAnswering;
  keep_alive_ = parser_->keep_alive();
  const Status target = ParseTarget(head_.target, &request_);
  if (!target.ok()) return Refuse(400, target);
  service_->router->Find(request_, &match_);
  Lane lane = Lane::kHot;
  if (match_.route != nullptr) {
    lane = match_.route->lane ? match_.route->lane(request_, match_.arguments) : Lane::kSlow;
  }
  // Unpacking a body is no work for this thread.
  if (!head_.encoding.empty() && match_.route != nullptr && lane == Lane::kHot) {
    lane = Lane::kPrediction;
  }
  if (lane == Lane::kHot) return Send(service_->router->Answer(request_, match_));
  if (lane == Lane::kSlow) return AnswerOn(service_->slow_pool, nullptr);
  if (service_->predictions.load(std::memory_order_relaxed) >= kWaitingPredictions) {
    return Send(ErrorAnswer(Overloaded(1, "too many predictions wait"), match_.route->errors));
  }
  service_->predictions.fetch_add(1, std::memory_order_relaxed);
  AnswerOn(service_->prediction_pool, &service_->predictions);
}

void HttpSession::AnswerOn(boost::asio::thread_pool* pool, std::atomic<size_t>* count) {
  boost::asio::post(*pool, [self = shared_from_this(), count]() mutable {
    std::optional<InterruptScope> scope;
    // What takes long is broken off when its client has closed its end.
    if (count == nullptr) scope.emplace([&ended = self->ended_] { return ended.load(); });
    HttpAnswer answer = self->Answer();
    // It is no failure of ours. nginx's status for it, by which metrics tell it apart.
    if (answer.status == 500 && !CheckInterrupt().ok()) answer.status = 499;
    scope.reset();
    if (count != nullptr) count->fetch_sub(1, std::memory_order_relaxed);
    EventLoop* const loop = self->loop_;
    loop->Post([self = std::move(self), answer = std::move(answer)] {
      if (self->state_ == State::kAnswering) self->Send(answer);
    });
  });
}

HttpAnswer HttpSession::Answer() {
  if (!head_.encoding.empty()) {
    Result<std::string> body =
        DecodeContent(head_.encoding, request_.body, service_->limits.body_bytes);
    if (!body.ok()) {
      HttpAnswer answer = ErrorAnswer(body.status(), match_.route->errors);
      if (body.status().IsNotImplemented()) answer.status = 415;
      return answer;
    }
    request_.body = *std::move(body);
  }
  return service_->router->Answer(request_, match_);
}

void HttpSession::Refuse(int http_status, const Status& status) {
  HttpAnswer answer = ErrorAnswer(status, ErrorFormOf(head_.target));
  answer.status = http_status;
  if (http_status == 401) answer.headers.emplace_back("WWW-Authenticate", "Bearer");
  begun_ = Clock::now();
  match_ = Router::Match{
      .route = nullptr, .index = service_->router->size(), .arguments = {}, .path_known = false};
  keep_alive_ = false;
  head_.head_only = false;
  Send(answer);
}

void HttpSession::Send(const HttpAnswer& answer) {
  const Clock::time_point now = Clock::now();
  service_->metrics->Count(
      match_.index, answer.status,
      std::chrono::duration_cast<std::chrono::microseconds>(now - begun_).count());
  if (service_->draining.load(std::memory_order_relaxed)) keep_alive_ = false;
  state_ = State::kWriting;
  // What HTTP/1.1 means by silence, a client of HTTP/1.0 has to be told.
  const Connection connection = !keep_alive_           ? Connection::kClose
                                : head_.version == 10 ? Connection::kKeepAlive
                                                      : Connection::kSilent;
  Serialize(answer, connection, !head_.head_only, &output_);
  written_ = 0;
  Write(now);
  if (state_ != State::kWriting) return;
  deadline_ = now + service_->limits.request +
              std::chrono::seconds(output_.size() / service_->limits.body_bytes_per_second);
}

void HttpSession::Write(Clock::time_point now) {
  while (written_ < output_.size()) {
    const ssize_t sent =
        ::send(socket_, output_.data() + written_, output_.size() - written_, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    // We are told when there is room again.
    if (sent < 0 && WouldBlock()) return;
    if (sent < 0) return Close();
    written_ += static_cast<size_t>(sent);
  }
  OnWritten(now);
}

void HttpSession::OnWritten(Clock::time_point now) {
  if (!keep_alive_) return Linger();
  state_ = State::kIdle;
  deadline_ = now + service_->limits.idle;
  if (output_.capacity() > kBodyReadBytes) output_ = std::string();
  if (buffer_.size() == 0) return ReadOn();
  // A pipelined request waits its turn, so that one connection can't keep the thread.
  loop_->Later([self = shared_from_this()] {
    if (self->state_ == State::kIdle) self->Parse();
  });
}

void HttpSession::Linger() {
  // Closing while the peer still sends would reset the connection, and the answer with it.
  if (::shutdown(socket_, SHUT_WR) != 0) return Close();
  state_ = State::kLingering;
  deadline_ = Clock::now() + kLingerTime;
  buffer_.consume(buffer_.size());
  ReadOn();
}

void HttpSession::Sweep(Clock::time_point now) {
  if (now < deadline_ || state_ == State::kAnswering || state_ == State::kClosed) return;
  if (state_ == State::kReading) {
    HttpAnswer answer =
        ErrorAnswer(Status::IOError("the request did not come in time"), ErrorFormOf(head_.target));
    answer.status = 408;
    service_->metrics->Count(service_->router->size(), answer.status, 0);
    Serialize(answer, Connection::kClose, true, &output_);
    Say(output_);
  }
  Close();
}

void HttpSession::Drain() {
  if (state_ == State::kIdle || state_ == State::kLingering) Close();
}

void HttpSession::Close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  ::close(socket_);
  socket_ = -1;
  service_->sessions.fetch_sub(1);
  loop_->Later([self = shared_from_this()] { self->home_->erase(self); });
}

void HttpSession::Say(std::string_view bytes) {
  // What does not fit at once is lost, and the peer gone or slow.
  [[maybe_unused]] const ssize_t sent =
      ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace tercet
