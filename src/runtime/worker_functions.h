#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "catalog/python_function.h"
#include "runtime/predictor.h"

namespace tercet {

/// Python functions in supervised worker processes of their own: one a function, or as many as were
/// reserved or the function says, which start when it is first needed and end when nobody holds the
/// function any more. A worker answers one call at a time. Its limits are the function's own, else
/// those of the last Reserve, else those of a predictor class's by default.
class WorkerFunctions : public PythonFunctions {
 public:
  /// `python`: the interpreter; its environment needs pyarrow, and whatever the functions import.
  explicit WorkerFunctions(std::string python, const WorkerLimits& limits = {})
      : python_(std::move(python)), limits_(limits) {}

  Result<std::shared_ptr<PythonCallable>> Get(const PythonFunction& function) override;

 private:
  const std::string python_;
  const WorkerLimits limits_;
  std::mutex mutex_;
  std::map<std::string, std::weak_ptr<PythonCallable>> held_;  ///< by JSON; guarded by mutex_
};

}  // namespace tercet
