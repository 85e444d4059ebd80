#include "inference/request_id.h"

#include <random>

#include "base/hash.h"

namespace tercet {
namespace {

constexpr int kDigits[] = {8, 4, 4, 4, 12};
constexpr size_t kTextBytes = 36;
constexpr char kHex[] = "0123456789abcdef";
constexpr uint64_t kVersion = 8;
constexpr uint64_t kVariant = 2;
constexpr int64_t kMaxNumber = (1 << 20) - 1;

uint64_t CheckOf(std::string_view deployment) {
  constexpr uint64_t kSeed = 0x7265717565737400;
  return Hash64(deployment, kSeed) & 0xfff;
}

uint64_t Random() {
  // Seeded once a thread from the system's source; it needs to be unlike others, not secret.
  thread_local std::mt19937_64 generator = [] {
    std::random_device device;
    std::seed_seq seed{device(), device(), device(), device(), device(), device()};
    return std::mt19937_64(seed);
  }();
  return generator();
}

std::optional<uint64_t> DigitOf(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

}  // namespace

std::string RequestId::Make(std::string_view deployment, int64_t number, int64_t now_us) {
  const uint64_t told = number >= 1 && number <= kMaxNumber ? static_cast<uint64_t>(number) : 0;
  const uint64_t halves[] = {
      static_cast<uint64_t>(now_us / 1000) << 16 | kVersion << 12 | CheckOf(deployment),
      kVariant << 62 | told << 42 | (Random() & ((1ULL << 42) - 1))};
  std::string text(kTextBytes, '-');
  char* to = text.data();
  int nibble = 0;
  for (const int digits : kDigits) {
    for (int i = 0; i < digits; ++i, ++nibble) {
      *to++ = kHex[halves[nibble / 16] >> (60 - 4 * (nibble % 16)) & 15];
    }
    ++to;  // a dash
  }
  return text;
}

std::optional<RequestId> RequestId::Read(std::string_view deployment, std::string_view text) {
  // "<id>/3" is a row of a request that had several.
  const size_t slash = text.find('/');
  if (slash != std::string_view::npos) {
    const std::string_view row = text.substr(slash + 1);
    if (row.empty() || row.find_first_not_of("0123456789") != std::string_view::npos) {
      return std::nullopt;
    }
    text = text.substr(0, slash);
  }
  if (text.size() != kTextBytes) return std::nullopt;
  uint64_t halves[2] = {0, 0};
  int nibble = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash != (text[i] == '-')) return std::nullopt;
    if (dash) continue;
    const auto digit = DigitOf(text[i]);
    if (!digit) return std::nullopt;
    uint64_t& half = halves[nibble++ / 16];
    half = half << 4 | *digit;
  }
  if ((halves[0] >> 12 & 15) != kVersion || halves[1] >> 62 != kVariant ||
      (halves[0] & 0xfff) != CheckOf(deployment)) {
    return std::nullopt;
  }
  return RequestId{.time_ms = static_cast<int64_t>(halves[0] >> 16),
                   .number = static_cast<int64_t>(halves[1] >> 42 & kMaxNumber)};
}

}  // namespace tercet
