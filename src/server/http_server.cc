#include "server/http_server.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>

#include "base/log.h"
#include "base/parallel.h"

namespace tercet {
namespace {

constexpr std::chrono::milliseconds kSweepEvery{500};
/// Event loops, at most. They have half of the cores: hot handlers answer in microseconds, and the
/// kernel's part of the network, clients on this machine and the pools need the others. Two loops
/// that share a core cost a switch of threads every other request, more than the request itself.
constexpr int kMostLoops = 8;
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

struct FreeAddresses {
  void operator()(addrinfo* addresses) const { ::freeaddrinfo(addresses); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

Result<Addresses> Resolve(const Address& address) {
  std::string host = address.host;
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  addrinfo wanted{};
  wanted.ai_family = AF_UNSPEC;
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int error =
      ::getaddrinfo(host.c_str(), std::to_string(address.port).c_str(), &wanted, &found);
  if (error != 0) {
    return Status::IOError("cannot resolve address '", address.host, "': ", ::gai_strerror(error));
  }
  return Addresses(found);
}

}  // namespace

struct HttpServer::IoThread {
  std::unique_ptr<EventLoop> loop;
  SessionSet sessions;
  std::thread thread;
};

/// The listening socket, on the first event loop.
class HttpServer::Listener : public EventLoop::Handler {
 public:
  Listener(int socket, HttpServer* server) : socket_(socket), server_(server) {}
  ~Listener() override { Close(); }

  static Result<std::unique_ptr<Listener>> Open(const Address& address, HttpServer* server) {
    ARROW_ASSIGN_OR_RAISE(const Addresses found, Resolve(address));
    const int socket = ::socket(found->ai_family,
                                found->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    auto listener = std::make_unique<Listener>(socket, server);
    const int on = 1;
    if (socket < 0 || ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        ::bind(socket, found->ai_addr, found->ai_addrlen) != 0 ||
        ::listen(socket, SOMAXCONN) != 0) {
      return Status::IOError("cannot listen on ", address.ToText(), ": ", std::strerror(errno));
    }
    return listener;
  }

  Result<int> Port() const {
    sockaddr_storage bound{};
    socklen_t size = sizeof(bound);
    if (::getsockname(socket_, reinterpret_cast<sockaddr*>(&bound), &size) != 0) {
      return Status::IOError("cannot read the port of the HTTP server: ", std::strerror(errno));
    }
    // Both families have it in the same place.
    return ntohs(reinterpret_cast<const sockaddr_in*>(&bound)->sin_port);
  }

  Status Watch() { return server_->io_threads_[0]->loop->Watch(socket_, this); }

  void OnReady(uint32_t) override { Accept(); }

  /// Once more, when the last try ended with an error.
  void AcceptAgain() {
    if (failed_) Accept();
  }

  void Close() {
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
  }

 private:
  /// Takes all connections that wait.
  void Accept() {
    failed_ = false;
    while (socket_ >= 0) {
      const int connection = ::accept4(socket_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (connection >= 0) {
        Give(connection);
        continue;
      }
      if (errno == EAGAIN || errno == EWOULDBLOCK) return;
      if (errno == EINTR || errno == ECONNABORTED) continue;
      // Most likely out of file descriptors: sessions that end give some back.
      failed_ = true;
      LogWarn(std::string("accepting a connection: ") + std::strerror(errno));
      return;
    }
  }

  void Give(int connection) {
    HttpService* service = &server_->service_;
    if (service->sessions.load() >= service->limits.connections) {
      LogWarn("refused a connection: there are " + std::to_string(service->limits.connections));
      ::close(connection);
      return;
    }
    IoThread* io = server_->io_threads_[next_++ % server_->io_threads_.size()].get();
    auto session =
        std::make_shared<HttpSession>(connection, service, io->loop.get(), &io->sessions);
    io->loop->Post([session = std::move(session)] { session->Start(); });
  }

  int socket_;  // -1: closed
  HttpServer* const server_;
  size_t next_ = 0;  // of the I/O threads
  bool failed_ = false;
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
  ARROW_ASSIGN_OR_RAISE(server->listener_, Listener::Open(address, server.get()));
  ARROW_ASSIGN_OR_RAISE(server->port_, server->listener_->Port());
  for (int i = 0; i < std::clamp(ThreadCount() / 2, 1, kMostLoops); ++i) {
    auto io = std::make_unique<IoThread>();
    ARROW_ASSIGN_OR_RAISE(io->loop, EventLoop::Make());
    Listener* const listener = i == 0 ? server->listener_.get() : nullptr;
    ARROW_RETURN_NOT_OK(io->loop->Every(kSweepEvery, [io = io.get(), listener] {
      const auto now = std::chrono::steady_clock::now();
      // Sessions that close leave the set later.
      for (const auto& session : io->sessions) session->Sweep(now);
      if (listener != nullptr) listener->AcceptAgain();
    }));
    server->io_threads_.push_back(std::move(io));
  }
  ARROW_RETURN_NOT_OK(server->listener_->Watch());
  for (const auto& io : server->io_threads_) {
    io->thread = std::thread([loop = io->loop.get()] { loop->Run(); });
  }
  return server;
}

bool HttpServer::Stop(std::chrono::milliseconds patience) {
  if (stopped_) return true;
  stopped_ = true;
  service_.draining = true;
  const auto until = std::chrono::steady_clock::now() + patience;
  bool drained = io_threads_.empty();
  if (!drained) io_threads_[0]->loop->Post([this] { listener_->Close(); });
  while (!drained) {
    for (const auto& io : io_threads_) {
      io->loop->Post([io = io.get()] {
        for (const auto& session : io->sessions) session->Drain();
      });
    }
    drained = service_.sessions.load() == 0;
    if (drained || std::chrono::steady_clock::now() >= until) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  for (const auto& io : io_threads_) io->loop->Stop();
  for (const auto& io : io_threads_) {
    if (io->thread.joinable()) io->thread.join();
  }
  for (boost::asio::thread_pool* pool : {&slow_pool_, &prediction_pool_}) {
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
  // Handlers that still run hold their sessions, whose answers go to the event loops.
  slow_pool_.join();
  prediction_pool_.join();
}

}  // namespace tercet
