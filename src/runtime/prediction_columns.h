#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <arrow/record_batch.h>

#include "base/result.h"

namespace tercet {

/// Casts predicted columns to a signature's outputs, by position. ExecutionError when their number
/// or length is not what the signature says, or a value does not fit its type.
Result<std::shared_ptr<arrow::RecordBatch>> FitOutputs(
    const std::shared_ptr<arrow::Schema>& outputs, int64_t rows,
    const std::vector<std::shared_ptr<arrow::Array>>& columns);

/// The first columns of a batch, which has so many; and those behind them.
std::shared_ptr<arrow::RecordBatch> FirstColumns(const arrow::RecordBatch& batch, int count);
std::shared_ptr<arrow::RecordBatch> LastColumns(const arrow::RecordBatch& batch, int begin);

/// OK when a type can be a number that a tree predicts.
bool IsPredictionType(const arrow::DataType& type);

/// Column `index` of a row-major matrix as an array of a type that passed IsPredictionType.
Result<std::shared_ptr<arrow::Array>> PredictionColumn(
    const std::shared_ptr<arrow::DataType>& type, const std::vector<double>& matrix, int64_t rows,
    int columns, int index);

}  // namespace tercet
