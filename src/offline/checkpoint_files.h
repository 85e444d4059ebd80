#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include <arrow/array.h>

#include "base/result.h"
#include "offline/checkpoint_record.h"
#include "offline/data_file.h"

namespace tercet {

/// The `add` column of a piece of a checkpoint, as Arrow read it. Its members' types are checked
/// once, so that no accessor fails. Rows of other actions are null.
class AddColumns {
 public:
  /// Invalid when a member is not what the protocol says.
  static Result<AddColumns> Of(const std::shared_ptr<arrow::Array>& column);

  int64_t row_count() const { return record_.row_count(); }
  bool IsFile(int64_t row) const { return !record_.IsNull(row) && path_->IsValid(row); }
  std::string_view Path(int64_t row) const { return path_->GetView(row); }
  int64_t SizeBytes(int64_t row) const { return size_->Value(row); }
  int64_t ModificationTimeMs(int64_t row) const {
    return modified_ == nullptr || modified_->IsNull(row) ? 0 : modified_->Value(row);
  }
  /// The number of rows that statistics say the file has, as text or parsed.
  std::optional<int64_t> RecordCount(int64_t row) const;
  /// JSON text, or empty.
  std::string_view Stats(int64_t row) const {
    return stats_ == nullptr || stats_->IsNull(row) ? std::string_view() : stats_->GetView(row);
  }
  bool HasVector(int64_t row) const { return record_.HasVector(row); }
  Result<std::optional<VectorPointer>> Vector(int64_t row) const { return record_.Vector(row); }
  void ReadTags(int64_t row, RunTagReader* reader) const;

  /// The whole action; OK for every row of which CheckRow was.
  Result<AddFile> Make(int64_t row) const;
  /// Invalid when a file lacks its size, has half a vector, or lies outside of the table.
  Status CheckRow(int64_t row) const;

 private:
  explicit AddColumns(CheckpointRecord record) : record_(std::move(record)) {}

  CheckpointRecord record_;
  std::shared_ptr<arrow::StringArray> path_, stats_;
  std::shared_ptr<arrow::Int64Array> size_, modified_, record_count_;
  std::shared_ptr<arrow::Int64Array> base_row_id_, row_commit_version_;
  std::shared_ptr<arrow::MapArray> tags_;
  std::shared_ptr<arrow::Int32Array> tag_names_;   ///< of all rows' tags; null: no dictionary
  std::vector<RunTagReader::Tag> tag_kinds_;       ///< by number of the name; else by entry
  std::shared_ptr<arrow::StringArray> tag_texts_;
};

/// The files of a checkpoint, kept as the columns that they came in: a hundred thousand typed
/// objects, made at opening and freed at closing, took ten times as long as reading the bytes. An
/// object is made of a file when somebody wants it. Immutable; thread-safe.
class CheckpointFiles {
 public:
  struct Row {
    uint32_t piece = 0;
    uint32_t row = 0;
    int64_t version = -1;   ///< as DataFile has it
    int64_t position = 0;
    bool is_run = false;    ///< the rest is of sorted runs
    int64_t row_count = 0;  ///< physical
    int64_t time_min_us = std::numeric_limits<int64_t>::min();
    int64_t time_max_us = std::numeric_limits<int64_t>::max();
  };

  /// Files without a known commit (foreign, in a foreign checkpoint) take their place among the
  /// others by modification time. Invalid when a row is malformed.
  static Result<std::shared_ptr<const CheckpointFiles>> Make(std::vector<AddColumns> pieces,
                                                             TableOptions options);

  const std::vector<Row>& rows() const { return rows_; }
  std::string_view PathOf(const Row& row) const { return pieces_[row.piece].Path(row.row); }
  int64_t SizeBytesOf(const Row& row) const { return pieces_[row.piece].SizeBytes(row.row); }
  std::string_view StatsOf(const Row& row) const { return pieces_[row.piece].Stats(row.row); }
  /// Rows less deleted ones; nullopt when the log has no count.
  std::optional<int64_t> RowCountOf(const Row& row) const;
  /// A sorted run's tags into `run`, whose memory is used again; false when they are damaged.
  bool ReadRunTags(const Row& row, RunTagReader* reader, RunTags* run) const;
  const TableOptions& options() const { return options_; }
  DataFilePtr FileOf(const Row& row) const;

  /// The number of the logical file's row.
  std::optional<size_t> Find(std::string_view path,
                             const std::optional<VectorPointer>& vector) const;

 private:
  CheckpointFiles(std::vector<AddColumns> pieces, TableOptions options)
      : pieces_(std::move(pieces)), options_(std::move(options)) {}
  Status ReadRows();
  void PlaceUnknown();
  void MakeIndex() const;

  const std::vector<AddColumns> pieces_;
  const TableOptions options_;
  std::vector<Row> rows_;
  mutable std::once_flag index_made_;
  /// Open addressing by hash of the path: number of a row plus one, or 0. Made when first needed:
  /// a table that nobody changed after its checkpoint is read without it.
  mutable std::vector<uint32_t> index_;
};

}  // namespace tercet
