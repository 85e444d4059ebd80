#include "compute/column_values.h"

#include <cmath>

#include "compute/expression_binder.h"

namespace tercet {

Result<expr::Kind> ColumnValues::KindOf(const arrow::DataType& type) {
  ARROW_ASSIGN_OR_RAISE(const auto reader, expr::ColumnReader(type));
  return reader.second.kind;
}

Result<ColumnValues> ColumnValues::Read(const arrow::ChunkedArray& column, bool as_double) {
  const std::string text;
  expr::Node node;
  node.form = expr::Node::Form::kColumn;
  node.name = "values";
  expr::Binder binder(text);
  binder.Enter(node);
  ARROW_ASSIGN_OR_RAISE(expr::Value value, binder.Column(0, column.type()));
  if (as_double) {
    ARROW_ASSIGN_OR_RAISE(value, EmitNumber(binder, value));
  }
  const expr::Program program = binder.Finish({&value, 1});
  const auto schema = arrow::schema({arrow::field("values", column.type())});

  ColumnValues values;
  values.kind_ = value.type.kind;
  values.rows_ = column.length();
  for (const auto& chunk : column.chunks()) {
    if (chunk->length() == 0) continue;
    const auto batch =
        arrow::RecordBatch::Make(schema, chunk->length(), arrow::ArrayDataVector{chunk->data()});
    ARROW_ASSIGN_OR_RAISE(const arrow::ArrayDataVector arrays, program.Evaluate(*batch));
    values.nulls_ += arrays[0]->GetNullCount();
    // Timestamps are read as the integers that they are.
    if (values.kind_ == expr::Kind::kTimestamp) arrays[0]->type = arrow::int64();
    values.chunks_.push_back(arrow::MakeArray(arrays[0]));
  }
  return values;
}

std::vector<double> ColumnValues::Numbers() const {
  std::vector<double> numbers;
  numbers.reserve(static_cast<size_t>(rows_ - nulls_));
  ForEach<double>([&](double value) {
    if (!std::isnan(value)) numbers.push_back(value);
  });
  return numbers;
}

std::vector<double> ColumnValues::NumberOfEachRow() const {
  std::vector<double> numbers(static_cast<size_t>(rows_), std::nan(""));
  ForEachRow<double>([&](int64_t row, double value) { numbers[static_cast<size_t>(row)] = value; });
  return numbers;
}

}  // namespace tercet
