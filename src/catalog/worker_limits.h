#pragma once

#include <cstdint>

namespace tercet {

/// How code of others is kept that runs in processes of its own.
struct WorkerLimits {
  int64_t workers = 1;                     ///< processes, at least
  int64_t timeout_us = 30'000'000;         ///< of one call; then the worker is replaced
  int64_t memory_bytes = 4LL << 30;        ///< address space of a worker
  int64_t requests = 0;                    ///< calls after which one is replaced; 0: any number
};

}  // namespace tercet
