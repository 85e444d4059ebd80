#include "source/hudi_columns.h"

#include <map>

#include "base/json.h"
#include "base/short_text.h"
#include "source/sql_session.h"

namespace tercet {
namespace {

constexpr int kMostDepth = 32;
constexpr std::string_view kHudisOwn = "_hoodie_";

const std::map<std::string_view, const char*>& Simple() {
  static const std::map<std::string_view, const char*> types = {
      {"boolean", "BOOLEAN"}, {"int", "INTEGER"},   {"long", "BIGINT"}, {"float", "FLOAT"},
      {"double", "DOUBLE"},   {"string", "VARCHAR"}, {"bytes", "BLOB"},  {"fixed", "BLOB"},
      {"enum", "VARCHAR"}};
  return types;
}

const std::map<std::string_view, const char*>& Logical() {
  static const std::map<std::string_view, const char*> types = {
      {"date", "DATE"},
      {"time-millis", "TIME"},
      {"time-micros", "TIME"},
      {"timestamp-millis", "TIMESTAMP WITH TIME ZONE"},
      {"timestamp-micros", "TIMESTAMP WITH TIME ZONE"},
      {"local-timestamp-millis", "TIMESTAMP"},
      {"local-timestamp-micros", "TIMESTAMP"}};
  return types;
}

Result<std::string> TypeOf(const json::value& schema, int depth);

Result<std::vector<HudiColumn>> FieldsOf(const json::object& record, int depth) {
  ARROW_ASSIGN_OR_RAISE(const json::array fields, FindArray(record, "fields"));
  std::vector<HudiColumn> columns;
  for (const json::value& field : fields) {
    if (!field.is_object()) return Status::Invalid("a field is no object");
    HudiColumn column;
    ARROW_ASSIGN_OR_RAISE(column.name, GetString(field.as_object(), "name"));
    const json::value* type = field.as_object().if_contains("type");
    if (type == nullptr) return Status::Invalid("field '", column.name, "' has no type");
    auto known = TypeOf(*type, depth + 1);
    if (!known.ok()) return Explain(known.status(), "field '" + column.name + "'");
    column.type = *known;
    columns.push_back(std::move(column));
  }
  return columns;
}

Result<std::string> UnionType(const json::array& branches, int depth) {
  const json::value* only = nullptr;
  for (const json::value& branch : branches) {
    if (branch.is_string() && branch.as_string() == "null") continue;
    if (only != nullptr) return Status::NotImplemented("a union of several types is not read");
    only = &branch;
  }
  if (only == nullptr) return Status::NotImplemented("a column of nulls alone is not read");
  return TypeOf(*only, depth + 1);
}

Result<std::string> InnerType(const json::object& type, const char* member, int depth) {
  const json::value* inner = type.if_contains(member);
  if (inner == nullptr) return Status::Invalid("an array or map has no '", member, "'");
  return TypeOf(*inner, depth + 1);
}

Result<std::string> ObjectType(const json::object& type, int depth) {
  const json::value* kind = type.if_contains("type");
  if (kind == nullptr) return Status::Invalid("a type has no 'type'");
  if (!kind->is_string()) return TypeOf(*kind, depth + 1);
  const std::string name(kind->as_string());
  ARROW_ASSIGN_OR_RAISE(const auto logical, FindString(type, "logicalType"));
  if (logical == "decimal") {
    ARROW_ASSIGN_OR_RAISE(const int64_t precision, GetInt(type, "precision"));
    ARROW_ASSIGN_OR_RAISE(const auto scale, FindInt(type, "scale"));
    return "DECIMAL(" + std::to_string(precision) + ", " + std::to_string(scale.value_or(0)) + ")";
  }
  if (logical) {
    const auto known = Logical().find(*logical);
    if (known != Logical().end()) return std::string(known->second);
  }
  if (name == "array") {
    ARROW_ASSIGN_OR_RAISE(const std::string item, InnerType(type, "items", depth));
    return item + "[]";
  }
  if (name == "map") {
    ARROW_ASSIGN_OR_RAISE(const std::string value, InnerType(type, "values", depth));
    return "MAP(VARCHAR, " + value + ")";
  }
  if (name != "record") return TypeOf(*kind, depth + 1);
  ARROW_ASSIGN_OR_RAISE(const std::vector<HudiColumn> fields, FieldsOf(type, depth));
  std::string text;
  for (const HudiColumn& field : fields) {
    text += (text.empty() ? "" : ", ") + QuoteSqlName(field.name) + " " + field.type;
  }
  return "STRUCT(" + text + ")";
}

Result<std::string> TypeOf(const json::value& schema, int depth) {
  if (depth > kMostDepth) return Status::Invalid("nested more than ", kMostDepth, " deep");
  if (schema.is_array()) return UnionType(schema.as_array(), depth);
  if (schema.is_object()) return ObjectType(schema.as_object(), depth);
  if (!schema.is_string()) return Status::Invalid("a type is no type");
  const auto known = Simple().find(std::string_view(schema.as_string()));
  if (known != Simple().end()) return std::string(known->second);
  return Status::NotImplemented("the type '", ShortText(schema.as_string()),
                                "' is not read");
}

/// Base files as a relation of SQL: all their columns, and typed nulls for those that none has.
std::string ReadFiles(const std::vector<HudiColumn>& columns,
                      const std::vector<std::string>& files, const std::string& more) {
  std::string typed, list;
  for (const HudiColumn& column : columns) {
    typed += (typed.empty() ? "CAST(NULL AS " : ", CAST(NULL AS ") + column.type + ") AS " +
             QuoteSqlName(column.name);
  }
  for (const std::string& file : files) {
    list += (list.empty() ? "" : ", ") + QuoteSqlFile(file);
  }
  // The columns of partitions are in the files; their texts in paths may look like other types.
  return "(SELECT " + typed + " WHERE false UNION ALL BY NAME SELECT * FROM read_parquet([" + list +
         "], union_by_name = true, hive_partitioning = false" + more + "))";
}

std::string Chosen(const std::vector<HudiColumn>& columns, const std::string& from) {
  std::string wanted;
  for (const HudiColumn& column : columns) {
    const std::string name = QuoteSqlName(column.name);
    wanted += (wanted.empty() ? "CAST(" : ", CAST(") + from + name + " AS " + column.type +
              ") AS " + name;
  }
  return wanted;
}

/// How late a record is, in SQL: whether it is the row whatever the base file has, and what orders
/// it. As one value, so that DuckDB finds rows by a hash and compares those that it finds.
std::string Lateness(const std::string& always, const std::string& order) {
  return "row(" + always + ", " + order + ")";
}

/// That of a base file's row `b`, of which anything is later that has no order.
std::string LatenessOf(const std::vector<HudiColumn>& columns, const HudiMergeRule& rule) {
  const std::string name = "b." + QuoteSqlName(rule.order_by);
  std::string order = "CAST(" + name + " AS BIGINT)", least = "-9223372036854775808";
  for (const HudiColumn& column : columns) {
    if (column.name != rule.order_by) continue;
    if (column.type.starts_with("TIMESTAMP")) order = "epoch_us(" + name + ")";
    if (column.type == "DATE") order = "CAST(" + name + " - DATE '1970-01-01' AS BIGINT)";
    if (column.type == "FLOAT" || column.type == "DOUBLE") {
      order = "CAST(" + name + " AS DOUBLE)";
      least = "CAST('-infinity' AS DOUBLE)";
    }
    if (column.type == "VARCHAR") {
      order = name;
      least = "''";
    }
  }
  return Lateness("false", "coalesce(" + order + ", " + least + ")");
}

}  // namespace

Result<std::vector<HudiColumn>> HudiColumns(std::string_view avro_schema) {
  ARROW_ASSIGN_OR_RAISE(const json::object record, ParseJsonObject(avro_schema));
  ARROW_ASSIGN_OR_RAISE(std::vector<HudiColumn> columns, FieldsOf(record, 0));
  std::erase_if(columns, [](const HudiColumn& one) { return one.name.starts_with(kHudisOwn); });
  if (columns.empty()) return Status::Invalid("the schema has no columns");
  return columns;
}

std::string HudiRelation(const std::vector<HudiColumn>& columns,
                         const std::vector<HudiSlice>& slices, const HudiMergeRule& rule,
                         const std::string& logged) {
  std::vector<std::string> whole, changed;
  std::string described;
  bool with_logs = false;
  for (size_t i = 0; i < slices.size(); ++i) {
    with_logs = with_logs || !slices[i].logs.empty();
    if (slices[i].base.empty()) continue;
    (slices[i].logs.empty() ? whole : changed).push_back(slices[i].base);
    if (slices[i].logs.empty()) continue;
    described += (described.empty() ? "(" : ", (") + QuoteSqlText(slices[i].base) + ", " +
                 std::to_string(i) + ")";
  }
  std::string nothing;
  for (const HudiColumn& column : columns) {
    nothing += (nothing.empty() ? "CAST(NULL AS " : ", CAST(NULL AS ") + column.type + ") AS " +
               QuoteSqlName(column.name);
  }
  std::string rows = "SELECT " + nothing + " WHERE false";
  if (!whole.empty()) {
    rows += " UNION ALL SELECT " + Chosen(columns, "") + " FROM " + ReadFiles(columns, whole, "");
  }
  if (!with_logs) return "(" + rows + ")";
  // Log files are decoded once, though both kinds of rows are asked of them: of a materialized
  // table DuckDB reads the columns that any of its uses needs.
  const std::string with = "WITH logged AS MATERIALIZED (SELECT * FROM " + logged + ") ";
  std::string base;  // the changed files' rows `b`, and the slice `f` of each
  const std::string same = "l." + std::string(kHudiSlice) + " = f.slice AND l." + kHudiKey +
                           " = b." + kHudiKey;
  const bool by_time = rule.base_may_be_later && !rule.order_by.empty();
  const std::string lateness =
      Lateness("l." + std::string(kHudiAlways), "l." + std::string(kHudiOrder));
  if (!changed.empty()) {
    base = ReadFiles(columns, changed, ", filename = '_hoodie_file'") + " b JOIN (VALUES " +
           described + ") f(file, slice) ON b._hoodie_file = f.file";
    std::string replaces = same;
    if (by_time) replaces += " AND " + lateness + " >= " + LatenessOf(columns, rule);
    rows += " UNION ALL SELECT " + Chosen(columns, "b.") + " FROM " + base +
            " ANTI JOIN logged l ON " + replaces;
  }
  rows += " UNION ALL SELECT " + Chosen(columns, "l.") + " FROM logged l";
  if (!changed.empty() && by_time) {
    rows += " ANTI JOIN (SELECT f.slice, b." + std::string(kHudiKey) + " AS key, " +
            LatenessOf(columns, rule) + " AS lateness FROM " + base + ") o ON l." + kHudiSlice +
            " = o.slice AND l." + kHudiKey + " = o.key AND " + lateness + " < o.lateness";
  }
  rows += " WHERE NOT l." + std::string(kHudiDeleted);
  return "(" + with + rows + ")";
}

}  // namespace tercet
