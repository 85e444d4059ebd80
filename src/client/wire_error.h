#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace tercet {

/// How an error crosses the wire: {"error": {"code": "KeyError", "message": "…"}}. A client
/// restores the same Status, so that both ways into a project fail alike.

std::string_view StatusCodeName(arrow::StatusCode code);      ///< "KeyError"
arrow::StatusCode StatusCodeFromName(std::string_view name);  ///< unknown: kUnknownError
int HttpStatusOf(const Status& status);                       ///< the table of base/result.h
json::object ErrorToJson(const Status& status);
/// The Status in an error body. A body that is not ours becomes an IOError that shows it.
Status ErrorFromBody(int http_status, std::string_view body);

}  // namespace tercet
