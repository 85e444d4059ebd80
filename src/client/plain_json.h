#pragma once

#include <string>

#include "base/json.h"

namespace tercet {

/// JSON text with numbers as people and other programs write them: 0.81 and 200.0, where ToText,
/// the text that is stored, has 8.1E-1 and 2E2. They read back as the same doubles.
std::string PlainJson(const json::value& value);

}  // namespace tercet
