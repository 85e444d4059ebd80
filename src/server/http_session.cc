#include "server/http_session.h"

#include <algorithm>
#include <cctype>

#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>

#include "base/overload.h"

namespace tercet {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

constexpr size_t kReadBytes = 8 << 10;
constexpr size_t kBodyReadBytes = 256 << 10;
constexpr std::chrono::seconds kLingerTime{2};
/// What waits longer than these take would be given up by its client anyhow.
constexpr size_t kWaitingPredictions = 2048;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

std::string_view View(boost::beast::string_view text) { return {text.data(), text.size()}; }

/// "Application/JSON; charset=utf-8" as "application/json".
std::string MediaType(std::string_view text) {
  std::string type(text.substr(0, text.find(';')));
  while (!type.empty() && type.back() == ' ') type.pop_back();
  for (char& c : type) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return type;
}

}  // namespace

HttpSession::HttpSession(asio::ip::tcp::socket socket, HttpService* service, SessionSet* home)
    : socket_(std::move(socket)), service_(service), home_(home) {
  service_->sessions.fetch_add(1);
}

void HttpSession::Start() {
  home_->insert(shared_from_this());
  error_code error;
  // A peer that vanished makes the next call fail, so these need no handling of their own.
  socket_.set_option(asio::ip::tcp::no_delay(true), error);
  socket_.set_option(asio::socket_base::keep_alive(true), error);
  socket_.non_blocking(true, error);
  deadline_ = Clock::now() + service_->limits.idle;
  Read();
}

void HttpSession::Read() {
  size_t wanted = kReadBytes;
  if (parser_ && parser_->is_header_done()) {
    const auto left = parser_->content_length_remaining();
    if (left) wanted = std::clamp<size_t>(*left, kReadBytes, kBodyReadBytes);
  }
  socket_.async_read_some(buffer_.prepare(wanted),
                          [self = shared_from_this()](const error_code& error, size_t bytes) {
                            self->OnRead(error, bytes);
                          });
}

void HttpSession::OnRead(const error_code& error, size_t bytes) {
  if (state_ == State::kClosed) return;
  if (error) return Close();
  buffer_.commit(bytes);
  if (state_ == State::kLingering) {
    buffer_.consume(buffer_.size());
    return Read();
  }
  Parse();
}

