#pragma once

#include <memory>
#include <string_view>

#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "base/json.h"
#include "base/result.h"
#include "source/avro_bytes.h"
#include "source/avro_node.h"

namespace tercet {

/// Makes rows of Arrow out of records of Avro: the writer's schema says how they lie, ours what
/// they become (Avro calls that schema resolution). Fields go by name, or by Iceberg's ids where
/// both have them (field_id.h); those that we don't want are skipped, those that the writer didn't
/// have are null; numbers may become wider ones, and texts; a UUID becomes its text.
class AvroRows {
 public:
  /// Invalid for what is no schema, NotImplemented for a union of several types, TypeError where a
  /// field can't become what we want, naming it.
  static Result<std::unique_ptr<AvroRows>> Make(const json::object& writer,
                                                std::shared_ptr<arrow::Schema> wanted);
  /// The same of a schema that was taken apart.
  static Result<std::unique_ptr<AvroRows>> Make(const AvroNode& writer,
                                                std::shared_ptr<arrow::Schema> wanted);
  virtual ~AvroRows() = default;

  /// Invalid when the bytes are no record of the writer's, or more than one.
  virtual Status Append(std::string_view record) = 0;

  /// Appends the record that comes next. Invalid when the bytes begin with none.
  virtual Status Take(AvroBytes* bytes) = 0;

  /// Whether a record has a byte at least, so that the bytes limit their number.
  virtual bool takes_space() const = 0;

  /// What was appended since the last call.
  virtual Result<std::shared_ptr<arrow::RecordBatch>> Finish() = 0;
};

}  // namespace tercet
