#include "offline/stored_type.h"

#include <arrow/array/builder_binary.h>
#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/compute/cast.h>
#include <arrow/util/bitmap_ops.h>
#include <arrow/util/key_value_metadata.h>

namespace tercet {
namespace {

using arrow::Array;
using arrow::DataType;
using arrow::Type;
using ArrayPtr = std::shared_ptr<Array>;
using TypePtr = std::shared_ptr<DataType>;

constexpr int kMaxDecimalDigits = 38;

bool IsList(Type::type id) {
  return id == Type::LIST || id == Type::LARGE_LIST || id == Type::FIXED_SIZE_LIST;
}

const TypePtr& ElementType(const DataType& list) {
  return static_cast<const arrow::BaseListType&>(list).value_type();
}

bool IsInt64Inside(Type::type id) {
  return id == Type::TIME64 || id == Type::DURATION || id == Type::INT64;
}

Result<ArrayPtr> CastSafely(const ArrayPtr& array, const TypePtr& to) {
  ARROW_ASSIGN_OR_RAISE(arrow::Datum cast, arrow::compute::Cast(array, to));
  return cast.make_array();
}

/// Rebuilds a list of any kind with converted elements as a list of kind `to`.
template <typename ConvertElements>
Result<ArrayPtr> ConvertList(ArrayPtr array, const TypePtr& to, ConvertElements convert) {
  const TypePtr& element = ElementType(*to);
  // The elements first, within the list kind that the array has; then Arrow changes the kind.
  TypePtr same_kind;
  ArrayPtr values;
  ArrayPtr rebuilt;
  if (array->type_id() == Type::FIXED_SIZE_LIST) {
    const auto& list = static_cast<const arrow::FixedSizeListArray&>(*array);
    ARROW_ASSIGN_OR_RAISE(values, convert(list.values()->Slice(list.value_offset(0),
                                                               list.length() * list.value_length()),
                                          element));
    same_kind = arrow::fixed_size_list(arrow::field("element", element), list.value_length());
    auto data = array->data()->Copy();
    if (array->offset() != 0) {
      ARROW_ASSIGN_OR_RAISE(rebuilt, arrow::Concatenate({array}));
      data = rebuilt->data()->Copy();
    }
    data->type = same_kind;
    data->child_data = {values->data()};
    rebuilt = arrow::MakeArray(data);
  } else {
    auto data = array->data()->Copy();
    ARROW_ASSIGN_OR_RAISE(values, convert(arrow::MakeArray(data->child_data[0]), element));
    same_kind = array->type_id() == Type::LIST
                    ? arrow::list(arrow::field("element", element))
                    : arrow::large_list(arrow::field("element", element));
    data->type = same_kind;
    data->child_data = {values->data()};
    rebuilt = arrow::MakeArray(data);
  }
  if (rebuilt->type()->Equals(*to)) {
    auto data = rebuilt->data()->Copy();
    data->type = to;  // also the element field's name and nullability
    return arrow::MakeArray(data);
  }
  return CastSafely(rebuilt, to);
}

enum class NumberKind { kSigned, kUnsigned, kFloat, kOther };

NumberKind KindOf(Type::type id) {
  if (arrow::is_signed_integer(id)) return NumberKind::kSigned;
  if (arrow::is_unsigned_integer(id)) return NumberKind::kUnsigned;
  if (arrow::is_floating(id)) return NumberKind::kFloat;
  return NumberKind::kOther;
}

bool IsText(Type::type id) {
  return id == Type::STRING || id == Type::LARGE_STRING || id == Type::STRING_VIEW;
}

bool IsBytes(Type::type id) {
  return id == Type::BINARY || id == Type::LARGE_BINARY || id == Type::BINARY_VIEW ||
         id == Type::FIXED_SIZE_BINARY;
}

Result<ArrayPtr> FitLeaf(const ArrayPtr& array, const TypePtr& to) {
  if (array->type()->Equals(*to)) return array;
  if (array->type_id() == Type::DATE32 && to->id() == Type::TIMESTAMP) return CastSafely(array, to);
  Result<ArrayPtr> widened = Widen(array, to);
  return widened.status().IsTypeError() ? ConvertStored(array, to) : widened;
}

Result<ArrayPtr> FitStruct(const ArrayPtr& array, const TypePtr& to, bool by_id) {
  const auto& whole = static_cast<const arrow::StructArray&>(*array);
  std::vector<std::shared_ptr<arrow::ArrayData>> members;
  for (const auto& wanted : to->fields()) {
    ArrayPtr found;
    for (int i = 0; i < whole.num_fields() && found == nullptr; ++i) {
      const arrow::Field& field = *array->type()->field(i);
      const bool same = by_id ? SameFieldId(field, *wanted) : field.name() == wanted->name();
      if (same) found = whole.field(i);
    }
    if (found == nullptr) {
      ARROW_ASSIGN_OR_RAISE(found, arrow::MakeArrayOfNull(wanted->type(), array->length()));
    } else {
      ARROW_ASSIGN_OR_RAISE(found, FitColumn(found, wanted->type(), by_id));
    }
    members.push_back(found->data());
  }
  // The members were cut to the array's rows, so its validity is, too.
  std::shared_ptr<arrow::Buffer> validity;
  if (array->null_count() > 0) {
    ARROW_ASSIGN_OR_RAISE(validity, arrow::internal::CopyBitmap(
                                        arrow::default_memory_pool(), array->null_bitmap_data(),
                                        array->offset(), array->length()));
  }
  return arrow::MakeArray(arrow::ArrayData::Make(to, array->length(), {std::move(validity)},
                                                 std::move(members), array->null_count()));
}

/// A list or a map with other values, whose own values these are not rows but elements.
ArrayPtr WithElements(const ArrayPtr& array, const TypePtr& to, const ArrayPtr& elements) {
  auto data = array->data()->Copy();
  data->type = to;
  data->child_data = {elements->data()};
  return arrow::MakeArray(std::move(data));
}

/// Whether values of `from` may become `to`, given that each value is then checked.
bool MayWiden(const DataType& from, const DataType& to) {
  const Type::type a = from.id(), b = to.id();
  if (a == Type::NA) return true;
  const NumberKind x = KindOf(a), y = KindOf(b);
  if (x != NumberKind::kOther && y != NumberKind::kOther) {
    const int narrow = from.bit_width(), wide = to.bit_width();
    if (x == y) return narrow <= wide;
    if (x == NumberKind::kUnsigned && y == NumberKind::kSigned) return narrow < wide;
    return y == NumberKind::kFloat && b != Type::HALF_FLOAT;
  }
  if (IsText(a) && IsText(b)) return true;
  if (IsBytes(a) && IsBytes(b)) return true;
  if (arrow::is_decimal(a) && arrow::is_decimal(b)) return true;
  if (x != NumberKind::kOther && x != NumberKind::kFloat && arrow::is_decimal(b)) return true;
  if (a == Type::TIMESTAMP && b == Type::TIMESTAMP) {
    return static_cast<const arrow::TimestampType&>(from).timezone().empty() ==
           static_cast<const arrow::TimestampType&>(to).timezone().empty();
  }
  if (arrow::is_date(a) && arrow::is_date(b)) return true;
  if (arrow::is_time(a) && arrow::is_time(b)) return true;
  return a == Type::DURATION && b == Type::DURATION;
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
                                 " have at most ", kMaxDecimalDigits,
                                 " digits, and a scale from 0 to their precision");
      }
      return arrow::decimal128(decimal.precision(), decimal.scale());
    }
    case Type::LIST:
    case Type::LARGE_LIST:
    case Type::FIXED_SIZE_LIST: {
      const DataType& element = *ElementType(logical);
      if (IsList(element.id())) break;
      ARROW_ASSIGN_OR_RAISE(TypePtr stored, StoredType(element));
      return arrow::list(arrow::field("element", std::move(stored)));
    }
    case Type::DICTIONARY:
      return StoredType(*static_cast<const arrow::DictionaryType&>(logical).value_type());
    default:
      break;
  }
  return Status::TypeError("type ", logical.ToString(), " can't be kept in a table; cast it to a ",
                           "number, text, binary, date, time, timestamp, decimal, boolean or a ",
                           "list of these");
}

