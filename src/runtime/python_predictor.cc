#include "runtime/python_predictor.h"

#include <algorithm>
#include <atomic>
#include <chrono>

#include <arrow/buffer.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <arrow/table.h>
#include <arrow/util/key_value_metadata.h>

#include "base/batch_bytes.h"
#include "base/file_system.h"
#include "base/json.h"
#include "base/name.h"
#include "base/overload.h"
#include "base/request_trace.h"
#include "runtime/prediction_columns.h"
#include "runtime/python_worker.h"
#include "runtime/worker_pool.h"
#include "runtime/worker_process.h"

namespace tercet {
namespace {

/// Importing a framework takes a while on a cold disk.
using SteadyClock = std::chrono::steady_clock;

constexpr int64_t kLeastStartTimeoutUs = 120'000'000;

struct ClassName {
  std::string module, name;
  std::string python;  ///< an interpreter of its own; empty: the process's
};

Result<ClassName> ReadClassName(const std::string& directory) {
  const std::string path = JoinPath(directory, "predictor.json");
  Result<std::string> text = LocalFileSystem()->ReadFile(path);
  if (text.status().IsKeyError()) {
    return Status::Invalid("the model has no file 'predictor.json', which names its class: ",
                           "{\"module\": \"predictor\", \"class\": \"MyPredictor\"}");
  }
  ARROW_RETURN_NOT_OK(text.status());
  const auto read = [&]() -> Result<ClassName> {
    ARROW_ASSIGN_OR_RAISE(const json::object object, ParseJsonObject(*text));
    for (const auto& member : object) {
      const std::string_view key = member.key();
      if (key != "module" && key != "class" && key != "python") {
        return Status::Invalid("it has no member '", key.substr(0, 80), "'",
                               Suggest(key.substr(0, 80), {"module", "class", "python"}));
      }
    }
    ClassName found;
    ARROW_ASSIGN_OR_RAISE(found.module, GetString(object, "module"));
    ARROW_ASSIGN_OR_RAISE(found.name, GetString(object, "class"));
    ARROW_ASSIGN_OR_RAISE(const auto python, FindString(object, "python"));
    found.python = python.value_or("");
    return found;
  };
  Result<ClassName> found = read();
  if (!found.ok()) return Explain(found.status(), "'" + path + "'");
  return found;
}

/// The worker is not ours to trust: what it sends is checked as a file from anywhere would be.
Result<std::shared_ptr<arrow::RecordBatch>> ReadStream(std::string bytes) {
  arrow::io::BufferReader source(arrow::Buffer::FromString(std::move(bytes)));
  ARROW_ASSIGN_OR_RAISE(auto reader, arrow::ipc::RecordBatchStreamReader::Open(&source));
  ARROW_ASSIGN_OR_RAISE(auto table, reader->ToTable());
  ARROW_RETURN_NOT_OK(table->ValidateFull());
  return table->CombineChunksToBatch();
}

class PythonPredictor : public Predictor {
 public:
  PythonPredictor(std::string directory, ClassName class_name, Signature signature,
                  PredictorOptions options)
      : directory_(std::move(directory)),
        class_name_(std::move(class_name)),
        signature_(std::move(signature)),
        options_(std::move(options)),
        timeout_us_(options_.workers.timeout_us) {}

  const Signature& signature() const override { return signature_; }

  Status Reserve(const WorkerLimits& limits) override {
    timeout_us_.store(limits.timeout_us, std::memory_order_relaxed);
    return pool_.Reserve(limits);
  }

  Result<std::shared_ptr<arrow::RecordBatch>> Predict(
      const arrow::RecordBatch& features) override {
    return PredictBy(features, std::nullopt);
  }

  Result<std::shared_ptr<arrow::RecordBatch>> PredictBy(
      const arrow::RecordBatch& features,
      const std::optional<SteadyClock::time_point>& deadline) override {
    if (features.num_columns() != signature_.inputs->num_fields()) {
      return Status::Invalid("the model takes ", signature_.inputs->num_fields(),
                             " features, not ", features.num_columns());
    }
    const RequestTrace* trace = CurrentTrace();
    ARROW_ASSIGN_OR_RAISE(
        const auto bytes,
        trace == nullptr ? WriteBatch(features)
                         : WriteBatch(*features.ReplaceSchemaMetadata(arrow::key_value_metadata(
                               {"traceparent"}, {trace->traceparent}))));
    std::string payload = bytes->ToString();
    ARROW_ASSIGN_OR_RAISE(std::unique_ptr<WorkerPool::Worker> worker, pool_.Take(deadline));
    int64_t timeout_us = timeout_us_.load(std::memory_order_relaxed);
    if (deadline) timeout_us = std::min(timeout_us, MicrosUntil(*deadline));
    const Result<std::string> answer =
        Ask(&worker->process, {'P', std::move(payload)}, timeout_us);
    const bool ended = !worker->process.running();
    const bool late = ended && deadline && SteadyClock::now() >= *deadline;
    const bool tired = late || IsOutOfMemory(answer.status());
    pool_.GiveBack(std::move(worker), tired   ? WorkerPool::Left::kTired
                                      : ended ? WorkerPool::Left::kFailed
                                              : WorkerPool::Left::kFine,
                   answer.status());
    if (late) {
      return TooLate(Who() + " had not answered at the deadline; its worker was replaced");
    }
    ARROW_RETURN_NOT_OK(answer.status());
    const auto answered = ReadStream(*answer);
    if (!answered.ok()) {
      return Status::ExecutionError(Who(), " gave what is not an Arrow stream: ",
                                    answered.status().message());
    }
    return Arrange(**answered, features.num_rows());
  }

