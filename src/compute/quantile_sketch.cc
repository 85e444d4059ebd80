#include "compute/quantile_sketch.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "compute/summation.h"

namespace tercet {
namespace {

/// Small buffers cost little memory, and their compactions little error.
constexpr size_t kLeastCapacity = 256;

/// Sorts by digits of eleven bits, the last one first; digits that all numbers share are left out.
/// Comparisons would cost three times as much: half of them are guessed wrong.
void SortNumbers(std::vector<double>* numbers) {
  constexpr int kBits = 11, kDigits = 6;
  constexpr size_t kValues = size_t{1} << kBits;
  const size_t count = numbers->size();
  if (count < kValues) {
    std::sort(numbers->begin(), numbers->end());
    return;
  }
  // Doubles in the order of unsigned integers: negative ones are turned round.
  constexpr uint64_t kSign = uint64_t{1} << 63;
  std::vector<uint64_t> keys(count), moved(count);
  std::vector<uint32_t> places(kDigits * kValues, 0);
  for (size_t i = 0; i < count; ++i) {
    const auto bits = std::bit_cast<uint64_t>((*numbers)[i]);
    const uint64_t key = (bits & kSign) != 0 ? ~bits : bits | kSign;
    keys[i] = key;
    for (int digit = 0; digit < kDigits; ++digit) {
      ++places[digit * kValues + (key >> (digit * kBits) & (kValues - 1))];
    }
  }
  for (int digit = 0; digit < kDigits; ++digit) {
    uint32_t* place = places.data() + digit * kValues;
    const int shift = digit * kBits;
    if (place[keys[0] >> shift & (kValues - 1)] == count) continue;
    uint32_t before = 0;
    for (size_t value = 0; value < kValues; ++value) {
      before += std::exchange(place[value], before);
    }
    for (const uint64_t key : keys) moved[place[key >> shift & (kValues - 1)]++] = key;
    keys.swap(moved);
  }
  for (size_t i = 0; i < count; ++i) {
    (*numbers)[i] = std::bit_cast<double>((keys[i] & kSign) != 0 ? keys[i] ^ kSign : ~keys[i]);
  }
}

}  // namespace

/// From the top, each level has two thirds of the one above; but the first, which takes numbers as
/// they come, is as large as the top, since many are sorted faster than few.
size_t QuantileSketch::CapacityOf(size_t level) const {
  if (level == 0) return kExact;
  const auto below_top = static_cast<double>(levels_.size() - 1 - level);
  const double capacity = static_cast<double>(kExact) * std::pow(2.0 / 3, below_top);
  return std::max(kLeastCapacity, static_cast<size_t>(capacity));
}

/// Every second number of a full level moves up; it stands for two then.
void QuantileSketch::CompactLevel(size_t level) {
  if (level + 1 == levels_.size()) levels_.emplace_back();
  std::vector<double>& from = levels_[level];
  std::vector<double>& to = levels_[level + 1];
  if (level == 0) SortNumbers(&from);
  // An odd number stays, so that the weights sum to the count.
  const size_t stays = from.size() % 2;
  random_ ^= random_ << 13;
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  const size_t offset = stays + (random_ & 1);
  const auto middle = static_cast<int64_t>(to.size());
  for (size_t i = offset; i < from.size(); i += 2) to.push_back(from[i]);
  std::inplace_merge(to.begin(), to.begin() + middle, to.end());
  from.resize(stays);
}

void QuantileSketch::Compress() {
  for (size_t level = 0; level < levels_.size(); ++level) {
    if (levels_[level].size() > CapacityOf(level)) CompactLevel(level);
  }
}

void QuantileSketch::Add(std::span<const double> numbers) {
  if (numbers.empty()) return;
  const auto [least, most] = std::minmax_element(numbers.begin(), numbers.end());
  least_ = count_ == 0 ? *least : std::min(least_, *least);
  most_ = count_ == 0 ? *most : std::max(most_, *most);
  count_ += static_cast<int64_t>(numbers.size());
  while (!numbers.empty()) {
    const size_t capacity = CapacityOf(0) + 1;  // one above it is compacted
    const size_t room = capacity > levels_[0].size() ? capacity - levels_[0].size() : 1;
    const size_t taken = std::min(room, numbers.size());
    levels_[0].insert(levels_[0].end(), numbers.begin(), numbers.begin() + taken);
    numbers = numbers.subspan(taken);
    if (levels_[0].size() >= capacity) Compress();
  }
}

void QuantileSketch::Merge(const QuantileSketch& other) {
  if (other.count_ == 0) return;
  least_ = count_ == 0 ? other.least_ : std::min(least_, other.least_);
  most_ = count_ == 0 ? other.most_ : std::max(most_, other.most_);
  count_ += other.count_;
  if (levels_.size() < other.levels_.size()) levels_.resize(other.levels_.size());
  for (size_t level = 0; level < other.levels_.size(); ++level) {
    std::vector<double>& to = levels_[level];
    const auto middle = static_cast<int64_t>(to.size());
    to.insert(to.end(), other.levels_[level].begin(), other.levels_[level].end());
    if (level > 0) std::inplace_merge(to.begin(), to.begin() + middle, to.end());
  }
  random_ ^= other.random_ << 1;
  if (random_ == 0) random_ = 1;
  Compress();
}

std::vector<std::pair<double, int64_t>> QuantileSketch::Items() const {
  std::vector<std::pair<double, int64_t>> items;
  for (size_t level = 0; level < levels_.size(); ++level) {
    for (double number : levels_[level]) items.emplace_back(number, int64_t{1} << level);
  }
  std::sort(items.begin(), items.end());
  return items;
}

std::vector<double> QuantileSketch::Quantiles(std::span<const double> fractions) const {
  if (exact()) {
    std::vector<double> numbers = levels_[0];
    return QuantilesOf(numbers, fractions);
  }
  const auto items = Items();
  std::vector<double> quantiles;
  size_t at = 0;
  int64_t before = 0;  // how many numbers lie before items[at]
  for (double fraction : fractions) {
    if (fraction <= 0 || fraction >= 1) {
      quantiles.push_back(fraction <= 0 ? least_ : most_);
      continue;
    }
    const double place = fraction * static_cast<double>(count_ - 1);
    while (at + 1 < items.size() && static_cast<double>(before + items[at].second) <= place) {
      before += items[at++].second;
    }
    quantiles.push_back(items[at].first);
  }
  return quantiles;
}

}  // namespace tercet
