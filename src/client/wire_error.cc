#include "client/wire_error.h"

#include <array>
#include <utility>

#include "base/overload.h"
#include "base/short_text.h"
#include "client/status_text.h"

namespace tercet {
namespace {

using arrow::StatusCode;

struct CodeRow {
  StatusCode code;
  std::string_view name;
  int http_status;
};

constexpr std::array kCodes = {
    CodeRow{StatusCode::Invalid, "Invalid", 400},
    CodeRow{StatusCode::TypeError, "TypeError", 400},
    CodeRow{StatusCode::IndexError, "IndexError", 400},
    CodeRow{StatusCode::KeyError, "KeyError", 404},
    CodeRow{StatusCode::AlreadyExists, "AlreadyExists", 409},
    CodeRow{StatusCode::CapacityError, "CapacityError", 413},
    CodeRow{StatusCode::NotImplemented, "NotImplemented", 501},
    CodeRow{StatusCode::Cancelled, "Cancelled", 409},
    CodeRow{StatusCode::IOError, "IOError", 503},
    CodeRow{StatusCode::OutOfMemory, "OutOfMemory", 503},
    CodeRow{StatusCode::ExecutionError, "ExecutionError", 500},
    CodeRow{StatusCode::SerializationError, "SerializationError", 500},
    CodeRow{StatusCode::UnknownError, "UnknownError", 500},
};

const CodeRow& RowOf(StatusCode code) {
  for (const CodeRow& row : kCodes) {
    if (row.code == code) return row;
  }
  return kCodes.back();
}

}  // namespace

std::string_view StatusCodeName(StatusCode code) { return RowOf(code).name; }

StatusCode StatusCodeFromName(std::string_view name) {
  for (const CodeRow& row : kCodes) {
    if (row.name == name) return row.code;
  }
  return StatusCode::UnknownError;
}

int HttpStatusOf(const Status& status) {
  if (RetryAfterSeconds(status)) return 429;
  if (IsTooLate(status)) return 504;
  return RowOf(status.code()).http_status;
}

json::object ErrorToJson(const Status& status) {
  return {{"error",
           {{"code", StatusCodeName(status.code())}, {"message", StatusText(status)}}}};
}

Status ErrorFromBody(int http_status, std::string_view body) {
  Result<json::object> object = ParseJsonObject(body);
  if (object.ok()) {
    const json::value* error = object->if_contains("error");
    if (error != nullptr && error->is_object()) {
      Result<std::string> code = GetString(error->as_object(), "code");
      Result<std::string> message = GetString(error->as_object(), "message");
      if (code.ok() && message.ok()) {
        // What a status says beyond its code travels as the HTTP status.
        if (http_status == 429) return Overloaded(1, *message);
        if (http_status == 504) return TooLate(*message);
        return Status(StatusCodeFromName(*code), *message);
      }
    }
  }
  return Status::IOError("the server answered HTTP ", http_status, ": ", ShortText(body, 200));
}

}  // namespace tercet
