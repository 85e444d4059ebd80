#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <arrow/array.h>
#include <arrow/buffer.h>

#include "base/result.h"

namespace parquet {
class PageReader;
}

namespace tercet {

/// A column of one row group of fixed-width values as it lies in a mapped file: pages in PLAIN
/// encoding without compression, whose values are used where they are. Pages keep only the values
/// that are there, so the value of a row is found by the rank of its valid bit.
class PlainColumn {
 public:
  /// 64 rows: which have a value, and the first of these; the others follow it without gaps,
  /// unaligned. There is at least one value to read, also where none is valid.
  struct Word {
    uint64_t valid = 0;
    const uint8_t* values = nullptr;
  };

  /// Reads the headers and levels of all pages of an uncompressed column chunk. Null when a page
  /// is of another encoding. IOError where sizes don't fit together; may throw parquet's
  /// exceptions.
  static Result<std::shared_ptr<const PlainColumn>> Read(parquet::PageReader* pages, int width,
                                                         bool nullable, int64_t rows);
  /// The same of values in memory, of `width` bytes each.
  static std::shared_ptr<const PlainColumn> Of(const arrow::Array& array, int width);

  int width() const { return width_; }
  bool has_nulls() const { return has_nulls_; }
  /// One for each 64 rows.
  const std::vector<Word>& words() const { return words_; }

  /// Values without nulls copied to one place (`rows` × width bytes), for keys and times.
  void CopyTo(uint8_t* to) const;

 private:
  /// `count` rows at row `at`, whose valid bits (null: all) and values begin at these.
  void Append(int64_t at, int64_t count, const uint64_t* valid, const uint8_t* values);

  int width_ = 0;
  int64_t rows_ = 0;
  bool has_nulls_ = false;
  std::vector<Word> words_;
  std::vector<std::unique_ptr<uint8_t[]>> copies_;      // of words whose rows are in two pages
  std::vector<std::shared_ptr<arrow::Buffer>> owners_;  // keep the mapping
};

}  // namespace tercet
