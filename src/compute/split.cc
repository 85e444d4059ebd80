#include "compute/split.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <unordered_map>

namespace tercet {
namespace {

/// How many rows lie before the end of each part: round(cumulative share · rows), the last all.
Result<std::vector<int64_t>> PartEnds(int64_t rows, const std::vector<double>& shares) {
  if (rows < 0) return Status::Invalid("a split of ", rows, " rows");
  if (shares.empty()) return Status::Invalid("a split needs at least one share");
  double cumulative = 0;
  std::vector<int64_t> ends;
  for (double share : shares) {
    if (!(share > 0 && share <= 1)) {
      return Status::Invalid("a share of a split must be above 0 and at most 1, not ", share);
    }
    cumulative += share;
    ends.push_back(std::min<int64_t>(rows, std::llround(cumulative * static_cast<double>(rows))));
  }
  if (std::fabs(cumulative - 1) > 1e-6) {
    return Status::Invalid("the shares of a split must sum to 1, not ", cumulative);
  }
  ends.back() = rows;
  return ends;
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, and the same on every machine, which the standard
/// library's distributions are not.
class SplitMix64 {
 public:
  explicit SplitMix64(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    uint64_t z = state_ += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }

  /// Below `bound`, each with equal probability (Lemire 2019).
  uint64_t Below(uint64_t bound) {
    const uint64_t threshold = -bound % bound;
    while (true) {
      const auto product = static_cast<unsigned __int128>(Next()) * bound;
      if (static_cast<uint64_t>(product) >= threshold) return static_cast<uint64_t>(product >> 64);
    }
  }

 private:
  uint64_t state_;
};

}  // namespace

Result<std::vector<int32_t>> RandomSplit(int64_t rows, const std::vector<double>& shares,
                                         uint64_t seed) {
  ARROW_ASSIGN_OR_RAISE(const std::vector<int64_t> ends, PartEnds(rows, shares));
  // Shuffling the parts' numbers is shuffling the rows (Fisher, Yates).
  std::vector<int32_t> parts(static_cast<size_t>(rows));
  int64_t begin = 0;
  for (size_t part = 0; part < ends.size(); ++part) {
    if (ends[part] > begin) {
      std::fill(parts.begin() + begin, parts.begin() + ends[part], static_cast<int32_t>(part));
      begin = ends[part];
    }
  }
  SplitMix64 random(seed);
  for (size_t i = parts.size(); i > 1; --i) std::swap(parts[i - 1], parts[random.Below(i)]);
  return parts;
}

Result<std::vector<int32_t>> TimeSplit(const std::vector<int64_t>& event_times_us,
                                       const std::vector<double>& shares,
                                       std::vector<int64_t>* boundaries_us) {
  const auto rows = static_cast<int64_t>(event_times_us.size());
  ARROW_ASSIGN_OR_RAISE(const std::vector<int64_t> ends, PartEnds(rows, shares));
  boundaries_us->clear();
  std::vector<int64_t> times = event_times_us;
  auto begin = times.begin();
  for (size_t part = 0; part + 1 < ends.size(); ++part) {
    if (ends[part] >= rows) {
      // Nothing is left for the later parts: they begin after the last time.
      const int64_t last =
          times.empty() ? 0 : *std::max_element(event_times_us.begin(), event_times_us.end());
      boundaries_us->push_back(last + (last < std::numeric_limits<int64_t>::max() ? 1 : 0));
      continue;
    }
    const auto at = times.begin() + ends[part];
    if (at >= begin) {
      std::nth_element(begin, at, times.end());
      begin = at;
    }
    boundaries_us->push_back(*at);
  }
  std::vector<int32_t> parts;
  parts.reserve(event_times_us.size());
  for (int64_t time : event_times_us) {
    const auto after = std::upper_bound(boundaries_us->begin(), boundaries_us->end(), time);
    parts.push_back(static_cast<int32_t>(after - boundaries_us->begin()));
  }
  return parts;
}

namespace {

Status CheckFolds(int64_t folds) {
  if (folds >= 2) return Status::OK();
  return Status::Invalid("folds must be at least 2, not ", folds);
}

/// Each row's class as an index in the order in which classes first come, and how many rows of
/// each there are.
struct Classes {
  std::vector<int32_t> of_row;
  std::vector<int64_t> rows;
  std::vector<int64_t> numbers;
};

Classes NumberClasses(const std::vector<int64_t>& classes) {
  Classes numbered;
  numbered.of_row.reserve(classes.size());
  std::unordered_map<int64_t, int32_t> index;
  for (int64_t number : classes) {
    const auto [found, is_new] = index.emplace(number, static_cast<int32_t>(index.size()));
    if (is_new) {
      numbered.rows.push_back(0);
      numbered.numbers.push_back(number);
    }
    numbered.of_row.push_back(found->second);
    ++numbered.rows[static_cast<size_t>(found->second)];
  }
  return numbered;
}

}  // namespace

Result<std::vector<int32_t>> StratifiedSplit(const std::vector<int64_t>& classes,
                                             const std::vector<double>& shares, uint64_t seed) {
  const Classes numbered = NumberClasses(classes);
  // Each class is split as if alone; its rows then take their parts in order.
  std::vector<std::vector<int32_t>> parts_of_class;
  for (size_t k = 0; k < numbered.rows.size(); ++k) {
    SplitMix64 random(seed + k);
    ARROW_ASSIGN_OR_RAISE(parts_of_class.emplace_back(),
                          RandomSplit(numbered.rows[k], shares, random.Next()));
  }
  if (classes.empty()) return RandomSplit(0, shares, seed);
  std::vector<size_t> next(parts_of_class.size(), 0);
  std::vector<int32_t> parts;
  parts.reserve(classes.size());
  for (int32_t k : numbered.of_row) {
    const auto one = static_cast<size_t>(k);
    parts.push_back(parts_of_class[one][next[one]++]);
  }
  return parts;
}

Result<std::vector<int32_t>> GroupSplit(const std::vector<int64_t>& groups,
                                        const std::vector<double>& shares, uint64_t seed) {
  const auto rows = static_cast<int64_t>(groups.size());
  ARROW_RETURN_NOT_OK(PartEnds(rows, shares).status());
  const Classes numbered = NumberClasses(groups);
  struct Place {
    uint64_t order;
    size_t group;
  };
  std::vector<Place> places;
  for (size_t k = 0; k < numbered.rows.size(); ++k) {
    SplitMix64 random(seed ^ SplitMix64(static_cast<uint64_t>(numbered.numbers[k])).Next());
    places.push_back({random.Next(), k});
  }
  std::sort(places.begin(), places.end(), [&](const Place& a, const Place& b) {
    return a.order != b.order ? a.order < b.order
                              : numbered.numbers[a.group] < numbered.numbers[b.group];
  });
  std::vector<double> missing;
  for (double share : shares) missing.push_back(share * static_cast<double>(rows));
  std::vector<int32_t> part_of_group(numbered.rows.size());
  for (const Place& place : places) {
    // By share, so that a small part is not filled by chance with one large group.
    size_t part = 0;
    for (size_t p = 1; p < shares.size(); ++p) {
      if (missing[p] / shares[p] > missing[part] / shares[part]) part = p;
    }
    part_of_group[place.group] = static_cast<int32_t>(part);
    missing[part] -= static_cast<double>(numbered.rows[place.group]);
  }
  std::vector<int32_t> parts;
  parts.reserve(groups.size());
  for (int32_t k : numbered.of_row) parts.push_back(part_of_group[static_cast<size_t>(k)]);
  return parts;
}

Result<std::vector<int32_t>> ContiguousFolds(int64_t rows, int64_t folds) {
  ARROW_RETURN_NOT_OK(CheckFolds(folds));
  std::vector<int32_t> fold_of;
  fold_of.reserve(static_cast<size_t>(rows));
  for (int64_t fold = 0; fold < folds; ++fold) {
    fold_of.insert(fold_of.end(), static_cast<size_t>(rows / folds + (fold < rows % folds ? 1 : 0)),
                   static_cast<int32_t>(fold));
  }
  return fold_of;
}

Result<std::vector<int32_t>> StratifiedFolds(const std::vector<int64_t>& classes, int64_t folds) {
  ARROW_RETURN_NOT_OK(CheckFolds(folds));
  const Classes numbered = NumberClasses(classes);
  // The rows sorted by class are dealt out to the folds one by one; how many of a class a fold was
  // dealt is how many consecutive rows of that class it gets.
  std::vector<std::vector<int64_t>> dealt(numbered.rows.size());
  int64_t begin = 0;
  for (size_t k = 0; k < dealt.size(); ++k) {
    dealt[k].assign(static_cast<size_t>(folds), 0);
    for (int64_t i = begin; i < begin + numbered.rows[k]; ++i) ++dealt[k][i % folds];
    begin += numbered.rows[k];
  }
  std::vector<size_t> fold_now(dealt.size(), 0);
  std::vector<int32_t> fold_of;
  fold_of.reserve(classes.size());
  for (int32_t k : numbered.of_row) {
    auto& left = dealt[static_cast<size_t>(k)];
    size_t& fold = fold_now[static_cast<size_t>(k)];
    while (left[fold] == 0) ++fold;
    --left[fold];
    fold_of.push_back(static_cast<int32_t>(fold));
  }
  return fold_of;
}

}  // namespace tercet
