#pragma once

#include <memory>
#include <optional>
#include <string>

#include <arrow/record_batch.h>
#include <arrow/table.h>

#include "base/result.h"
#include "view/view_program.h"

namespace tercet {

/// A view's rows as another engine sends them: messages of one row each, {"of": int8, "ipc":
/// binary}, where "ipc" is an Arrow IPC stream. First those of the spine, if there is one (of = 0;
/// one at least, for its columns), in its order; then those of ViewProgram::Rows (of = 1), in the
/// view's order. They may come from another machine: what they say is checked against the view. One
/// thread at a time.
class EngineRows {
 public:
  /// Reads the spine, which is kept in a nameless file of `folder`, and mapped. Invalid or
  /// TypeError for messages that are none.
  static Result<std::unique_ptr<EngineRows>> Open(
      std::shared_ptr<arrow::RecordBatchReader> messages, const std::string& folder);

  const std::shared_ptr<arrow::Table>& spine() const { return spine_; }  ///< null: there is none

  /// The next rows as a read of the view gives them; nullopt at the end. There is one piece, if
  /// without rows. TypeError for rows that are not the program's.
  Result<std::optional<ViewRows>> Next(const ViewProgram& program);

 private:
  enum class Of : int8_t { kSpine = 0, kRows = 1 };
  struct Message {
    Of of;
    std::shared_ptr<arrow::Table> rows;
  };
  explicit EngineRows(std::shared_ptr<arrow::RecordBatchReader> messages)
      : messages_(std::move(messages)) {}
  Result<std::optional<Message>> NextMessage();

  const std::shared_ptr<arrow::RecordBatchReader> messages_;
  std::shared_ptr<arrow::RecordBatch> batch_;  ///< the messages that came last
  int64_t at_ = 0;                             ///< of them, the next one
  std::optional<Message> waiting_;             ///< the first rows, read behind the spine
  std::shared_ptr<arrow::Table> spine_;
  bool any_ = false;
};

}  // namespace tercet
