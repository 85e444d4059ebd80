#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "server/access.h"
#include "server/router.h"

namespace tercet {

struct HttpLimits {
  size_t header_bytes = 16 << 10;
  size_t body_bytes = 64 << 20;
  size_t connections = 16'384;             ///< fewer where the system allows fewer open files
  std::chrono::milliseconds idle{75'000};     ///< between requests
  std::chrono::milliseconds request{30'000};  ///< for a request's header, and for sending an answer
  size_t body_bytes_per_second = 32 << 10;    ///< a body may come this slowly, not slower
};

class HttpSession;

/// What all sessions of a server share. Only read while it serves, but for the atomics.
struct HttpService {
  const Router* router = nullptr;
  Metrics* metrics = nullptr;
  const Access* access = nullptr;
  HttpLimits limits;
  boost::asio::thread_pool* slow_pool = nullptr;
  boost::asio::thread_pool* prediction_pool = nullptr;
  std::atomic<size_t> predictions{0};  ///< in the prediction pool, or waiting for it
  std::atomic<bool> draining{false};
  std::atomic<size_t> sessions{0};
};

/// The sessions of one I/O thread; touched by that thread alone.
using SessionSet = std::unordered_set<std::shared_ptr<HttpSession>>;

/// One connection: reads a request, has it answered, writes the answer, again. It lives on one I/O
/// thread, which calls all its methods, so that it needs no lock and hot requests no hop.
class HttpSession : public std::enable_shared_from_this<HttpSession> {
 public:
  HttpSession(boost::asio::ip::tcp::socket socket, HttpService* service, SessionSet* home);

  void Start();
  /// Closes it when its time is over; a request that came too slowly is answered 408.
  void Sweep(std::chrono::steady_clock::time_point now);
  /// Closes it when no request is under way; otherwise the next answer is its last.
  void Drain();

 private:
  using Clock = std::chrono::steady_clock;
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  enum class State { kIdle, kReading, kAnswering, kWriting, kLingering, kClosed };

  void Read();
  void OnRead(const boost::system::error_code& error, size_t bytes);
  void Parse();
  /// Decides on what a whole header says: limits, deadline, "Expect: 100-continue".
  bool OnHeader();
  void Dispatch();
  /// Has the request answered by a pool's thread.
  void AnswerOn(boost::asio::thread_pool* pool, std::atomic<size_t>* count);
  /// A request that can't be read: answers and closes.
  void Refuse(int http_status, const Status& status);
  void Send(const HttpAnswer& answer);
  void OnWritten();
  void Linger();
  void Close();

  boost::asio::ip::tcp::socket socket_;
  HttpService* const service_;
  SessionSet* const home_;
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  bool header_seen_ = false;
  HttpRequest request_;
  Router::Match match_;
  bool keep_alive_ = true;
  bool with_body_ = true;
  Clock::time_point begun_;  ///< when the request was whole
  Clock::time_point deadline_;
  State state_ = State::kIdle;
  std::string output_;
};

}  // namespace tercet
