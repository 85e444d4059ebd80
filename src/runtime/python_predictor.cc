#include "runtime/python_predictor.h"

#include <condition_variable>
#include <mutex>
#include <thread>

#include <arrow/buffer.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <arrow/table.h>

#include "base/batch_bytes.h"
#include "base/file_system.h"
#include "base/json.h"
#include "base/name.h"
#include "runtime/prediction_columns.h"
#include "runtime/python_worker.h"
#include "runtime/worker_process.h"

namespace tercet {
namespace {

/// Importing a framework takes a while on a cold disk.
constexpr int64_t kLeastStartTimeoutUs = 120'000'000;

/// Threads live on, calls come and go: a thread of its own starts the workers, because a worker
/// dies with the thread that started it (worker_process.h).
class StarterThread {
 public:
  StarterThread() : thread_([this] { Loop(); }) {}
  ~StarterThread() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  /// Runs `task` on the thread and waits for it. One caller at a time.
  Status Run(const std::function<Status()>& task) {
    std::unique_lock lock(mutex_);
    task_ = &task;
    changed_.notify_all();
    changed_.wait(lock, [this] { return task_ == nullptr; });
    return status_;
  }

 private:
  void Loop() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return stopping_ || task_ != nullptr; });
      if (stopping_) return;
      status_ = (*task_)();
      task_ = nullptr;
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;                              ///< guarded by mutex_
  const std::function<Status()>* task_ = nullptr;      ///< guarded by mutex_
  Status status_;                                      ///< guarded by mutex_
  std::thread thread_;
};

struct ClassName {
  std::string module, name;
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
      if (key != "module" && key != "class") {
        return Status::Invalid("it has no member '", key.substr(0, 80), "'",
                               Suggest(key.substr(0, 80), {"module", "class"}));
      }
    }
    ClassName found;
    ARROW_ASSIGN_OR_RAISE(found.module, GetString(object, "module"));
    ARROW_ASSIGN_OR_RAISE(found.name, GetString(object, "class"));
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
        options_(std::move(options)) {}

  const Signature& signature() const override { return signature_; }

  Status Reserve(int64_t workers) override {
    // One reservation at a time; calls go on meanwhile.
    std::lock_guard reserving(reserve_mutex_);
    while (true) {
      {
        std::lock_guard lock(mutex_);
        if (worker_count_ >= workers) return Status::OK();
      }
      auto worker = std::make_unique<WorkerProcess>();
      // Started here, so that a class that can't be loaded fails now and not in a request.
      ARROW_RETURN_NOT_OK(StartWorker(worker.get()));
      {
        std::lock_guard lock(mutex_);
        idle_.push_back(std::move(worker));
        ++worker_count_;
      }
      returned_.notify_one();
    }
  }

  Result<std::shared_ptr<arrow::RecordBatch>> Predict(
      const arrow::RecordBatch& features) override {
    if (features.num_columns() != signature_.inputs->num_fields()) {
      return Status::Invalid("the model takes ", signature_.inputs->num_fields(),
                             " features, not ", features.num_columns());
    }
    ARROW_ASSIGN_OR_RAISE(const auto bytes, WriteBatch(features));
    std::string payload = bytes->ToString();
    std::unique_ptr<WorkerProcess> worker = Take();
    Result<std::string> answer = AskRunning(worker.get(), {'P', std::move(payload)});
    GiveBack(std::move(worker));
    ARROW_RETURN_NOT_OK(answer.status());
    const auto answered = ReadStream(*std::move(answer));
    if (!answered.ok()) {
      return Status::ExecutionError(Who(), " gave what is not an Arrow stream: ",
                                    answered.status().message());
    }
    return Arrange(**answered, features.num_rows());
  }

 private:
  std::string Who() const { return "predictor class '" + class_name_.name + "'"; }

  /// A worker of one's own; waits until one is idle.
  std::unique_ptr<WorkerProcess> Take() {
    std::unique_lock lock(mutex_);
    returned_.wait(lock, [this] { return !idle_.empty(); });
    std::unique_ptr<WorkerProcess> worker = std::move(idle_.back());
    idle_.pop_back();
    return worker;
  }

  void GiveBack(std::unique_ptr<WorkerProcess> worker) {
    {
      std::lock_guard lock(mutex_);
      idle_.push_back(std::move(worker));
    }
    returned_.notify_one();
  }

  /// Asks a worker, started again when it had died.
  Result<std::string> AskRunning(WorkerProcess* worker, const WorkerProcess::Frame& request) {
    if (!worker->running()) ARROW_RETURN_NOT_OK(StartWorker(worker));
    return Ask(worker, request, options_.timeout_us);
  }

  Status StartWorker(WorkerProcess* worker) {
    const std::vector<std::string> arguments = {options_.python, "-B", "-c",
                                                std::string(kPythonWorker)};
    {
      std::lock_guard starting(starter_mutex_);
      ARROW_RETURN_NOT_OK(starter_.Run(
          [&] { return worker->Start(arguments, options_.memory_limit_bytes); }));
    }
    json::object start{{"directory", directory_},
                       {"module", class_name_.module},
                       {"class", class_name_.name},
                       {"outputs", ToJsonArray(signature_.outputs->field_names())}};
    const Status loaded = Ask(worker, {'I', ToText(start)},
                              std::max(options_.timeout_us, kLeastStartTimeoutUs)).status();
    if (!loaded.ok()) worker->Kill();
    return loaded;
  }

  Result<std::string> Ask(WorkerProcess* worker, const WorkerProcess::Frame& request,
                          int64_t timeout_us) {
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
  std::mutex reserve_mutex_;
  std::mutex starter_mutex_;  ///< one caller of starter_ at a time
  StarterThread starter_;
  std::mutex mutex_;
  std::condition_variable returned_;
  int64_t worker_count_ = 0;  ///< guarded by mutex_
  /// Guarded by mutex_; ends before its starter.
  std::vector<std::unique_ptr<WorkerProcess>> idle_;
};

}  // namespace

Result<std::unique_ptr<Predictor>> LoadPythonPredictor(const std::string& directory,
                                                       const Signature& signature,
                                                       const PredictorOptions& options) {
  ARROW_ASSIGN_OR_RAISE(ClassName class_name, ReadClassName(directory));
  auto predictor = std::make_unique<PythonPredictor>(directory, std::move(class_name), signature,
                                                     options);
  ARROW_RETURN_NOT_OK(predictor->Reserve(1));
  return predictor;
}

}  // namespace tercet
