#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <variant>

#include <arrow/array.h>
#include <arrow/type.h>

#include "base/result.h"

namespace tercet {

/// What says which of two records of a Hudi table is the later one: a whole number (also of days or
/// of microseconds), a number or a text; monostate: nothing, so the one that was written last is.
using HudiOrder = std::variant<std::monostate, int64_t, double, std::string>;

/// Whether a record that is ordered by `a` is later than one by `b` that was written after it. Of
/// different kinds none is.
inline bool IsLater(const HudiOrder& a, const HudiOrder& b) {
  if (a.index() != b.index() || std::holds_alternative<std::monostate>(a)) return false;
  return a > b;
}

/// The type in which values of a column order records; null when they can't.
std::shared_ptr<arrow::DataType> HudiOrderType(const arrow::DataType& column);

/// A value of such a column; of a null, nothing.
HudiOrder HudiOrderOf(const arrow::Array& column, int64_t row);

}  // namespace tercet
