#include "runtime/worker_functions.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/ipc/writer.h>
#include <arrow/util/base64.h>

#include "runtime/python_program.h"
#include "runtime/python_worker.h"

namespace tercet {
namespace {

/// Rows of one call, which has the whole timeout.
constexpr int64_t kRowsPerCall = 4096;

class WorkerFunction : public PythonCallable {
 public:
  WorkerFunction(const PythonFunction& function, std::shared_ptr<arrow::Schema> inputs,
                 std::shared_ptr<arrow::DataType> output, json::object start,
                 const std::string& python, const WorkerLimits& limits)
      : inputs_(std::move(inputs)),
        output_(std::move(output)),
        own_(function),
        limits_(own_.WithOwn(limits)),
        text_{.who = "Python function '" + function.name + "'",
              .python = python,
              .program = FunctionProgram(),
              .start = std::move(start)} {}

  Status Prepare() override { return Program().status(); }

  Status Reserve(const WorkerLimits& limits) override {
    {
      const std::lock_guard lock(mutex_);
      limits_ = own_.WithOwn(limits);
    }
    ARROW_ASSIGN_OR_RAISE(PythonProgram* const program, Program());
    return program->Reserve(own_.WithOwn(limits));
  }

  Result<std::shared_ptr<arrow::Array>> Call(const arrow::RecordBatch& rows) override {
    if (!rows.schema()->Equals(*inputs_, /*check_metadata=*/false)) {
      return Status::TypeError(text_.who, " takes ", inputs_->ToString(), ", not ",
                               rows.schema()->ToString());
    }
    if (rows.num_rows() == 0) return arrow::MakeEmptyArray(output_);
    ARROW_ASSIGN_OR_RAISE(PythonProgram* const program, Program());
    arrow::ArrayVector parts;
    for (int64_t begin = 0; begin < rows.num_rows(); begin += kRowsPerCall) {
      const auto part = rows.Slice(begin, kRowsPerCall);
      auto answer = program->Call(*part, CurrentDeadline());
      if (!answer.ok() && begin > 0) {
        return Explain(answer.status(), "of the rows from " + std::to_string(begin) + " on");
      }
      ARROW_RETURN_NOT_OK(answer.status());
      const arrow::RecordBatch& values = **answer;
      if (values.num_columns() != 1 || values.num_rows() != part->num_rows() ||
          !values.column(0)->type()->Equals(*output_)) {
        return Status::ExecutionError(text_.who, ": its worker answered ", part->num_rows(),
                                      " rows with ", values.num_rows(), " of ",
                                      values.schema()->ToString());
      }
      parts.push_back(values.column(0));
    }
    return parts.size() == 1 ? parts[0] : arrow::Concatenate(parts);
  }

 private:
  /// The workers, started by the first who needs them; the error of a start that failed, after
  /// which the next call tries again.
  Result<PythonProgram*> Program() {
    const std::lock_guard lock(mutex_);
    if (program_ == nullptr) {
      auto program = std::make_unique<PythonProgram>(text_, limits_);
      ARROW_RETURN_NOT_OK(program->Reserve(limits_));
      program_ = std::move(program);
    }
    return program_.get();
  }

  const std::shared_ptr<arrow::Schema> inputs_;
  const std::shared_ptr<arrow::DataType> output_;
  const PythonFunction own_;
  std::mutex mutex_;
  WorkerLimits limits_;  ///< guarded by mutex_
  const PythonProgram::Text text_;
  std::unique_ptr<PythonProgram> program_;  ///< guarded by mutex_ until it is there
};

}  // namespace

Result<std::shared_ptr<PythonCallable>> WorkerFunctions::Get(const PythonFunction& function) {
  ARROW_ASSIGN_OR_RAISE(auto inputs, function.InputSchema());
  ARROW_ASSIGN_OR_RAISE(auto output, function.OutputType());
  const std::lock_guard lock(mutex_);
  std::erase_if(held_, [](const auto& entry) { return entry.second.expired(); });
  std::weak_ptr<PythonCallable>& held = held_[ToText(function.ToJson())];
  if (auto callable = held.lock()) return callable;
  ARROW_ASSIGN_OR_RAISE(const auto schema,
                        arrow::ipc::SerializeSchema(*arrow::schema({arrow::field("", output)})));
  json::object start{{"name", function.name},
                     {"source", function.source},
                     {"output", arrow::util::base64_encode(std::string_view(*schema))}};
  auto callable = std::make_shared<WorkerFunction>(function, std::move(inputs), std::move(output),
                                                   std::move(start), python_, limits_);
  held = callable;
  return callable;
}

}  // namespace tercet
