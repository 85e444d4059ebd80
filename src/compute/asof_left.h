#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/array.h>

#include "base/result.h"
#include "compute/radix_order.h"
#include "compute/sort_key.h"

namespace tercet {

/// The left rows of an as-of join in the order of the merge: by (key, time). Rows whose key or
/// time is null can match nothing and are left out, so there are size() positions for n rows.
///
/// Each key is a `code`, one uint64 whose order is the keys' order: the key itself where SortKeys
/// is fixed; else 2 × (rank among the distinct left keys) + 1, so that a key of the other side that
/// lies between two of them has an even code (AsOfCodes). One merge loop then serves all key types.
///
/// Rows that are sorted already are seen to be (one pass) and used as they are; others are ordered
/// by a least-significant-digit radix sort of (code, time), packed into one word where both ranges
/// fit in 64 bits. Equal rows keep their order.
class AsOfLeft {
 public:
  /// `times_us` may be null: a plain key join. CapacityError past 2³² − 1 rows.
  static Result<AsOfLeft> Make(SortKeys keys, std::shared_ptr<arrow::Int64Array> times_us);
  /// The same of key columns. One of 64-bit integers without nulls is used where it lies.
  static Result<AsOfLeft> Make(const std::vector<std::shared_ptr<arrow::Array>>& keys,
                               std::shared_ptr<arrow::Int64Array> times_us);

  int64_t size() const { return size_; }
  bool fixed() const { return keys_ == nullptr || keys_->fixed(); }
  /// The codes by position.
  struct Codes {
    const uint64_t* values;
    uint64_t flip;  ///< bits that the values have the other way round
    uint64_t operator[](int64_t position) const { return values[position] ^ flip; }
  };
  Codes codes() const { return {codes_, flip_}; }
  /// Times by position; null in a plain key join.
  const int64_t* times_us() const { return times_us_; }
  /// The left row at each position; null when position k is row k for all n rows.
  const uint32_t* rows() const { return ordered_.rows.get(); }
  bool in_order() const { return in_order_; }

  /// The first position whose key is not below `key` (SortKeys' byte form).
  int64_t LowerBound(std::string_view key) const;
  /// The key at a position in SortKeys' byte form.
  std::string KeyAt(int64_t position) const;

  /// Distinct keys in order; only where the keys are not fixed.
  int64_t distinct_size() const { return static_cast<int64_t>(distinct_.size()); }
  std::string_view distinct_key(int64_t rank) const {
    return keys_->bytes(distinct_[static_cast<size_t>(rank)]);
  }

 private:
  Status Start(int64_t rows, std::shared_ptr<arrow::Int64Array> times_us);
  void OrderAsIs();
  void Order();
  std::vector<uint64_t> CodesOfRows(const std::vector<uint32_t>& rows);

  std::unique_ptr<SortKeys> keys_;          // of the rows, not of the positions; or null:
  std::shared_ptr<arrow::Array> integers_;  // signed 64-bit keys as they are
  std::shared_ptr<arrow::Int64Array> row_times_;
  int64_t size_ = 0;
  bool in_order_ = false;
  const uint64_t* codes_ = nullptr;  // less a flip of their bits
  uint64_t flip_ = 0;
  const int64_t* times_us_ = nullptr;
  std::vector<uint64_t> own_codes_;  // of keys in order that are not fixed
  OrderedRows ordered_;              // of rows that were not in order
  std::vector<uint32_t> distinct_;   // a row of each distinct key
};

}  // namespace tercet
