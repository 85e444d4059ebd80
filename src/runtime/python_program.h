#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <arrow/record_batch.h>

#include "base/deadline.h"
#include "base/json.h"
#include "base/result.h"
#include "runtime/predictor.h"
#include "runtime/worker_pool.h"

namespace tercet {

/// A program in Python that answers batches with batches, in supervised workers of the interpreter
/// that is named: what a predictor class and an on-demand feature have in common. A worker answers
/// one call at a time; Reserve says how many there are. One that crashes or takes longer than the
/// timeout is an IOError (TooLate where the caller's deadline came first) and is replaced in the
/// background, later and later when that goes on; an exception is an ExecutionError with its
/// traceback. One that has run out of memory, or nearly, is replaced as well. Thread-safe.
class PythonProgram {
 public:
  struct Text {
    std::string who;          ///< in errors: "predictor class 'Fraud'"
    std::string python;       ///< the interpreter; its environment needs pyarrow
    std::string program;      ///< what it runs (python_worker.h)
    json::object start;       ///< its first frame
  };
  PythonProgram(Text text, const WorkerLimits& limits);

  /// Sees to the workers, and waits until they have loaded.
  Status Reserve(const WorkerLimits& limits);
  /// What the program makes of a batch, checked as a file from anywhere would be. A request that is
  /// traced has the schema metadata "traceparent" (W3C trace context).
  Result<std::shared_ptr<arrow::RecordBatch>> Call(const arrow::RecordBatch& batch,
                                                   const Deadline& deadline);

 private:
  Status StartWorker(WorkerProcess* worker, int64_t memory_limit_bytes) const;
  Result<std::string> Ask(WorkerProcess* worker, const WorkerProcess::Frame& request,
                          int64_t timeout_us) const;

  const Text text_;
  std::atomic<int64_t> timeout_us_;
  // Last: its thread uses the others.
  WorkerPool pool_{[this](WorkerProcess* worker, int64_t memory_limit_bytes) {
    return StartWorker(worker, memory_limit_bytes);
  }};
};

}  // namespace tercet
