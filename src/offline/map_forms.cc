#include "offline/map_forms.h"

#include <algorithm>
#include <numeric>
#include <unordered_map>

#include <arrow/array/array_binary.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/buffer_builder.h>
#include <arrow/compute/api_vector.h>
#include <arrow/scalar.h>

#include "base/name.h"
#include "compute/sort_key.h"
#include "offline/column_fit.h"

namespace tercet {
namespace {

using arrow::Type;

Result<ArrayPtr> TakeAt(const ArrayPtr& values, arrow::Int64Builder* indices) {
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr at, indices->Finish());
  return arrow::compute::Take(*values, *at, arrow::compute::TakeOptions::NoBoundsCheck());
}

Result<ArrayPtr> WidenMember(const ArrayPtr& values, const TypePtr& to) {
  if (values->type_id() != Type::DOUBLE || !arrow::is_integer(to->id())) return Widen(values, to);
  return CastSafely(values, to);
}

/// A map with the rows that `rows` has, and the entries [offsets[i], offsets[i + 1]) in each.
Result<ArrayPtr> MakeMap(const TypePtr& to, const arrow::Array& rows,
                         const std::shared_ptr<arrow::Buffer>& offsets, const ArrayPtr& keys,
                         const ArrayPtr& items) {
  std::shared_ptr<arrow::Buffer> validity;
  if (rows.null_count() > 0) {
    arrow::TypedBufferBuilder<bool> valid;
    for (int64_t i = 0; i < rows.length(); ++i) {
      ARROW_RETURN_NOT_OK(valid.Append(rows.IsValid(i)));
    }
    ARROW_ASSIGN_OR_RAISE(validity, valid.Finish());
  }
  auto entries = arrow::ArrayData::Make(to->field(0)->type(), keys->length(), {nullptr},
                                        {keys->data(), items->data()}, 0);
  return arrow::MakeArray(arrow::ArrayData::Make(to, rows.length(), {std::move(validity), offsets},
                                                 {std::move(entries)}, rows.null_count()));
}

Status CheckKeysOf(const arrow::MapArray& maps) {
  const auto begin = maps.value_offset(0), end = maps.value_offset(maps.length());
  const ArrayPtr keys = maps.keys()->Slice(begin, end - begin);
  ARROW_ASSIGN_OR_RAISE(const SortKeys encoded, SortKeys::Encode({keys}));
  std::vector<int64_t> order;
  for (int64_t row = 0; row < maps.length(); ++row) {
    if (maps.IsNull(row)) continue;
    order.resize(static_cast<size_t>(maps.value_length(row)));
    std::iota(order.begin(), order.end(), maps.value_offset(row) - begin);
    for (const int64_t entry : order) {
      if (!encoded.valid(entry)) return Status::Invalid("a map has a null as a key");
    }
    std::sort(order.begin(), order.end(),
              [&](int64_t a, int64_t b) { return encoded.Compare(a, encoded, b) < 0; });
    const auto twice = std::adjacent_find(order.begin(), order.end(), [&](int64_t a, int64_t b) {
      return encoded.Compare(a, encoded, b) == 0;
    });
    if (twice == order.end()) continue;
    ARROW_ASSIGN_OR_RAISE(const auto key, keys->GetScalar(*twice));
    return Status::Invalid("a map has the key '", key->ToString(), "' twice");
  }
  return Status::OK();
}

}  // namespace

Status NoMember(const std::string& name, const arrow::DataType& type) {
  std::vector<std::string> known;
  for (const auto& member : type.fields()) known.push_back(member->name());
  return Status::Invalid("there is no member '", name, "'", Suggest(name, known));
}

Result<ArrayPtr> StructOfMap(const ArrayPtr& array, const TypePtr& to) {
  const auto& maps = static_cast<const arrow::MapArray&>(*array);
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr texts, Widen(maps.keys(), arrow::utf8()));
  const auto& keys = static_cast<const arrow::StringArray&>(*texts);
  const auto& type = static_cast<const arrow::StructType&>(*to);
  const auto members = static_cast<size_t>(type.num_fields());
  std::unordered_map<std::string_view, size_t> places;
  for (size_t m = 0; m < members; ++m) places[type.field(static_cast<int>(m))->name()] = m;
  std::vector<arrow::Int64Builder> indices(members);
  std::vector<int64_t> entry_of(members);
  for (int64_t row = 0; row < maps.length(); ++row) {
    std::fill(entry_of.begin(), entry_of.end(), -1);
    const int64_t count = maps.IsNull(row) ? 0 : maps.value_length(row);
    for (int64_t entry = maps.value_offset(row); entry < maps.value_offset(row) + count; ++entry) {
      const auto place = places.find(keys.GetView(entry));
      if (place == places.end()) return NoMember(keys.GetString(entry), *to);
      if (entry_of[place->second] >= 0) {
        return Status::Invalid("member '", place->first, "' comes twice");
      }
      entry_of[place->second] = entry;
    }
    for (size_t m = 0; m < members; ++m) {
      ARROW_RETURN_NOT_OK(entry_of[m] < 0 ? indices[m].AppendNull()
                                          : indices[m].Append(entry_of[m]));
    }
  }
  arrow::ArrayVector columns;
  for (size_t m = 0; m < members; ++m) {
    const auto& member = type.field(static_cast<int>(m));
    ARROW_ASSIGN_OR_RAISE(const ArrayPtr values, TakeAt(maps.items(), &indices[m]));
    Result<ArrayPtr> widened = WidenMember(values, member->type());
    if (!widened.ok()) return Explain(widened.status(), "member '" + member->name() + "'");
    columns.push_back(*std::move(widened));
  }
  return WithMembers(array, to, columns);
}

