#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"

namespace tercet {

/// Two refusals that are no fault of the request, told apart from others by a detail of the status,
/// which survives Explain().

/// CapacityError: there is too much to do now. Doors answer 429 with Retry-After.
Status Overloaded(int64_t retry_after_seconds, std::string message);
/// The seconds of a status made by Overloaded; nullopt for any other.
std::optional<int64_t> RetryAfterSeconds(const Status& status);

/// Cancelled: the answer would come after its deadline. Doors answer 504.
Status TooLate(std::string message);
bool IsTooLate(const Status& status);

}  // namespace tercet
