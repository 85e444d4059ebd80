#include <arrow/type.h>

#include "base/name.h"
#include "base/short_text.h"
#include "catalog/definition_json.h"
#include "catalog/feature_group.h"

namespace tercet {

json::array SchemaToJson(const arrow::Schema& schema) {
  json::array array;
  for (const auto& field : schema.fields()) {
    array.push_back(json::object{{"name", field->name()},
                                 {"type", field->type()->ToString()},
                                 {"nullable", field->nullable()}});
  }
  return array;
}

Result<std::shared_ptr<arrow::Schema>> SchemaFromJson(const json::array& array) {
  arrow::FieldVector fields;
  for (const json::value& item : array) {
    const json::object* column = item.if_object();
    if (column == nullptr) {
      return Status::Invalid("a schema is a list of {\"name\", \"type\", \"nullable\"}, not of ",
                             ShortText(ToText(item)));
    }
    ARROW_RETURN_NOT_OK(CheckMembers("a schema's column", *column, {"name", "type", "nullable"}));
    ARROW_ASSIGN_OR_RAISE(const std::string name, GetString(*column, "name"));
    ARROW_ASSIGN_OR_RAISE(const std::string type_text, GetString(*column, "type"));
    ARROW_ASSIGN_OR_RAISE(const auto nullable, FindBool(*column, "nullable"));
    ARROW_RETURN_NOT_OK(CheckColumnName(name));
    Result<std::shared_ptr<arrow::DataType>> type = TypeFromText(type_text);
    if (!type.ok()) return Explain(type.status(), "column '" + name + "'");
    fields.push_back(arrow::field(name, *std::move(type), nullable.value_or(true)));
  }
  return arrow::schema(std::move(fields));
}

}  // namespace tercet
