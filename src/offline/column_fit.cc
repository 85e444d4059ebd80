#include "offline/column_fit.h"

#include <arrow/array/util.h>
#include <arrow/compute/api_vector.h>
#include <arrow/extension_type.h>
#include <arrow/type_traits.h>
#include <arrow/util/key_value_metadata.h>

#include "offline/map_forms.h"
#include "offline/nested_array.h"
#include "offline/stored_type.h"

namespace tercet {
namespace {

using arrow::DataType;
using arrow::Type;

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
  arrow::ArrayVector members;
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
    members.push_back(std::move(found));
  }
  return WithMembers(array, to, members);
}

/// What the values of another encoding are without it; null for a type that is plain.
TypePtr PlainType(const DataType& type) {
  switch (type.id()) {
    case Type::DICTIONARY:
      return static_cast<const arrow::DictionaryType&>(type).value_type();
    case Type::RUN_END_ENCODED:
      return static_cast<const arrow::RunEndEncodedType&>(type).value_type();
    case Type::EXTENSION:
      return static_cast<const arrow::ExtensionType&>(type).storage_type();
    case Type::LIST_VIEW:
      return arrow::list(type.field(0));
    case Type::LARGE_LIST_VIEW:
      return arrow::large_list(type.field(0));
    default:
      return nullptr;
  }
}

Result<ArrayPtr> MadePlain(const ArrayPtr& array, const TypePtr& plain) {
  switch (array->type_id()) {
    case Type::EXTENSION:
      return static_cast<const arrow::ExtensionArray&>(*array).storage();
    // Arrow's cast of views leaves out the last offset.
    case Type::LIST_VIEW:
      return arrow::ListArray::FromListView(static_cast<const arrow::ListViewArray&>(*array),
                                            arrow::default_memory_pool());
    case Type::LARGE_LIST_VIEW:
      return arrow::LargeListArray::FromListView(
          static_cast<const arrow::LargeListViewArray&>(*array), arrow::default_memory_pool());
    case Type::RUN_END_ENCODED: {
      ARROW_ASSIGN_OR_RAISE(const arrow::Datum values, arrow::compute::RunEndDecode(array));
      return values.make_array();
    }
    default:
      return CastSafely(array, plain);
  }
}

/// Whether values of `from` may become `to`, given that each value is then checked.
bool MayWiden(const DataType& from, const DataType& to) {
  const Type::type a = from.id(), b = to.id();
  const NumberKind x = KindOf(a), y = KindOf(b);
  if (x != NumberKind::kOther && y != NumberKind::kOther) {
    // Integers take whole numbers in their range: a DataFrame's integers are floats once one of
    // them is missing. Between floats a value that fits would be one by chance.
    if (x == NumberKind::kFloat && y == NumberKind::kFloat) {
      return from.bit_width() <= to.bit_width();
    }
    return a != Type::HALF_FLOAT && b != Type::HALF_FLOAT;
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

Result<ArrayPtr> WidenStruct(const ArrayPtr& array, const TypePtr& to) {
  const auto& whole = static_cast<const arrow::StructArray&>(*array);
  const auto& given = static_cast<const arrow::StructType&>(*array->type());
  const auto& wanted = static_cast<const arrow::StructType&>(*to);
  for (const auto& member : given.fields()) {
    if (wanted.GetFieldIndex(member->name()) < 0) return NoMember(member->name(), wanted);
    if (given.GetFieldIndex(member->name()) < 0) {
      return Status::Invalid("member '", member->name(), "' comes twice");
    }
  }
  arrow::ArrayVector members;
  for (const auto& member : wanted.fields()) {
    const int index = given.GetFieldIndex(member->name());
    Result<ArrayPtr> widened = index < 0
                                   ? arrow::MakeArrayOfNull(member->type(), array->length())
                                   : Widen(whole.field(index), member->type());
    if (!widened.ok()) return Explain(widened.status(), "member '" + member->name() + "'");
    members.push_back(*std::move(widened));
  }
  return WithMembers(array, to, members);
}

}  // namespace

Result<ArrayPtr> FitColumn(const ArrayPtr& array, const TypePtr& to, bool by_id) {
  const Type::type from = array->type_id();
  const auto fit = [by_id](const ArrayPtr& part, const TypePtr& type) {
    return FitColumn(part, type, by_id);
  };
  if (to->id() == Type::NA) return arrow::MakeArrayOfNull(to, array->length());
  if (to->id() == Type::STRUCT && from == Type::STRUCT) return FitStruct(array, to, by_id);
  if (to->id() == Type::LIST && from == Type::LIST) return ConvertList(array, to, fit);
  if (to->id() == Type::MAP && from == Type::MAP) return ConvertMap(array, to, fit);
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
  // Nothing is lost of no values, whatever type a DataFrame gives a column that has none.
  if (array->null_count() == array->length()) return arrow::MakeArrayOfNull(to, array->length());
  if (const TypePtr plain = PlainType(*from); plain != nullptr) {
    ARROW_ASSIGN_OR_RAISE(const ArrayPtr values, MadePlain(array, plain));
    return Widen(values, to);
  }
  if (arrow::is_list(from->id()) && arrow::is_list(to->id())) return ConvertList(array, to, Widen);
  if (from->id() == Type::STRUCT && to->id() == Type::STRUCT) return WidenStruct(array, to);
  if (from->id() == Type::MAP && to->id() == Type::MAP) return ConvertMap(array, to, Widen);
  if (from->id() == Type::MAP && to->id() == Type::STRUCT) return StructOfMap(array, to);
  if (from->id() == Type::STRUCT && to->id() == Type::MAP) return MapOfStruct(array, to);
  if (arrow::is_list(from->id()) && to->id() == Type::MAP) return MapOfList(array, to);
  if (!MayWiden(*from, *to)) {
    return Status::TypeError("values of type ", from->ToString(), " can't become ", to->ToString(),
                             " without loss");
  }
  if (to->id() == Type::FIXED_SIZE_BINARY) return ConvertStored(array, to);
  return CastSafely(array, to);
}

}  // namespace tercet
