#include "errors.h"

#include "base/utf8.h"

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

}  // namespace

void BindErrors(nb::module_&) {
  nb::register_exception_translator([](const std::exception_ptr& thrown, void*) {
    try {
      std::rethrow_exception(thrown);
    } catch (const StatusError& error) {
      nb::object type = nb::module_::import_("tercet.errors").attr(ClassOf(error.status));
      PyErr_SetString(type.ptr(), ToUtf8(error.status.message()).c_str());
    }
  });
}

}  // namespace tercet::python
