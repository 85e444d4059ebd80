#include "compute/statistics.h"

#include "compute/column_summary.h"

namespace tercet {

Result<json::object> Describe(const arrow::Table& table) {
  json::object described;
  for (int k = 0; k < table.num_columns(); ++k) {
    const arrow::ChunkedArray& column = *table.column(k);
    ARROW_ASSIGN_OR_RAISE(ColumnSummary summary,
                          ColumnSummary::Of(*column.Slice(0, ColumnSummary::kRows)));
    for (int64_t row = ColumnSummary::kRows; row < column.length(); row += ColumnSummary::kRows) {
      ARROW_ASSIGN_OR_RAISE(const ColumnSummary later,
                            ColumnSummary::Of(*column.Slice(row, ColumnSummary::kRows)));
      summary.Merge(later);
    }
    described[table.field(k)->name()] = summary.ToJson();
  }
  return described;
}

}  // namespace tercet
