#include "server/http_server.h"

#include <sys/resource.h>

#include <algorithm>

#include <boost/asio/post.hpp>

#include "base/log.h"
#include "base/parallel.h"

namespace tercet {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::chrono::milliseconds kSweepEvery{500};
constexpr std::chrono::milliseconds kAcceptPause{100};
/// Slow handlers mostly wait for the compute pool or the disk.
constexpr int kSlowThreads = 8;
/// Predictions that wait for a worker or for a place each hold one.
constexpr int kPredictionThreads = 32;
/// Open files that are not connections: the stores', and other doors'.
constexpr rlim_t kOtherFiles = 1024;

/// How many connections the system's limit of open files leaves, once it is raised as far as this
/// process may.
size_t MostConnections() {
  rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return kOtherFiles;
  if (files.rlim_cur < files.rlim_max) {
    const rlimit raised{files.rlim_max, files.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) files = raised;
  }
  return files.rlim_cur > 2 * kOtherFiles ? files.rlim_cur - kOtherFiles : files.rlim_cur / 2;
}

}  // namespace

struct HttpServer::IoThread {
  IoThread() : context(1), work(context.get_executor()), sweep(context) {}

  asio::io_context context;
  asio::executor_work_guard<asio::io_context::executor_type> work;
  asio::steady_timer sweep;
  SessionSet sessions;
  std::thread thread;
};

HttpServer::HttpServer() : slow_pool_(kSlowThreads), prediction_pool_(kPredictionThreads) {}

Result<std::unique_ptr<HttpServer>> HttpServer::Start(const Address& address, const Router* router,
                                                      const Access* access, Metrics* metrics,
                                                      const HttpLimits& limits) {
  ARROW_RETURN_NOT_OK(access->CheckBind("HTTP", address));
  std::unique_ptr<HttpServer> server(new HttpServer());
  server->service_.router = router;
  server->service_.access = access;
  server->service_.metrics = metrics;
  server->service_.limits = limits;
  server->service_.limits.connections = std::min(limits.connections, MostConnections());
  server->service_.slow_pool = &server->slow_pool_;
  server->service_.prediction_pool = &server->prediction_pool_;
  for (int i = 0; i < std::clamp(ThreadCount(), 1, 8); ++i) {
    server->io_threads_.push_back(std::make_unique<IoThread>());
  }
  ARROW_RETURN_NOT_OK(server->Listen(address));
  server->Accept();
  for (const auto& io : server->io_threads_) {
    server->SweepLater(io.get());
    io->thread = std::thread([context = &io->context] { context->run(); });
  }
  return server;
}

Status HttpServer::Listen(const Address& address) {
  error_code error;
  asio::io_context& context = io_threads_[0]->context;
  tcp::resolver resolver(context);
  std::string host = address.host;
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  const auto found = resolver.resolve(host, std::to_string(address.port), error);
  if (error || found.empty()) {
    return Status::IOError("cannot resolve address '", address.host, "': ", error.message());
  }
  const tcp::endpoint endpoint = found.begin()->endpoint();
  acceptor_ = std::make_unique<tcp::acceptor>(context);
  acceptor_->open(endpoint.protocol(), error);
  if (!error) acceptor_->set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_->bind(endpoint, error);
  if (!error) acceptor_->listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    return Status::IOError("cannot listen on ", address.ToText(), ": ", error.message());
  }
  accept_again_ = std::make_unique<asio::steady_timer>(context);
  port_ = acceptor_->local_endpoint(error).port();
  return Status::OK();
}

void HttpServer::Accept() {
  IoThread* io = io_threads_[next_ % io_threads_.size()].get();
  ++next_;
  acceptor_->async_accept(io->context, [this, io](const error_code& error, tcp::socket socket) {
    if (error == asio::error::operation_aborted || !acceptor_->is_open()) return;
    if (error) {
      // Most likely out of file descriptors: sessions that end give some back.
      LogWarn("accepting a connection: " + error.message());
      accept_again_->expires_after(kAcceptPause);
      accept_again_->async_wait([this](const error_code& cancelled) {
        if (!cancelled) Accept();
      });
      return;
    }
    if (service_.sessions.load() < service_.limits.connections) {
      auto session = std::make_shared<HttpSession>(std::move(socket), &service_, &io->sessions);
      asio::post(io->context, [session] { session->Start(); });
    } else {
      LogWarn("refused a connection: there are " + std::to_string(service_.limits.connections));
    }
    Accept();
  });
}

void HttpServer::SweepLater(IoThread* io) {
  io->sweep.expires_after(kSweepEvery);
  io->sweep.async_wait([this, io](const error_code& cancelled) {
    if (cancelled) return;
    const auto now = std::chrono::steady_clock::now();
    // A copy, since sessions that close leave the set.
    const std::vector<std::shared_ptr<HttpSession>> sessions(io->sessions.begin(),
                                                             io->sessions.end());
    for (const auto& session : sessions) session->Sweep(now);
    SweepLater(io);
  });
}

bool HttpServer::Stop(std::chrono::milliseconds patience) {
  if (stopped_) return true;
  stopped_ = true;
  service_.draining = true;
  asio::post(io_threads_[0]->context, [this] {
    error_code error;
    acceptor_->close(error);
    accept_again_->cancel();
  });
  const auto until = std::chrono::steady_clock::now() + patience;
  bool drained = false;
  while (true) {
    for (const auto& io : io_threads_) {
      asio::post(io->context, [io = io.get()] {
        const std::vector<std::shared_ptr<HttpSession>> sessions(io->sessions.begin(),
                                                                 io->sessions.end());
        for (const auto& session : sessions) session->Drain();
      });
    }
    drained = service_.sessions.load() == 0;
    if (drained || std::chrono::steady_clock::now() >= until) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  for (const auto& io : io_threads_) io->context.stop();
  for (const auto& io : io_threads_) {
    if (io->thread.joinable()) io->thread.join();
  }
  for (asio::thread_pool* pool : {&slow_pool_, &prediction_pool_}) {
    if (drained) {
      pool->join();
    } else {
      pool->stop();
    }
  }
  return drained;
}

HttpServer::~HttpServer() {
  Stop(std::chrono::milliseconds(0));
  // Handlers that still run hold their sessions, whose sockets need the I/O contexts.
  slow_pool_.join();
  prediction_pool_.join();
  for (const auto& io : io_threads_) io->sessions.clear();
}

}  // namespace tercet
