#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/result.h"

namespace tercet {

/// What an Iceberg table's metadata file says of its snapshots
/// (https://iceberg.apache.org/spec/#table-metadata-and-snapshots).
struct IcebergSnapshot {
  int64_t id = 0;
  int64_t time_us = 0;
  std::string operation;  ///< "append", "replace", "overwrite" or "delete"; empty: not told
  int64_t rows_added = 0, rows_deleted = 0;  ///< as far as its summary says
  std::optional<int64_t> equality_deletes;   ///< that are in force, where its summary says
  std::optional<int64_t> parent;
};

struct IcebergMetadata {
  std::string file;                        ///< that this was read from
  std::optional<int64_t> current;          ///< nullopt: nothing was ever written
  std::vector<IcebergSnapshot> snapshots;  ///< that are kept, of all branches

  /// The current snapshot and those that it came from, oldest first, as far as they are kept.
  std::vector<IcebergSnapshot> Ancestry() const;
};

/// Where a table is that is given by its folder or by one of its metadata files.
std::string IcebergFolder(const std::string& location);

/// Reads the metadata file at `location`, or the one that the version hint of the folder there
/// names; without a hint, the one of the highest version, also where they are compressed
/// (….gz.metadata.json). KeyError when there is none, Invalid or IOError for what is no metadata,
/// and where several files without a hint have the highest version; all name the file.
Result<IcebergMetadata> ReadIcebergMetadata(FileSystem* file_system, const std::string& location);

/// The text of a metadata file, decompressed.
Result<std::string> ReadIcebergText(FileSystem* file_system, const std::string& file);

}  // namespace tercet