Result<ArrayPtr> MapOfStruct(const ArrayPtr& array, const TypePtr& to) {
  const auto& structs = static_cast<const arrow::StructArray&>(*array);
  const auto& type = static_cast<const arrow::MapType&>(*to);
  arrow::StringBuilder names;
  arrow::ArrayVector members;
  for (int m = 0; m < structs.num_fields(); ++m) {
    const std::string& name = structs.type()->field(m)->name();
    Result<ArrayPtr> widened = Widen(structs.field(m), type.item_type());
    if (!widened.ok()) return Explain(widened.status(), "key '" + name + "'");
    members.push_back(*std::move(widened));
    ARROW_RETURN_NOT_OK(names.Append(name));
  }
  arrow::Int64Builder items, keys;  // among all members end to end, and among the names
  arrow::TypedBufferBuilder<int32_t> offsets;
  ARROW_RETURN_NOT_OK(offsets.Append(0));
  for (int64_t row = 0; row < structs.length(); ++row) {
    for (size_t m = 0; m < members.size() && structs.IsValid(row); ++m) {
      if (members[m]->IsNull(row)) continue;
      ARROW_RETURN_NOT_OK(items.Append(static_cast<int64_t>(m) * structs.length() + row));
      ARROW_RETURN_NOT_OK(keys.Append(static_cast<int64_t>(m)));
    }
    ARROW_RETURN_NOT_OK(offsets.Append(static_cast<int32_t>(items.length())));
  }
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr all_names, names.Finish());
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr texts, TakeAt(all_names, &keys));
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr converted, Widen(texts, type.key_type()));
  if (members.empty()) {  // dicts that are all empty
    ARROW_ASSIGN_OR_RAISE(members.emplace_back(), arrow::MakeEmptyArray(type.item_type()));
  }
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr all, arrow::Concatenate(members));
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr values, TakeAt(all, &items));
  ARROW_ASSIGN_OR_RAISE(const auto ends, offsets.Finish());
  return MakeMap(to, *array, ends, converted, values);
}

Result<ArrayPtr> MapOfList(const ArrayPtr& array, const TypePtr& to) {
  const auto& type = static_cast<const arrow::MapType&>(*to);
  const auto entry = arrow::struct_({arrow::field("key", type.key_type()),
                                     arrow::field("value", type.item_type())});
  const arrow::DataType& given = *array->type()->field(0)->type();
  if (given.id() != Type::STRUCT || given.num_fields() != 2) {
    return Status::TypeError("values of type ", array->type()->ToString(), " can't become ",
                             to->ToString(), "; a map comes as a list of structs of 'key' and ",
                             "'value'");
  }
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr lists, Widen(array, arrow::list(entry)));
  if (lists->length() == 0) return arrow::MakeEmptyArray(to);
  const auto& list = static_cast<const arrow::ListArray&>(*lists);
  const auto& entries = static_cast<const arrow::StructArray&>(*list.values());
  for (int64_t row = 0; row < list.length() && entries.null_count() > 0; ++row) {
    if (list.IsNull(row)) continue;
    for (int64_t i = list.value_offset(row); i < list.value_offset(row + 1); ++i) {
      if (entries.IsNull(i)) return Status::Invalid("an entry of a map is null");
    }
  }
  const auto offsets = arrow::SliceBuffer(
      list.data()->buffers[1], list.offset() * static_cast<int64_t>(sizeof(int32_t)));
  return MakeMap(to, *array, offsets, entries.field(0), entries.field(1));
}

Status CheckMapKeys(const arrow::Array& array) {
  if (!arrow::is_nested(array.type_id()) || array.length() == 0) return Status::OK();
  switch (array.type_id()) {
    case Type::STRUCT:
      for (const ArrayPtr& member : static_cast<const arrow::StructArray&>(array).fields()) {
        ARROW_RETURN_NOT_OK(CheckMapKeys(*member));
      }
      return Status::OK();
    case Type::MAP: {
      const auto& maps = static_cast<const arrow::MapArray&>(array);
      ARROW_RETURN_NOT_OK(CheckKeysOf(maps));
      return CheckMapKeys(*maps.items());
    }
    case Type::LIST:
      return CheckMapKeys(*static_cast<const arrow::ListArray&>(array).values());
    case Type::LARGE_LIST:
      return CheckMapKeys(*static_cast<const arrow::LargeListArray&>(array).values());
    case Type::FIXED_SIZE_LIST:
      return CheckMapKeys(*static_cast<const arrow::FixedSizeListArray&>(array).values());
    default:
      return Status::OK();
  }
}

}  // namespace tercet