 private:
  std::string Who() const { return "predictor class '" + class_name_.name + "'"; }

  static int64_t MicrosUntil(SteadyClock::time_point deadline) {
    return std::max<int64_t>(0, std::chrono::duration_cast<std::chrono::microseconds>(
                                    deadline - SteadyClock::now())
                                    .count());
  }

  static bool IsOutOfMemory(const Status& status) {
    return status.IsExecutionError() &&
           status.message().find(" failed: MemoryError") != std::string::npos;
  }

  Status StartWorker(WorkerProcess* worker, int64_t memory_limit_bytes) const {
    const std::string& python = class_name_.python.empty() ? options_.python : class_name_.python;
    const std::vector<std::string> arguments = {python, "-B", "-c", std::string(kPythonWorker)};
    ARROW_RETURN_NOT_OK(worker->Start(arguments, memory_limit_bytes));
    json::object start{{"directory", directory_},
                       {"module", class_name_.module},
                       {"class", class_name_.name},
                       {"outputs", ToJsonArray(signature_.outputs->field_names())}};
    const int64_t timeout_us =
        std::max(timeout_us_.load(std::memory_order_relaxed), kLeastStartTimeoutUs);
    const Status loaded = Ask(worker, {'I', ToText(start)}, timeout_us).status();
    if (!loaded.ok()) worker->Kill();
    return loaded;
  }

  Result<std::string> Ask(WorkerProcess* worker, const WorkerProcess::Frame& request,
                          int64_t timeout_us) const {
    Result<WorkerProcess::Frame> answer = worker->Call(request, timeout_us);
    if (!answer.ok()) return Explain(answer.status(), Who());
    if (answer->type == 'R') return std::move(answer->payload);
    const Result<json::object> error = ParseJsonObject(answer->payload);
    if (answer->type != 'E' || !error.ok()) {
      worker->Kill();
      return Status::IOError(Who(), ": the worker's answer is malformed");
    }
    ARROW_ASSIGN_OR_RAISE(const std::string message, GetString(*error, "error"));
    ARROW_ASSIGN_OR_RAISE(const std::string traceback, GetString(*error, "traceback"));
    return Status::ExecutionError(Who(), " failed: ", message, "\n", traceback);
  }

  /// The signature's outputs by name, or by position where the names are others.
  Result<std::shared_ptr<arrow::RecordBatch>> Arrange(const arrow::RecordBatch& answer,
                                                      int64_t rows) const {
    const std::vector<std::shared_ptr<arrow::Array>>& by_position = answer.columns();
    std::vector<std::shared_ptr<arrow::Array>> by_name;
    for (const auto& field : signature_.outputs->fields()) {
      const auto column = answer.GetColumnByName(field->name());
      if (column != nullptr) by_name.push_back(column);
    }
    const bool named = static_cast<int>(by_name.size()) == signature_.outputs->num_fields();
    auto fitted = FitOutputs(signature_.outputs, rows, named ? by_name : by_position);
    if (!fitted.ok()) return Explain(fitted.status(), Who());
    return fitted;
  }

  const std::string directory_;
  const ClassName class_name_;
  const Signature signature_;
  const PredictorOptions options_;
  std::atomic<int64_t> timeout_us_;
  // Last: its thread uses the others.
  WorkerPool pool_{[this](WorkerProcess* worker, int64_t memory_limit_bytes) {
    return StartWorker(worker, memory_limit_bytes);
  }};
};

}  // namespace

Result<std::unique_ptr<Predictor>> LoadPythonPredictor(const std::string& directory,
                                                       const Signature& signature,
                                                       const PredictorOptions& options) {
  ARROW_ASSIGN_OR_RAISE(ClassName class_name, ReadClassName(directory));
  auto predictor = std::make_unique<PythonPredictor>(directory, std::move(class_name), signature,
                                                     options);
  ARROW_RETURN_NOT_OK(predictor->Reserve(options.workers));
  return predictor;
}

}  // namespace tercet
