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

#include "base/name.h"
#include "offline/stored_type.h"

namespace tercet {
namespace {

using arrow::DataType;
using arrow::Type;
using TypePtr = std::shared_ptr<DataType>;

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

Result<TypePtr> FromDeltaType(const json::value& type) {
  if (const json::object* object = type.if_object()) {
    ARROW_ASSIGN_OR_RAISE(const std::string kind, GetString(*object, "type"));
    const json::value* element = object->if_contains("elementType");
    if (kind == "array" && element != nullptr && element->is_string()) {
      ARROW_ASSIGN_OR_RAISE(TypePtr values, FromDeltaType(*element));
      return arrow::list(arrow::field("element", std::move(values)));
    }
    return Status::NotImplemented("columns of nested type '", kind, "' are not supported");
  }
  if (!type.is_string()) return Status::Invalid("malformed type ", ToText(type).substr(0, 80));
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
  };
  if (const auto found = kTypes.find(name); found != kTypes.end()) return found->second;
  if (name.starts_with("decimal(")) return FromDeltaDecimal(name);
  return Status::NotImplemented("columns of type '", name, "' are not supported");
}

Result<std::shared_ptr<arrow::Schema>> ArrowSchemaFromText(const std::string& text) {
  ARROW_ASSIGN_OR_RAISE(const std::string bytes, arrow::util::base64_decode(text));
  arrow::io::BufferReader reader(arrow::Buffer::FromString(bytes));
  arrow::ipc::DictionaryMemo memo;
  return arrow::ipc::ReadSchema(&reader, &memo);
}

std::string LowerCase(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

}  // namespace

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
  return TableColumns{arrow::schema(std::move(logical)), arrow::schema(std::move(stored)), {}};
}

Result<TableColumns> ColumnsOf(const Metadata& metadata) {
  ARROW_ASSIGN_OR_RAISE(const json::object declared, ParseJsonObject(metadata.schema_string));
  ARROW_ASSIGN_OR_RAISE(const json::array fields, FindArray(declared, "fields"));
  std::shared_ptr<arrow::Schema> remembered = arrow::schema({});
  if (const auto text = metadata.configuration.find(std::string(kArrowSchemaProperty));
      text != metadata.configuration.end()) {
    ARROW_ASSIGN_OR_RAISE(remembered, ArrowSchemaFromText(text->second));
  }
  arrow::FieldVector logical, stored;
  for (const json::value& item : fields) {
    if (!item.is_object()) return Status::Invalid("malformed schema: a field must be an object");
    const json::object& object = item.as_object();
    ARROW_ASSIGN_OR_RAISE(const std::string name, GetString(object, "name"));
    ARROW_ASSIGN_OR_RAISE(const auto nullable, FindBool(object, "nullable"));
    const json::value* type = object.if_contains("type");
    if (type == nullptr) return Status::Invalid("column '", name, "' has no type");
    Result<TypePtr> found = FromDeltaType(*type);
    if (!found.ok()) return Explain(found.status(), "column '" + name + "'");
    auto field = arrow::field(name, *std::move(found), nullable.value_or(true));
    stored.push_back(field);
    if (const auto ours = remembered->GetFieldByName(name); ours != nullptr) {
      const Result<TypePtr> as_stored = StoredType(*ours->type());
      if (as_stored.ok() && (*as_stored)->Equals(*field->type())) field = ours;
    }
    logical.push_back(std::move(field));
  }
  return TableColumns{arrow::schema(std::move(logical)), arrow::schema(std::move(stored)),
                      metadata.partition_columns};
}

std::string ToDeltaSchema(const TableColumns& columns, const std::vector<std::string>& not_null) {
  json::array fields;
  for (const auto& field : columns.stored->fields()) {
    const bool required = !field->nullable() || std::find(not_null.begin(), not_null.end(),
                                                          field->name()) != not_null.end();
    fields.push_back(json::object{{"name", field->name()},
                                  {"type", ToDeltaType(*field->type())},
                                  {"nullable", !required},
                                  {"metadata", json::object()}});
  }
  return ToText(json::object{{"type", "struct"}, {"fields", std::move(fields)}});
}

Result<std::string> ArrowSchemaToText(const arrow::Schema& schema) {
  ARROW_ASSIGN_OR_RAISE(const auto buffer, arrow::ipc::SerializeSchema(schema));
  return arrow::util::base64_encode(std::string_view(*buffer));
}

bool NeedsTimestampNtz(const arrow::Schema& stored) {
  for (const auto& field : stored.fields()) {
    const DataType* type = field->type().get();
    if (type->id() == Type::LIST)
      type = static_cast<const arrow::ListType*>(type)->value_type().get();
    if (type->id() == Type::TIMESTAMP &&
        static_cast<const arrow::TimestampType*>(type)->timezone().empty()) {
      return true;
    }
  }
  return false;
}

}  // namespace tercet
