#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <arrow/buffer.h>

#include "base/result.h"
#include "view/plain_rows.h"

namespace tercet {

/// Where a gathered column goes.
struct GatherTarget {
  uint8_t* values;
  uint8_t* bitmap;
};

/// Some columns of many row groups, copied into one record a row that lies within one cache line.
/// A join whose left rows come in another order than history then waits for memory once a row and
/// not once a value. Worth its pass over history where about as many rows are wanted as it has.
class RowRecords {
 public:
  /// In a record, in the place of a null: the first that is tried, of numbers that no value is.
  static constexpr uint64_t kFirstMark = 0x9E3779B97F4A7C15;

  /// They fill a cache line.
  static constexpr size_t kMostColumns = 8;
  /// Of so many columns it is worth it where not many rows are wanted: twice the memory, which is
  /// fresh, costs more than a second pass.
  static constexpr size_t kHalfLine = 4;

  /// Of memory, for `columns` columns of `rows` rows.
  static int64_t Bytes(size_t columns, int64_t rows);

  /// Takes in two to kMostColumns columns, numbered alike, instead of those before, in the same
  /// memory where it is enough. Uses all threads.
  Status Load(const std::vector<std::unique_ptr<PlainRows>>& columns);

  /// For each column and its target what PlainRows::Gather does. May be called at once.
  void Gather(const uint32_t* numbers, int64_t count, const std::vector<GatherTarget>& to) const;

 private:
  /// Words [begin, end) of the columns. False where a value is the mark.
  template <size_t kSlots>
  bool Fill(const std::vector<std::unique_ptr<PlainRows>>& columns, int64_t begin, int64_t end);
  template <size_t kSlots>
  void GatherSlots(const uint32_t* numbers, int64_t count,
                   const std::vector<GatherTarget>& to) const;

  std::vector<int> widths_;     // of the columns, in bytes
  size_t slots_ = 0;            // of eight bytes in a record
  uint32_t none_ = 0;           // the number of the row that is no row
  uint64_t mark_ = kFirstMark;  // in the place of nulls
  std::unique_ptr<arrow::Buffer> records_;
};

}  // namespace tercet