TypePtr LogicalType(const TypePtr& type) {
  switch (type->id()) {
    case Type::DICTIONARY:
      return LogicalType(static_cast<const arrow::DictionaryType&>(*type).value_type());
    case Type::STRING_VIEW:
      return arrow::utf8();
    case Type::BINARY_VIEW:
      return arrow::binary();
    case Type::LIST:
    case Type::LARGE_LIST:
    case Type::FIXED_SIZE_LIST: {
      const auto& list = static_cast<const arrow::BaseListType&>(*type);
      TypePtr element = LogicalType(list.value_type());
      if (element == list.value_type()) return type;
      auto field = list.value_field()->WithType(std::move(element));
      if (type->id() == Type::LIST) return arrow::list(std::move(field));
      if (type->id() == Type::LARGE_LIST) return arrow::large_list(std::move(field));
      return arrow::fixed_size_list(
          std::move(field), static_cast<const arrow::FixedSizeListType&>(*type).list_size());
    }
    default:
      return type;
  }
}

Result<ArrayPtr> ConvertStored(const ArrayPtr& array, const TypePtr& to) {
  const DataType& from = *array->type();
  if (from.Equals(*to)) return array;
  if (IsList(from.id()) && IsList(to->id())) return ConvertList(array, to, ConvertStored);
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
  return CastSafely(array, to);
}

