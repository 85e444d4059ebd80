#include "offline/aligned_rows.h"

#include <algorithm>

#include <arrow/array/builder_primitive.h>
#include <arrow/array/util.h>
#include <arrow/compute/api_vector.h>
#include <arrow/datum.h>
#include <arrow/table.h>

#include "base/name.h"
#include "offline/column_fit.h"
#include "offline/map_forms.h"

namespace tercet {
namespace {

using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

Status CheckColumns(const arrow::Schema& given, const arrow::Schema& schema,
                    const ColumnDefaults& defaults) {
  for (const auto& field : schema.fields()) {
    const auto found = given.GetAllFieldIndices(field->name());
    if (found.empty()) {
      if (defaults.contains(field->name())) continue;
      return Status::Invalid("column '", field->name(), "' is missing",
                             Suggest(field->name(), given.field_names()));
    }
    if (found.size() > 1) return Status::Invalid("column '", field->name(), "' comes twice");
  }
  for (const auto& field : given.fields()) {
    if (schema.GetFieldIndex(field->name()) < 0) {
      return Status::Invalid("the table has no column '", field->name(), "'",
                             Suggest(field->name(), schema.field_names()));
    }
  }
  return Status::OK();
}

Result<std::shared_ptr<arrow::Array>> AlignColumn(const std::shared_ptr<arrow::Array>& array,
                                                  const arrow::Field& field) {
  Result<std::shared_ptr<arrow::Array>> widened = Widen(array, field.type());
  if (!widened.ok()) {
    return Status::Invalid("column '", field.name(), "': ", widened.status().message());
  }
  const Status keys = CheckMapKeys(**widened);
  if (!keys.ok()) return Explain(keys, "column '" + field.name() + "'");
  if (!field.nullable() && (*widened)->null_count() > 0) {
    return Status::Invalid("column '", field.name(), "' has ", (*widened)->null_count(),
                           " nulls, but is declared without");
  }
  return widened;
}

}  // namespace

Result<RowAligner> RowAligner::Make(const arrow::Schema& frame, const arrow::Schema& schema,
                                    ColumnDefaults defaults) {
  ARROW_RETURN_NOT_OK(CheckColumns(frame, schema, defaults));
  RowAligner aligner;
  aligner.schema_ = std::make_shared<arrow::Schema>(schema.fields());
  aligner.defaults_ = std::move(defaults);
  return aligner;
}

Result<BatchPtr> RowAligner::Align(const arrow::RecordBatch& batch) const {
  std::vector<std::shared_ptr<arrow::Array>> arrays;
  for (const auto& field : schema_->fields()) {
    std::shared_ptr<arrow::Array> given = batch.GetColumnByName(field->name());
    if (given == nullptr) {
      ARROW_ASSIGN_OR_RAISE(
          given, arrow::MakeArrayFromScalar(*defaults_.at(field->name()), batch.num_rows()));
    }
    ARROW_ASSIGN_OR_RAISE(arrays.emplace_back(), AlignColumn(given, *field));
  }
  return arrow::RecordBatch::Make(schema_, batch.num_rows(), std::move(arrays));
}

Result<BatchPtr> AlignRows(arrow::RecordBatchReader* rows, const arrow::Schema& schema,
                           const ColumnDefaults& defaults) {
  ARROW_ASSIGN_OR_RAISE(const RowAligner aligner,
                        RowAligner::Make(*rows->schema(), schema, defaults));
  std::vector<BatchPtr> batches;
  while (true) {
    BatchPtr batch;
    ARROW_RETURN_NOT_OK(rows->ReadNext(&batch));
    if (batch == nullptr) break;
    if (batch->num_rows() == 0) continue;
    ARROW_ASSIGN_OR_RAISE(batches.emplace_back(), aligner.Align(*batch));
  }
  if (batches.empty()) return arrow::RecordBatch::MakeEmpty(aligner.schema());
  if (batches.size() == 1) return batches[0];
  return arrow::ConcatenateRecordBatches(batches);
}

Result<std::shared_ptr<const RowKeys>> KeysToFind(const BatchPtr& keys, const arrow::Schema& schema,
                                                  const TableOptions& options) {
  TableOptions bare = options;
  bare.event_time.clear();
  std::vector<std::shared_ptr<arrow::Array>> arrays;
  arrow::FieldVector fields;
  for (const std::string& name : options.primary_key) {
    const auto column = keys->GetColumnByName(name);
    if (column == nullptr) {
      return Status::Invalid("primary key column '", name, "' is missing",
                             Suggest(name, keys->schema()->field_names()));
    }
    const auto field = schema.GetFieldByName(name);
    ARROW_ASSIGN_OR_RAISE(arrays.emplace_back(), AlignColumn(column, *field));
    fields.push_back(field);
  }
  const int64_t n = keys->num_rows();
  BatchPtr batch = arrow::RecordBatch::Make(arrow::schema(std::move(fields)), n, arrays);
  ARROW_ASSIGN_OR_RAISE(arrow::Datum whole, arrow::compute::DropNull(batch));
  batch = whole.record_batch();
  ARROW_ASSIGN_OR_RAISE(const RowKeys unsorted, RowKeys::Of(*batch, bare));
  const RowOrder order = SortRows(unsorted);
  arrow::UInt32Builder indices;
  for (int64_t i = 0; i < batch->num_rows(); ++i) {
    const int64_t row = order.order.empty() ? i : order.order[i];
    if (i > 0) {
      const int64_t last = order.order.empty() ? i - 1 : order.order[i - 1];
      if (unsorted.Compare(last, unsorted, row) == 0) continue;
    }
    ARROW_RETURN_NOT_OK(indices.Append(static_cast<uint32_t>(row)));
  }
  ARROW_ASSIGN_OR_RAISE(const auto rows, indices.Finish());
  ARROW_ASSIGN_OR_RAISE(arrow::Datum taken, arrow::compute::Take(batch, rows));
  ARROW_ASSIGN_OR_RAISE(RowKeys sorted, RowKeys::Of(*taken.record_batch(), bare));
  return std::make_shared<const RowKeys>(std::move(sorted));
}

}  // namespace tercet
