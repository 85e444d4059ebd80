#include "training/part_statistics.h"

#include "base/parallel.h"
#include "compute/column_summary.h"
#include "compute/statistics.h"

namespace tercet {
namespace {

/// One column of one part.
struct PartColumn {
  size_t part;
  int column;
};

/// The column's rows summed up slice by slice, which are merged in order.
Result<ColumnSummary> SummaryOf(const arrow::ChunkedArray& column) {
  ARROW_ASSIGN_OR_RAISE(ColumnSummary whole,
                        ColumnSummary::Of(*column.Slice(0, ColumnSummary::kRows)));
  for (int64_t row = ColumnSummary::kRows; row < column.length(); row += ColumnSummary::kRows) {
    ARROW_ASSIGN_OR_RAISE(const ColumnSummary more,
                          ColumnSummary::Of(*column.Slice(row, ColumnSummary::kRows)));
    whole.Merge(more);
  }
  return whole;
}

Result<std::shared_ptr<arrow::Table>> ColumnsOf(const RawPart& part) {
  std::shared_ptr<arrow::Table> columns = part.features;
  for (int c = 0; c < part.labels->num_columns(); ++c) {
    ARROW_ASSIGN_OR_RAISE(columns, columns->AddColumn(columns->num_columns(), part.labels->field(c),
                                                      part.labels->column(c)));
  }
  return columns;
}

}  // namespace

Result<json::object> StatisticsOf(const std::vector<RawPart>& parts) {
  std::vector<std::shared_ptr<arrow::Table>> tables;
  std::vector<PartColumn> columns;
  for (size_t part = 0; part < parts.size(); ++part) {
    ARROW_ASSIGN_OR_RAISE(tables.emplace_back(), ColumnsOf(parts[part]));
    for (int column = 0; column < tables[part]->num_columns(); ++column) {
      columns.push_back({part, column});
    }
  }
  std::vector<json::object> summaries(columns.size());
  ARROW_RETURN_NOT_OK(ParallelFor(static_cast<int64_t>(columns.size()), [&](int64_t i) -> Status {
    const PartColumn& of = columns[static_cast<size_t>(i)];
    ARROW_ASSIGN_OR_RAISE(const ColumnSummary summary,
                          SummaryOf(*tables[of.part]->column(of.column)));
    summaries[static_cast<size_t>(i)] = summary.ToJson();
    return Status::OK();
  }));

  json::object statistics;
  for (size_t part = 0; part < parts.size(); ++part) {
    statistics[parts[part].name] = json::object{};
  }
  json::object correlations;
  for (size_t i = 0; i < columns.size(); ++i) {
    const PartColumn& of = columns[i];
    if (of.column == 0) {
      ARROW_ASSIGN_OR_RAISE(correlations, Correlations(*tables[of.part]));
    }
    const std::string& name = tables[of.part]->field(of.column)->name();
    const json::value* correlated = correlations.if_contains(name);
    if (correlated != nullptr && !correlated->get_object().empty()) {
      summaries[i]["correlations"] = *correlated;
    }
    statistics[parts[of.part].name].get_object()[name] = std::move(summaries[i]);
  }
  return statistics;
}

}  // namespace tercet