Result<ArrayPtr> FitColumn(const ArrayPtr& array, const TypePtr& to, bool by_id) {
  const Type::type from = array->type_id();
  if (to->id() == Type::NA) return arrow::MakeArrayOfNull(to, array->length());
  if (to->id() == Type::STRUCT && from == Type::STRUCT) return FitStruct(array, to, by_id);
  if ((to->id() == Type::LIST && from == Type::LIST) ||
      (to->id() == Type::MAP && from == Type::MAP)) {
    // The elements of a map are structs of a key and a value, whatever the file calls them.
    ArrayPtr elements = arrow::MakeArray(array->data()->child_data[0]);
    const TypePtr& element = to->field(0)->type();
    if (from == Type::MAP) {
      const auto& entries = static_cast<const arrow::StructArray&>(*elements);
      ARROW_ASSIGN_OR_RAISE(const ArrayPtr keys,
                            FitColumn(entries.field(0), element->field(0)->type(), by_id));
      ARROW_ASSIGN_OR_RAISE(const ArrayPtr items,
                            FitColumn(entries.field(1), element->field(1)->type(), by_id));
      elements = arrow::MakeArray(arrow::ArrayData::Make(
          element, entries.length(), {nullptr}, {keys->data(), items->data()}, 0));
    } else {
      ARROW_ASSIGN_OR_RAISE(elements, FitColumn(elements, element, by_id));
    }
    return WithElements(array, to, elements);
  }
  if (arrow::is_nested(from) != arrow::is_nested(to->id())) {
    return Status::TypeError("the file has ", array->type()->ToString(), ", the table ",
                             to->ToString());
  }
  return FitLeaf(array, to);
}

ArrayPtr Rename(const ArrayPtr& array, const TypePtr& to) {
  if (array->type()->Equals(*to)) return array;
  auto data = array->data()->Copy();
  data->type = to;
  for (size_t i = 0; i < data->child_data.size(); ++i) {
    const TypePtr& child = to->field(static_cast<int>(i))->type();
    data->child_data[i] = Rename(arrow::MakeArray(data->child_data[i]), child)->data();
  }
  return arrow::MakeArray(std::move(data));
}

bool SameFieldId(const arrow::Field& a, const arrow::Field& b) {
  const auto id = [](const arrow::Field& field) {
    return field.metadata() == nullptr ? Status::KeyError("no id")
                                       : field.metadata()->Get(kFieldIdKey);
  };
  const Result<std::string> left = id(a), right = id(b);
  return left.ok() && right.ok() && *left == *right;
}

Result<ArrayPtr> Widen(const ArrayPtr& array, const TypePtr& to) {
  const TypePtr& from = array->type();
  if (from->Equals(*to)) return array;
  if (from->id() == Type::DICTIONARY) {
    ARROW_ASSIGN_OR_RAISE(
        ArrayPtr values,
        CastSafely(array, static_cast<const arrow::DictionaryType&>(*from).value_type()));
    return Widen(values, to);
  }
  if (IsList(from->id()) && IsList(to->id())) return ConvertList(array, to, Widen);
  if (!MayWiden(*from, *to)) {
    return Status::TypeError("values of type ", from->ToString(), " can't become ", to->ToString(),
                             " without loss");
  }
  if (to->id() == Type::FIXED_SIZE_BINARY) return ConvertStored(array, to);
  return CastSafely(array, to);
}

}  // namespace tercet
