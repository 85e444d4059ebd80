#pragma once

#include <string>

#include "base/result.h"

namespace tercet {

/// A status' message as a door tells it: valid UTF-8, and with the system's reason ("No space left
/// on device") where Arrow keeps that apart from the message.
std::string StatusText(const Status& status);

}  // namespace tercet