void HttpSession::Parse() {
  if (state_ == State::kIdle) {
    state_ = State::kReading;
    deadline_ = Clock::now() + service_->limits.request;
    parser_.emplace();
    parser_->eager(true);
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
  Read();
}

bool HttpSession::OnHeader() {
  const auto& message = parser_->get();
  const uint64_t length = parser_->content_length().value_or(service_->limits.body_bytes);
  deadline_ = Clock::now() + service_->limits.request +
              std::chrono::seconds(length / service_->limits.body_bytes_per_second);
  // Refused before its body is read: who may not come in may not send 64 MiB either.
  const bool health = View(message.target()).starts_with("/v2/health/");
  const Status token =
      health ? Status::OK()
             : service_->access->CheckToken(View(message[http::field::authorization]));
  if (!token.ok()) {
    Refuse(401, token);
    return false;
  }
  const Status browser = service_->access->CheckBrowser(View(message[http::field::host]),
                                                        View(message[http::field::origin]));
  if (!browser.ok()) {
    Refuse(403, browser);
    return false;
  }
  if (!parser_->is_done() && boost::beast::iequals(message[http::field::expect], "100-continue")) {
    error_code error;
    // 25 bytes into an empty socket buffer; a client that does not get them sends after a second.
    socket_.write_some(asio::buffer(kContinue), error);
  }
  return true;
}

void HttpSession::Dispatch() {
  begun_ = Clock::now();
  state_ = State::kAnswering;
  auto& message = parser_->get();
  keep_alive_ = message.keep_alive();
  with_body_ = message.method() != http::verb::head;
  request_ = HttpRequest();
  request_.method = with_body_ ? View(message.method_string()) : std::string_view("GET");
  request_.content_type = MediaType(View(message[http::field::content_type]));
  request_.accept = MediaType(View(message[http::field::accept]));
  request_.inference_header_length = View(message["Inference-Header-Content-Length"]);
  request_.request_id = View(message["X-Request-Id"]);
  request_.traceparent = View(message["traceparent"]);
  request_.body = std::move(message.body());
  const Status target = ParseTarget(View(message.target()), &request_);
  if (!target.ok()) return Refuse(400, target);
  match_ = service_->router->Find(request_);
  Lane lane = Lane::kHot;
  if (match_.route != nullptr) {
    lane = match_.route->lane ? match_.route->lane(request_, match_.arguments) : Lane::kSlow;
  }
  if (lane == Lane::kHot) return Send(service_->router->Answer(request_, match_));
  if (lane == Lane::kSlow) return AnswerOn(service_->slow_pool, nullptr);
  if (service_->predictions.load(std::memory_order_relaxed) >= kWaitingPredictions) {
    return Send(ErrorAnswer(Overloaded(1, "too many predictions wait"), match_.route->errors));
  }
  service_->predictions.fetch_add(1, std::memory_order_relaxed);
  AnswerOn(service_->prediction_pool, &service_->predictions);
}

void HttpSession::AnswerOn(asio::thread_pool* pool, std::atomic<size_t>* count) {
  asio::post(*pool, [self = shared_from_this(), count]() mutable {
    HttpAnswer answer = self->service_->router->Answer(self->request_, self->match_);
    if (count != nullptr) count->fetch_sub(1, std::memory_order_relaxed);
    auto executor = self->socket_.get_executor();
    asio::post(executor, [self = std::move(self), answer = std::move(answer)] {
      if (self->state_ == State::kAnswering) self->Send(answer);
    });
  });
}

void HttpSession::Refuse(int http_status, const Status& status) {
  HttpAnswer answer = ErrorAnswer(status, ErrorForm::kCoded);
  answer.status = http_status;
  if (http_status == 401) answer.headers.emplace_back("WWW-Authenticate", "Bearer");
  begun_ = Clock::now();
  match_ = Router::Match{
      .route = nullptr, .index = service_->router->size(), .arguments = {}, .path_known = false};
  keep_alive_ = false;
  with_body_ = true;
  Send(answer);
}

void HttpSession::Send(const HttpAnswer& answer) {
  const Clock::time_point now = Clock::now();
  service_->metrics->Count(
      match_.index, answer.status,
      std::chrono::duration_cast<std::chrono::microseconds>(now - begun_).count());
  if (service_->draining.load(std::memory_order_relaxed)) keep_alive_ = false;
  state_ = State::kWriting;
  deadline_ = now + service_->limits.request +
              std::chrono::seconds(answer.body.size() / service_->limits.body_bytes_per_second);
  output_ = Serialize(answer, keep_alive_, with_body_);
  // Nearly every answer fits into the socket's buffer: then no thread has to come back for it.
  error_code error;
  const size_t written = socket_.write_some(asio::buffer(output_), error);
  if (error && error != asio::error::would_block) return Close();
  if (written == output_.size()) return OnWritten();
  asio::async_write(socket_, asio::buffer(output_) + written,
                    [self = shared_from_this()](const error_code& failed, size_t) {
                      if (self->state_ == State::kClosed) return;
                      if (failed) return self->Close();
                      self->OnWritten();
                    });
}

void HttpSession::OnWritten() {
  if (!keep_alive_) return Linger();
  state_ = State::kIdle;
  deadline_ = Clock::now() + service_->limits.idle;
  if (output_.capacity() > kBodyReadBytes) output_ = std::string();
  if (buffer_.size() == 0) return Read();
  // A pipelined request waits its turn, so that one connection can't keep the thread.
  asio::post(socket_.get_executor(), [self = shared_from_this()] {
    if (self->state_ == State::kIdle) self->Parse();
  });
}

void HttpSession::Linger() {
  // Closing while the peer still sends would reset the connection, and the answer with it.
  error_code error;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, error);
  if (error) return Close();
  state_ = State::kLingering;
  deadline_ = Clock::now() + kLingerTime;
  buffer_.consume(buffer_.size());
  Read();
}

void HttpSession::Sweep(Clock::time_point now) {
  if (now < deadline_ || state_ == State::kAnswering || state_ == State::kClosed) return;
  if (state_ == State::kReading) {
    // Written only if it fits at once, since a read is still under way on this socket.
    HttpAnswer answer =
        ErrorAnswer(Status::IOError("the request did not come in time"), ErrorForm::kCoded);
    answer.status = 408;
    service_->metrics->Count(service_->router->size(), answer.status, 0);
    error_code error;
    socket_.write_some(asio::buffer(Serialize(answer, false, true)), error);
  }
  Close();
}

void HttpSession::Drain() {
  if (state_ == State::kIdle || state_ == State::kLingering) Close();
}

void HttpSession::Close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  error_code error;
  socket_.close(error);
  service_->sessions.fetch_sub(1);
  home_->erase(shared_from_this());
}

}  // namespace tercet
