#include "training/class_balance.h"

#include "compute/category_codes.h"
#include "compute/column_values.h"

namespace tercet {

constexpr size_t kMaxClasses = 100;

Result<json::object> ClassBalance(const arrow::Table& labels) {
  json::object balance;
  for (int k = 0; k < labels.num_columns(); ++k) {
    const arrow::ChunkedArray& column = *labels.column(k);
    const auto kind = ColumnValues::KindOf(*column.type());
    if (!kind.ok() || !CheckCategorical(*kind).ok() || column.null_count() == column.length()) {
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(const ColumnValues values, ColumnValues::Read(column));
    const auto counts = CountCategories(values);
    // A label that is not UTF-8 has no place in JSON.
    if (!counts.ok() || counts->size() > kMaxClasses) continue;
    const auto rows = static_cast<double>(values.rows() - values.nulls());
    json::array classes;
    for (const auto& [value, count] : *counts) {
      const auto of_class = static_cast<double>(count);
      classes.push_back(
          json::object{{"class", value},
                       {"rows", count},
                       {"share", of_class / rows},
                       {"weight", rows / (static_cast<double>(counts->size()) * of_class)}});
    }
    balance[labels.field(k)->name()] = std::move(classes);
  }
  return balance;
}

}  // namespace tercet
