#pragma once

#include <string>

namespace tercet {

/// A random UUID (version 4, RFC 4122) from the operating system's random source.
std::string NewUuid();

}  // namespace tercet
