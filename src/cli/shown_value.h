#pragma once

#include <string>

#include "base/json.h"

namespace tercet {

/// JSON text with numbers as people write them: 0.81 and 200.0, where ToText, the text that is
/// stored, has 8.1E-1 and 2E2. They read back as the same doubles.
std::string PlainJson(const json::value& value);

/// A value for people: lists joined by commas, columns as "name: type", objects of single values as
/// "name=value", a signature as "inputs → outputs"; nothing for null and what is empty; else JSON.
std::string ShownValue(const json::value& value);

}  // namespace tercet
