#pragma once

#include <string>

#include <nanobind/nanobind.h>

#include "base/result.h"

namespace tercet::python {

namespace nb = nanobind;

/// A Status on its way to Python, where it becomes the exception of tercet.errors for its code.
struct StatusError {
  Status status;
};

inline void Check(const Status& status) {
  if (!status.ok()) throw StatusError{status};
}

template <typename T>
T Unwrap(Result<T> result) {
  Check(result.status());
  return *std::move(result);
}

/// Calls `work` without the interpreter's lock and unwraps its Result or Status.
template <typename Work>
auto Unlocked(const Work& work) {
  auto result = [&] {
    nb::gil_scoped_release released;
    return work();
  }();
  if constexpr (std::is_same_v<decltype(result), Status>) {
    Check(result);
  } else {
    return Unwrap(std::move(result));
  }
}

/// Makes StatusError a Python exception in this module.
void BindErrors(nb::module_& module);

}  // namespace tercet::python
