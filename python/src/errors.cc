#include "errors.h"

#include <memory>
#include <utility>

#include "client/status_text.h"

namespace tercet::python {

namespace {

/// The class of tercet.errors for a status; base/result.h says what each code means.
const char* ClassOf(const Status& status) {
  switch (status.code()) {
    case arrow::StatusCode::Invalid:
    case arrow::StatusCode::IndexError:
      return "InvalidError";
    case arrow::StatusCode::TypeError:
      return "WrongTypeError";
    case arrow::StatusCode::KeyError:
      return "NotFoundError";
    case arrow::StatusCode::AlreadyExists:
    case arrow::StatusCode::Cancelled:
      return "ConflictError";
    case arrow::StatusCode::CapacityError:
    case arrow::StatusCode::OutOfMemory:
      return "LimitError";
    case arrow::StatusCode::NotImplemented:
      return "NotSupportedError";
    case arrow::StatusCode::IOError:
    case arrow::StatusCode::SerializationError:
      return "StorageError";
    case arrow::StatusCode::ExecutionError:
      return "PredictorError";
    default:
      return "InternalError";
  }
}

/// What a signal's handler raised, until RaiseInterrupt throws it. A plain pointer, since calls of
/// a microsecond look here.
thread_local nb::python_error* raised = nullptr;

}  // namespace

bool SignalRaised() {
  if (raised != nullptr) return true;
  nb::gil_scoped_acquire acquired;
  if (PyErr_CheckSignals() == 0) return false;
  raised = new nb::python_error();
  return true;
}

void KeepInterrupt(nb::python_error& error, const char* where) {
  if (raised == nullptr && !error.matches(PyExc_Exception)) {
    raised = new nb::python_error(error);
  } else {
    error.discard_as_unraisable(where);
  }
}

void RaiseInterrupt() {
  if (raised == nullptr) return;
  const std::unique_ptr<nb::python_error> error(std::exchange(raised, nullptr));
  throw nb::python_error(*error);
}

void BindErrors(nb::module_&) {
  nb::register_exception_translator([](const std::exception_ptr& thrown, void*) {
    try {
      std::rethrow_exception(thrown);
    } catch (const StatusError& error) {
      nb::object type = nb::module_::import_("tercet.errors").attr(ClassOf(error.status));
      PyErr_SetString(type.ptr(), StatusText(error.status).c_str());
    }
  });
}

}  // namespace tercet::python
