#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>

#include <arrow/io/interfaces.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "base/result.h"

namespace tercet {

/// Rows of one file in order. `wanted` has columns with ids (field_id.h); those that the file
/// doesn't have are null. `names`: ids of columns by name, for a file without ids.
class IcebergRowReader {
 public:
  virtual ~IcebergRowReader() = default;

  /// The ids of the file's columns.
  virtual const std::set<int64_t>& ids() const = 0;

  /// The next rows as columns of the wanted types, and how many they are (also where no column is
  /// wanted); 0 at the end.
  virtual Result<int64_t> Next(arrow::ArrayVector* columns) = 0;

  static Result<std::unique_ptr<IcebergRowReader>> OpenAvro(
      std::shared_ptr<arrow::io::RandomAccessFile> file,
      const std::shared_ptr<arrow::Schema>& wanted, const std::map<std::string, int64_t>& names);
  static Result<std::unique_ptr<IcebergRowReader>> OpenOrc(
      std::shared_ptr<arrow::io::RandomAccessFile> file,
      const std::shared_ptr<arrow::Schema>& wanted, const std::map<std::string, int64_t>& names);
};

}  // namespace tercet
