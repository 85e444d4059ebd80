#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "offline/plain_column.h"

namespace tercet {

/// One fixed-width column of many row groups by row number, so that rows are found in any order:
/// what a join reads at the end, when the left rows are in another order than history. It costs a
/// quarter of a byte a row.
class PlainRows {
 public:
  static constexpr uint32_t kNone = ~uint32_t{0};  ///< the number of no row

  /// Of `rows` rows, fewer than kNone, with values of 4 or 8 bytes.
  PlainRows(int width, int64_t rows);

  /// Puts in a row group whose first row has number `first`, a multiple of 64.
  void Put(int64_t first, std::shared_ptr<const PlainColumn> column);

  int width() const { return width_; }
  /// One for each 64 rows, and one more, of no row.
  const std::vector<PlainColumn::Word>& words() const { return words_; }

  /// values[i] becomes the value of row numbers[i], and bit i of `bitmap` 1; zero and 0 where the
  /// value is null or the number kNone. Writes whole bytes of the bitmap. Returns how many are
  /// there. Far reads are asked for ahead.
  int64_t Gather(const uint32_t* numbers, int64_t count, uint8_t* values, uint8_t* bitmap) const;

 private:
  const int width_;
  std::vector<PlainColumn::Word> words_;  // the last one is that of no row
  std::vector<std::shared_ptr<const PlainColumn>> owners_;
};

}  // namespace tercet
