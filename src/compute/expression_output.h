#pragma once

#include <memory>

#include <vector>

#include <arrow/array/data.h>
#include <arrow/buffer.h>

#include "base/result.h"
#include "compute/expression_program.h"

namespace tercet::expr {

/// Collects a program's chunks into one Arrow array. Values under nulls are zero or empty, so that
/// equal answers are equal bytes.
class Output {
 public:
  /// One for each result, with the memory of `rows` values. Results of few rows share their
  /// memory, since taking it piece by piece is what a single row's time would go to.
  static Result<std::vector<Output>> Reserve(const std::vector<ProgramResult>& results,
                                             int64_t rows);
  /// The next rows. CapacityError when texts exceed 2 GiB, which one Arrow array can't hold.
  Status Append(const Register& chunk, int64_t rows);
  static Result<arrow::ArrayDataVector> Finish(std::vector<Output> outputs);

 private:
  Output(const ProgramResult& result, int64_t rows) : result_(&result), rows_(rows) {}

  /// How much the values take, but for texts' bytes.
  int64_t ValueBytes() const;
  Status FinishInto(arrow::ArrayData* data);
  Status AppendValidity(const Register& chunk, int64_t rows);
  Status AppendTexts(const Register& chunk, int64_t rows);

  const ProgramResult* result_;
  int64_t rows_;
  int64_t done_ = 0;
  int64_t nulls_ = 0;
  std::shared_ptr<arrow::Buffer> validity_;  ///< made when the first null comes
  std::shared_ptr<arrow::Buffer> values_;
  std::shared_ptr<arrow::ResizableBuffer> texts_;
  int64_t text_bytes_ = 0;
};

}  // namespace tercet::expr
