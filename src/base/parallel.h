#pragma once

#include <functional>

#include "base/result.h"

namespace tercet {

/// How many threads compute at once: TERCET_THREADS, else the machine's cores.
int ThreadCount();

/// Sets ThreadCount() and the size of Arrow's pool, which is the one pool for compute.
Status SetThreadCount(int threads);

/// Calls `task(i)` for i in [0, count) on the compute pool and the calling thread, at most
/// ThreadCount() at once, and waits for all. Returns the failure of the lowest i that failed;
/// tasks not yet begun are then skipped. Safe to call from inside a task (it then runs inline
/// whatever finds no free thread).
Status ParallelFor(int64_t count, const std::function<Status(int64_t)>& task);

/// Registers Arrow's compute functions, once; every process does so before its first kernel.
void InitializeArrow();

}  // namespace tercet
