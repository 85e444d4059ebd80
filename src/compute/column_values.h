#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/array.h>
#include <arrow/chunked_array.h>

#include "base/result.h"
#include "compute/expression_tree.h"

namespace tercet {

/// A whole column in the form that expressions compute with: one way to widen every Arrow type,
/// for fitting, statistics and serving. Empty chunks are left out.
class ColumnValues {
 public:
  /// TypeError for types that expressions can't read.
  static Result<ColumnValues> Read(const arrow::ChunkedArray& column, bool as_double = false);
  /// The kind that a column of this type has.
  static Result<expr::Kind> KindOf(const arrow::DataType& type);

  expr::Kind kind() const { return kind_; }
  int64_t rows() const { return rows_; }
  int64_t nulls() const { return nulls_; }

  /// Calls visit(value) for every valid value in order; T is bool, int64_t, double or string_view
  /// and must be what the kind is laid out as (dates are days, timestamps microseconds).
  template <typename T, typename Visit>
  void ForEach(Visit&& visit) const;
  /// The same with the row before it: visit(row, value).
  template <typename T, typename Visit>
  void ForEachRow(Visit&& visit) const;

  /// The valid numbers in order, NaN left out. The kind must be kDouble.
  std::vector<double> Numbers() const;
  /// A number a row, NaN for null. The kind must be kDouble.
  std::vector<double> NumberOfEachRow() const;

 private:
  expr::Kind kind_ = expr::Kind::kNull;
  int64_t rows_ = 0;
  int64_t nulls_ = 0;
  arrow::ArrayVector chunks_;
};

template <typename T, typename Visit>
void ColumnValues::ForEach(Visit&& visit) const {
  ForEachRow<T>([&](int64_t, const T& value) { visit(value); });
}

template <typename T, typename Visit>
void ColumnValues::ForEachRow(Visit&& visit) const {
  int64_t row = 0;
  for (const auto& chunk : chunks_) {
    const auto each = [&](const auto& array, auto&& value_at) {
      for (int64_t i = 0; i < array.length(); ++i, ++row) {
        if (array.IsValid(i)) visit(row, value_at(array, i));
      }
    };
    const auto value = [](const auto& array, int64_t i) { return array.Value(i); };
    if constexpr (std::is_same_v<T, bool>) {
      each(static_cast<const arrow::BooleanArray&>(*chunk), value);
    } else if constexpr (std::is_same_v<T, double>) {
      each(static_cast<const arrow::DoubleArray&>(*chunk), value);
    } else if constexpr (std::is_same_v<T, std::string_view>) {
      each(static_cast<const arrow::StringArray&>(*chunk),
           [](const arrow::StringArray& array, int64_t i) { return array.GetView(i); });
    } else if (kind_ == expr::Kind::kDate) {
      each(static_cast<const arrow::Date32Array&>(*chunk),
           [](const arrow::Date32Array& array, int64_t i) {
             return static_cast<int64_t>(array.Value(i));
           });
    } else {
      each(static_cast<const arrow::NumericArray<arrow::Int64Type>&>(*chunk), value);
    }
  }
}

}  // namespace tercet
