#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tercet {

/// The name of one answer. It says when and by which release it was given, so that an outcome which
/// arrives a month later finds its arm without a record of every request: a UUID of version 8 (RFC
/// 9562, for such uses) of 48 bits of milliseconds since the epoch, 12 bits of the deployment's
/// hash, 20 bits of the release's number and 42 random ones.
struct RequestId {
  int64_t time_ms = 0;
  int64_t number = 0;  ///< of the release within its deployment; 0 when it is beyond 2^20

  /// A new one. Costs some tens of nanoseconds; thread-safe.
  static std::string Make(std::string_view deployment, int64_t number, int64_t now_us);
  /// Reads one of this deployment, also with a row ("<id>/3"); nullopt for any other text.
  static std::optional<RequestId> Read(std::string_view deployment, std::string_view text);
};

}  // namespace tercet
