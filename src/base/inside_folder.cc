#include "base/inside_folder.h"

#include <algorithm>
#include <filesystem>

namespace tercet {

bool LiesInside(const std::string& location, const std::string& folder) {
  std::error_code error;
  const std::filesystem::path home = std::filesystem::canonical(folder, error);
  if (error) return false;
  const std::string plain = location.substr(0, location.find_first_of("*?["));
  std::filesystem::path path = plain;
  // "/data/da*": what stands before the wildcard in its own part is no folder.
  if (plain.size() < location.size()) path = path.parent_path();
  path = std::filesystem::weakly_canonical(path, error);
  if (error || !path.is_absolute()) return false;
  const auto [end, ignored] = std::mismatch(home.begin(), home.end(), path.begin(), path.end());
  if (end != home.end()) return false;
  // Behind a wildcard nothing may step up again.
  return location.find("..") == std::string::npos;
}

}  // namespace tercet
