#include "offline/delta_schema.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <set>

#include <arrow/io/memory.h>
#include <arrow/ipc/dictionary.h>
#include <arrow/ipc/reader.h>
#include <arrow/ipc/writer.h>
#include <arrow/util/base64.h>
#include <arrow/util/key_value_metadata.h>

#include "base/name.h"
#include "base/short_text.h"
#include "catalog/feature_type.h"
#include "offline/column_fit.h"
#include "offline/schema_text.h"
#include "offline/stored_type.h"

namespace tercet {
namespace {

using arrow::DataType;
using arrow::Type;
using TypePtr = std::shared_ptr<DataType>;

json::value ToDeltaType(const DataType& stored);

/// Columns, or the members of a struct; those that `required` names may not be null.
json::array ToDeltaFields(const arrow::FieldVector& stored, const std::set<std::string>& required) {
  json::array fields;
  for (const auto& field : stored) {
    fields.push_back(json::object{{"name", field->name()},
                                  {"type", ToDeltaType(*field->type())},
                                  {"nullable", !required.contains(field->name())},
                                  {"metadata", json::object()}});
  }
  return fields;
}

json::value ToDeltaType(const DataType& stored) {
  switch (stored.id()) {
    case Type::BOOL:
      return "boolean";
    case Type::INT8:
      return "byte";
    case Type::INT16:
      return "short";
    case Type::INT32:
      return "integer";
    case Type::INT64:
      return "long";
    case Type::FLOAT:
      return "float";
    case Type::DOUBLE:
      return "double";
    case Type::STRING:
      return "string";
    case Type::DATE32:
      return "date";
    case Type::TIMESTAMP:
      return static_cast<const arrow::TimestampType&>(stored).timezone().empty() ? "timestamp_ntz"
                                                                                 : "timestamp";
    case Type::DECIMAL128: {
      const auto& decimal = static_cast<const arrow::DecimalType&>(stored);
      return json::value("decimal(" + std::to_string(decimal.precision()) + "," +
                         std::to_string(decimal.scale()) + ")");
    }
    case Type::LIST:
      return json::object{
          {"type", "array"},
          {"elementType", ToDeltaType(*static_cast<const arrow::ListType&>(stored).value_type())},
          {"containsNull", true}};
    case Type::STRUCT:
      return json::object{{"type", "struct"}, {"fields", ToDeltaFields(stored.fields(), {})}};
    case Type::MAP: {
      const auto& map = static_cast<const arrow::MapType&>(stored);
      return json::object{{"type", "map"},
                          {"keyType", ToDeltaType(*map.key_type())},
                          {"valueType", ToDeltaType(*map.item_type())},
                          {"valueContainsNull", true}};
    }
    default:
      return "binary";
  }
}

Result<TypePtr> FromDeltaDecimal(std::string_view text) {
  const std::string_view digits = text.substr(8);
  int precision = 0, scale = 0;
  const auto first = std::from_chars(digits.data(), digits.data() + digits.size(), precision);
  if (first.ec == std::errc() && first.ptr < digits.data() + digits.size() && *first.ptr == ',') {
    const char* rest = first.ptr + 1;
    while (*rest == ' ') ++rest;
    const auto second = std::from_chars(rest, digits.data() + digits.size(), scale);
    if (second.ec == std::errc() && *second.ptr == ')') {
      return arrow::Decimal128Type::Make(precision, scale);
    }
  }
  return Status::Invalid("malformed type '", text, "'");
}

Result<TypePtr> FromDeltaPrimitive(const json::value& type) {
  if (!type.is_string()) return Status::Invalid("malformed type ", ShortText(ToText(type)));
  const std::string_view name = type.as_string();
  static const std::map<std::string_view, TypePtr> kTypes = {
      {"boolean", arrow::boolean()},
      {"byte", arrow::int8()},
      {"short", arrow::int16()},
      {"integer", arrow::int32()},
      {"long", arrow::int64()},
      {"float", arrow::float32()},
      {"double", arrow::float64()},
      {"string", arrow::utf8()},
      {"binary", arrow::binary()},
      {"date", arrow::date32()},
      {"timestamp", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")},
      {"timestamp_ntz", arrow::timestamp(arrow::TimeUnit::MICRO)},
      {"void", arrow::null()},
  };
  if (const auto found = kTypes.find(name); found != kTypes.end()) return found->second;
  if (name.starts_with("decimal(")) return FromDeltaDecimal(name);
  return Status::NotImplemented("columns of type '", name, "' are not supported");
}

/// A type or a field twice: as the table has it, and as files do.
struct TypePair {
  TypePtr stored, physical;
};
struct FieldPair {
  std::shared_ptr<arrow::Field> stored, physical;
};

Result<FieldPair> FromDeltaField(const json::value& item, ColumnMapping mapping);

Result<const json::value*> PartOf(const json::object& type, std::string_view part) {
  const json::value* found = type.if_contains(part);
  if (found == nullptr) return Status::Invalid("a nested type has no '", part, "'");
  return found;
}

Result<TypePair> FromDeltaType(const json::value& type, ColumnMapping mapping) {
  const json::object* object = type.if_object();
  if (object == nullptr) {
    ARROW_ASSIGN_OR_RAISE(const TypePtr primitive, FromDeltaPrimitive(type));
    return TypePair{primitive, primitive};
  }
  ARROW_ASSIGN_OR_RAISE(const std::string kind, GetString(*object, "type"));
  if (kind == "array") {
    ARROW_ASSIGN_OR_RAISE(const json::value* part, PartOf(*object, "elementType"));
    ARROW_ASSIGN_OR_RAISE(const TypePair element, FromDeltaType(*part, mapping));
    return TypePair{arrow::list(arrow::field("element", element.stored)),
                    arrow::list(arrow::field("element", element.physical))};
  }
  if (kind == "map") {
    ARROW_ASSIGN_OR_RAISE(const json::value* key_part, PartOf(*object, "keyType"));
    ARROW_ASSIGN_OR_RAISE(const json::value* value_part, PartOf(*object, "valueType"));
    ARROW_ASSIGN_OR_RAISE(const TypePair key, FromDeltaType(*key_part, mapping));
    ARROW_ASSIGN_OR_RAISE(const TypePair value, FromDeltaType(*value_part, mapping));
    return TypePair{arrow::map(key.stored, value.stored),
                    arrow::map(key.physical, value.physical)};
  }
  if (kind == "struct") {
    ARROW_ASSIGN_OR_RAISE(const json::array members, FindArray(*object, "fields"));
    arrow::FieldVector stored, physical;
    for (const json::value& item : members) {
      ARROW_ASSIGN_OR_RAISE(FieldPair field, FromDeltaField(item, mapping));
      stored.push_back(std::move(field.stored));
      physical.push_back(std::move(field.physical));
    }
    return TypePair{arrow::struct_(std::move(stored)), arrow::struct_(std::move(physical))};
  }
  return Status::NotImplemented("columns of nested type '", kind, "' are not supported");
}

Result<FieldPair> FromDeltaField(const json::value& item, ColumnMapping mapping) {
  if (!item.is_object()) return Status::Invalid("malformed schema: a field must be an object");
  const json::object& object = item.as_object();
  ARROW_ASSIGN_OR_RAISE(const std::string name, GetString(object, "name"));
  ARROW_ASSIGN_OR_RAISE(const auto nullable, FindBool(object, "nullable"));
  const json::value* type = object.if_contains("type");
  if (type == nullptr) return Status::Invalid("column '", name, "' has no type");
  Result<TypePair> found = FromDeltaType(*type, mapping);
  if (!found.ok()) return Explain(found.status(), "column '" + name + "'");
  const bool may_be_null = nullable.value_or(true);
  const auto stored = arrow::field(name, std::move(found->stored), may_be_null);
  if (mapping == ColumnMapping::kNone) return FieldPair{stored, stored};
  ARROW_ASSIGN_OR_RAISE(const json::object metadata, FindObject(object, "metadata"));
  const auto in_files = FindString(metadata, "delta.columnMapping.physicalName");
  if (!in_files.ok() || !*in_files) {
    return Status::Invalid("column '", name, "' has no delta.columnMapping.physicalName, though ",
                           "the table uses column mapping");
  }
  auto physical = arrow::field(**in_files, std::move(found->physical), may_be_null);
  const auto id = FindInt(metadata, "delta.columnMapping.id");
  if (!id.ok()) return Explain(id.status(), "column '" + name + "'");
  if (mapping == ColumnMapping::kById && !*id) {
    return Status::Invalid("column '", name, "' has no delta.columnMapping.id, though columns are ",
                           "found by it");
  }
  if (*id) {
    physical = physical->WithMetadata(
        arrow::key_value_metadata({std::string(kFieldIdKey)}, {std::to_string(**id)}));
  }
  return FieldPair{stored, std::move(physical)};
}

Result<ColumnMapping> MappingOf(const Metadata& metadata) {
  const auto mode = metadata.configuration.find(std::string(kMappingModeProperty));
  if (mode == metadata.configuration.end() || mode->second == "none") return ColumnMapping::kNone;
  if (mode->second == "name") return ColumnMapping::kByName;
  if (mode->second == "id") return ColumnMapping::kById;
  return Status::NotImplemented("cannot read this table: delta.columnMapping.mode is '",
                                mode->second, "'; known are none, name and id");
}

Result<std::shared_ptr<arrow::Schema>> ArrowSchemaFromText(const std::string& text) {
  ARROW_ASSIGN_OR_RAISE(const std::string bytes, arrow::util::base64_decode(text));
  arrow::io::BufferReader reader(arrow::Buffer::FromString(bytes));
  arrow::ipc::DictionaryMemo memo;
  return arrow::ipc::ReadSchema(&reader, &memo);
}

bool HasTimestampNtz(const DataType& type) {
  if (type.id() == Type::TIMESTAMP) {
    return static_cast<const arrow::TimestampType&>(type).timezone().empty();
  }
  return std::any_of(type.fields().begin(), type.fields().end(),
                     [](const auto& field) { return HasTimestampNtz(*field->type()); });
}

std::string LowerCase(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

}  // namespace

Result<json::object> ParseSchemaText(const std::string& text) {
  constexpr size_t kMostDepth = 128;
  static_assert(kMostDepth > 3 * (kMaxTypeDepth + 1));
  return ParseJsonObject(text, {.max_depth = kMostDepth});
}

Result<TableColumns> ColumnsOf(const arrow::Schema& schema) {
  if (schema.num_fields() == 0) return Status::Invalid("a table must have at least one column");
  arrow::FieldVector logical, stored;
  std::set<std::string> names;
  for (const auto& field : schema.fields()) {
    ARROW_RETURN_NOT_OK(CheckColumnName(field->name()));
    if (!names.insert(LowerCase(field->name())).second) {
      return Status::Invalid("column '", field->name(), "' comes twice (names differ by more than ",
                             "case)");
    }
    Result<TypePtr> type = StoredType(*field->type());
    if (!type.ok()) return Explain(type.status(), "column '" + field->name() + "'");
    logical.push_back(arrow::field(field->name(), LogicalType(field->type()), field->nullable()));
    stored.push_back(arrow::field(field->name(), *std::move(type), field->nullable()));
  }
  TableColumns columns{.logical = arrow::schema(std::move(logical)),
                       .stored = arrow::schema(std::move(stored))};
  columns.physical = columns.stored;
  return columns;
}

Result<TableColumns> ColumnsOf(const Metadata& metadata) {
  ARROW_ASSIGN_OR_RAISE(const json::object declared, ParseSchemaText(metadata.schema_string));
  ARROW_ASSIGN_OR_RAISE(const json::array fields, FindArray(declared, "fields"));
  std::shared_ptr<arrow::Schema> remembered = arrow::schema({});
  const auto text = metadata.configuration.find(std::string(kArrowSchemaProperty));
  const bool ours = text != metadata.configuration.end();
  if (ours) {
    ARROW_ASSIGN_OR_RAISE(remembered, ArrowSchemaFromText(text->second));
  }
  ARROW_ASSIGN_OR_RAISE(const ColumnMapping mapping, MappingOf(metadata));
  arrow::FieldVector logical, stored, physical;
  std::vector<std::string> added_elsewhere;
  for (const json::value& item : fields) {
    ARROW_ASSIGN_OR_RAISE(FieldPair found, FromDeltaField(item, mapping));
    std::shared_ptr<arrow::Field> field = found.stored;
    if (const auto known = remembered->GetFieldByName(field->name()); known != nullptr) {
      const Result<TypePtr> as_stored = StoredType(*known->type());
      if (as_stored.ok() && (*as_stored)->Equals(*field->type())) field = known;
    } else if (ours) {
      added_elsewhere.push_back(field->name());
    }
    logical.push_back(std::move(field));
    stored.push_back(std::move(found.stored));
    physical.push_back(std::move(found.physical));
  }
  return TableColumns{.logical = arrow::schema(std::move(logical)),
                      .stored = arrow::schema(std::move(stored)),
                      .partition_columns = metadata.partition_columns,
                      .physical = arrow::schema(std::move(physical)),
                      .mapping = mapping,
                      .added_elsewhere = std::move(added_elsewhere)};
}

std::string ToDeltaSchema(const TableColumns& columns, const std::vector<std::string>& not_null) {
  std::set<std::string> required(not_null.begin(), not_null.end());
  for (const auto& field : columns.stored->fields()) {
    if (!field->nullable()) required.insert(field->name());
  }
  return ToText(json::object{{"type", "struct"},
                             {"fields", ToDeltaFields(columns.stored->fields(), required)}});
}

Result<std::string> ArrowSchemaToText(const arrow::Schema& schema) {
  ARROW_ASSIGN_OR_RAISE(const auto buffer, arrow::ipc::SerializeSchema(schema));
  return arrow::util::base64_encode(std::string_view(*buffer));
}

bool NeedsTimestampNtz(const arrow::Schema& stored) {
  return std::any_of(stored.fields().begin(), stored.fields().end(),
                     [](const auto& field) { return HasTimestampNtz(*field->type()); });
}

}  // namespace tercet
