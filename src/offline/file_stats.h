#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <arrow/record_batch.h>
#include <arrow/scalar.h>

#include "base/json.h"
#include "base/result.h"

namespace tercet {

/// Delta's per-file statistics (`add.stats`) of rows of stored types: numRecords, minValues,
/// maxValues, nullCount. Bounds hold in every engine's ordering: text is cut at characters, times
/// at milliseconds, both rounded up for the maximum; columns with NaN or without bounds in JSON
/// (infinities, binary, text that is no UTF-8, lists, maps) have none. A struct has what its
/// members have, by name; a member is null where its struct is.
class FileStats {
 public:
  Status Add(const arrow::RecordBatch& stored);
  /// As JSON text; of all rows that were added.
  Result<std::string> Text() const;

 private:
  struct Column {
    std::string name;
    int64_t nulls = 0;
    bool bounded = true;                                  ///< no NaN, and of a type with bounds
    std::vector<std::shared_ptr<arrow::Scalar>> extremes; ///< least and greatest of each batch
    std::vector<Column> members;                          ///< of a struct, which has no bounds
  };
  static std::vector<Column> ColumnsOf(const arrow::FieldVector& fields);
  static Status Add(const std::shared_ptr<arrow::Array>& array, Column* column);
  static Status Put(const std::vector<Column>& columns, json::object* minima, json::object* maxima,
                    json::object* nulls);

  int64_t rows_ = 0;
  std::vector<Column> columns_;
};

/// The same of one batch.
Result<std::string> StatsText(const arrow::RecordBatch& stored);

}  // namespace tercet
