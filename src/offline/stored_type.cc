#include "offline/stored_type.h"

#include <arrow/array/array_binary.h>
#include <arrow/array/builder_binary.h>
#include <arrow/extension_type.h>
#include <arrow/type_traits.h>

#include "catalog/feature_type.h"
#include "offline/nested_array.h"

namespace tercet {
namespace {

using arrow::DataType;
using arrow::Type;

constexpr int kMaxDecimalDigits = 38;

bool IsInt64Inside(Type::type id) {
  return id == Type::TIME64 || id == Type::DURATION || id == Type::INT64;
}

/// The members of a struct as they are stored. Whether a member may be null is not told apart:
/// Delta declares it in a way that few writers keep.
Result<arrow::FieldVector> StoredMembers(const DataType& type) {
  arrow::FieldVector members;
  for (const auto& member : type.fields()) {
    Result<TypePtr> stored = StoredType(*member->type());
    if (!stored.ok()) return Explain(stored.status(), "member '" + member->name() + "'");
    members.push_back(arrow::field(member->name(), *std::move(stored)));
  }
  return members;
}

}  // namespace

Result<TypePtr> StoredType(const DataType& logical) {
  switch (logical.id()) {
    case Type::BOOL:
      return arrow::boolean();
    case Type::INT8:
      return arrow::int8();
    case Type::INT16:
    case Type::UINT8:
      return arrow::int16();
    case Type::INT32:
    case Type::UINT16:
      return arrow::int32();
    case Type::INT64:
    case Type::UINT32:
    case Type::TIME32:
    case Type::TIME64:
    case Type::DURATION:
      return arrow::int64();
    case Type::UINT64:
      return arrow::decimal128(20, 0);
    case Type::HALF_FLOAT:
    case Type::FLOAT:
      return arrow::float32();
    case Type::DOUBLE:
      return arrow::float64();
    case Type::STRING:
    case Type::LARGE_STRING:
    case Type::STRING_VIEW:
      return arrow::utf8();
    case Type::BINARY:
    case Type::LARGE_BINARY:
    case Type::BINARY_VIEW:
    case Type::FIXED_SIZE_BINARY:
      return arrow::binary();
    case Type::DATE32:
    case Type::DATE64:
      return arrow::date32();
    case Type::TIMESTAMP:
      return static_cast<const arrow::TimestampType&>(logical).timezone().empty()
                 ? arrow::timestamp(arrow::TimeUnit::MICRO)
                 : arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
    case Type::DECIMAL32:
    case Type::DECIMAL64:
    case Type::DECIMAL128:
    case Type::DECIMAL256: {
      const auto& decimal = static_cast<const arrow::DecimalType&>(logical);
      if (decimal.precision() > kMaxDecimalDigits || decimal.scale() < 0 ||
          decimal.scale() > decimal.precision()) {
        return Status::TypeError("type ", logical.ToString(), " can't be kept in a table: decimals",
                                 " have at most ", kMaxDecimalDigits, " digits, and a scale from ",
                                 "0 to their precision; cast it to such a decimal, to double, or ",
                                 "to string");
      }
      return arrow::decimal128(decimal.precision(), decimal.scale());
    }
    case Type::LIST:
    case Type::LARGE_LIST:
    case Type::FIXED_SIZE_LIST: {
      ARROW_ASSIGN_OR_RAISE(TypePtr element, StoredType(*logical.field(0)->type()));
      return arrow::list(arrow::field("element", std::move(element)));
    }
    case Type::STRUCT: {
      ARROW_RETURN_NOT_OK(CheckFeatureType(logical));
      ARROW_ASSIGN_OR_RAISE(arrow::FieldVector members, StoredMembers(logical));
      return arrow::struct_(std::move(members));
    }
    case Type::MAP: {
      ARROW_RETURN_NOT_OK(CheckFeatureType(logical));
      const auto& map = static_cast<const arrow::MapType&>(logical);
      ARROW_ASSIGN_OR_RAISE(TypePtr key, StoredType(*map.key_type()));
      ARROW_ASSIGN_OR_RAISE(TypePtr item, StoredType(*map.item_type()));
      return arrow::map(std::move(key), std::move(item));
    }
    case Type::DICTIONARY:
      return StoredType(*static_cast<const arrow::DictionaryType&>(logical).value_type());
    default:
      break;
  }
  ARROW_RETURN_NOT_OK(CheckFeatureType(logical));
  return Status::TypeError("type ", logical.ToString(), " can't be kept in a table");
}

TypePtr LogicalType(const TypePtr& type) {
  switch (type->id()) {
    case Type::DICTIONARY:
      return LogicalType(static_cast<const arrow::DictionaryType&>(*type).value_type());
    case Type::RUN_END_ENCODED:
      return LogicalType(static_cast<const arrow::RunEndEncodedType&>(*type).value_type());
    case Type::EXTENSION:
      return LogicalType(static_cast<const arrow::ExtensionType&>(*type).storage_type());
    case Type::STRING_VIEW:
      return arrow::utf8();
    case Type::BINARY_VIEW:
      return arrow::binary();
    case Type::LIST:
    case Type::LARGE_LIST:
    case Type::LIST_VIEW:
    case Type::LARGE_LIST_VIEW:
    case Type::FIXED_SIZE_LIST: {
      TypePtr element = LogicalType(type->field(0)->type());
      const bool view = type->id() == Type::LIST_VIEW || type->id() == Type::LARGE_LIST_VIEW;
      if (element == type->field(0)->type() && !view) return type;
      auto field = type->field(0)->WithType(std::move(element));
      if (type->id() == Type::FIXED_SIZE_LIST) {
        return arrow::fixed_size_list(
            std::move(field), static_cast<const arrow::FixedSizeListType&>(*type).list_size());
      }
      const bool large = type->id() == Type::LARGE_LIST || type->id() == Type::LARGE_LIST_VIEW;
      return large ? arrow::large_list(std::move(field)) : arrow::list(std::move(field));
    }
    case Type::STRUCT: {
      arrow::FieldVector members;
      for (const auto& member : type->fields()) {
        members.push_back(arrow::field(member->name(), LogicalType(member->type())));
      }
      return arrow::struct_(std::move(members));
    }
    case Type::MAP: {
      const auto& map = static_cast<const arrow::MapType&>(*type);
      return arrow::map(LogicalType(map.key_type()), LogicalType(map.item_type()));
    }
    default:
      return type;
  }
}

Result<ArrayPtr> ConvertStored(const ArrayPtr& array, const TypePtr& to) {
  const DataType& from = *array->type();
  if (from.Equals(*to)) return array;
  if (arrow::is_list(from.id()) && arrow::is_list(to->id())) {
    return ConvertList(array, to, ConvertStored);
  }
  if (from.id() == Type::MAP && to->id() == Type::MAP) return ConvertMap(array, to, ConvertStored);
  if (from.id() == Type::STRUCT && to->id() == Type::STRUCT) {
    const auto& whole = static_cast<const arrow::StructArray&>(*array);
    arrow::ArrayVector members;
    for (int i = 0; i < whole.num_fields(); ++i) {
      ARROW_ASSIGN_OR_RAISE(members.emplace_back(),
                            ConvertStored(whole.field(i), to->field(i)->type()));
    }
    return WithMembers(array, to, members);
  }
  if (IsInt64Inside(from.id()) && IsInt64Inside(to->id())) return array->View(to);
  if (from.id() == Type::TIME32) {
    ARROW_ASSIGN_OR_RAISE(ArrayPtr plain, array->View(arrow::int32()));
    return CastSafely(plain, to);
  }
  if (to->id() == Type::TIME32) {
    ARROW_ASSIGN_OR_RAISE(ArrayPtr plain, CastSafely(array, arrow::int32()));
    return plain->View(to);
  }
  if (from.id() == Type::FIXED_SIZE_BINARY || to->id() == Type::FIXED_SIZE_BINARY) {
    // A null has no bytes in the variable form, so it must be skipped by hand.
    if (to->id() == Type::FIXED_SIZE_BINARY) {
      arrow::FixedSizeBinaryBuilder builder(to);
      ARROW_RETURN_NOT_OK(builder.Reserve(array->length()));
      const auto& binary = static_cast<const arrow::BinaryArray&>(*array);
      for (int64_t i = 0; i < binary.length(); ++i) {
        if (binary.IsNull(i)) {
          builder.UnsafeAppendNull();
        } else if (binary.GetView(i).size() != static_cast<size_t>(builder.byte_width())) {
          return Status::Invalid("a value of ", binary.GetView(i).size(), " bytes where ",
                                 to->ToString(), " is expected");
        } else {
          builder.UnsafeAppend(binary.GetView(i));
        }
      }
      return builder.Finish();
    }
  }
  Result<ArrayPtr> cast = CastSafely(array, to);
  if (cast.ok() || from.id() != Type::TIMESTAMP || to->id() != Type::TIMESTAMP) return cast;
  return cast.status().WithMessage(cast.status().message(),
                                   "; times are kept in microseconds: round them first (pandas: "
                                   ".dt.floor(\"us\"), Polars: .dt.cast_time_unit(\"us\"))");
}

}  // namespace tercet
