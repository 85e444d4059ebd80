#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <arrow/builder.h>
#include <arrow/compute/api_vector.h>

#include "compute/column_values.h"
#include "compute/statistics.h"

namespace tercet {
namespace {

constexpr size_t kMaxColumns = 100;
constexpr int64_t kMaxRows = 100'000;

struct Sample {
  std::string name;
  std::vector<double> values;  ///< less their mean; 0 where there is none
  std::vector<double> there;   ///< 1 where there is a finite value, else 0
};

Result<Sample> SampleOf(const std::string& name, const arrow::ChunkedArray& column) {
  const int64_t rows = std::min(column.length(), kMaxRows);
  std::shared_ptr<arrow::ChunkedArray> some = column.Slice(0);
  if (rows < column.length()) {
    arrow::Int64Builder places;
    ARROW_RETURN_NOT_OK(places.Reserve(rows));
    for (int64_t i = 0; i < rows; ++i) {
      // In 128 bits: the product may be larger than 64 hold.
      places.UnsafeAppend(static_cast<int64_t>(static_cast<__int128>(i) * column.length() / rows));
    }
    ARROW_ASSIGN_OR_RAISE(const auto indices, places.Finish());
    ARROW_ASSIGN_OR_RAISE(const arrow::Datum taken,
                          arrow::compute::Take(arrow::Datum(some), arrow::Datum(indices)));
    some = taken.chunked_array();
  }
  ARROW_ASSIGN_OR_RAISE(const ColumnValues read, ColumnValues::Read(*some, true));
  const std::vector<double> all = read.NumberOfEachRow();
  Sample sample{name, {}, {}};
  sample.values.reserve(static_cast<size_t>(rows));
  double sum = 0, count = 0;
  for (int64_t i = 0; i < rows; ++i) {
    const double value = all[static_cast<size_t>(i)];
    const bool finite = std::isfinite(value);
    sample.values.push_back(finite ? value : 0);
    sample.there.push_back(finite ? 1 : 0);
    sum += finite ? value : 0;
    count += finite ? 1 : 0;
  }
  // Distances from the mean, lest the products lose what they differ in.
  const double mean = count > 0 ? sum / count : 0;
  for (size_t i = 0; i < sample.values.size(); ++i) {
    if (sample.there[i] != 0) sample.values[i] -= mean;
  }
  return sample;
}

/// NaN where it is not defined.
double Correlation(const Sample& a, const Sample& b) {
  double count = 0, sum_a = 0, sum_b = 0, aa = 0, bb = 0, ab = 0;
  for (size_t i = 0; i < a.values.size(); ++i) {
    const double both = a.there[i] * b.there[i];
    const double x = a.values[i] * both, y = b.values[i] * both;
    count += both;
    sum_a += x;
    sum_b += y;
    aa += x * x;
    bb += y * y;
    ab += x * y;
  }
  if (count < 2) return std::nan("");
  const double variance = (aa - sum_a * sum_a / count) * (bb - sum_b * sum_b / count);
  // What is left of a constant after rounding is no variance.
  if (!(variance > 1e-24 * aa * bb)) return std::nan("");
  return std::clamp((ab - sum_a * sum_b / count) / std::sqrt(variance), -1.0, 1.0);
}

}  // namespace

Result<json::object> Correlations(const arrow::Table& table) {
  std::vector<Sample> samples;
  for (int k = 0; k < table.num_columns() && samples.size() < kMaxColumns; ++k) {
    const auto kind = ColumnValues::KindOf(*table.column(k)->type());
    if (!kind.ok() || (*kind != expr::Kind::kInt && *kind != expr::Kind::kDouble &&
                       *kind != expr::Kind::kBool)) {
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(samples.emplace_back(),
                          SampleOf(table.field(k)->name(), *table.column(k)));
  }
  std::vector<json::object> of(samples.size());
  for (size_t a = 0; a < samples.size(); ++a) {
    for (size_t b = a + 1; b < samples.size(); ++b) {
      const double r = Correlation(samples[a], samples[b]);
      if (!std::isfinite(r)) continue;
      of[a][samples[b].name] = r;
      of[b][samples[a].name] = r;
    }
  }
  json::object correlations;
  for (size_t k = 0; k < samples.size(); ++k) correlations[samples[k].name] = std::move(of[k]);
  return correlations;
}

}  // namespace tercet
