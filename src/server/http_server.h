#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "server/http_session.h"

namespace tercet {

/// Listens, and gives each connection to one of a few event loops, each with a thread of its own: a
/// request there costs no lock and wakes nobody.
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
  class Listener;
  HttpServer();

  HttpService service_;
  std::vector<std::unique_ptr<IoThread>> io_threads_;
  boost::asio::thread_pool slow_pool_;
  boost::asio::thread_pool prediction_pool_;
  std::unique_ptr<Listener> listener_;
  int port_ = 0;
  bool stopped_ = false;
};

}  // namespace tercet
