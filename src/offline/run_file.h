#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <arrow/record_batch.h>

#include "base/file_system.h"
#include "base/result.h"
#include "offline/data_file.h"
#include "offline/deletion_vector.h"
#include "offline/delta_schema.h"
#include "offline/plain_column.h"

namespace parquet::arrow {
class FileReader;
}

namespace tercet {

/// One open data file of a table: its row groups and their columns, decoded by row group. This is
/// the low-level access for readers that do their own merging; all others go through Snapshot.
/// Thread-safe. Damaged files are IOErrors that name the file.
class RunFile {
 public:
  struct RowGroup {
    int64_t first_row = 0;
    int64_t row_count = 0;
    /// For sorted runs: the position (offline/row_keys.h) of its first row, and its time range.
    std::string low = {};
    int64_t time_min_us = std::numeric_limits<int64_t>::min();
    int64_t time_max_us = std::numeric_limits<int64_t>::max();
  };

  static Result<std::shared_ptr<RunFile>> Open(std::shared_ptr<FileSystem> file_system,
                                               const std::string& table_path, DataFilePtr file,
                                               const TableColumns& columns);
  ~RunFile();

  const DataFile& file() const { return *file_; }
  /// Sorted by position. A foreign file is not, and has no low nor time range in its row groups.
  bool sorted() const { return file_->run.has_value(); }
  int64_t row_count() const { return row_count_; }
  const std::vector<RowGroup>& row_groups() const { return row_groups_; }
  /// The deleted rows, by number within the file, ascending.
  const DeletedRows& deleted() const { return deleted_; }

  /// The named columns of one row group, of their logical types, deleted rows included. Columns
  /// that the file lacks are null. Columns are decoded in parallel when there is much to do.
  Result<std::shared_ptr<arrow::RecordBatch>> Read(int row_group,
                                                   const std::vector<std::string>& names) const;

  /// One column of a row group where it lies, without decoding or copying; null when the file does
  /// not keep it that way (compressed, dictionary-encoded, of a width that varies, of another type
  /// than the table's): then Read it.
  Result<std::shared_ptr<const PlainColumn>> ReadPlain(int row_group,
                                                       const std::string& name) const;

  /// Whether ReadPlain would give the column, as far as the footer tells.
  bool LiesPlain(int row_group, const std::string& name) const;

  /// The same with any schema: of a change feed file, which has columns beside the table's.
  Result<std::shared_ptr<arrow::RecordBatch>> Read(int row_group,
                                                   const arrow::Schema& schema) const;

 private:
  RunFile() = default;
  Status ReadFooter();
  Result<std::shared_ptr<arrow::Array>> ReadColumn(int row_group, const arrow::Field& field) const;
  /// The number in the file of the table's column, −1 where it has none.
  int FindColumn(const std::string& name) const;
  struct PlainChunk {
    int column = -1;  ///< in the file; −1: the values don't lie plain
    int width = 0;
    bool nullable = false;
  };
  PlainChunk PlainChunkOf(int row_group, const std::string& name) const;

  std::string whole_path_;
  DataFilePtr file_;
  TableColumns columns_;
  std::unique_ptr<parquet::arrow::FileReader> reader_;
  int64_t row_count_ = 0;
  std::vector<RowGroup> row_groups_;
  DeletedRows deleted_;
};

/// The text about row groups that a run's footer carries (so that readers need no statistics of
/// types that sort differently), and back.
inline constexpr std::string_view kRowGroupsKey = "tercet.row_groups";
std::string RowGroupsToText(const std::vector<RunFile::RowGroup>& row_groups);
Status RowGroupsFromText(const std::string& text, std::vector<RunFile::RowGroup>* row_groups);

}  // namespace tercet
