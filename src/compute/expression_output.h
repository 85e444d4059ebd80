#pragma once

#include <memory>

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/buffer_builder.h>
#include <arrow/type.h>

#include "base/result.h"
#include "compute/expression_program.h"

namespace tercet::expr {

/// Collects a program's chunks into one Arrow array. Values under nulls are zero or empty, so that
/// equal answers are equal bytes.
class Output {
 public:
  Output(Kind kind, const std::shared_ptr<arrow::DataType>& type, int64_t rows)
      : kind_(kind), type_(type), rows_(rows) {}

  /// Takes the memory of `rows` values.
  Status Reserve();
  /// The next rows. CapacityError when texts exceed 2 GiB, which one Arrow array can't hold.
  Status Append(const Register& chunk, int64_t rows);
  Result<std::shared_ptr<arrow::Array>> Finish();

 private:
  Status AppendValidity(const Register& chunk, int64_t rows);
  Status AppendTexts(const Register& chunk, int64_t rows);

  const Kind kind_;
  const std::shared_ptr<arrow::DataType>& type_;
  const int64_t rows_;
  int64_t done_ = 0;
  int64_t nulls_ = 0;
  std::shared_ptr<arrow::Buffer> validity_;  ///< made when the first null comes
  std::shared_ptr<arrow::Buffer> values_;
  arrow::BufferBuilder texts_;
};

}  // namespace tercet::expr
