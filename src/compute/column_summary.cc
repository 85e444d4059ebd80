#include "compute/column_summary.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include <arrow/util/utf8.h>

#include "base/time_text.h"
#include "compute/calendar.h"
#include "compute/summation.h"

namespace tercet {
namespace {

using expr::Kind;

/// Rows that are read at once: their numbers stay in the cache from one step to the next.
constexpr int64_t kPieceRows = 32'768;
constexpr size_t kBins = 20;
constexpr size_t kTop = 10;
constexpr std::array<double, 7> kFractions = {0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99};
constexpr std::array<std::string_view, 7> kFractionNames = {"0.01", "0.05", "0.25", "0.5",
                                                            "0.75", "0.95", "0.99"};

/// Twenty equal bins from the least to the most number; around one number, a bin of width 1 each
/// side, as numpy.histogram. Each bin holds its lower edge, the last one both.
json::object Histogram(const QuantileSketch& sketch, double least, double most) {
  if (least == most) {
    least -= 0.5;
    most += 0.5;
  }
  // Halves, so that the width of the whole range of doubles is finite.
  const double half_width = most / 2 - least / 2;
  std::array<int64_t, kBins> counts = {};
  for (const auto& [number, weight] : sketch.Items()) {
    const double share = half_width > 0 ? (number / 2 - least / 2) / half_width : 0;
    const auto bin = static_cast<size_t>(share * static_cast<double>(kBins));
    counts[std::min(bin, kBins - 1)] += weight;
  }
  json::array edges, bins;
  for (size_t k = 0; k <= kBins; ++k) {
    const double share = static_cast<double>(k) / static_cast<double>(kBins);
    edges.emplace_back(k == kBins ? most : least * (1 - share) + most * share);
  }
  for (int64_t count : counts) bins.emplace_back(count);
  return {{"edges", std::move(edges)}, {"counts", std::move(bins)}};
}

/// The ten that come most often, the least value first among equals; only while the count of
/// distinct values is exact, so that the memory is bounded: ids have no top.
json::array Top(const std::unordered_map<std::string, int64_t>& counts) {
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

std::string TimeText(Kind kind, int64_t value) {
  if (kind == Kind::kTimestamp) return FormatTime(value);
  int64_t micros;
  if (__builtin_mul_overflow(value, kDayMicros, &micros)) return std::to_string(value) + " days";
  const std::string whole = FormatTime(micros);
  return whole.substr(0, whole.find('T'));
}

}  // namespace

/// Mean and squares of both by Chan, Golub and LeVeque (1979).
void ColumnSummary::AddNumbers(std::span<const double> finite) {
  if (finite.empty()) return;
  const Moments moments = MomentsOf(finite);
  const auto count = static_cast<double>(finite.size());
  const auto before = static_cast<double>(finite_);
  const double squares = moments.variance * count;
  const double step = moments.mean - mean_;
  finite_ += static_cast<int64_t>(finite.size());
  if (before == 0) {
    mean_ = moments.mean;
    squares_ = squares;
  } else {
    const double all = before + count;
    mean_ += step * (count / all);
    squares_ += squares + step * step * (before * count / all);
  }
  const auto [least, most] = std::minmax_element(finite.begin(), finite.end());
  least_ = std::min(least_, *least);
  most_ = std::max(most_, *most);
  sketch_.Add(finite);
}

void ColumnSummary::AddDoubles(const ColumnValues& values) {
  std::vector<double> finite;
  finite.reserve(static_cast<size_t>(values.rows() - values.nulls()));
  values.ForEach<double>([&](double value) {
    if (std::isnan(value)) {
      ++nans_;
      return;
    }
    distinct_.Add(value);
    if (std::isinf(value)) {
      ++infinite_;
    } else {
      finite.push_back(value);
    }
  });
  AddNumbers(finite);
}

/// Of times only the distinct ones and the extremes are of use.
void ColumnSummary::AddIntegers(const ColumnValues& values) {
  std::vector<double> numbers;
  const bool is_number = kind_ == Kind::kInt;
  if (is_number) numbers.reserve(static_cast<size_t>(values.rows() - values.nulls()));
  values.ForEach<int64_t>([&](int64_t value) {
    distinct_.Add(value);
    least_integer_ = std::min(least_integer_, value);
    most_integer_ = std::max(most_integer_, value);
    if (is_number) numbers.push_back(static_cast<double>(value));
  });
  AddNumbers(numbers);
}

void ColumnSummary::AddBools(const ColumnValues& values) {
  values.ForEach<bool>([&](bool value) { ++(value ? trues_ : falses_); });
}

/// Whether the texts are let go depends on which there are, not on how they were summed up.
void ColumnSummary::Count(std::string_view value, int64_t times) {
  if (counted_bytes_ > kMaxCountedBytes) return;
  const auto [place, added] = counts_.try_emplace(std::string(value), 0);
  place->second += times;
  if (added) counted_bytes_ += static_cast<int64_t>(value.size());
  if (counted_bytes_ > kMaxCountedBytes) counts_.clear();
}

void ColumnSummary::AddStrings(const ColumnValues& values) {
  std::unordered_map<std::string_view, int64_t> counts;
  values.ForEach<std::string_view>([&](std::string_view value) {
    distinct_.Add(value);
    if (distinct_.exact()) ++counts[value];
    const auto length = std::count_if(value.begin(), value.end(), [](char c) {
      return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    });
    shortest_ = std::min<int64_t>(shortest_, length);
    longest_ = std::max<int64_t>(longest_, length);
  });
  if (!distinct_.exact()) {
    counts_.clear();
    return;
  }
  for (const auto& [value, count] : counts) Count(value, count);
}

Result<ColumnSummary> ColumnSummary::Of(const arrow::ChunkedArray& rows) {
  ColumnSummary summary;
  summary.rows_ = rows.length();
  const auto kind = ColumnValues::KindOf(*rows.type());
  if (!kind.ok() || *kind == Kind::kOpaque || *kind == Kind::kNull) {
    summary.nulls_ = rows.type()->id() == arrow::Type::NA ? rows.length() : rows.null_count();
    return summary;
  }
  summary.kind_ = *kind;
  for (int64_t row = 0; row < rows.length(); row += kPieceRows) {
    ARROW_ASSIGN_OR_RAISE(const ColumnValues values,
                          ColumnValues::Read(*rows.Slice(row, kPieceRows)));
    summary.nulls_ += values.nulls();
    switch (*kind) {
      case Kind::kDouble:
        summary.AddDoubles(values);
        break;
      case Kind::kBool:
        summary.AddBools(values);
        break;
      case Kind::kString:
        summary.AddStrings(values);
        break;
      default:
        summary.AddIntegers(values);
        break;
    }
  }
  return summary;
}

void ColumnSummary::Merge(const ColumnSummary& later) {
  rows_ += later.rows_;
  nulls_ += later.nulls_;
  distinct_.Merge(later.distinct_);
  nans_ += later.nans_;
  infinite_ += later.infinite_;
  if (later.finite_ > 0) {
    const auto before = static_cast<double>(finite_), count = static_cast<double>(later.finite_);
    const double step = later.mean_ - mean_, all = before + count;
    mean_ = before == 0 ? later.mean_ : mean_ + step * (count / all);
    squares_ += later.squares_ + (before == 0 ? 0 : step * step * (before * count / all));
    finite_ += later.finite_;
  }
  least_ = std::min(least_, later.least_);
  most_ = std::max(most_, later.most_);
  sketch_.Merge(later.sketch_);
  least_integer_ = std::min(least_integer_, later.least_integer_);
  most_integer_ = std::max(most_integer_, later.most_integer_);
  trues_ += later.trues_;
  falses_ += later.falses_;
  shortest_ = std::min(shortest_, later.shortest_);
  longest_ = std::max(longest_, later.longest_);
  if (distinct_.exact()) {
    for (const auto& [value, count] : later.counts_) Count(value, count);
    if (later.counted_bytes_ > kMaxCountedBytes) {
      counted_bytes_ = later.counted_bytes_;
      counts_.clear();
    }
  } else {
    counts_.clear();
  }
}

void ColumnSummary::PutNumbers(json::object* out) const {
  if (finite_ == 0) return;
  const auto count = static_cast<double>(finite_);
  // Sums of numbers near the largest double overflow, and JSON has no infinity.
  if (std::isfinite(mean_)) (*out)["mean"] = mean_;
  if (finite_ > 1 && std::isfinite(squares_)) (*out)["std"] = std::sqrt(squares_ / (count - 1));
  if (kind_ == Kind::kDouble) {
    (*out)["min"] = least_;
    (*out)["max"] = most_;
  }
  json::object named;
  const std::vector<double> quantiles = sketch_.Quantiles(kFractions);
  for (size_t k = 0; k < kFractions.size(); ++k) named[kFractionNames[k]] = quantiles[k];
  (*out)["quantiles"] = std::move(named);
  (*out)["histogram"] = Histogram(sketch_, least_, most_);
}

json::object ColumnSummary::ToJson() const {
  json::object out = {{"count", rows_ - nulls_}, {"nulls", nulls_}};
  if (kind_ == Kind::kOpaque) return out;
  if (kind_ == Kind::kBool) {
    out["distinct"] = static_cast<int64_t>(trues_ > 0) + static_cast<int64_t>(falses_ > 0);
    out["true"] = trues_;
    out["false"] = falses_;
    if (trues_ + falses_ > 0) {
      out["mean"] = static_cast<double>(trues_) / static_cast<double>(trues_ + falses_);
    }
    return out;
  }
  out[distinct_.exact() ? "distinct" : "distinct_estimate"] = distinct_.value();
  if (kind_ == Kind::kString) {
    if (longest_ < 0) return out;
    out["min_length"] = shortest_;
    out["max_length"] = longest_;
    const bool counted = distinct_.exact() && counted_bytes_ <= kMaxCountedBytes;
    if (counted) out["top"] = Top(counts_);
    return out;
  }
  if (nans_ > 0) out["nans"] = nans_;
  if (infinite_ > 0) out["infinite"] = infinite_;
  if (kind_ != Kind::kDouble && least_integer_ <= most_integer_) {
    const bool number = kind_ == Kind::kInt;
    const auto value = [&](int64_t one) {
      return number ? json::value(one) : json::value(TimeText(kind_, one));
    };
    out["min"] = value(least_integer_);
    out["max"] = value(most_integer_);
  }
  PutNumbers(&out);
  return out;
}

}  // namespace tercet
