#include "offline/checkpoint_record.h"

#include <utility>

namespace tercet {
namespace {

using arrow::Array;
using ArrayPtr = std::shared_ptr<Array>;

/// The texts of a map's keys, with or without a dictionary.
class KeyTexts {
 public:
  explicit KeyTexts(const arrow::MapArray& map) {
    if (map.keys()->type_id() != arrow::Type::DICTIONARY) {
      texts_ = static_cast<const arrow::StringArray*>(map.keys().get());
      return;
    }
    indices_ = static_cast<const arrow::DictionaryArray*>(map.keys().get());
    texts_ = static_cast<const arrow::StringArray*>(indices_->dictionary().get());
  }
  std::string_view operator[](int64_t k) const {
    return texts_->GetView(indices_ == nullptr ? k : indices_->GetValueIndex(k));
  }

 private:
  const arrow::DictionaryArray* indices_ = nullptr;
  const arrow::StringArray* texts_;
};

bool IsMissing(const ArrayPtr& member, int64_t i) { return member == nullptr || member->IsNull(i); }

}  // namespace

Status CheckpointRecord::Expect(const Array& array, arrow::Type::type type,
                                std::string_view name) {
  if (array.type_id() == type) return Status::OK();
  return Status::Invalid("checkpoint member '", name, "' is a ", array.type()->ToString());
}

Status CheckpointRecord::ExpectTextMap(const Array& array, std::string_view name) {
  ARROW_RETURN_NOT_OK(Expect(array, arrow::Type::MAP, name));
  const auto& entries = static_cast<const arrow::MapArray&>(array);
  if (entries.keys()->type_id() == arrow::Type::DICTIONARY) {
    const auto& keys = static_cast<const arrow::DictionaryArray&>(*entries.keys());
    ARROW_RETURN_NOT_OK(Expect(*keys.dictionary(), arrow::Type::STRING, name));
  } else {
    ARROW_RETURN_NOT_OK(Expect(*entries.keys(), arrow::Type::STRING, name));
  }
  return Expect(*entries.items(), arrow::Type::STRING, name);
}

Result<CheckpointRecord> CheckpointRecord::Of(const ArrayPtr& array, std::string_view name) {
  if (array->type_id() != arrow::Type::STRUCT) {
    return Status::Invalid("checkpoint column '", name, "' is a ", array->type()->ToString(),
                           ", not a struct");
  }
  CheckpointRecord record;
  record.array_ = std::static_pointer_cast<arrow::StructArray>(array);
  for (int i = 0; i < record.array_->num_fields(); ++i) {
    record.members_.emplace_back(array->type()->field(i)->name(), record.array_->field(i));
  }
  if (const ArrayPtr vector = record.Member("deletionVector"); vector != nullptr) {
    ARROW_ASSIGN_OR_RAISE(CheckpointRecord inner, Of(vector, "deletionVector"));
    record.vector_ = std::make_shared<const CheckpointRecord>(std::move(inner));
  }
  return record;
}

ArrayPtr CheckpointRecord::Member(std::string_view name) const {
  for (const auto& [known, member] : members_) {
    if (known == name) return member;
  }
  return nullptr;
}

Result<std::optional<std::string>> CheckpointRecord::Text(std::string_view name, int64_t i) const {
  const ArrayPtr member = Member(name);
  if (IsMissing(member, i)) return std::nullopt;
  ARROW_RETURN_NOT_OK(Expect(*member, arrow::Type::STRING, name));
  return static_cast<const arrow::StringArray&>(*member).GetString(i);
}

Result<std::optional<int64_t>> CheckpointRecord::Integer(std::string_view name, int64_t i) const {
  const ArrayPtr member = Member(name);
  if (IsMissing(member, i)) return std::nullopt;
  if (member->type_id() == arrow::Type::INT32) {
    return static_cast<const arrow::Int32Array&>(*member).Value(i);
  }
  ARROW_RETURN_NOT_OK(Expect(*member, arrow::Type::INT64, name));
  return static_cast<const arrow::Int64Array&>(*member).Value(i);
}

Result<std::optional<bool>> CheckpointRecord::Boolean(std::string_view name, int64_t i) const {
  const ArrayPtr member = Member(name);
  if (IsMissing(member, i)) return std::nullopt;
  ARROW_RETURN_NOT_OK(Expect(*member, arrow::Type::BOOL, name));
  return static_cast<const arrow::BooleanArray&>(*member).Value(i);
}

Result<std::optional<std::vector<std::string>>> CheckpointRecord::Texts(std::string_view name,
                                                                        int64_t i) const {
  const ArrayPtr member = Member(name);
  if (IsMissing(member, i)) return std::nullopt;
  ARROW_RETURN_NOT_OK(Expect(*member, arrow::Type::LIST, name));
  const auto& list = static_cast<const arrow::ListArray&>(*member);
  ARROW_RETURN_NOT_OK(Expect(*list.values(), arrow::Type::STRING, name));
  const auto& values = static_cast<const arrow::StringArray&>(*list.values());
  std::vector<std::string> texts;
  for (int64_t k = list.value_offset(i); k < list.value_offset(i + 1); ++k) {
    texts.push_back(values.GetString(k));
  }
  return texts;
}

Result<PartitionValues> CheckpointRecord::Map(std::string_view name, int64_t i) const {
  PartitionValues map;
  const ArrayPtr member = Member(name);
  if (IsMissing(member, i)) return map;
  ARROW_RETURN_NOT_OK(ExpectTextMap(*member, name));
  const auto& entries = static_cast<const arrow::MapArray&>(*member);
  const KeyTexts keys(entries);
  const auto& items = static_cast<const arrow::StringArray&>(*entries.items());
  for (int64_t k = entries.value_offset(i); k < entries.value_offset(i + 1); ++k) {
    if (entries.keys()->IsNull(k)) continue;
    std::optional<std::string> value;
    if (items.IsValid(k)) value = items.GetString(k);
    map.emplace(keys[k], std::move(value));
  }
  return map;
}

Result<std::map<std::string, std::string>> CheckpointRecord::TextMap(std::string_view name,
                                                                     int64_t i) const {
  ARROW_ASSIGN_OR_RAISE(PartitionValues map, Map(name, i));
  std::map<std::string, std::string> texts;
  for (auto& [key, value] : map) {
    if (value) texts.emplace(key, *std::move(value));
  }
  return texts;
}

Result<FileTags> CheckpointRecord::Tags(int64_t i) const {
  FileTags tags;
  const ArrayPtr member = Member("tags");
  if (IsMissing(member, i)) return tags;
  ARROW_RETURN_NOT_OK(ExpectTextMap(*member, "tags"));
  const auto& entries = static_cast<const arrow::MapArray&>(*member);
  const KeyTexts keys(entries);
  const auto& items = static_cast<const arrow::StringArray&>(*entries.items());
  const int64_t begin = entries.value_offset(i), end = entries.value_offset(i + 1);
  size_t bytes = 0;
  for (int64_t k = begin; k < end; ++k) {
    if (entries.keys()->IsValid(k)) bytes += keys[k].size() + items.GetView(k).size();
  }
  tags.Reserve(static_cast<size_t>(end - begin), bytes);
  for (int64_t k = begin; k < end; ++k) {
    if (entries.keys()->IsNull(k) || items.IsNull(k)) continue;
    tags.Append(keys[k], items.GetView(k));
  }
  return tags;
}

bool CheckpointRecord::HasVector(int64_t i) const {
  if (vector_ == nullptr || vector_->IsNull(i)) return false;
  // A reader that flattens structs leaves a vector of nulls where there is none.
  return !IsMissing(vector_->Member("storageType"), i);
}

Result<std::optional<VectorPointer>> CheckpointRecord::Vector(int64_t i) const {
  if (!HasVector(i)) return std::nullopt;
  VectorPointer vector;
  ARROW_ASSIGN_OR_RAISE(auto type, vector_->Text("storageType", i));
  ARROW_ASSIGN_OR_RAISE(auto path, vector_->Text("pathOrInlineDv", i));
  ARROW_ASSIGN_OR_RAISE(const auto size, vector_->Integer("sizeInBytes", i));
  ARROW_ASSIGN_OR_RAISE(const auto cardinality, vector_->Integer("cardinality", i));
  ARROW_ASSIGN_OR_RAISE(vector.offset, vector_->Integer("offset", i));
  if (!path || !size || !cardinality) {
    return Status::Invalid("a deletion vector lacks its path, size or cardinality");
  }
  vector.storage_type = *std::move(type);
  vector.path_or_inline = *std::move(path);
  vector.size_bytes = *size;
  vector.cardinality = *cardinality;
  return vector;
}

}  // namespace tercet
