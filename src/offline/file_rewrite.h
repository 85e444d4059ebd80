#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "offline/action.h"
#include "offline/change.h"
#include "offline/parquet_output.h"
#include "offline/row_targets.h"
#include "offline/run_writer.h"
#include "offline/table_state.h"

namespace tercet {

/// How rows leave a file: the file's removal, and what stands in its place (nothing when no row is
/// left; the same file with a larger deletion vector; or its other rows written anew).
struct FileRewrite {
  RemoveFile remove;
  std::vector<AddFile> adds;
  bool vector_used = false;  ///< the table's protocol must allow deletion vectors
};

/// The rows of a file, of these columns, that are not in `gone`, as they stand there.
Result<std::shared_ptr<arrow::RecordBatch>> RowsLeft(const RunFile& run, const DeletedRows& gone,
                                                     const std::vector<std::string>& columns);

/// Takes the matched rows out of their file. Large files that lose few rows get a vector, where
/// the table's options allow it; others are copied without the rows, a row group at a time. Rows
/// stay as old as they are.
Result<FileRewrite> TakeRowsOut(const FileMatch& match, const TableState& state,
                                const ChangeContext& context, NewFiles* files);

/// The actions that let a table use deletion vectors; none when it may already.
std::vector<Action> AllowVectors(const TableState& state);

/// A file of the change feed, which is written bit by bit.
class ChangeFileSink {
 public:
  /// Without a file until rows come.
  ChangeFileSink(const TableState* state, NewFiles* files) : state_(state), files_(files) {}

  /// `change_types` has one text a row.
  Status Append(const std::shared_ptr<arrow::RecordBatch>& rows,
                const std::vector<const char*>& change_types);
  /// Syncs the file and appends its action; nothing without rows.
  Status Finish(std::vector<Action>* actions);

 private:
  Status Open();

  const TableState* const state_;
  NewFiles* const files_;
  RunLayout layout_;
  std::string path_;
  std::shared_ptr<arrow::Schema> schema_;
  std::unique_ptr<ParquetOutput> output_;
};

/// The change feed's file for the given rows. Appends the action, or nothing when the table keeps
/// no change feed.
Status WriteChangeFile(const std::shared_ptr<arrow::RecordBatch>& rows,
                       const std::vector<const char*>& change_types, const TableState& state,
                       NewFiles* files, std::vector<Action>* actions);

}  // namespace tercet
