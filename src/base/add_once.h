#pragma once

#include <algorithm>
#include <string>
#include <vector>

namespace tercet {

/// Adds a name that isn't there yet. For lists of some dozens, whose order counts.
inline void AddOnce(std::vector<std::string>* names, const std::string& name) {
  if (std::find(names->begin(), names->end(), name) == names->end()) names->push_back(name);
}

}  // namespace tercet
