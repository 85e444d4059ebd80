#include "runtime/prediction_columns.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/compute/cast.h>
#include <arrow/type_traits.h>

namespace tercet {
namespace {

template <typename Number>
Result<std::shared_ptr<arrow::Array>> Column(const std::shared_ptr<arrow::DataType>& type,
                                             const std::vector<double>& matrix, int64_t rows,
                                             int columns, int index) {
  ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateBuffer(rows * sizeof(Number)));
  auto* values = reinterpret_cast<Number*>(buffer->mutable_data());
  const double* numbers = matrix.data();
  for (int64_t i = 0; i < rows; ++i) values[i] = static_cast<Number>(numbers[i * columns + index]);
  return arrow::MakeArray(arrow::ArrayData::Make(type, rows, {nullptr, std::move(buffer)}, 0));
}

}  // namespace

std::shared_ptr<arrow::RecordBatch> FirstColumns(const arrow::RecordBatch& batch, int count) {
  const auto& fields = batch.schema()->fields();
  return arrow::RecordBatch::Make(
      arrow::schema(arrow::FieldVector(fields.begin(), fields.begin() + count)), batch.num_rows(),
      arrow::ArrayVector(batch.columns().begin(), batch.columns().begin() + count));
}

std::shared_ptr<arrow::RecordBatch> LastColumns(const arrow::RecordBatch& batch, int begin) {
  const auto& fields = batch.schema()->fields();
  return arrow::RecordBatch::Make(
      arrow::schema(arrow::FieldVector(fields.begin() + begin, fields.end())), batch.num_rows(),
      arrow::ArrayVector(batch.columns().begin() + begin, batch.columns().end()));
}

bool IsPredictionType(const arrow::DataType& type) {
  return type.id() == arrow::Type::DOUBLE || type.id() == arrow::Type::FLOAT ||
         type.id() == arrow::Type::INT64 || type.id() == arrow::Type::INT32;
}

Result<std::shared_ptr<arrow::Array>> PredictionColumn(
    const std::shared_ptr<arrow::DataType>& type, const std::vector<double>& matrix, int64_t rows,
    int columns, int index) {
  switch (type->id()) {
    case arrow::Type::DOUBLE: return Column<double>(type, matrix, rows, columns, index);
    case arrow::Type::FLOAT: return Column<float>(type, matrix, rows, columns, index);
    default: break;
  }
  // A class index in an integer column: the cast refuses a number that is not whole.
  ARROW_ASSIGN_OR_RAISE(auto doubles,
                        Column<double>(arrow::float64(), matrix, rows, columns, index));
  const Result<arrow::Datum> cast = arrow::compute::Cast(doubles, type);
  if (!cast.ok()) {
    return Status::ExecutionError("a prediction does not fit the output type ", type->ToString(),
                                  ": ", cast.status().message());
  }
  return cast->make_array();
}

Result<std::shared_ptr<arrow::RecordBatch>> FitOutputs(
    const std::shared_ptr<arrow::Schema>& outputs, int64_t rows,
    const std::vector<std::shared_ptr<arrow::Array>>& columns) {
  if (static_cast<int>(columns.size()) != outputs->num_fields()) {
    return Status::ExecutionError("the model gave ", columns.size(),
                                  " output columns; its signature has ", outputs->num_fields());
  }
  std::vector<std::shared_ptr<arrow::Array>> fitted;
  for (int i = 0; i < outputs->num_fields(); ++i) {
    const arrow::Field& field = *outputs->field(i);
    if (columns[i]->length() != rows) {
      return Status::ExecutionError("the model gave ", columns[i]->length(), " values of output '",
                                    field.name(), "' for ", rows, " rows");
    }
    if (columns[i]->type()->Equals(*field.type())) {
      fitted.push_back(columns[i]);
      continue;
    }
    const Result<arrow::Datum> cast = arrow::compute::Cast(columns[i], field.type());
    if (!cast.ok()) {
      return Status::ExecutionError("output '", field.name(), "' of type ",
                                    columns[i]->type()->ToString(), " does not fit ",
                                    field.type()->ToString(), ": ", cast.status().message());
    }
    fitted.push_back(cast->make_array());
  }
  return arrow::RecordBatch::Make(outputs, rows, std::move(fitted));
}

}  // namespace tercet
