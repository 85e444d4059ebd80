#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/file_system.h"
#include "base/result.h"

namespace tercet {

/// The names that columns have in files whose columns have no ids, as those that were in a folder
/// before they became a table's (https://iceberg.apache.org/spec/#name-mapping-serialization).
class IcebergNameMapping {
 public:
  /// Reads the property `schema.name-mapping.default`. Invalid for what is no mapping.
  static Result<IcebergNameMapping> Parse(std::string_view text);

  /// What a Parquet file calls its columns, by id; nullopt where it has ids of its own and all of
  /// the columns `expected`. Columns that the mapping doesn't know are left out. IOError when the
  /// file can't be read.
  Result<std::optional<std::map<int64_t, std::string>>> NamesIn(
      FileSystem* file_system, const std::string& path, const std::set<int64_t>& expected) const;

  /// Ids of columns by name.
  const std::map<std::string, int64_t>& ids() const { return ids_; }

 private:
  std::map<std::string, int64_t> ids_;  // by name
};

}  // namespace tercet
