#include "runtime/threshold_codes.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

#include "base/avx512.h"

namespace tercet {

template <typename Number>
typename ThresholdCodes<Number>::Table ThresholdCodes<Number>::MakeTable(const Number* thresholds,
                                                                         size_t count) {
  constexpr Number kNan = std::numeric_limits<Number>::quiet_NaN();
  const auto make = [&](size_t group_count) {
    for (size_t g = 0; g < group_count; ++g) {
      Group& group = groups_.emplace_back();
      const size_t begin = std::min(g * kGroup, count);
      std::fill(std::begin(group.thresholds), std::end(group.thresholds), kNan);
      std::copy(thresholds + begin, thresholds + std::min(begin + kGroup, count),
                group.thresholds);
    }
  };
  Table table{static_cast<uint32_t>(groups_.size()), 0, count > kMostWithoutIndex};
  if (table.has_index) {
    Group& index = groups_.emplace_back();
    for (size_t g = 0; g < kGroup; ++g) {
      const size_t last = g * kGroup + kGroup - 1;
      index.thresholds[g] = last < count ? thresholds[last] : kNan;
    }
    table.group_count = static_cast<uint32_t>(count / kGroup + 1);  // which a rank of all is in
  } else {
    // In pairs, so that most features of wide rows, of which 16 thresholds more or less are looked
    // at, take as many steps, which the processor foresees.
    table.group_count = static_cast<uint32_t>((count + 2 * kGroup - 1) / (2 * kGroup) * 2);
  }
  make(table.group_count);
  return table;
}

template <typename Number>
std::optional<ThresholdCodes<Number>> ThresholdCodes<Number>::Make(
    const std::vector<NumberSplit<Number>>& splits) {
  std::vector<NumberSplit<Number>> sorted = splits;
  for (const auto& split : sorted) {
    if (std::isnan(split.threshold)) return std::nullopt;
  }
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
    return std::tie(a.feature, a.threshold) < std::tie(b.feature, b.threshold);
  });
  ThresholdCodes made;
  for (size_t begin = 0, end; begin < sorted.size(); begin = end) {
    Feature feature{sorted[begin].feature, {}, made.tables_.size()};
    bool used[kMissingKinds] = {};
    const auto finish_table = [&] {
      for (size_t kind = 0; kind < kMissingKinds; ++kind) {
        if (!used[kind]) continue;
        made.columns_.push_back({static_cast<uint32_t>(made.features_.size()),
                                 static_cast<uint32_t>(feature.index),
                                 static_cast<uint32_t>(made.tables_.size()),
                                 static_cast<Missing>(kind)});
        made.looks_for_zeros_ |= static_cast<Missing>(kind) >= Missing::kZeroLeft;
        used[kind] = false;
      }
      const size_t first = (made.tables_.size() - feature.first_table) * kTableSize;
      made.tables_.push_back(
          made.MakeTable(feature.thresholds.data() + first, feature.thresholds.size() - first));
    };
    for (end = begin; end < sorted.size() && sorted[end].feature == feature.index; ++end) {
      const Number threshold = sorted[end].threshold;
      if (feature.thresholds.empty() || feature.thresholds.back() != threshold) {
        if (!feature.thresholds.empty() && feature.thresholds.size() % kTableSize == 0) {
          finish_table();
        }
        feature.thresholds.push_back(threshold);
      }
      used[static_cast<size_t>(sorted[end].missing)] = true;
    }
    finish_table();
    made.features_.push_back(std::move(feature));
    if (made.columns_.size() > kMostColumns) return std::nullopt;
  }
  return made;
}

template <typename Number>
const typename ThresholdCodes<Number>::Feature& ThresholdCodes<Number>::FeatureOf(
    size_t index) const {
  return *std::lower_bound(features_.begin(), features_.end(), index,
                           [](const Feature& feature, size_t i) { return feature.index < i; });
}

template <typename Number>
typename ThresholdCodes<Number>::Place ThresholdCodes<Number>::PlaceOf(
    const NumberSplit<Number>& split) const {
  const Feature& feature = FeatureOf(split.feature);
  const auto at = static_cast<size_t>(
      std::lower_bound(feature.thresholds.begin(), feature.thresholds.end(), split.threshold) -
      feature.thresholds.begin());
  const size_t table = feature.first_table + at / kTableSize;
  const auto column = std::lower_bound(
      columns_.begin(), columns_.end(), std::tuple(table, split.missing),
      [](const Column& c, const auto& wanted) {
        return std::tuple<size_t, Missing>(c.table, c.missing) < wanted;
      });
  return {static_cast<uint32_t>(column - columns_.begin()),
          static_cast<uint8_t>(at % kTableSize + 1)};
}

