#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/record_batch.h>

#include "base/cell.h"
#include "catalog/online_rows.h"
#include "online/row_layout.h"

namespace tercet {

/// A row as it is stored, and the layout that it was written with.
struct StoredRow {
  std::string_view bytes;
  int layout = -1;  ///< index into the projection's layouts; −1: no row, all columns are null
};

/// Some columns of a group's rows, resolved against every layout that its rows may have. It turns
/// stored rows into a batch: one memory block for all columns of one width, no builders, so that
/// a read of a few rows costs little more than its copies. Immutable, thread-safe.
class RowProjection {
 public:
  /// `layouts`: all of a group, the newest last, which says the columns' types. KeyError with a
  /// suggestion for a column that it does not have.
  static Result<std::shared_ptr<const RowProjection>> Make(
      const std::vector<std::shared_ptr<const RowLayout>>& layouts,
      const std::vector<std::string>& columns, std::string_view group);

  const std::vector<std::string>& columns() const { return columns_; }
  const std::shared_ptr<arrow::Schema>& schema() const { return schema_; }

  /// Appends the columns of one row, in its own bytes; a list's are not for readers. IOError as
  /// for Gather.
  Status AppendCells(const StoredRow& row, std::vector<Cell>* cells) const;

  /// Whether the columns are of fixed width, that of their targets.
  bool Fits(std::span<const ColumnTarget> columns) const;
  /// Writes n rows into targets that fit, a status beside each value that is not there; `status`:
  /// of the rows. False when there is one. IOError as for Gather.
  Result<bool> FillColumns(std::span<const StoredRow> rows, std::span<const RowStatus> status,
                           std::span<const ColumnTarget> columns) const;

  /// One batch row a stored row, in order. Columns that a row's layout lacks are null. IOError when
  /// bytes are not a row of their layout.
  Result<std::shared_ptr<arrow::RecordBatch>> Gather(std::span<const StoredRow> rows) const;

 private:
  /// Columns of one width share one block of values and one of validity bits: column `index` has
  /// the rows from `index × n`.
  struct Block {
    uint32_t width = 0;  ///< bytes; 0: one bit (booleans)
    int64_t columns = 0;
  };
  struct Column {
    int block = -1;     ///< −1: variable width
    int64_t index = 0;  ///< within the block
  };
  struct Source {
    const RowSlot* slot = nullptr;  ///< null: the layout lacks the column
    uint32_t validity_byte = 0;
    uint8_t validity_bit = 0;
  };
  struct Blocks;
  /// Validity bits that stand in one byte of a row.
  struct Bits {
    uint32_t byte = 0;
    uint8_t mask = 0;
  };

  static std::vector<Bits> AllBits(const std::vector<Source>& sources);
  /// Whether all rows are there, of one layout, and none has a null.
  bool AllPresent(std::span<const StoredRow> rows) const;
  Status FillFixed(std::span<const StoredRow> rows, Blocks* blocks) const;

  std::vector<std::string> columns_;
  std::shared_ptr<arrow::Schema> schema_;
  std::vector<std::shared_ptr<const RowLayout>> layouts_;
  std::vector<Block> blocks_;
  std::vector<Column> places_;                // one a column
  std::vector<uint32_t> widths_;              // one a column, of its values; 0: they vary
  std::vector<std::vector<Source>> sources_;  // one a layout and column
  std::vector<std::vector<Bits>> bits_;       // of all columns, for each layout that has them all
};

}  // namespace tercet
