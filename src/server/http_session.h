#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>

#include <boost/asio/thread_pool.hpp>
#include <boost/beast/core/flat_buffer.hpp>

#include "server/access.h"
#include "server/event_loop.h"
#include "server/request_parser.h"
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

/// An event loop's sessions; touched by its thread alone.
using SessionSet = std::unordered_set<std::shared_ptr<HttpSession>>;

/// One connection: reads a request, has it answered, writes the answer, again. It lives on one
/// event loop, whose thread calls all its methods, so that it needs no lock and hot requests no
/// hop: one wait for all connections that were asked, and a read and a write for each.
class HttpSession : public EventLoop::Handler, public std::enable_shared_from_this<HttpSession> {
 public:
  /// Takes over a connected socket that does not block.
  HttpSession(int socket, HttpService* service, EventLoop* loop, SessionSet* home);
  ~HttpSession() override;

  void Start();
  /// Closes it when its time is over; a request that came too slowly is answered 408.
  void Sweep(std::chrono::steady_clock::time_point now);
  /// Closes it when no request is under way; otherwise the next answer is its last.
  void Drain();

  void OnReady(uint32_t events) override;

 private:
  using Clock = std::chrono::steady_clock;
  enum class State { kIdle, kReading, kAnswering, kWriting, kLingering, kClosed };

  /// Whether what comes is to be read now: not while a request is under way, or waits its turn.
  bool reads() const {
    return (state_ == State::kIdle && buffer_.size() == 0) || state_ == State::kReading ||
           state_ == State::kLingering;
  }
  /// Reads once.
  void Read();
  /// Reads what is there already, when others have had their turn.
  void ReadOn();
  void Parse();
  /// Cuts empty lines off before a request; false when nothing else has come.
  bool SkipEmptyLines();
  /// Decides on what a whole header says: limits, deadline, "Expect: 100-continue".
  bool OnHeader();
  void Dispatch();
  /// Has the request answered by a pool's thread.
  void AnswerOn(boost::asio::thread_pool* pool, std::atomic<size_t>* count);
  /// On a pool's thread: unpacks the body, if it is packed, and answers.
  HttpAnswer Answer();
  /// A request that can't be read: answers and closes.
  void Refuse(int http_status, const Status& status);
  void Send(const HttpAnswer& answer);
  /// Writes what the socket takes of the answer.
  void Write(Clock::time_point now);
  void OnWritten(Clock::time_point now);
  void Linger();
  void Close();
  /// Sends bytes of which nobody waits for the end.
  void Say(std::string_view bytes);

  int socket_;  // -1: closed
  HttpService* const service_;
  EventLoop* const loop_;
  SessionSet* const home_;
  bool readable_ = false;  ///< there is something to read, as far as we know
  /// The peer sends no more: to be read to its end. Looked at by the thread that answers, too.
  std::atomic<bool> ended_{false};
  boost::beast::flat_buffer buffer_;
  std::optional<RequestParser> parser_;
  bool header_seen_ = false;
  RequestHead head_;
  HttpRequest request_;
  Router::Match match_;
  bool keep_alive_ = true;
  Clock::time_point begun_;  ///< when the request was whole
  Clock::time_point deadline_;
  State state_ = State::kIdle;
  std::string output_;
  size_t written_ = 0;  ///< of output_
};

}  // namespace tercet
