#include "compute/statistics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <arrow/util/utf8.h>

#include "base/time_text.h"
#include "compute/calendar.h"
#include "compute/column_values.h"
#include "compute/distinct_count.h"
#include "compute/summation.h"

namespace tercet {
namespace {

using expr::Kind;

constexpr size_t kBins = 20;
constexpr size_t kTop = 10;
constexpr std::array<double, 7> kFractions = {0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99};
constexpr std::array<std::string_view, 7> kFractionNames = {"0.01", "0.05", "0.25", "0.5",
                                                            "0.75", "0.95", "0.99"};

void PutDistinct(const DistinctCount& distinct, json::object* out) {
  (*out)[distinct.exact() ? "distinct" : "distinct_estimate"] = distinct.value();
}

/// Twenty equal bins from the least to the most number; around one number, a bin of width 1 each
/// side, as numpy.histogram. Each bin holds its lower edge, the last one both.
json::object Histogram(const std::vector<double>& numbers, double least, double most) {
  if (least == most) {
    least -= 0.5;
    most += 0.5;
  }
  // Halves, so that the width of the whole range of doubles is finite.
  const double half_width = most / 2 - least / 2;
  std::array<int64_t, kBins> counts = {};
  for (double number : numbers) {
    const double share = half_width > 0 ? (number / 2 - least / 2) / half_width : 0;
    const auto bin = static_cast<size_t>(share * static_cast<double>(kBins));
    ++counts[std::min(bin, kBins - 1)];
  }
  json::array edges, bins;
  for (size_t k = 0; k <= kBins; ++k) {
    const double share = static_cast<double>(k) / static_cast<double>(kBins);
    edges.emplace_back(k == kBins ? most : least * (1 - share) + most * share);
  }
  for (int64_t count : counts) bins.emplace_back(count);
  return {{"edges", std::move(edges)}, {"counts", std::move(bins)}};
}

/// What all numbers have: `numbers` are finite.
void PutNumbers(std::vector<double> numbers, json::object* out) {
  if (numbers.empty()) return;
  const Moments moments = MomentsOf(numbers);
  const auto count = static_cast<double>(numbers.size());
  const auto [least, most] = std::minmax_element(numbers.begin(), numbers.end());
  const double lowest = *least, highest = *most;
  // Sums of numbers near the largest double overflow, and JSON has no infinity.
  if (std::isfinite(moments.mean)) (*out)["mean"] = moments.mean;
  if (numbers.size() > 1 && std::isfinite(moments.variance)) {
    (*out)["std"] = std::sqrt(moments.variance * (count / (count - 1)));
  }
  if (!out->contains("min")) {
    (*out)["min"] = lowest;
    (*out)["max"] = highest;
  }
  json::object histogram = Histogram(numbers, lowest, highest);
  const std::vector<double> quantiles = QuantilesOf(numbers, kFractions);
  json::object named;
  for (size_t k = 0; k < kFractions.size(); ++k) named[kFractionNames[k]] = quantiles[k];
  (*out)["quantiles"] = std::move(named);
  (*out)["histogram"] = std::move(histogram);
}

void DescribeDoubles(const ColumnValues& values, json::object* out) {
  DistinctCount distinct;
  std::vector<double> numbers;
  numbers.reserve(static_cast<size_t>(values.rows() - values.nulls()));
  int64_t nans = 0, infinite = 0;
  values.ForEach<double>([&](double value) {
    if (std::isnan(value)) {
      ++nans;
      return;
    }
    distinct.Add(value);
    if (std::isinf(value)) {
      ++infinite;
    } else {
      numbers.push_back(value);
    }
  });
  PutDistinct(distinct, out);
  if (nans > 0) (*out)["nans"] = nans;
  if (infinite > 0) (*out)["infinite"] = infinite;
  PutNumbers(std::move(numbers), out);
}

void DescribeIntegers(const ColumnValues& values, json::object* out) {
  DistinctCount distinct;
  std::vector<double> numbers;
  numbers.reserve(static_cast<size_t>(values.rows() - values.nulls()));
  int64_t least = std::numeric_limits<int64_t>::max();
  int64_t most = std::numeric_limits<int64_t>::min();
  values.ForEach<int64_t>([&](int64_t value) {
    distinct.Add(value);
    least = std::min(least, value);
    most = std::max(most, value);
    numbers.push_back(static_cast<double>(value));
  });
  PutDistinct(distinct, out);
  if (numbers.empty()) return;
  (*out)["min"] = least;
  (*out)["max"] = most;
  PutNumbers(std::move(numbers), out);
}

void DescribeBools(const ColumnValues& values, json::object* out) {
  int64_t trues = 0, falses = 0;
  values.ForEach<bool>([&](bool value) { ++(value ? trues : falses); });
  (*out)["distinct"] = static_cast<int64_t>(trues > 0) + static_cast<int64_t>(falses > 0);
  (*out)["true"] = trues;
  (*out)["false"] = falses;
  if (trues + falses > 0) {
    (*out)["mean"] = static_cast<double>(trues) / static_cast<double>(trues + falses);
  }
}

void DescribeTimes(const ColumnValues& values, json::object* out) {
  DistinctCount distinct;
  int64_t least = std::numeric_limits<int64_t>::max();
  int64_t most = std::numeric_limits<int64_t>::min();
  values.ForEach<int64_t>([&](int64_t value) {
    distinct.Add(value);
    least = std::min(least, value);
    most = std::max(most, value);
  });
  PutDistinct(distinct, out);
  if (least > most) return;
  const auto text = [&](int64_t value) {
    if (values.kind() == Kind::kTimestamp) return FormatTime(value);
    int64_t micros;
    if (__builtin_mul_overflow(value, kDayMicros, &micros)) return std::to_string(value) + " days";
    const std::string whole = FormatTime(micros);
    return whole.substr(0, whole.find('T'));
  };
  (*out)["min"] = text(least);
  (*out)["max"] = text(most);
}

/// The ten that come most often, the least value first among equals; only while the count of
/// distinct values is exact, so that the memory is bounded: ids have no top.
json::array Top(const std::unordered_map<std::string_view, int64_t>& counts) {
  std::vector<std::pair<std::string_view, int64_t>> top(counts.begin(), counts.end());
  std::sort(top.begin(), top.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  arrow::util::InitializeUTF8();
  json::array named;
  for (const auto& [value, count] : top) {
    if (named.size() == kTop) break;
    if (!arrow::util::ValidateUTF8(value)) continue;  // has no place in JSON
    named.push_back(json::array{value, count});
  }
  return named;
}

void DescribeStrings(const ColumnValues& values, json::object* out) {
  DistinctCount distinct;
  std::unordered_map<std::string_view, int64_t> counts;
  int64_t shortest = std::numeric_limits<int64_t>::max(), longest = 0;
  values.ForEach<std::string_view>([&](std::string_view value) {
    distinct.Add(value);
    if (distinct.exact()) ++counts[value];
    const auto length = std::count_if(value.begin(), value.end(), [](char c) {
      return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    });
    shortest = std::min<int64_t>(shortest, length);
    longest = std::max<int64_t>(longest, length);
  });
  PutDistinct(distinct, out);
  if (counts.empty()) return;
  (*out)["min_length"] = shortest;
  (*out)["max_length"] = longest;
  if (distinct.exact()) (*out)["top"] = Top(counts);
}

Result<json::object> DescribeColumn(const arrow::ChunkedArray& column) {
  auto kind = ColumnValues::KindOf(*column.type());
  if (!kind.ok() || *kind == Kind::kOpaque || *kind == Kind::kNull) {
    const int64_t nulls =
        column.type()->id() == arrow::Type::NA ? column.length() : column.null_count();
    return json::object{{"count", column.length() - nulls}, {"nulls", nulls}};
  }
  ARROW_ASSIGN_OR_RAISE(const ColumnValues values, ColumnValues::Read(column));
  json::object out = {{"count", values.rows() - values.nulls()}, {"nulls", values.nulls()}};
  switch (*kind) {
    case Kind::kDouble:
      DescribeDoubles(values, &out);
      break;
    case Kind::kInt:
      DescribeIntegers(values, &out);
      break;
    case Kind::kBool:
      DescribeBools(values, &out);
      break;
    case Kind::kString:
      DescribeStrings(values, &out);
      break;
    default:
      DescribeTimes(values, &out);
      break;
  }
  return out;
}

}  // namespace

Result<json::object> Describe(const arrow::Table& table) {
  json::object described;
  for (int k = 0; k < table.num_columns(); ++k) {
    ARROW_ASSIGN_OR_RAISE(described[table.field(k)->name()], DescribeColumn(*table.column(k)));
  }
  return described;
}

}  // namespace tercet
