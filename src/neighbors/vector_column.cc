#include "neighbors/vector_column.h"

#include <cmath>
#include <limits>

namespace tercet {
namespace {

/// Squares of differences of floats up to this, added up, are floats.
constexpr double kMaxLength = 1e18;

template <typename T>
bool FloatsOf(VectorMetric metric, const T* vector, int64_t count, float* out) {
  const double length = std::sqrt(DotProduct(vector, vector, count));
  // False for NaN, too.
  if (!(length <= kMaxLength)) return false;
  double divisor = 1;
  if (metric == VectorMetric::kCosine) {
    if (!(length > 0)) return false;
    divisor = length;
  }
  for (int64_t i = 0; i < count; ++i) {
    out[i] = static_cast<float>(static_cast<double>(vector[i]) / divisor);
  }
  return true;
}

}  // namespace

VectorColumn::VectorColumn(std::shared_ptr<arrow::Array> array, int64_t dimension)
    : array_(std::move(array)), dimension_(dimension) {
  switch (array_->type_id()) {
    case arrow::Type::FIXED_SIZE_LIST:
      elements_ = static_cast<const arrow::FixedSizeListArray&>(*array_).values();
      break;
    case arrow::Type::LARGE_LIST:
      elements_ = static_cast<const arrow::LargeListArray&>(*array_).values();
      break;
    default:
      elements_ = static_cast<const arrow::ListArray&>(*array_).values();
  }
}

VectorColumn::Elements VectorColumn::at(int64_t row) const {
  if (array_->IsNull(row)) return {};
  int64_t begin = 0, count = 0;
  switch (array_->type_id()) {
    case arrow::Type::FIXED_SIZE_LIST: {
      const auto& lists = static_cast<const arrow::FixedSizeListArray&>(*array_);
      begin = lists.value_offset(row);
      count = lists.value_length();
      break;
    }
    case arrow::Type::LARGE_LIST: {
      const auto& lists = static_cast<const arrow::LargeListArray&>(*array_);
      begin = lists.value_offset(row);
      count = lists.value_length(row);
      break;
    }
    default: {
      const auto& lists = static_cast<const arrow::ListArray&>(*array_);
      begin = lists.value_offset(row);
      count = lists.value_length(row);
    }
  }
  if (count != dimension_) return {};
  if (elements_->null_count() > 0) {
    for (int64_t i = begin; i < begin + count; ++i) {
      if (elements_->IsNull(i)) return {};
    }
  }
  if (elements_->type_id() == arrow::Type::FLOAT) {
    return {.floats = static_cast<const arrow::FloatArray&>(*elements_).raw_values() + begin};
  }
  return {.doubles = static_cast<const arrow::DoubleArray&>(*elements_).raw_values() + begin};
}

double VectorColumn::Distance(VectorMetric metric, std::span<const double> query,
                              int64_t row) const {
  const Elements elements = at(row);
  if (!elements) return std::numeric_limits<double>::quiet_NaN();
  return elements.floats != nullptr
             ? VectorDistance(metric, query.data(), elements.floats, dimension_)
             : VectorDistance(metric, query.data(), elements.doubles, dimension_);
}

bool VectorColumn::Read(VectorMetric metric, int64_t row, float* out) const {
  const Elements elements = at(row);
  if (!elements) return false;
  return elements.floats != nullptr ? FloatsOf(metric, elements.floats, dimension_, out)
                                    : FloatsOf(metric, elements.doubles, dimension_, out);
}

bool ToFloats(VectorMetric metric, std::span<const double> vector, float* out) {
  return FloatsOf(metric, vector.data(), static_cast<int64_t>(vector.size()), out);
}

}  // namespace tercet
