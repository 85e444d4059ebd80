#pragma once

#include <set>
#include <string>

#include "base/result.h"

namespace tercet {

/// Where the files are that an Iceberg table's metadata names: by full addresses, also after the
/// table was moved or copied to another folder.
class IcebergPaths {
 public:
  /// `folder`: where the table is; `location`: where its metadata says that it is.
  IcebergPaths(std::string folder, const std::string& location);

  /// The path of a listed file. NotImplemented for one that is not in the table's folder.
  Result<std::string> Find(const std::string& listed);

 private:
  const std::string folder_, location_;
  std::set<std::string> inside_;  // folders that are known to lie in the table's
};

}  // namespace tercet
