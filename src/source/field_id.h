#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>

namespace tercet {

/// Iceberg's id of a field, as Arrow's reader of ORC tells it: in the field's metadata. Fields keep
/// their ids when they are renamed.
inline constexpr char kFieldId[] = "iceberg.id";

/// -1 where a field has none.
inline int64_t FieldId(const arrow::Field& field) {
  if (!field.HasMetadata()) return -1;
  const int place = field.metadata()->FindKey(kFieldId);
  if (place < 0) return -1;
  const std::string& text = field.metadata()->value(place);
  const bool is_number = !text.empty() && text.size() < 11 &&
                         text.find_first_not_of("0123456789") == std::string::npos;
  return is_number ? std::stoll(text) : -1;
}

inline std::shared_ptr<arrow::Field> FieldOfId(int64_t id, const std::string& name,
                                               const std::shared_ptr<arrow::DataType>& type) {
  return arrow::field(name, type, true,
                      arrow::key_value_metadata({std::string(kFieldId)}, {std::to_string(id)}));
}

}  // namespace tercet
