#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <arrow/record_batch.h>

#include "base/cell.h"
#include "base/result.h"

namespace tercet {

/// The codes of a categorical feature whose categories are words: what a model saw in training.
struct CategoryCodes {
  std::unordered_map<std::string, int> codes;  ///< empty: the feature is numeric
};

/// Writes rows [begin, end) of a batch as a row-major matrix of float or double, as tree ensembles
/// read them. Integers, booleans, floats and decimals are cast; a null is NaN, which trees know as
/// missing. A word is its code, and NaN when the model has never seen it. Types: CheckFeatureTypes.
template <typename Number>
void FillFeatureRows(const arrow::RecordBatch& batch, int64_t begin, int64_t end,
                     const std::vector<CategoryCodes>& categories, Number* rows);

extern template void FillFeatureRows<float>(const arrow::RecordBatch&, int64_t, int64_t,
                                            const std::vector<CategoryCodes>&, float*);
extern template void FillFeatureRows<double>(const arrow::RecordBatch&, int64_t, int64_t,
                                             const std::vector<CategoryCodes>&, double*);

/// The same of one column, its numbers side by side.
template <typename Number>
void FillFeatureColumn(const arrow::RecordBatch& batch, int column, int64_t begin, int64_t end,
                       const std::vector<CategoryCodes>& categories, Number* values);

extern template void FillFeatureColumn<float>(const arrow::RecordBatch&, int, int64_t, int64_t,
                                              const std::vector<CategoryCodes>&, float*);
extern template void FillFeatureColumn<double>(const arrow::RecordBatch&, int, int64_t, int64_t,
                                               const std::vector<CategoryCodes>&, double*);

/// The same of one row of cells of `types`, each of which IsFeatureCell.
template <typename Number>
void FillFeatureRow(std::span<const Cell> cells, std::span<const arrow::Type::type> types,
                    const std::vector<CategoryCodes>& categories, Number* row);

extern template void FillFeatureRow<float>(std::span<const Cell>,
                                           std::span<const arrow::Type::type>,
                                           const std::vector<CategoryCodes>&, float*);
extern template void FillFeatureRow<double>(std::span<const Cell>,
                                            std::span<const arrow::Type::type>,
                                            const std::vector<CategoryCodes>&, double*);

/// Whether FillFeatureRow reads cells of a type.
bool IsFeatureCell(arrow::Type::type type);

/// OK when a schema can be read by FillFeatureRows. Invalid when the number of columns is not
/// `count`, TypeError for a column that is neither numeric nor, where the feature has categories,
/// text. `categories` has one entry a feature.
Status CheckFeatureTypes(const arrow::Schema& schema, size_t count,
                         const std::vector<CategoryCodes>& categories);

}  // namespace tercet
