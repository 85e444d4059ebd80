#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tercet {

/// SHA-256 (FIPS 180-4) in lower-case hexadecimal: content addresses of releases and files.
std::string Sha256Hex(std::string_view bytes);

/// SHA-256 of bytes that come in pieces.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  void Update(const void* data, size_t size);
  /// The digest in lower-case hexadecimal; nothing may follow.
  std::string FinishHex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// SHA-256 of a file's bytes, read in blocks. IOError when it can't be read.
Result<std::string> Sha256HexOfFile(const std::string& path);

/// XXH3, 64 bits: for hash tables and checksums, never for identity.
uint64_t Hash64(std::string_view bytes, uint64_t seed = 0);

}  // namespace tercet
