#include "source/iceberg_schema.h"

#include <cstdio>
#include <utility>

#include "base/short_text.h"
#include "source/field_id.h"
#include "source/sql_session.h"

namespace tercet {
namespace {

constexpr int kMostDepth = 32;

/// What nested fields are called. Files are read by the ids of columns but by the names of what
/// is in them, so both must tell the same.
class NestedNames {
 public:
  Status Add(int64_t id, const std::string& path) {
    const bool renamed = path_of_.emplace(id, path).first->second != path;
    const bool reused = id_of_.emplace(path, id).first->second != id;
    if (!renamed && !reused) return Status::OK();
    return Status::NotImplemented("the nested field '", path, "' was renamed, or has a name that "
                                  "another one had, which is not read");
  }

 private:
  std::map<int64_t, std::string> path_of_;
  std::map<std::string, int64_t> id_of_;
};

/// A type in either language.
struct Type {
  std::string sql;
  std::shared_ptr<arrow::DataType> arrow;
};

/// "decimal(9, 2)", of which the digits are.
Result<Type> DecimalType(const std::string& name) {
  int32_t precision = 0, scale = 0;
  char end = 0;
  if (std::sscanf(name.c_str(), "decimal(%d ,%d %c", &precision, &scale, &end) != 3 ||
      end != ')') {
    return Status::NotImplemented("the type '", ShortText(name), "' is not read");
  }
  ARROW_ASSIGN_OR_RAISE(auto arrow, arrow::Decimal128Type::Make(precision, scale));
  return Type{"DECIMAL(" + std::to_string(precision) + ", " + std::to_string(scale) + ")",
              std::move(arrow)};
}

Result<Type> PrimitiveType(const std::string& name) {
  using arrow::TimeUnit;
  static const std::map<std::string, Type> types = {
      {"boolean", {"BOOLEAN", arrow::boolean()}},
      {"int", {"INTEGER", arrow::int32()}},
      {"long", {"BIGINT", arrow::int64()}},
      {"float", {"FLOAT", arrow::float32()}},
      {"double", {"DOUBLE", arrow::float64()}},
      {"date", {"DATE", arrow::date32()}},
      {"time", {"TIME", arrow::time64(TimeUnit::MICRO)}},
      {"timestamp", {"TIMESTAMP", arrow::timestamp(TimeUnit::MICRO)}},
      {"timestamptz", {"TIMESTAMP WITH TIME ZONE", arrow::timestamp(TimeUnit::MICRO, "UTC")}},
      {"timestamp_ns", {"TIMESTAMP_NS", arrow::timestamp(TimeUnit::NANO)}},
      {"string", {"VARCHAR", arrow::utf8()}},
      {"uuid", {"UUID", arrow::utf8()}},
      {"binary", {"BLOB", arrow::binary()}}};
  const auto known = types.find(name);
  if (known != types.end()) return known->second;
  if (name.starts_with("fixed[")) return Type{"BLOB", arrow::binary()};
  if (name.starts_with("decimal(")) return DecimalType(name);
  return Status::NotImplemented("the type '", ShortText(name), "' is not read");
}

/// A default in SQL. Iceberg writes all but numbers, truth values and texts as texts that SQL
/// understands, and bytes as hexadecimal digits
/// (https://iceberg.apache.org/spec/#json-single-value-serialization).
Result<std::string> ValueOf(const json::value& value, const std::string& type) {
  if (value.is_object() || value.is_array()) {
    return Status::NotImplemented("a default value of the type ", type, " is not read");
  }
  const std::string text = value.is_string() ? std::string(value.as_string()) : ToText(value);
  if (type != "BLOB") return QuoteSqlText(text);
  std::string bytes;
  if (text.size() % 2 != 0 || text.find_first_not_of("0123456789abcdefABCDEF") != text.npos) {
    return Status::Invalid("a default value of bytes is no hexadecimal text");
  }
  for (size_t i = 0; i < text.size(); i += 2) bytes += "\\x" + text.substr(i, 2);
  return QuoteSqlText(bytes);
}

class SchemaReader {
 public:
  Result<std::vector<IcebergColumn>> Columns(const json::object& schema) {
    ARROW_ASSIGN_OR_RAISE(const json::array fields, FindArray(schema, "fields"));
    std::vector<IcebergColumn> columns;
    for (const json::value& item : fields) {
      if (!item.is_object()) return Status::Invalid("a field is no object");
      const json::object& field = item.as_object();
      IcebergColumn column;
      ARROW_ASSIGN_OR_RAISE(column.name, GetString(field, "name"));
      ARROW_ASSIGN_OR_RAISE(column.id, GetInt(field, "id"));
      const auto read = [&]() -> Status {
        ARROW_ASSIGN_OR_RAISE(Type type, TypeOf(field, "type", std::to_string(column.id), 0));
        column.type = std::move(type.sql);
        column.arrow_type = std::move(type.arrow);
        column.initial_value = "NULL";
        const json::value* initial = field.if_contains("initial-default");
        if (initial == nullptr || initial->is_null()) return Status::OK();
        ARROW_ASSIGN_OR_RAISE(column.initial_value, ValueOf(*initial, column.type));
        return Status::OK();
      }();
      if (!read.ok()) return Explain(read, "column '" + column.name + "'");
      columns.push_back(std::move(column));
    }
    return columns;
  }

