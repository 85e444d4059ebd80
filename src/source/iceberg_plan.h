#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/result.h"
#include "source/iceberg_schema.h"

namespace tercet {

/// A file of an Iceberg snapshot (https://iceberg.apache.org/spec/#manifests).
struct IcebergFile {
  enum class Format { kParquet, kAvro, kOrc, kPuffin };
  Format format = Format::kParquet;
  std::string path;          ///< on this machine
  std::string listed;        ///< as the manifest names it, and files of deletes do
  int64_t sequence = 0;      ///< of its rows: deletes are of the rows that were there before
  int64_t partition = 0;     ///< equal for files of one partition of one partitioning
  bool global = false;       ///< of a table that is not partitioned: its deletes are of all rows
  int64_t row_count = 0;
  std::optional<int64_t> first_us, last_us;  ///< the least and greatest event time, where known
  std::vector<int64_t> equality_ids;      ///< of a delete by equality: the columns that it compares
  std::optional<std::string> referenced;  ///< of a delete by position: the one file that it is of
  /// Of a deletion vector: where it lies in its Puffin file.
  std::optional<int64_t> vector_offset, vector_bytes;
  /// Of rows whose columns have no ids in the file, or are not all there: what it calls its
  /// columns, by id.
  std::optional<std::map<int64_t, std::string>> names;
  /// The values that all its rows have and that are not in the file, as texts by column.
  std::map<int64_t, std::optional<std::string>> partition_values;

  /// Whether a delete by position of this file may be of rows of that one.
  bool MayHavePositionsOf(const IcebergFile& data) const {
    return data.sequence <= sequence && data.partition == partition &&
           (!referenced || *referenced == data.listed);
  }
};

/// What a snapshot is made of.
struct IcebergPlan {
  std::vector<IcebergColumn> columns;   ///< of the snapshot, in order
  std::vector<IcebergColumn> compared;  ///< of deletes by equality, dropped ones too
  std::vector<IcebergFile> data, position_deletes, equality_deletes;
  /// Ids of columns by name, for files without ids that are no Parquet.
  std::map<std::string, int64_t> names;
};

/// Reads the manifests of a snapshot that the metadata file `metadata_file` knows; without a
/// snapshot, the current columns alone. `event_time`: the column of which files tell their least
/// and greatest; may be empty. Errors name the file. KeyError when the snapshot is not there;
/// NotImplemented for files of a format that Iceberg doesn't have, or that lie outside the table's
/// folder or on another machine, and for deletes by a nested field.
Result<IcebergPlan> ReadIcebergPlan(FileSystem* file_system, const std::string& metadata_file,
                                    std::optional<int64_t> snapshot,
                                    const std::string& event_time);

}  // namespace tercet
