#pragma once

#include <string>

#include "base/json.h"

namespace tercet {

/// A value for people: lists joined by commas, columns as "name: type", objects of single values as
/// "name=value", a signature as "inputs → outputs"; nothing for null and what is empty; else JSON.
std::string ShownValue(const json::value& value);

}  // namespace tercet