 private:
  /// The type that a member says. `path` names where it is, from the column's id on.
  Result<Type> TypeOf(const json::object& of, const char* member, const std::string& path,
                      int depth) {
    if (depth > kMostDepth) return Status::Invalid("nested more than ", kMostDepth, " deep");
    const json::value* type = of.if_contains(member);
    if (type == nullptr) return Status::Invalid("there is no '", member, "'");
    if (type->is_string()) return PrimitiveType(std::string(type->as_string()));
    if (!type->is_object()) return Status::Invalid("a type is no type");
    const json::object& nested = type->as_object();
    ARROW_ASSIGN_OR_RAISE(const std::string kind, GetString(nested, "type"));
    if (kind == "list") {
      ARROW_ASSIGN_OR_RAISE(const Type item, TypeOf(nested, "element", path + "[]", depth + 1));
      return Type{item.sql + "[]", arrow::list(item.arrow)};
    }
    if (kind == "map") {
      ARROW_ASSIGN_OR_RAISE(const Type key, TypeOf(nested, "key", path + "{k}", depth + 1));
      ARROW_ASSIGN_OR_RAISE(const Type value, TypeOf(nested, "value", path + "{v}", depth + 1));
      return Type{"MAP(" + key.sql + ", " + value.sql + ")", arrow::map(key.arrow, value.arrow)};
    }
    if (kind == "struct") return StructOf(nested, path, depth);
    return Status::NotImplemented("the type '", ShortText(kind), "' is not read");
  }

  Result<Type> StructOf(const json::object& type, const std::string& path, int depth) {
    ARROW_ASSIGN_OR_RAISE(const json::array fields, FindArray(type, "fields"));
    std::string text;
    arrow::FieldVector members;
    for (const json::value& item : fields) {
      if (!item.is_object()) return Status::Invalid("a nested field is no object");
      const json::object& field = item.as_object();
      ARROW_ASSIGN_OR_RAISE(const std::string name, GetString(field, "name"));
      ARROW_ASSIGN_OR_RAISE(const int64_t id, GetInt(field, "id"));
      const std::string below = path + "." + name;
      ARROW_RETURN_NOT_OK(names_.Add(id, below));
      const json::value* initial = field.if_contains("initial-default");
      if (initial != nullptr && !initial->is_null()) {
        return Status::NotImplemented("the nested field '", name, "' has a default value");
      }
      ARROW_ASSIGN_OR_RAISE(const Type of, TypeOf(field, "type", below, depth + 1));
      text += (text.empty() ? "" : ", ") + QuoteSqlName(name) + " " + of.sql;
      members.push_back(FieldOfId(id, name, of.arrow));
    }
    return Type{"STRUCT(" + text + ")", arrow::struct_(std::move(members))};
  }

  NestedNames names_;
};

}  // namespace

Result<IcebergSchemas> ReadIcebergSchemas(const json::object& metadata) {
  ARROW_ASSIGN_OR_RAISE(const json::array schemas, FindArray(metadata, "schemas"));
  SchemaReader reader;
  IcebergSchemas read;
  if (schemas.empty()) {  // of a table of the first format that nobody altered since 2021
    ARROW_ASSIGN_OR_RAISE(const json::object only, FindObject(metadata, "schema"));
    if (!only.empty()) {
      ARROW_ASSIGN_OR_RAISE(read[0], reader.Columns(only));
    }
  }
  for (const json::value& item : schemas) {
    if (!item.is_object()) return Status::Invalid("a schema is no object");
    ARROW_ASSIGN_OR_RAISE(const int64_t id, GetInt(item.as_object(), "schema-id"));
    ARROW_ASSIGN_OR_RAISE(read[id], reader.Columns(item.as_object()));
  }
  return read;
}

}  // namespace tercet
