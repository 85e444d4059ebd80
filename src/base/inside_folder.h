#pragma once

#include <string>

namespace tercet {

/// Whether a path, which may have wildcards in its last parts and need not exist, lies in a folder
/// that does. Its parts before the first wildcard are followed through links, so that none leads
/// out.
bool LiesInside(const std::string& path, const std::string& folder);

}  // namespace tercet
