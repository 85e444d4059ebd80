#pragma once

#include <memory>

#include <arrow/array.h>
#include <arrow/type.h>

#include "base/result.h"

namespace tercet {

/// Times in microseconds (int64, or timestamp[us] of any zone) as a column of an event time type:
/// what a left row's time is in the root's own type. Cut down where the type is coarser; Invalid
/// where a time does not fit.
Result<std::shared_ptr<arrow::Array>> EventTimeAs(const arrow::Array& times_us,
                                                  const std::shared_ptr<arrow::DataType>& type);

}  // namespace tercet
