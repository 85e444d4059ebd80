#include "training/part_statistics.h"

#include "base/parallel.h"
#include "compute/column_summary.h"
#include "compute/statistics.h"

namespace tercet {
namespace {

/// Some rows of one column, summed up by one thread.
struct Slice {
  size_t part;
  int column;
  int64_t row;
};

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
  std::vector<Slice> slices;
  for (size_t part = 0; part < parts.size(); ++part) {
    ARROW_ASSIGN_OR_RAISE(tables.emplace_back(), ColumnsOf(parts[part]));
    for (int column = 0; column < tables[part]->num_columns(); ++column) {
      int64_t row = 0;
      do {
        slices.push_back({part, column, row});
        row += ColumnSummary::kRows;
      } while (row < tables[part]->num_rows());
    }
  }
  std::vector<ColumnSummary> summaries(slices.size());
  ARROW_RETURN_NOT_OK(ParallelFor(slices.size(), [&](int64_t i) -> Status {
    const Slice& slice = slices[static_cast<size_t>(i)];
    ARROW_ASSIGN_OR_RAISE(
        summaries[static_cast<size_t>(i)],
        ColumnSummary::Of(
            *tables[slice.part]->column(slice.column)->Slice(slice.row, ColumnSummary::kRows)));
    return Status::OK();
  }));
  std::vector<json::object> correlations(parts.size());
  ARROW_RETURN_NOT_OK(ParallelFor(parts.size(), [&](int64_t part) -> Status {
    ARROW_ASSIGN_OR_RAISE(correlations[part], Correlations(*tables[part]));
    return Status::OK();
  }));

  json::object statistics;
  for (const RawPart& part : parts) statistics[part.name] = json::object{};
  for (size_t i = 0; i < slices.size();) {
    const Slice& first = slices[i];
    ColumnSummary whole = std::move(summaries[i]);
    for (++i; i < slices.size() && slices[i].row > 0; ++i) whole.Merge(summaries[i]);
    const std::string& name = tables[first.part]->field(first.column)->name();
    json::object column = whole.ToJson();
    const json::value* correlated = correlations[first.part].if_contains(name);
    if (correlated != nullptr && !correlated->get_object().empty()) {
      column["correlations"] = *correlated;
    }
    statistics[parts[first.part].name].get_object()[name] = std::move(column);
  }
  return statistics;
}

}  // namespace tercet
