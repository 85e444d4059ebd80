#include "offline/row_images.h"

#include <arrow/array/builder_primitive.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <fmt/format.h>

#include "offline/position_columns.h"
#include "offline/row_gather.h"
#include "offline/row_targets.h"

namespace tercet {
namespace {

using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

}  // namespace

Result<BatchPtr> VisibleRows(const std::vector<BatchPtr>& found, const TableOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const BatchPtr rows, arrow::ConcatenateRecordBatches(found));
  ARROW_ASSIGN_OR_RAISE(const RowKeys keys, RowKeys::Of(*rows, options));
  const RowOrder order = SortRows(keys);
  std::vector<uint32_t> winners;
  winners.reserve(static_cast<size_t>(rows->num_rows()));
  const auto row_at = [&](int64_t i) {
    return order.order.empty() ? i : int64_t{order.order[static_cast<size_t>(i)]};
  };
  for (int64_t i = 0; i < rows->num_rows(); ++i) {
    const int64_t row = row_at(i);
    if (i + 1 < rows->num_rows() && keys.Compare(row, keys, row_at(i + 1)) == 0) continue;
    winners.push_back(static_cast<uint32_t>(row));
  }
  return GatherRows(*rows, winners);
}

Result<RowImages> UpsertImages(const BatchPtr& before, const BatchPtr& after,
                               const TableOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const RowKeys old_keys, RowKeys::Of(*before, options));
  const RowTargets old_rows(old_keys, {}, false);
  ARROW_ASSIGN_OR_RAISE(const BatchPtr both, arrow::ConcatenateRecordBatches({before, after}));
  ARROW_ASSIGN_OR_RAISE(const RowKeys keys, RowKeys::Of(*both, options));
  const RowOrder order = SortRows(keys);  // stable: the old row before the new
  RowImages images;
  images.types.resize(static_cast<size_t>(both->num_rows()));
  for (int64_t i = 0; i < both->num_rows(); ++i) {
    const int64_t row = order.order.empty() ? i : order.order[static_cast<size_t>(i)];
    images.types[static_cast<size_t>(i)] = row < before->num_rows()       ? "update_preimage"
                                           : old_rows.Contains(keys, row) ? "update_postimage"
                                                                          : "insert";
  }
  images.rows = both;
  if (!order.order.empty()) {
    ARROW_ASSIGN_OR_RAISE(images.rows, GatherRows(*both, order.order));
  }
  return images;
}

std::string UpsertPredicate(const TableOptions& options) {
  std::string text;
  for (const std::string& key : PositionColumns(options)) {
    text += (text.empty() ? "" : " AND ") + fmt::format("target.{0} = source.{0}", key);
  }
  return text;
}

std::string PositionText(const arrow::RecordBatch& rows, int64_t row,
                         const TableOptions& options) {
  std::string text;
  for (const std::string& name : PositionColumns(options)) {
    const auto scalar = rows.GetColumnByName(name)->GetScalar(row);
    if (!text.empty()) text += ", ";
    text += name + "=" + (scalar.ok() ? (*scalar)->ToString() : "?");
  }
  return text;
}

}  // namespace tercet
