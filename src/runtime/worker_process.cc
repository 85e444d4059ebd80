#include "runtime/worker_process.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fstream>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace tercet {
namespace {

constexpr size_t kErrorTailBytes = 4096;
constexpr size_t kHeaderBytes = 9;
constexpr uint64_t kMaxFrameBytes = 4ull << 30;
/// Where the child finds its socket.
constexpr int kChildSocket = 3;

using SteadyClock = std::chrono::steady_clock;

void CloseIfOpen(int* fd) {
  if (*fd >= 0) ::close(*fd);
  *fd = -1;
}

/// Between fork and exec: only calls that are safe in the child of a process with threads.
[[noreturn]] void BecomeWorker(int socket, int errors, pid_t parent, rlim_t memory_limit,
                               char* const* arguments) {
  ::setpgid(0, 0);  // so that Kill() reaches what it starts, and Ctrl-C does not reach it
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);  // the parent died before prctl
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);

  // Out of the way of 0 to 3, then into place.
  const int high_socket = ::fcntl(socket, F_DUPFD, 10);
  const int high_errors = ::fcntl(errors, F_DUPFD, 10);
  const int nothing = ::open("/dev/null", O_RDONLY);
  ::dup2(nothing, 0);
  ::dup2(high_errors, 1);
  ::dup2(high_errors, 2);
  ::dup2(high_socket, kChildSocket);
  ::close_range(kChildSocket + 1, ~0u, 0);

  const rlimit memory{memory_limit, memory_limit}, no_core{0, 0};
  ::setrlimit(RLIMIT_AS, &memory);
  ::setrlimit(RLIMIT_CORE, &no_core);
  ::execvp(arguments[0], arguments);
  const char* why = std::strerror(errno);
  const char* parts[] = {"cannot start '", arguments[0], "': ", why, "\n"};
  for (const char* part : parts) {
    if (::write(2, part, std::strlen(part)) < 0) break;
  }
  ::_exit(127);
}

}  // namespace

Status WorkerProcess::Start(const std::vector<std::string>& arguments,
                            int64_t memory_limit_bytes) {
  Kill();
  int sockets[2] = {-1, -1}, pipe[2] = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0 ||
      ::pipe2(pipe, O_CLOEXEC) != 0) {
    const int error = errno;
    CloseIfOpen(&sockets[0]);
    CloseIfOpen(&sockets[1]);
    return Status::IOError("cannot start a worker: ", std::strerror(error));
  }
  std::vector<char*> words;
  for (const std::string& argument : arguments) {
    words.push_back(const_cast<char*>(argument.c_str()));
  }
  words.push_back(nullptr);

  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child == 0) {
    BecomeWorker(sockets[1], pipe[1], parent, static_cast<rlim_t>(memory_limit_bytes),
                 words.data());
  }
  const int error = errno;
  CloseIfOpen(&sockets[1]);
  CloseIfOpen(&pipe[1]);
  if (child < 0) {
    CloseIfOpen(&sockets[0]);
    CloseIfOpen(&pipe[0]);
    return Status::IOError("cannot start a worker: ", std::strerror(error));
  }
  ::setpgid(child, child);  // both sides do it: whichever comes first
  pid_ = child;
  socket_ = sockets[0];
  errors_ = pipe[0];
  error_tail_.clear();
  ::fcntl(socket_, F_SETFL, O_NONBLOCK);
  ::fcntl(errors_, F_SETFL, O_NONBLOCK);
  return Status::OK();
}

int64_t WorkerProcess::AddressSpaceBytes() const {
  if (!running()) return 0;
  std::ifstream sizes("/proc/" + std::to_string(pid_) + "/statm");
  int64_t pages = 0;
  return sizes >> pages ? pages * ::sysconf(_SC_PAGESIZE) : 0;
}

