#pragma once

#include <string>

#include "base/result.h"

namespace tercet {

/// The token in a file's first line, as a server and its clients read it. Invalid when it is
/// shorter than 16 characters.
Result<std::string> ReadTokenFile(const std::string& path);

}  // namespace tercet
