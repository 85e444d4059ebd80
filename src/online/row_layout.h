#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <arrow/type.h>

#include "base/result.h"

namespace tercet {

/// How a column's values are laid out in a row's bytes.
enum class SlotKind : uint8_t {
  kBool,    ///< one byte, 0 or 1
  kFixed,   ///< `width` bytes as in Arrow's buffer: numbers, dates, times, decimals, fixed binary
  kBytes,   ///< strings and binary of any offset width, and their views
  kNested,  ///< lists, structs and maps of the above, at any depth (row_nested.h)
};

/// Where a column is in a row's bytes.
struct RowSlot {
  SlotKind kind = SlotKind::kFixed;
  uint32_t width = 0;     ///< bytes in the fixed part: the value, or 4 for kBytes and kNested
  uint32_t offset = 0;    ///< of those bytes from the row's start
  int32_t previous = -1;  ///< kBytes, kNested: offset of the slot that says where this value
                          ///< starts; −1: at the start of the variable part
};

/// The bytes of a row of one schema:
///
///     validity    one bit a column, lowest bit first, 1: not null; whole bytes
///     fixed part  per column, in order: the value; for kBytes and kNested a uint32, the end of the
///                 value within the variable part (it starts where the one before it ends)
///     variable    the bytes of strings, and of lists, structs and maps (row_nested.h)
///
/// All integers are little-endian; nulls are zeros. The fingerprint of the schema (names and types
/// in order) stands before every stored row, so that rows written before a column was added are
/// still read: the layout that they were written with is looked up by it. Immutable.
class RowLayout {
 public:
  /// TypeError for a column of a type that a feature can't have.
  static Result<std::shared_ptr<const RowLayout>> Make(std::shared_ptr<arrow::Schema> schema);

  const std::shared_ptr<arrow::Schema>& schema() const { return schema_; }
  const std::vector<RowSlot>& slots() const { return slots_; }
  uint32_t fixed_end() const { return fixed_end_; }  ///< where the variable part starts
  uint32_t validity_bytes() const { return validity_bytes_; }
  uint32_t fingerprint() const { return fingerprint_; }

 private:
  std::shared_ptr<arrow::Schema> schema_;
  std::vector<RowSlot> slots_;
  uint32_t fixed_end_ = 0;
  uint32_t validity_bytes_ = 0;
  uint32_t fingerprint_ = 0;
};

}  // namespace tercet
