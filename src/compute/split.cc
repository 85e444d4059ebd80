#include "compute/split.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

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

}  // namespace tercet
