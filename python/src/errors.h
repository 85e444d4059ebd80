#pragma once

#include <string>

#include <nanobind/nanobind.h>

#include "base/interrupt.h"
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

/// Runs the handlers of signals that have come, Ctrl-C's among them, and says whether one raised
/// an exception, which is kept for RaiseInterrupt. Python runs them in the main thread only.
bool SignalRaised();

/// Keeps an exception of a callback in the same way if it is one that ends programs, as Ctrl-C's;
/// others are only told to stderr.
void KeepInterrupt(nb::python_error& error, const char* where);

/// Throws what was kept in this thread, if anything.
void RaiseInterrupt();

/// Calls `work` without the interpreter's lock and unwraps its Result or Status. A signal's handler
/// that raises, as Ctrl-C's does, ends the work early.
template <typename Work>
auto Unlocked(const Work& work) {
  auto result = [&] {
    nb::gil_scoped_release released;
    const InterruptScope interruptible(&SignalRaised);
    return work();
  }();
  if (!result.ok()) SignalRaised();  // a signal breaks off waits for a server, too
  RaiseInterrupt();
  if constexpr (std::is_same_v<decltype(result), Status>) {
    Check(result);
  } else {
    return Unwrap(std::move(result));
  }
}

/// Makes StatusError a Python exception in this module.
void BindErrors(nb::module_& module);

}  // namespace tercet::python
