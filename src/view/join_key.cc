#include "view/join_key.h"

#include <arrow/compute/cast.h>
#include <arrow/type_traits.h>

#include "base/parallel.h"
#include "offline/column_fit.h"
#include "offline/stored_type.h"

namespace tercet {
namespace {

/// Types between which a cast keeps what is a key's identity.
enum class Family { kInteger, kFloat, kText, kBytes, kDecimal, kTimestamp, kOther };

Family FamilyOf(const arrow::DataType& type) {
  const arrow::Type::type id = type.id();
  if (id == arrow::Type::DICTIONARY) {
    return FamilyOf(*static_cast<const arrow::DictionaryType&>(type).value_type());
  }
  if (arrow::is_integer(id)) return Family::kInteger;
  if (arrow::is_floating(id)) return Family::kFloat;
  if (arrow::is_decimal(id)) return Family::kDecimal;
  switch (id) {
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::STRING_VIEW:
      return Family::kText;
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_BINARY:
    case arrow::Type::BINARY_VIEW:
      return Family::kBytes;
    case arrow::Type::TIMESTAMP:
      return Family::kTimestamp;
    default:
      return Family::kOther;
  }
}

bool SameFamily(const arrow::DataType& a, const arrow::DataType& b) {
  if (a.Equals(b)) return true;
  const Family family = FamilyOf(a);
  return family != Family::kOther && family == FamilyOf(b);
}

/// A column of nothing but nulls fits everything, a whole number a fraction (and the other way
/// round: a DataFrame's integers are floats once one of them is missing), and a list or map one
/// whose items it fits.
bool Fit(const arrow::DataType& from, const arrow::DataType& to) {
  if (from.id() == arrow::Type::DICTIONARY) {
    return Fit(*static_cast<const arrow::DictionaryType&>(from).value_type(), to);
  }
  const bool maps = from.id() == arrow::Type::MAP && to.id() == arrow::Type::MAP;
  if (maps || (arrow::is_list(from.id()) && arrow::is_list(to.id()))) {
    return Fit(*from.field(0)->type(), *to.field(0)->type());
  }
  if (from.id() == arrow::Type::STRUCT && to.id() == arrow::Type::STRUCT) {
    bool fit = from.num_fields() == to.num_fields();
    for (int i = 0; fit && i < from.num_fields(); ++i) {
      fit = from.field(i)->name() == to.field(i)->name() &&
            Fit(*from.field(i)->type(), *to.field(i)->type());
    }
    return fit;
  }
  const auto number = [](const arrow::DataType& type) {
    const Family family = FamilyOf(type);
    return family == Family::kInteger || family == Family::kFloat;
  };
  return from.id() == arrow::Type::NA || SameFamily(from, to) || (number(from) && number(to));
}

/// Bytes of any length, as Python gives them, where those of one length are wanted; or the other
/// way.
bool AreBytesOfOneLength(const arrow::DataType& from, const arrow::DataType& to) {
  const auto is = [](const arrow::DataType& a, const arrow::DataType& b) {
    return a.id() == arrow::Type::BINARY && b.id() == arrow::Type::FIXED_SIZE_BINARY;
  };
  return is(from, to) || is(to, from);
}

/// Nested values that don't fit as they are, are taken as an insert takes them: members by name,
/// and a map, which a dict of values of one type is, where a struct is wanted. TypeError for what
/// has nothing in common.
Result<std::shared_ptr<arrow::Array>> Converted(const std::shared_ptr<arrow::Array>& column,
                                                const std::shared_ptr<arrow::DataType>& type) {
  if (AreBytesOfOneLength(*column->type(), *type)) return ConvertStored(column, type);
  if (Fit(*column->type(), *type)) {
    return arrow::compute::Cast(*column, type, arrow::compute::CastOptions::Safe(type));
  }
  return arrow::is_nested(type->id()) ? Widen(column, type) : Status::TypeError("unlike");
}

}  // namespace

Status CheckJoinKey(const std::string& left, const arrow::DataType& left_type,
                    const std::string& key, const arrow::DataType& key_type) {
  if (SameFamily(left_type, key_type)) return Status::OK();
  return Status::TypeError("left column '", left, "' is ", left_type.ToString(), ", its key '", key,
                           "' is ", key_type.ToString());
}

Result<std::shared_ptr<arrow::ChunkedArray>> CastColumn(
    const std::string& name, const std::shared_ptr<arrow::ChunkedArray>& column,
    const std::shared_ptr<arrow::DataType>& type) {
  if (column->type()->Equals(*type)) return column;
  arrow::ArrayVector chunks;
  for (const auto& chunk : column->chunks()) {
    ARROW_ASSIGN_OR_RAISE(chunks.emplace_back(), CastColumn(name, chunk, type));
  }
  return std::make_shared<arrow::ChunkedArray>(std::move(chunks), type);
}

Result<std::shared_ptr<arrow::Array>> CastColumn(const std::string& name,
                                                 const std::shared_ptr<arrow::Array>& column,
                                                 const std::shared_ptr<arrow::DataType>& type) {
  if (column->type()->Equals(*type)) return column;
  InitializeArrow();
  auto cast = Converted(column, type);
  if (cast.status().IsTypeError()) {
    return Status::TypeError("column '", name, "' is ", column->type()->ToString(), ", not ",
                             type->ToString());
  }
  if (!cast.ok()) return Explain(cast.status(), "column '" + name + "'");
  return cast;
}

}  // namespace tercet
