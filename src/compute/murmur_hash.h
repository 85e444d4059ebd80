#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace tercet {

/// MurmurHash3_x86_32 (Appleby 2011) with seed 0, as a signed number: the hash of scikit-learn's
/// FeatureHasher and of Spark's HashingTF family.
inline int32_t MurmurHash32(std::string_view text) {
  constexpr uint32_t kC1 = 0xcc9e2d51, kC2 = 0x1b873593;
  const auto scramble = [](uint32_t k) { return std::rotl(k * kC1, 15) * kC2; };
  uint32_t hash = 0;
  size_t i = 0;
  for (; i + 4 <= text.size(); i += 4) {
    uint32_t k;
    std::memcpy(&k, text.data() + i, 4);  // little-endian, as every machine that we build for
    hash = std::rotl(hash ^ scramble(k), 13) * 5 + 0xe6546b64;
  }
  uint32_t rest = 0;
  for (size_t k = text.size(); k > i; --k) {
    rest = rest << 8 | static_cast<unsigned char>(text[k - 1]);
  }
  hash ^= scramble(rest);
  hash ^= static_cast<uint32_t>(text.size());
  hash = (hash ^ hash >> 16) * 0x85ebca6b;
  hash = (hash ^ hash >> 13) * 0xc2b2ae35;
  return static_cast<int32_t>(hash ^ hash >> 16);
}

/// Which of `features` columns a text belongs to, as scikit-learn's FeatureHasher.
inline int64_t HashedFeature(int32_t hash, int64_t features) {
  return (hash < 0 ? -static_cast<int64_t>(hash) : hash) % features;
}

}  // namespace tercet