void WorkerProcess::Kill() {
  if (pid_ > 0) {
    ::kill(-pid_, SIGKILL);
    ::kill(pid_, SIGKILL);  // if it is not yet the leader of its group
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  pid_ = -1;
  CloseIfOpen(&socket_);
  CloseIfOpen(&errors_);
}

void WorkerProcess::DrainErrors() {
  char block[4096];
  while (errors_ >= 0) {
    const ssize_t size = ::read(errors_, block, sizeof(block));
    // Closed by the child, it would wake every poll from now on.
    if (size == 0) return CloseIfOpen(&errors_);
    if (size < 0) return;
    error_tail_.append(block, static_cast<size_t>(size));
    if (error_tail_.size() > kErrorTailBytes) {
      error_tail_.erase(0, error_tail_.size() - kErrorTailBytes);
    }
  }
}

Status WorkerProcess::Died(std::string_view what) {
  std::string how(what);
  // It may be about to end: what it says last is what matters.
  if (what.empty()) {
    ::kill(-pid_, SIGKILL);
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL) {
      how = std::string("it died by signal ") + ::strsignal(WTERMSIG(status));
    } else if (WIFEXITED(status)) {
      how = "it ended with exit code " + std::to_string(WEXITSTATUS(status));
    } else {
      how = "it died";
    }
  }
  DrainErrors();
  if (what.empty()) pid_ = -1;  // reaped
  Kill();
  std::string tail = error_tail_;
  while (!tail.empty() && (tail.back() == '\n' || tail.back() == ' ')) tail.pop_back();
  return Status::IOError("its worker failed: ", how,
                         tail.empty() ? "" : "; its last words:\n" + tail);
}

Result<WorkerProcess::Frame> WorkerProcess::Call(const Frame& request, int64_t timeout_us) {
  if (!running()) return Status::IOError("its worker is not running");
  const auto deadline = SteadyClock::now() + std::chrono::microseconds(timeout_us);
  char header[kHeaderBytes];
  header[0] = request.type;
  const uint64_t length = request.payload.size();
  for (int i = 0; i < 8; ++i) header[1 + i] = static_cast<char>(length >> (8 * i));

  size_t sent = 0;
  std::string received;
  uint64_t expected = kHeaderBytes;
  while (received.size() < expected) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - SteadyClock::now()).count();
    if (left < 0) {
      return Died("no answer within " + std::to_string(timeout_us / 1000) + " ms, it was killed");
    }
    const bool sending = sent < kHeaderBytes + request.payload.size();
    pollfd polled[2] = {
        {socket_, static_cast<short>(sending ? POLLOUT | POLLIN : POLLIN), 0},
        {errors_, POLLIN, 0}};
    const int ready = ::poll(polled, 2, static_cast<int>(std::min<int64_t>(left + 1, 1'000)));
    if (ready < 0 && errno != EINTR) {
      return Died(std::string("cannot wait for it: ") + std::strerror(errno));
    }
    if (ready <= 0) continue;
    if ((polled[1].revents & (POLLIN | POLLHUP)) != 0) DrainErrors();
    if (sending && (polled[0].revents & POLLOUT) != 0) {
      const bool in_header = sent < kHeaderBytes;
      const char* from = in_header ? header + sent : request.payload.data() + (sent - kHeaderBytes);
      const size_t size = in_header ? kHeaderBytes - sent
                                    : request.payload.size() - (sent - kHeaderBytes);
      const ssize_t written = ::send(socket_, from, size, MSG_NOSIGNAL);
      if (written > 0) sent += static_cast<size_t>(written);
      if (written < 0 && errno != EAGAIN && errno != EINTR) return Died("");
    }
    if ((polled[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
      const size_t had = received.size();
      const size_t want = std::min<uint64_t>(expected - had, 1 << 20);
      received.resize(had + want);
      const ssize_t size = ::recv(socket_, received.data() + had, want, 0);
      received.resize(had + static_cast<size_t>(std::max<ssize_t>(size, 0)));
      if (size == 0) return Died("");
      if (size < 0 && errno != EAGAIN && errno != EINTR) return Died("");
      if (expected == kHeaderBytes && received.size() == kHeaderBytes) {
        uint64_t payload = 0;
        for (int i = 0; i < 8; ++i) {
          payload |= static_cast<uint64_t>(static_cast<unsigned char>(received[1 + i])) << (8 * i);
        }
        if (payload > kMaxFrameBytes) return Died("its answer is too large, it was killed");
        expected += payload;
      }
    }
  }
  return Frame{received[0], received.substr(kHeaderBytes)};
}

}  // namespace tercet
