#pragma once

#include <string>

#include "base/json.h"
#include "base/result.h"

namespace tercet {

/// A table's `schemaString` as JSON. Each type within a type takes up to three levels of it, so it
/// may be deeper than other texts. Invalid when malformed, or deeper than any type of ours.
Result<json::object> ParseSchemaText(const std::string& text);

}  // namespace tercet
