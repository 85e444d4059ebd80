#include "compute/distinct_count.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "base/hash.h"

namespace tercet {
namespace {

constexpr int kPrecision = 14;
constexpr size_t kRegisters = size_t{1} << kPrecision;
constexpr int kMaxRank = 64 - kPrecision + 1;
constexpr size_t kTableSlots = 1 << 15;

/// Ertl, "New cardinality estimation algorithms for HyperLogLog sketches", algorithm 6.
double Sigma(double x) {
  if (x == 1) return std::numeric_limits<double>::infinity();
  double y = 1, z = x, before;
  do {
    x *= x;
    before = z;
    z += x * y;
    y += y;
  } while (z != before);
  return z;
}

double Tau(double x) {
  if (x == 0 || x == 1) return 0;
  double y = 1, z = 1 - x, before;
  do {
    x = std::sqrt(x);
    before = z;
    y *= 0.5;
    z -= (1 - x) * (1 - x) * y;
  } while (z != before);
  return z / 3;
}

}  // namespace

DistinctCount::DistinctCount() : table_(kTableSlots, 0), registers_(kRegisters, 0) {}

/// The finalizer of SplitMix64: one to one.
uint64_t DistinctCount::Mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

void DistinctCount::Add(double value) { AddHash(Mix(std::bit_cast<uint64_t>(value + 0.0))); }

void DistinctCount::Add(std::string_view value) { AddHash(Hash64(value)); }

void DistinctCount::AddHash(uint64_t hash) {
  const auto rank =
      static_cast<uint8_t>(std::min(std::countl_zero(hash << kPrecision) + 1, kMaxRank));
  uint8_t& most = registers_[hash >> (64 - kPrecision)];
  if (rank > most) most = rank;

  if (exact()) AddExact(hash);
}

void DistinctCount::AddExact(uint64_t hash) {
  if (hash == 0) {
    exact_ += has_zero_ ? 0 : 1;
    has_zero_ = true;
    return;
  }
  size_t slot = hash & (kTableSlots - 1);
  while (table_[slot] != 0 && table_[slot] != hash) slot = (slot + 1) & (kTableSlots - 1);
  if (table_[slot] == hash) return;
  table_[slot] = hash;
  ++exact_;
}

void DistinctCount::Merge(const DistinctCount& other) {
  for (size_t i = 0; i < kRegisters; ++i) {
    registers_[i] = std::max(registers_[i], other.registers_[i]);
  }
  if (!other.exact()) exact_ = kMaxExact + 1;
  if (other.has_zero_ && exact()) AddExact(0);
  for (uint64_t hash : other.table_) {
    if (!exact()) return;
    if (hash != 0) AddExact(hash);
  }
}

int64_t DistinctCount::Estimate() const {
  std::vector<double> of_rank(kMaxRank + 1, 0);
  for (uint8_t rank : registers_) ++of_rank[rank];
  constexpr auto kCount = static_cast<double>(kRegisters);
  double z = kCount * Tau(1 - of_rank[kMaxRank] / kCount);
  for (int rank = kMaxRank - 1; rank >= 1; --rank) {
    z = 0.5 * (z + of_rank[static_cast<size_t>(rank)]);
  }
  z += kCount * Sigma(of_rank[0] / kCount);
  constexpr double kInfinityAlpha = 0.721347520444481703680;  // 1 / (2 ln 2)
  return std::llround(kInfinityAlpha * kCount * kCount / z);
}

}  // namespace tercet
