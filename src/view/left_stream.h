#pragma once

#include <memory>
#include <optional>

#include <arrow/record_batch.h>

#include "view/left_rows.h"

namespace tercet {

/// The left rows of a view's read piece by piece, in their order: the root group's, or a spine's
/// from a table or a reader. One thread at a time.
class LeftStream {
 public:
  /// `plan`, `snapshots` and `options` must outlive it. `spine`: null, or instead of the options'.
  static Result<std::unique_ptr<LeftStream>> Open(const ViewPlan* plan, ViewSnapshots* snapshots,
                                                  const ViewReadOptions& options,
                                                  std::shared_ptr<arrow::RecordBatchReader> spine);

  /// At most `rows` rows, and none only at the end. Where the time range leaves rows of a spine
  /// out, a piece has fewer.
  Result<LeftRows> Next(int64_t rows);
  /// Whether the next rows, a few thousand of them, come in the order of the keys by which every
  /// group is joined, and of their times: then the next piece may be small without reading any row
  /// of history twice.
  Result<bool> InOrder();
  /// How much of the left rows was given, where their number is known.
  std::optional<double> fraction() const;

 private:
  LeftStream(const ViewPlan* plan, ViewSnapshots* snapshots, const ViewReadOptions& options)
      : plan_(plan), snapshots_(snapshots), options_(options) {}
  Result<std::shared_ptr<arrow::Table>> Take(int64_t rows);

  const ViewPlan* const plan_;
  ViewSnapshots* const snapshots_;
  const ViewReadOptions& options_;
  bool of_root_ = false;
  std::shared_ptr<arrow::RecordBatchReader> reader_;
  std::shared_ptr<arrow::RecordBatch> rest_;  // of the last batch
  std::optional<int64_t> total_rows_;
  int64_t taken_rows_ = 0;
};

}  // namespace tercet
