#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace tercet {

/// Counts distinct values by their 64-bit hashes: exactly while there are at most 10,000, else by
/// HyperLogLog of 2^14 registers (Flajolet et al. 2007) with Ertl's estimator (2017), whose error
/// is about 0.8 %. Depends on the values only, not on their order.
class DistinctCount {
 public:
  static constexpr int64_t kMaxExact = 10'000;

  DistinctCount();
  void Add(int64_t value) { AddHash(Mix(static_cast<uint64_t>(value))); }
  void Add(double value);  ///< −0 is 0
  void Add(std::string_view value);
  void AddHash(uint64_t hash);
  /// What both have seen.
  void Merge(const DistinctCount& other);

  bool exact() const { return exact_ <= kMaxExact; }
  int64_t value() const { return exact() ? exact_ : Estimate(); }

 private:
  static uint64_t Mix(uint64_t bits);
  void AddExact(uint64_t hash);
  int64_t Estimate() const;

  std::vector<uint64_t> table_;  ///< open addressing; 0 is free
  bool has_zero_ = false;
  int64_t exact_ = 0;  ///< stops one after kMaxExact
  std::vector<uint8_t> registers_;
};

}  // namespace tercet
