#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/result.h"

namespace tercet {

/// Avro's binary encoding
/// (https://avro.apache.org/docs/1.12.0/specification/#binary-encoding), read from the front: no
/// size that the bytes tell is believed. Invalid for what is cut off or too long.
class AvroBytes {
 public:
  explicit AvroBytes(std::string_view bytes) : left_(bytes) {}

  size_t left() const { return left_.size(); }

  Result<std::string_view> Take(size_t count) {
    if (count > left_.size()) {
      return Status::Invalid("cut off: ", count, " bytes are to come, ", left_.size(), " are left");
    }
    const std::string_view taken = left_.substr(0, count);
    left_.remove_prefix(count);
    return taken;
  }

  /// Avro's zig-zag number of variable length.
  Result<int64_t> TakeLong() {
    uint64_t bits = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      ARROW_ASSIGN_OR_RAISE(const std::string_view byte, Take(1));
      const auto value = static_cast<uint8_t>(byte[0]);
      bits |= static_cast<uint64_t>(value & 0x7F) << shift;
      if (value < 0x80) return static_cast<int64_t>(bits >> 1) ^ -static_cast<int64_t>(bits & 1);
    }
    return Status::Invalid("a number takes more than ten bytes");
  }

  Result<std::string_view> TakeText() {
    ARROW_ASSIGN_OR_RAISE(const int64_t size, TakeLong());
    if (size < 0) return Status::Invalid("a text has ", size, " bytes");
    return Take(static_cast<size_t>(size));
  }

  template <typename T>
  Result<double> TakeFloat() {
    ARROW_ASSIGN_OR_RAISE(const std::string_view raw, Take(sizeof(T)));
    T value;
    std::memcpy(&value, raw.data(), sizeof(T));
    return static_cast<double>(value);
  }

 private:
  std::string_view left_;
};

}  // namespace tercet
