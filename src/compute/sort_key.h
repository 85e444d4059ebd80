#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/array.h>
#include <arrow/record_batch.h>

#include "base/result.h"

namespace tercet {

/// The keys of n rows in a form whose byte order is the order of the values, so that keys of any
/// types compare, sort and hash one way everywhere: in sorted runs, merges, joins and online.
///
/// A key of one column of an integer, boolean, date, time or timestamp type is `fixed`: one
/// uint64 a row (the sign bit flipped). Any other key is a byte string a row: per column,
/// integers big-endian with the sign bit flipped; floats by the IEEE 754 total order trick (−0 and
/// 0 are one key, NaNs are one key, last); strings and binary with 0x00 escaped as 0x00 0xFF and
/// ended by 0x00 0x00; booleans one byte; decimals 16 or 32 bytes big-endian, sign flipped.
/// A null sorts first within its column (a 0x00 byte before it, 0x01 before a value; only in the
/// byte form). `valid(i)` is false when any column of row i is null.
///
/// Two sides of a join must have cast their keys to equal types first.
class SortKeys {
 public:
  /// Encodes the given columns of a batch. TypeError for types that cannot be keys (lists,
  /// structs, maps).
  static Result<SortKeys> Encode(const arrow::RecordBatch& batch, const std::vector<int>& columns);
  static Result<SortKeys> Encode(const std::vector<std::shared_ptr<arrow::Array>>& columns);

  int64_t size() const { return size_; }
  bool fixed() const { return fixed_; }
  bool valid(int64_t i) const { return valid_.empty() || valid_[i] != 0; }
  bool all_valid() const { return valid_.empty(); }
  const uint64_t* fixed_values() const { return fixed_values_.get(); }
  uint64_t fixed_value(int64_t i) const { return fixed_values_[i]; }
  std::string_view bytes(int64_t i) const {
    return std::string_view(bytes_).substr(offsets_[i], offsets_[i + 1] - offsets_[i]);
  }
  /// The byte form of row i, also when fixed (8 bytes big-endian): what the online store uses.
  std::string ToBytes(int64_t i) const;
  /// <0, 0 or >0; both sides must be of equal types.
  int Compare(int64_t i, const SortKeys& other, int64_t j) const {
    if (fixed_) {
      const uint64_t a = fixed_values_[i], b = other.fixed_values_[j];
      return a < b ? -1 : a > b;
    }
    return bytes(i).compare(other.bytes(j));
  }

 private:
  int64_t size_ = 0;
  bool fixed_ = false;
  std::shared_ptr<uint64_t[]> fixed_values_;  ///< shared by copies, never changed
  std::string bytes_;
  std::vector<uint64_t> offsets_;
  std::vector<uint8_t> valid_;  ///< empty when all are valid
};

/// Event times of any allowed type (timestamp of any unit, with or without zone, date32, date64)
/// as int64 microseconds since the epoch; nulls stay null. Nanoseconds are cut down (floor).
/// TypeError otherwise.
Result<std::shared_ptr<arrow::Int64Array>> EventTimeMicros(const arrow::Array& array);

/// Whether a type may be an event time.
bool IsEventTimeType(const arrow::DataType& type);

}  // namespace tercet
