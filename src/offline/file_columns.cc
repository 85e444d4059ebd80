#include "offline/file_columns.h"

#include <algorithm>
#include <charconv>

#include "base/id.h"
#include "offline/column_fit.h"
#include "offline/stored_type.h"

namespace tercet {
namespace {

constexpr std::string_view kIdKey = "delta.columnMapping.id";
constexpr std::string_view kPhysicalNameKey = "delta.columnMapping.physicalName";

/// Calls `visit` with a column, or a struct's member, and with all members of structs in it.
template <typename Visit>
Status VisitFields(json::value& field, const Visit& visit);

template <typename Visit>
Status VisitType(json::value& type, const Visit& visit) {
  if (!type.is_object()) return Status::OK();
  for (const std::string_view part : {"elementType", "keyType", "valueType"}) {
    json::value* inner = type.as_object().if_contains(part);
    if (inner != nullptr) ARROW_RETURN_NOT_OK(VisitType(*inner, visit));
  }
  json::value* members = type.as_object().if_contains("fields");
  if (members == nullptr || !members->is_array()) return Status::OK();
  for (json::value& member : members->as_array()) {
    ARROW_RETURN_NOT_OK(VisitFields(member, visit));
  }
  return Status::OK();
}

template <typename Visit>
Status VisitFields(json::value& field, const Visit& visit) {
  json::object* object = field.if_object();
  if (object == nullptr) return Status::Invalid("malformed schema: a field must be an object");
  ARROW_RETURN_NOT_OK(visit(object));
  json::value* type = object->if_contains("type");
  return type == nullptr ? Status::OK() : VisitType(*type, visit);
}

}  // namespace

Result<std::shared_ptr<arrow::RecordBatch>> ToFileRows(const arrow::RecordBatch& rows,
                                                       const TableColumns& columns) {
  arrow::ArrayVector arrays;
  for (int i = 0; i < columns.stored->num_fields(); ++i) {
    const arrow::Field& field = *columns.stored->field(i);
    Result<std::shared_ptr<arrow::Array>> array = ConvertStored(rows.column(i), field.type());
    if (!array.ok()) {
      return Explain(array.status(), "column '" + field.name() + "' can't be stored");
    }
    arrays.push_back(Rename(*array, columns.physical->field(i)->type()));
  }
  return arrow::RecordBatch::Make(columns.physical, rows.num_rows(), std::move(arrays));
}

std::vector<std::string> NamesInFiles(const std::vector<std::string>& names,
                                      const TableColumns& columns) {
  std::vector<std::string> in_files;
  for (const std::string& name : names) {
    in_files.push_back(columns.physical->field(columns.logical->GetFieldIndex(name))->name());
  }
  return in_files;
}

Status MapNewColumns(size_t known, json::array* fields, Metadata* metadata) {
  int64_t last_id = 0;
  if (const auto text = metadata->configuration.find(std::string(kMaxColumnIdProperty));
      text != metadata->configuration.end()) {
    const char* end = text->second.data() + text->second.size();
    if (std::from_chars(text->second.data(), end, last_id).ptr != end || last_id < 0) {
      return Status::Invalid("table property '", kMaxColumnIdProperty, "' must be a number, not '",
                             text->second, "'");
    }
  }
  const auto find_last = [&](const json::object* field) -> Status {
    ARROW_ASSIGN_OR_RAISE(const json::object notes, FindObject(*field, "metadata"));
    ARROW_ASSIGN_OR_RAISE(const auto id, FindInt(notes, kIdKey));
    last_id = std::max(last_id, id.value_or(0));
    return Status::OK();
  };
  const auto assign = [&](json::object* field) -> Status {
    (*field)["metadata"] = json::object{{kIdKey, ++last_id},
                                        {kPhysicalNameKey, "col-" + NewUuid()}};
    return Status::OK();
  };
  for (size_t i = 0; i < known; ++i) ARROW_RETURN_NOT_OK(VisitFields((*fields)[i], find_last));
  for (size_t i = known; i < fields->size(); ++i) {
    ARROW_RETURN_NOT_OK(VisitFields((*fields)[i], assign));
  }
  metadata->configuration[std::string(kMaxColumnIdProperty)] = std::to_string(last_id);
  return Status::OK();
}

}  // namespace tercet
