#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/array.h>

#include "base/result.h"
#include "offline/action.h"

namespace tercet {

/// One struct column of a checkpoint and its members by name, whatever is there of them. A member
/// that is missing is null everywhere. Immutable; thread-safe.
class CheckpointRecord {
 public:
  /// Invalid when the column is no struct.
  static Result<CheckpointRecord> Of(const std::shared_ptr<arrow::Array>& array,
                                     std::string_view name);

  int64_t row_count() const { return array_->length(); }
  bool IsNull(int64_t i) const { return array_->IsNull(i); }

  /// The member, or nullptr.
  std::shared_ptr<arrow::Array> Member(std::string_view name) const;
  /// The member as an array of this type, nullptr when there is none; Invalid for another type.
  template <typename ArrayType>
  Result<std::shared_ptr<ArrayType>> MemberAs(std::string_view name) const {
    const auto member = Member(name);
    if (member == nullptr) return nullptr;
    ARROW_RETURN_NOT_OK(Expect(*member, ArrayType::TypeClass::type_id, name));
    return std::static_pointer_cast<ArrayType>(member);
  }

  /// One value of a member; Invalid when the member is of another type.
  Result<std::optional<std::string>> Text(std::string_view name, int64_t i) const;
  Result<std::optional<int64_t>> Integer(std::string_view name, int64_t i) const;
  Result<std::optional<bool>> Boolean(std::string_view name, int64_t i) const;
  Result<std::optional<std::vector<std::string>>> Texts(std::string_view name, int64_t i) const;
  Result<PartitionValues> Map(std::string_view name, int64_t i) const;
  /// The same, nulls left out.
  Result<std::map<std::string, std::string>> TextMap(std::string_view name, int64_t i) const;
  Result<FileTags> Tags(int64_t i) const;
  bool HasVector(int64_t i) const;
  Result<std::optional<VectorPointer>> Vector(int64_t i) const;

  static Status Expect(const arrow::Array& array, arrow::Type::type type, std::string_view name);
  /// Invalid unless the array is a map of texts, whose keys may come as a dictionary.
  static Status ExpectTextMap(const arrow::Array& array, std::string_view name);

 private:
  CheckpointRecord() = default;

  std::shared_ptr<arrow::StructArray> array_;
  std::vector<std::pair<std::string, std::shared_ptr<arrow::Array>>> members_;
  std::shared_ptr<const CheckpointRecord> vector_;  ///< of the member `deletionVector`
};

}  // namespace tercet
