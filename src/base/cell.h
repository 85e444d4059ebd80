#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

#include <arrow/array/array_base.h>
#include <arrow/type.h>

namespace tercet {

/// One value in place, without a box around it: a number, date or time as its bytes in an Arrow
/// buffer, a boolean as one byte (0 or 1), a string or binary as its bytes. A null has no data.
/// Whoever hands a cell out says how long the bytes stay.
struct Cell {
  const char* data = nullptr;
  uint32_t size = 0;

  bool null() const { return data == nullptr; }
  std::string_view bytes() const { return {data, size}; }
  /// The number; of the width that the type has.
  template <typename T>
  T As() const {
    T value;
    std::memcpy(&value, data, sizeof(value));
    return value;
  }
};

/// Whether values of a type can be cells: booleans, integers, 32- and 64-bit floats, dates, times,
/// timestamps, durations, strings and binary (not their views).
bool IsCellType(const arrow::DataType& type);

/// A value of an array of a cell type, in the array's own memory.
Cell CellOf(const arrow::Array& array, int64_t row);

}  // namespace tercet
