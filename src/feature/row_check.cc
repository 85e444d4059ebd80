#include "feature/row_check.h"

#include <string_view>

#include "base/name.h"
#include "compute/sort_key.h"
#include "offline/stored_type.h"

namespace tercet {
namespace {

std::string Naming(const FeatureGroupDefinition& definition) {
  return "feature group '" + definition.ref().ToText() + "'";
}

/// The key and event time of one row, for a message.
std::string RowText(const FeatureGroupDefinition& definition, const arrow::RecordBatch& rows,
                    int64_t row) {
  std::vector<std::string> names = definition.primary_key;
  if (!definition.event_time.empty()) names.push_back(definition.event_time);
  std::string text;
  for (const std::string& name : names) {
    const auto value = rows.GetColumnByName(name)->GetScalar(row);
    text += (text.empty() ? "" : ", ") + name + " = " +
            (value.ok() ? (*value)->ToString() : std::string("?"));
  }
  return text;
}

constexpr std::string_view kParseFirst = "; parse it first (pandas: to_datetime(…, utc=True))";

std::string ZoneText(const arrow::DataType& type) {
  const std::string& zone = static_cast<const arrow::TimestampType&>(type).timezone();
  return zone.empty() ? "no time zone" : "the time zone " + zone;
}

Status CheckZone(const FeatureGroupDefinition& definition, const std::string& name,
                 const arrow::DataType& given) {
  const arrow::DataType& wanted = *definition.schema->GetFieldByName(name)->type();
  // Of nulls alone is what has no rows; nulls of an event time are refused where they are read.
  if (given.id() == arrow::Type::DICTIONARY || given.id() == arrow::Type::NA) return Status::OK();
  if (name == definition.event_time && given.id() != wanted.id()) {
    const bool dates = wanted.id() == arrow::Type::DATE64 && given.id() == arrow::Type::DATE32;
    if (!dates) {
      return Status::TypeError(Naming(definition), ": event time column '", name, "' is ",
                               wanted.ToString(), " in the group and ", given.ToString(),
                               " in the frame", IsEventTimeType(given) ? "" : kParseFirst);
    }
  }
  if (wanted.id() != arrow::Type::TIMESTAMP || given.id() != arrow::Type::TIMESTAMP) {
    return Status::OK();
  }
  const bool zoned = !static_cast<const arrow::TimestampType&>(wanted).timezone().empty();
  if (zoned == !static_cast<const arrow::TimestampType&>(given).timezone().empty()) {
    return Status::OK();
  }
  return Status::TypeError(Naming(definition), ": column '", name, "' has ", ZoneText(wanted),
                           " in the group and ", ZoneText(given), " in the frame; ",
                           zoned ? "say which zone the frame's times are in"
                                 : "convert the frame's times and drop the zone");
}

}  // namespace

Result<FirstRows> CheckFirstRows(const FeatureGroupDefinition& definition,
                                 const std::shared_ptr<arrow::RecordBatchReader>& rows,
                                 InsertMode mode, const WriteMemory& memory) {
  FeatureGroupDefinition first = definition;
  if (first.schema == nullptr) {
    arrow::FieldVector fields;
    for (const auto& field : rows->schema()->fields()) {
      fields.push_back(arrow::field(field->name(), LogicalType(field->type())));
    }
    first.schema = arrow::schema(std::move(fields));
  }
  ARROW_RETURN_NOT_OK(first.Check());
  ARROW_RETURN_NOT_OK(CheckColumns(first, *rows->schema()));
  const TableOptions options{.primary_key = first.primary_key, .event_time = first.event_time};
  const auto spool = RowSpool::Fill(rows.get(), *first.schema, options, {}, memory.limit_bytes,
                                    memory.scratch_folder);
  if (!spool.ok()) return Explain(spool.status(), Naming(first));
  if (mode != InsertMode::kAppend) {
    ARROW_ASSIGN_OR_RAISE(const auto duplicate, (*spool)->Duplicate());
    if (duplicate != nullptr) {
      return Status::Invalid(Naming(first), ": the frame has (", RowText(first, *duplicate, 0),
                             ") more than once; keep one row of each, or insert with mode "
                             "\"append\", where the later row wins");
    }
  }
  return FirstRows{.schema = first.schema, .rows = *spool};
}

Status CheckColumns(const FeatureGroupDefinition& definition, const arrow::Schema& frame,
                    const ColumnDefaults& defaults) {
  const arrow::Schema& schema = *definition.schema;
  for (const auto& field : schema.fields()) {
    const auto found = frame.GetAllFieldIndices(field->name());
    if (found.empty()) {
      if (defaults.contains(field->name())) continue;
      return Status::Invalid(Naming(definition), ": the frame has no column '", field->name(), "'",
                             Suggest(field->name(), frame.field_names()));
    }
    if (found.size() > 1) {
      return Status::Invalid(Naming(definition), ": the frame has column '", field->name(),
                             "' twice");
    }
    ARROW_RETURN_NOT_OK(CheckZone(definition, field->name(), *frame.field(found[0])->type()));
  }
  for (const auto& field : frame.fields()) {
    if (schema.GetFieldIndex(field->name()) >= 0) continue;
    return Status::Invalid(Naming(definition), " has no column '", field->name(),
                           "', which the frame has", Suggest(field->name(), schema.field_names()));
  }
  return Status::OK();
}

Status CheckKeyColumns(const FeatureGroupDefinition& definition, const arrow::Schema& frame) {
  for (const std::string& key : definition.primary_key) {
    if (frame.GetFieldIndex(key) < 0) {
      return Status::Invalid("deleting from ", Naming(definition), ": the keys have no column '",
                             key, "'", Suggest(key, frame.field_names()));
    }
  }
  for (const auto& field : frame.fields()) {
    const std::string& name = field->name();
    const bool event_time = !definition.event_time.empty() && name == definition.event_time;
    if (event_time) {
      ARROW_RETURN_NOT_OK(CheckZone(definition, name, *field->type()));
      continue;
    }
    if (std::find(definition.primary_key.begin(), definition.primary_key.end(), name) ==
        definition.primary_key.end()) {
      return Status::Invalid("deleting from ", Naming(definition), ": column '", name,
                             "' is neither of the primary key nor the event time");
    }
  }
  return Status::OK();
}

}  // namespace tercet