namespace {

#if defined(__x86_64__)

TERCET_AVX512 inline size_t CountAtMost(const float* sixteen, __m512 value) {
  return static_cast<size_t>(
      __builtin_popcount(_mm512_cmp_ps_mask(value, _mm512_load_ps(sixteen), _CMP_GE_OQ)));
}

TERCET_AVX512 inline size_t CountAtMost(const double* sixteen, __m512d value) {
  const __mmask8 low = _mm512_cmp_pd_mask(value, _mm512_load_pd(sixteen), _CMP_GE_OQ);
  const __mmask8 high = _mm512_cmp_pd_mask(value, _mm512_load_pd(sixteen + 8), _CMP_GE_OQ);
  return static_cast<size_t>(__builtin_popcount(_mm512_kunpackb(high, low)));
}

TERCET_AVX512 inline __m512 InAllLanes(float value) { return _mm512_set1_ps(value); }
TERCET_AVX512 inline __m512d InAllLanes(double value) { return _mm512_set1_pd(value); }

/// The number of a table's thresholds that a value is not below: of whole groups by the index, then
/// of those in the next group; or of all groups, where these are few.
template <typename Number, typename Table, typename Group>
TERCET_AVX512 inline uint8_t RankOf(const Table& table, const Group* groups, Number number) {
  const auto value = InAllLanes(number);
  const Group* group = groups + table.first_group;
  size_t rank = 0;
  if (table.has_index) {
    const size_t whole = CountAtMost(group->thresholds, value);
    rank = whole * std::size(group->thresholds) + CountAtMost(group[1 + whole].thresholds, value);
  } else {
    for (const Group* end = group + table.group_count; group != end; group += 2) {
      rank += CountAtMost(group[0].thresholds, value) + CountAtMost(group[1].thresholds, value);
    }
  }
  return static_cast<uint8_t>(rank);
}

template <typename Number, typename Table, typename Group>
TERCET_AVX512 void RankAll(const Table& table, const Group* groups, const Number* values,
                           size_t rows, uint8_t* ranks) {
  for (size_t i = 0; i < rows; ++i) ranks[i] = RankOf(table, groups, values[i]);
}

/// Ranks of one row's values, a byte a column; whether a value is NaN. Columns of one table are
/// side by side.
template <typename Number, typename Column, typename Table, typename Group>
TERCET_AVX512 bool RankRow(const Column* columns, size_t count, const Table* tables,
                           const Group* groups, const Number* row, uint8_t* ranks) {
  bool nan = false;
  for (size_t c = 0; c < count; ++c) {
    const Number value = row[columns[c].index];
    nan |= value != value;
    ranks[c] = c > 0 && columns[c].table == columns[c - 1].table
                   ? ranks[c - 1]
                   : RankOf(tables[columns[c].table], groups, value);
  }
  return nan;
}

#else

template <typename Number, typename Column, typename Table, typename Group>
bool RankRow(const Column*, size_t, const Table*, const Group*, const Number*, uint8_t*) {
  return false;
}

template <typename Number, typename Table, typename Group>
void RankAll(const Table&, const Group*, const Number*, size_t, uint8_t*) {}

#endif

}  // namespace

template <typename Number>
void ThresholdCodes<Number>::PlaceMissing(const Column& column, const Number* values, size_t rows,
                                          uint8_t* codes) const {
  // NaN has the code 0 so far, which goes left everywhere; 255 goes right.
  const bool zero_too = column.missing >= Missing::kZeroLeft;
  uint8_t code = 255;
  if (column.missing == Missing::kAsZero) {
    const Number zero = 0;
    RankAll(tables_[column.table], groups_.data(), &zero, 1, &code);
  } else if (column.missing == Missing::kLeft || column.missing == Missing::kZeroLeft) {
    code = 0;
  }
  for (size_t i = 0; i < rows; ++i) {
    const bool missing = (values[i] != values[i]) |
                         (zero_too & (std::fabs(static_cast<double>(values[i])) <= kZeroDistance));
    codes[i] = missing ? code : codes[i];
  }
}

template <typename Number>
void ThresholdCodes<Number>::Encode(const Values& values_of, size_t rows, uint8_t* codes) const {
  alignas(64) Number values[kBlockRows];
  bool nan = false;
  for (size_t c = 0; c < columns_.size(); ++c, codes += kBlockRows) {
    const Column& column = columns_[c];
    if (c == 0 || columns_[c - 1].feature != column.feature) {
      values_of(features_[column.feature].index, values);
      nan = false;
      for (size_t i = 0; i < rows; ++i) nan |= values[i] != values[i];
    }
    RankAll(tables_[column.table], groups_.data(), values, rows, codes);
    if (nan || column.missing >= Missing::kZeroLeft) PlaceMissing(column, values, rows, codes);
  }
}

template <typename Number>
void ThresholdCodes<Number>::EncodeRow(const Number* row, uint8_t* codes) const {
  const bool nan = RankRow(columns_.data(), columns_.size(), tables_.data(), groups_.data(), row,
                           codes);
  if (!nan && !looks_for_zeros_) return;
  for (size_t c = 0; c < columns_.size(); ++c) {
    const Number value = row[columns_[c].index];
    if (value != value || columns_[c].missing >= Missing::kZeroLeft) {
      PlaceMissing(columns_[c], &value, 1, codes + c);
    }
  }
}

template class ThresholdCodes<float>;
template class ThresholdCodes<double>;

}  // namespace tercet
