#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tercet {

/// A child process that answers frames over a socket which it has as file descriptor 3. A frame is
/// a type byte, eight bytes of length (little-endian) and the payload. Not thread-safe.
class WorkerProcess {
 public:
  struct Frame {
    char type = 0;
    std::string payload;
  };

  WorkerProcess() = default;
  /// Kills it.
  ~WorkerProcess() { Kill(); }
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  /// Starts a program, found by PATH. The child dies with the *thread* that calls this (that is
  /// how PR_SET_PDEATHSIG works), has at most `memory_limit_bytes` of address space, and its
  /// standard output goes where its errors go. IOError when it can't be started.
  Status Start(const std::vector<std::string>& arguments, int64_t memory_limit_bytes);

  bool running() const { return pid_ > 0; }

  /// The address space that it has now; 0 when it is gone.
  int64_t AddressSpaceBytes() const;

  /// Sends a frame and waits for the answer. IOError, with the last that the child wrote to its
  /// standard error, when it died or took longer than the timeout; it is gone then.
  Result<Frame> Call(const Frame& request, int64_t timeout_us);

  /// Ends the child and all that it started.
  void Kill();

 private:
  void DrainErrors();
  Status Died(std::string_view what);

  pid_t pid_ = -1;
  int socket_ = -1;
  int errors_ = -1;         ///< the read end of its standard error
  std::string error_tail_;  ///< the last of what came out of it
};

}  // namespace tercet
