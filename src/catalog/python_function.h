#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <arrow/array.h>
#include <arrow/record_batch.h>

#include "base/json.h"
#include "base/result.h"
#include "catalog/worker_limits.h"

namespace tercet {

/// A function in Python that computes on-demand features, a row a call: the explicit slow path
/// beside expressions, for what they can't say. Its text is all that is kept of it: imports,
/// constants and one `def`. Two functions are the same when all members are.
/// JSON: {"name": "risk", "source": "def risk(amount, city): …",
/// "inputs": {"amount": "double", "city": "string"}, "output": "double"}, and the limits of its own
/// that it has.
struct PythonFunction {
  std::string name;    ///< of the `def`, and in expressions, where its case does not matter
  std::string source;
  std::vector<std::pair<std::string, std::string>> inputs;  ///< parameter → type text, in order
  std::string output;                                       ///< type text
  // Limits of its own; 0: those of whoever calls it (a deployment's policy), or WorkerLimits'.
  int64_t workers = 0;     ///< processes that run it, at least
  int64_t timeout_ms = 0;  ///< of a call with up to 4,096 rows
  int64_t memory_mb = 0;   ///< of a process
  bool operator==(const PythonFunction&) const = default;
  json::object ToJson() const;
  /// Invalid for a name that is none of Python's, for no inputs, for a type that is none, and for
  /// limits out of range.
  static Result<PythonFunction> FromJson(const json::object& object);

  Result<std::shared_ptr<arrow::Schema>> InputSchema() const;
  Result<std::shared_ptr<arrow::DataType>> OutputType() const;
  /// `limits`, but for what the function has of its own.
  WorkerLimits WithOwn(WorkerLimits limits) const;
};

/// A function that can be called. Thread-safe.
class PythonCallable {
 public:
  virtual ~PythonCallable() = default;
  /// Sees to a process that has loaded the function. ExecutionError, with what Python says, when
  /// the text does not give it.
  virtual Status Prepare() = 0;
  /// The same with at least so many processes, and these limits where the function has none of its
  /// own: those of the last who said so.
  virtual Status Reserve(const WorkerLimits& limits) = 0;
  /// n rows of the inputs → n values of the output's type. Nulls come as None and go as None.
  /// ExecutionError, naming the row, when the function raises or returns what is no value of that
  /// type; IOError when its process dies or hangs, which is then replaced; TooLate when the calling
  /// thread's deadline (base/deadline.h) comes first.
  virtual Result<std::shared_ptr<arrow::Array>> Call(const arrow::RecordBatch& rows) = 0;
};

/// Whoever runs Python functions (runtime/worker_functions.h). Thread-safe.
class PythonFunctions {
 public:
  virtual ~PythonFunctions() = default;
  /// The same function is the same callable, as long as anybody holds it.
  virtual Result<std::shared_ptr<PythonCallable>> Get(const PythonFunction& function) = 0;
};

}  // namespace tercet
