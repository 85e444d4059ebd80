#pragma once

#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include <boost/asio/steady_timer.hpp>

#include "server/http_session.h"

namespace tercet {

/// Listens, and gives each connection to one of a few I/O threads. A thread has an event loop of
/// its own: a request on it costs no lock and wakes nobody.
class HttpServer {
 public:
  /// Listens and serves. IOError when the address is taken. `router`, `access` and `metrics` must
  /// outlive the server.
  static Result<std::unique_ptr<HttpServer>> Start(const Address& address, const Router* router,
                                                   const Access* access, Metrics* metrics,
                                                   const HttpLimits& limits = {});
  /// Stops at once, waiting only for handlers that run.
  ~HttpServer();

  int port() const { return port_; }

  /// Takes no new connection, lets requests that are under way finish for at most `patience`, and
  /// stops. False when some had not: their handlers still run, and only the destructor waits for
  /// them.
  bool Stop(std::chrono::milliseconds patience);

 private:
  struct IoThread;
  HttpServer();
  Status Listen(const Address& address);
  void Accept();
  void SweepLater(IoThread* io);

  HttpService service_;
  std::vector<std::unique_ptr<IoThread>> io_threads_;
  boost::asio::thread_pool slow_pool_;
  boost::asio::thread_pool prediction_pool_;
  std::unique_ptr<boost::asio::ip::tcp::acceptor> acceptor_;
  std::unique_ptr<boost::asio::steady_timer> accept_again_;
  size_t next_ = 0;  ///< of io_threads_; touched by the accepting thread alone
  int port_ = 0;
  bool stopped_ = false;
};

}  // namespace tercet
