#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace tercet {

/// How values of one place of the schema lie.
struct AvroNode {
  enum class Kind {
    kNull, kBool, kLong, kFloat, kDouble, kText, kFixed, kEnum, kList, kMap, kRecord
  };
  Kind kind = Kind::kNull;
  int null_branch = -1;             ///< of a union with null; -1: it is none
  int64_t size = 0;                 ///< of a fixed
  int64_t multiple = 1;             ///< of times in milliseconds: they become microseconds
  bool is_date = false;             ///< a number of days
  bool is_nanos = false;            ///< a number of nanoseconds
  bool is_uuid = false;             ///< a fixed of sixteen bytes
  bool is_pairs = false;            ///< a list of records of two fields, which is a map
  int32_t scale = -1;               ///< of a decimal; -1: it is none
  std::vector<std::string> names;   ///< of an enum's symbols, or of a record's fields
  std::vector<int64_t> ids;         ///< Iceberg's, of a record's fields; -1 where one has none
  std::vector<AvroNode> children;   ///< of a record's fields; else what a list or map has
};

/// A schema of Avro's, with the types that it mentions by name put in their places. Invalid for
/// what is no schema or stands for a huge one; NotImplemented for a union of several types.
Result<AvroNode> ReadAvroNode(const json::value& schema);

}  // namespace tercet
