#pragma once

#include <string_view>

#include "base/result.h"

namespace tercet {

/// One line to stderr with time and level. A message is logged or returned, never both.
/// The level comes from TERCET_LOG (debug, info, warn, error, off); the default is warn.
void LogInfo(std::string_view message);
void LogWarn(std::string_view message);
void LogError(std::string_view message);
void LogDebug(std::string_view message);

/// Sets the least level that is printed: "debug", "info", "warn", "error" or "off".
Status SetLogLevel(std::string_view level);

}  // namespace tercet
