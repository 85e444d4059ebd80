#include "runtime/python_program.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include <arrow/buffer.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <arrow/table.h>
#include <arrow/util/key_value_metadata.h>

#include "base/batch_bytes.h"
#include "base/overload.h"
#include "base/request_trace.h"

namespace tercet {
namespace {

using SteadyClock = std::chrono::steady_clock;

/// Importing a framework takes a while on a cold disk.
constexpr int64_t kLeastStartTimeoutUs = 120'000'000;

int64_t MicrosUntil(SteadyClock::time_point deadline) {
  return std::max<int64_t>(0, std::chrono::duration_cast<std::chrono::microseconds>(
                                  deadline - SteadyClock::now())
                                  .count());
}

bool IsOutOfMemory(const Status& status) {
  return status.IsExecutionError() &&
         status.message().find(": MemoryError") != std::string::npos;
}

/// The worker is not ours to trust.
Result<std::shared_ptr<arrow::RecordBatch>> ReadStream(std::string bytes) {
  arrow::io::BufferReader source(arrow::Buffer::FromString(std::move(bytes)));
  ARROW_ASSIGN_OR_RAISE(auto reader, arrow::ipc::RecordBatchStreamReader::Open(&source));
  ARROW_ASSIGN_OR_RAISE(auto table, reader->ToTable());
  ARROW_RETURN_NOT_OK(table->ValidateFull());
  return table->CombineChunksToBatch();
}

Result<std::shared_ptr<arrow::Buffer>> WriteTraced(const arrow::RecordBatch& batch) {
  const RequestTrace* trace = CurrentTrace();
  if (trace == nullptr) return WriteBatch(batch);
  return WriteBatch(*batch.ReplaceSchemaMetadata(
      arrow::key_value_metadata({"traceparent"}, {trace->traceparent})));
}

}  // namespace

PythonProgram::PythonProgram(Text text, const WorkerLimits& limits)
    : text_(std::move(text)), timeout_us_(limits.timeout_us) {}

Status PythonProgram::Reserve(const WorkerLimits& limits) {
  timeout_us_.store(limits.timeout_us, std::memory_order_relaxed);
  return pool_.Reserve(limits);
}

Result<std::shared_ptr<arrow::RecordBatch>> PythonProgram::Call(const arrow::RecordBatch& batch,
                                                                const Deadline& deadline) {
  ARROW_ASSIGN_OR_RAISE(const auto bytes, WriteTraced(batch));
  std::string payload = bytes->ToString();
  auto taken = pool_.Take(deadline);
  if (!taken.ok()) return Explain(taken.status(), text_.who);
  std::unique_ptr<WorkerPool::Worker> worker = std::move(taken).ValueUnsafe();
  int64_t timeout_us = timeout_us_.load(std::memory_order_relaxed);
  if (deadline) timeout_us = std::min(timeout_us, MicrosUntil(*deadline));
  const Result<std::string> answer = Ask(&worker->process, {'P', std::move(payload)}, timeout_us);
  const bool ended = !worker->process.running();
  const bool late = ended && deadline && SteadyClock::now() >= *deadline;
  const bool tired = late || IsOutOfMemory(answer.status());
  pool_.GiveBack(std::move(worker), tired   ? WorkerPool::Left::kTired
                                    : ended ? WorkerPool::Left::kFailed
                                            : WorkerPool::Left::kFine,
                 answer.status());
  if (late) {
    return TooLate(text_.who + " had not answered at the deadline; its worker was replaced");
  }
  ARROW_RETURN_NOT_OK(answer.status());
  auto answered = ReadStream(*answer);
  if (!answered.ok()) {
    return Status::ExecutionError(text_.who, " gave what is not an Arrow stream: ",
                                  answered.status().message());
  }
  return answered;
}

Status PythonProgram::StartWorker(WorkerProcess* worker, int64_t memory_limit_bytes) const {
  const std::vector<std::string> arguments = {text_.python, "-B", "-c", text_.program};
  ARROW_RETURN_NOT_OK(worker->Start(arguments, memory_limit_bytes));
  const int64_t timeout_us =
      std::max(timeout_us_.load(std::memory_order_relaxed), kLeastStartTimeoutUs);
  const Status loaded = Ask(worker, {'I', ToText(text_.start)}, timeout_us).status();
  if (!loaded.ok()) worker->Kill();
  return loaded;
}

Result<std::string> PythonProgram::Ask(WorkerProcess* worker, const WorkerProcess::Frame& request,
                                       int64_t timeout_us) const {
  Result<WorkerProcess::Frame> answer = worker->Call(request, timeout_us);
  if (!answer.ok()) return Explain(answer.status(), text_.who);
  if (answer->type == 'R') return std::move(answer->payload);
  const Result<json::object> error = ParseJsonObject(answer->payload);
  if (answer->type != 'E' || !error.ok()) {
    worker->Kill();
    return Status::IOError(text_.who, ": the worker's answer is malformed");
  }
  ARROW_ASSIGN_OR_RAISE(const std::string message, GetString(*error, "error"));
  ARROW_ASSIGN_OR_RAISE(const std::string traceback, GetString(*error, "traceback"));
  return Status::ExecutionError(text_.who, " failed: ", message, "\n", traceback);
}

}  // namespace tercet
