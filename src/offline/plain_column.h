#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <arrow/buffer.h>

#include "base/result.h"

namespace parquet {
class PageReader;
}

namespace tercet {

/// A column of one row group of fixed-width values as it lies in a mapped file: pages in PLAIN
/// encoding without compression, whose values are used where they are. A page with nulls keeps
/// only the values that are there, so the value of a row is found by the rank of its valid bit.
class PlainColumn {
 public:
  struct Page {
    int64_t first_row = 0;          ///< within the row group
    int64_t row_count = 0;
    const uint8_t* values = nullptr;  ///< packed, unaligned
    int64_t value_count = 0;
    /// Both empty when no row is null. One bit a row, and how many are set before each word.
    std::vector<uint64_t> valid;
    std::vector<uint32_t> rank;
    std::shared_ptr<arrow::Buffer> owner;  ///< keeps the mapping
  };

  /// Reads the headers of all pages of an uncompressed column chunk. Null when a page is of
  /// another encoding. IOError where sizes don't fit together; may throw parquet's exceptions.
  static Result<std::shared_ptr<const PlainColumn>> Read(parquet::PageReader* pages, int width,
                                                         bool nullable, int64_t rows);

  int width() const { return width_; }
  bool has_nulls() const { return has_nulls_; }
  const std::vector<Page>& pages() const { return pages_; }

  /// Values without nulls copied to one place (`rows` × width bytes), for keys and times.
  void CopyTo(uint8_t* to) const;

 private:
  int width_ = 0;
  bool has_nulls_ = false;
  std::vector<Page> pages_;
};

}  // namespace tercet
