#include "catalog/feature_type.h"

#include <cctype>
#include <set>

#include <arrow/type_traits.h>

#include "base/name.h"

namespace tercet {
namespace {

using arrow::Type;

Status Refuse(const arrow::DataType& type, std::string_view instead) {
  return Status::TypeError("no feature has the type ", type.ToString(), instead);
}

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

/// The text of a type ends a member's name at the first colon (TypeFromText).
Status CheckMemberName(const std::string& name) {
  ARROW_RETURN_NOT_OK(CheckColumnName(name));
  if (name.find(':') == std::string::npos && name.front() != ' ') return Status::OK();
  return Status::Invalid("a member's name, '", name, "', has a colon or begins with a blank");
}

Status Check(const arrow::DataType& type, int depth);

Status CheckStruct(const arrow::DataType& type, int depth) {
  if (type.num_fields() == 0) return Refuse(type, ": it has no members");
  std::set<std::string> names;
  for (const auto& member : type.fields()) {
    ARROW_RETURN_NOT_OK(CheckMemberName(member->name()));
    if (!names.insert(LowerCase(member->name())).second) {
      return Status::Invalid("member '", member->name(),
                             "' is there twice (upper and lower case are one)");
    }
    const Status fits = Check(*member->type(), depth + 1);
    if (!fits.ok()) return Explain(fits, "member '" + member->name() + "'");
  }
  return Status::OK();
}

Status Check(const arrow::DataType& type, int depth) {
  if (depth > kMaxTypeDepth) {
    return Status::TypeError("a feature nests at most ", kMaxTypeDepth, " types");
  }
  switch (type.id()) {
    case Type::LIST:
    case Type::LARGE_LIST:
    case Type::FIXED_SIZE_LIST:
      return Check(*type.field(0)->type(), depth + 1);
    case Type::STRUCT:
      return CheckStruct(type, depth);
    case Type::MAP: {
      const auto& map = static_cast<const arrow::MapType&>(type);
      if (!IsKeyType(*map.key_type())) {
        return Refuse(type, ": a map's keys are of a type that a primary key may have; keep it as "
                            "a list of structs of a key and a value");
      }
      const Status fits = Check(*map.item_type(), depth + 1);
      return Explain(fits, "values of the map");
    }
    case Type::NA:
      return Refuse(type, ": all its values are null; declare its type in the schema, or cast it");
    case Type::INTERVAL_MONTHS:
      return Refuse(type, "; cast it to int32, the number of months");
    case Type::INTERVAL_DAY_TIME:
    case Type::INTERVAL_MONTH_DAY_NANO:
      return Refuse(type, "; cast it to duration[us], or to a struct of its parts");
    case Type::SPARSE_UNION:
    case Type::DENSE_UNION:
      return Refuse(type, "; keep a struct with a member for each of its types");
    case Type::LIST_VIEW:
    case Type::LARGE_LIST_VIEW:
      return Refuse(type, "; cast it to a list");
    case Type::RUN_END_ENCODED:
    case Type::DICTIONARY:
      return Refuse(type, "; cast it to the type of its values");
    case Type::EXTENSION:
      return Refuse(type, "; cast it to its storage type");
    default:
      return Status::OK();
  }
}

}  // namespace

bool IsFeatureType(const arrow::DataType& type) { return CheckFeatureType(type).ok(); }

Status CheckFeatureType(const arrow::DataType& type) { return Check(type, 0); }

bool IsKeyType(const arrow::DataType& type) {
  return !arrow::is_nested(type.id()) && type.id() != Type::DURATION && IsFeatureType(type);
}

}  // namespace tercet
