#include <algorithm>
#include <map>

#include <arrow/array/util.h>
#include <arrow/compute/cast.h>
#include <arrow/table.h>

#include "base/name.h"
#include "base/parallel.h"
#include "offline/change.h"
#include "offline/column_defaults.h"
#include "offline/file_columns.h"
#include "offline/file_rewrite.h"
#include "offline/keyless_rows.h"
#include "offline/protocol_features.h"
#include "offline/row_stream.h"
#include "offline/schema_text.h"
#include "offline/stored_type.h"
#include "offline/widening.h"

namespace tercet {
namespace {

using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

bool IsKeyColumn(const TableOptions& options, const std::string& name) {
  return name == options.event_time ||
         std::find(options.primary_key.begin(), options.primary_key.end(), name) !=
             options.primary_key.end();
}

/// The columns as they are to be.
Result<TableColumns> NewColumns(const TableState& state, const TableAlteration& alteration) {
  arrow::FieldVector fields = state.columns.logical->fields();
  for (const auto& wider : alteration.widen) {
    const int index = state.columns.logical->GetFieldIndex(wider->name());
    if (index < 0) {
      return Status::KeyError("there is no column '", wider->name(), "'",
                              Suggest(wider->name(), state.columns.logical->field_names()));
    }
    if (IsKeyColumn(state.options, wider->name())) {
      return Status::Invalid("column '", wider->name(), "' tells rows apart, so its type stays; ",
                             "make a new version of the group");
    }
    auto& field = fields[index];
    const auto type = LogicalType(wider->type());
    if (field->type()->Equals(*type)) continue;
    const Status fits = CheckWidening(*field->type(), *type);
    if (!fits.ok()) return Explain(fits, "column '" + wider->name() + "'");
    field = field->WithType(type);
  }
  for (const auto& added : alteration.add) {
    if (state.columns.logical->GetFieldIndex(added->name()) >= 0) {
      return Status::AlreadyExists("there is a column '", added->name(), "' already");
    }
    fields.push_back(arrow::field(added->name(), added->type(), /*nullable=*/true));
  }
  return ColumnsOf(arrow::Schema(std::move(fields)));
}

/// Delta's schema of the new columns; what is known of a column that stays, of its members too,
/// stays as it is.
Result<json::array> NewFields(const TableState& state, const TableColumns& columns) {
  ARROW_ASSIGN_OR_RAISE(json::object schema, ParseSchemaText(ToDeltaSchema(columns, {})));
  ARROW_ASSIGN_OR_RAISE(const json::object before, ParseSchemaText(state.metadata.schema_string));
  ARROW_ASSIGN_OR_RAISE(const json::array known, FindArray(before, "fields"));
  json::array& fields = schema.at("fields").as_array();
  for (size_t i = 0; i < known.size() && i < fields.size(); ++i) {
    const int column = static_cast<int>(i);
    json::value type = std::move(fields[i].as_object().at("type"));
    fields[i] = known[i];
    if (!columns.stored->field(column)->type()->Equals(
            *state.columns.stored->field(column)->type())) {
      fields[i].as_object()["type"] = std::move(type);
    }
  }
  return std::move(fields);
}

/// What the table is to be: its metadata, without the properties that are altered, and columns.
struct NewSchema {
  Metadata metadata;
  TableColumns columns;
};

Result<NewSchema> MakeNewSchema(const TableState& state, const TableAlteration& alteration) {
  NewSchema made{.metadata = state.metadata, .columns = state.columns};
  if (alteration.add.empty() && alteration.widen.empty()) return made;
  ARROW_ASSIGN_OR_RAISE(const TableColumns columns, NewColumns(state, alteration));
  ARROW_ASSIGN_OR_RAISE(json::array fields, NewFields(state, columns));
  if (state.columns.mapping != ColumnMapping::kNone) {
    const auto known = static_cast<size_t>(state.columns.logical->num_fields());
    ARROW_RETURN_NOT_OK(MapNewColumns(known, &fields, &made.metadata));
  }
  made.metadata.schema_string =
      ToText(json::object{{"type", "struct"}, {"fields", std::move(fields)}});
  ARROW_ASSIGN_OR_RAISE(made.metadata.configuration[std::string(kArrowSchemaProperty)],
                        ArrowSchemaToText(*columns.logical));
  ARROW_ASSIGN_OR_RAISE(made.columns, ColumnsOf(made.metadata));
  return made;
}

class Alteration : public Change {
 public:
  Alteration(const ChangeContext& context, TableAlteration alteration, NewSchema made)
      : Change(std::make_shared<NewFiles>(context.file_system, context.table_path)),
        context_(context),
        alteration_(std::move(alteration)),
        columns_(std::move(made.columns)),
        metadata_(std::move(made.metadata)) {}

  Result<ChangePlan> Plan(const TableStatePtr& state) override {
    ChangePlan plan{.operation = "alter",
                    .delta_operation = DeltaOperation(),
                    .parameters = json::object()};
    ARROW_ASSIGN_OR_RAISE(Metadata metadata, NewMetadata(*state));
    if (!NeedsTimestampNtz(*state->columns.stored) && NeedsTimestampNtz(*columns_.stored)) {
      if (auto protocol = WithFeature(state->protocol, "timestampNtz")) {
        plan.actions.emplace_back(*std::move(protocol));
      }
    }
    plan.nothing = metadata.schema_string == state->metadata.schema_string &&
                   metadata.configuration == state->metadata.configuration;
    plan.actions.emplace_back(std::move(metadata));
    if (ChangesValues(*state)) ARROW_RETURN_NOT_OK(AddRewrites(state, &plan));
    return plan;
  }

 private:
  std::string DeltaOperation() const {
    if (!alteration_.widen.empty()) return "CHANGE COLUMN";
    return alteration_.add.empty() ? "SET TBLPROPERTIES" : "ADD COLUMNS";
  }

  Result<Metadata> NewMetadata(const TableState& state) const {
    Metadata metadata = state.metadata;
    for (const auto& [name, text] : alteration_.properties) {
      if (text) {
        metadata.configuration[name] = *text;
      } else {
        metadata.configuration.erase(name);
      }
    }
    if (alteration_.add.empty() && alteration_.widen.empty()) return metadata;
    metadata.schema_string = metadata_.schema_string;
    for (const std::string_view name : {kArrowSchemaProperty, kMaxColumnIdProperty}) {
      const auto text = metadata_.configuration.find(std::string(name));
      if (text != metadata_.configuration.end()) metadata.configuration[text->first] = text->second;
    }
    ColumnDefaults defaults = state.defaults;
    for (auto& [name, value] : defaults) {
      ARROW_ASSIGN_OR_RAISE(value, CastTo(value, columns_.logical->GetFieldByName(name)->type()));
    }
    for (const auto& added : alteration_.add) {
      const auto type = columns_.logical->GetFieldByName(added->name())->type();
      const auto given = alteration_.defaults.find(added->name());
      if (given == alteration_.defaults.end() || !given->second->is_valid) {
        defaults[added->name()] = arrow::MakeNullScalar(type);
      } else {
        ARROW_ASSIGN_OR_RAISE(defaults[added->name()], CastTo(given->second, type));
      }
    }
    if (!defaults.empty()) {
      ARROW_ASSIGN_OR_RAISE(metadata.configuration[std::string(kDefaultsProperty)],
                            DefaultsToText(defaults));
    }
    return metadata;
  }

  static Result<std::shared_ptr<arrow::Scalar>> CastTo(const std::shared_ptr<arrow::Scalar>& value,
                                                       const std::shared_ptr<arrow::DataType>& to) {
    if (value->type->Equals(*to)) return value;
    ARROW_ASSIGN_OR_RAISE(const arrow::Datum cast, arrow::compute::Cast(value, to));
    return cast.scalar();
  }

  /// Whether rows that are there get other bytes than they have.
  bool ChangesValues(const TableState& state) const {
    for (const auto& [name, value] : alteration_.defaults) {
      if (value->is_valid) return true;
    }
    for (const auto& field : state.columns.stored->fields()) {
      if (!columns_.stored->GetFieldByName(field->name())->type()->Equals(*field->type())) {
        return true;
      }
    }
    return false;
  }

  Status AddRewrites(const TableStatePtr& state, ChangePlan* plan) {
    TableState altered;
    altered.protocol = state->protocol;
    altered.metadata = state->metadata;
    altered.options = state->options;
    altered.columns = columns_;
    const RunOpener opener(context_.file_system, context_.table_path, state->columns,
                           state->options);
    const std::vector<DataFilePtr> files = state->OrderedFiles();
    std::vector<DataFilePtr> unseen;
    for (const DataFilePtr& file : files) {
      if (!rewritten_.contains(file->add.Key())) unseen.push_back(file);
    }
    std::vector<std::vector<AddFile>> adds(unseen.size());
    ARROW_RETURN_NOT_OK(ParallelFor(static_cast<int64_t>(unseen.size()), [&](int64_t i) -> Status {
      ARROW_ASSIGN_OR_RAISE(const auto run, opener.Open(unseen[i]));
      ARROW_ASSIGN_OR_RAISE(adds[i], Rewrite(*run, altered));
      return Status::OK();
    }));
    for (size_t i = 0; i < unseen.size(); ++i) {
      rewritten_.emplace(unseen[i]->add.Key(), std::move(adds[i]));
    }
    const int64_t now_ms = context_.clock->NowMicros() / 1000;
    for (const DataFilePtr& file : files) {
      plan->rows_updated += file->RowCount().value_or(1);
      plan->actions.emplace_back(RemoveFile::Of(file->add, now_ms, /*data_change=*/false));
      for (const AddFile& add : rewritten_.at(file->add.Key())) plan->actions.emplace_back(add);
    }
    return Status::OK();
  }

  /// The rows of a file with the new columns; they stay as old as they are.
  Result<std::vector<AddFile>> Rewrite(const RunFile& run, const TableState& altered) {
    if (static_cast<int64_t>(run.deleted().size()) == run.row_count()) {
      return std::vector<AddFile>();
    }
    std::vector<std::string> names;
    for (const auto& field : columns_.logical->fields()) {
      const bool added = std::any_of(
          alteration_.add.begin(), alteration_.add.end(),
          [&](const auto& column) { return column->name() == field->name(); });
      if (!added) names.push_back(field->name());
    }
    ARROW_ASSIGN_OR_RAISE(const BatchPtr before, RowsLeft(run, run.deleted(), names));
    arrow::ArrayVector arrays;
    for (const auto& field : columns_.logical->fields()) {
      const auto values = before->GetColumnByName(field->name());
      if (values != nullptr) {
        ARROW_ASSIGN_OR_RAISE(const arrow::Datum cast,
                              arrow::compute::Cast(values, field->type()));
        arrays.push_back(cast.make_array());
        continue;
      }
      const auto value = alteration_.defaults.find(field->name());
      if (value == alteration_.defaults.end() || !value->second->is_valid) {
        ARROW_ASSIGN_OR_RAISE(arrays.emplace_back(),
                              arrow::MakeArrayOfNull(field->type(), before->num_rows()));
      } else {
        ARROW_ASSIGN_OR_RAISE(const auto scalar, CastTo(value->second, field->type()));
        ARROW_ASSIGN_OR_RAISE(arrays.emplace_back(),
                              arrow::MakeArrayFromScalar(*scalar, before->num_rows()));
      }
    }
    ARROW_ASSIGN_OR_RAISE(
        std::vector<AddFile> adds,
        WriteForeignRows(
            arrow::RecordBatch::Make(columns_.logical, before->num_rows(), std::move(arrays)),
            altered, context_.clock->NowMicros(), files_.get()));
    for (AddFile& add : adds) {
      PutVersionTag(run.file().version, &add);
      add.data_change = false;
    }
    return adds;
  }

  const ChangeContext context_;
  const TableAlteration alteration_;
  const TableColumns columns_;
  const Metadata metadata_;
  std::map<std::string, std::vector<AddFile>> rewritten_;  // by AddFile::Key()
};

}  // namespace

Result<std::unique_ptr<Change>> MakeAlteration(const ChangeContext& context,
                                               const TableState& state,
                                               const TableAlteration& alteration) {
  for (const auto& [name, value] : alteration.defaults) {
    const bool added =
        std::any_of(alteration.add.begin(), alteration.add.end(),
                    [&name = name](const auto& field) { return field->name() == name; });
    if (!added) return Status::Invalid("a default for '", name, "', which is not added");
  }
  ARROW_ASSIGN_OR_RAISE(NewSchema made, MakeNewSchema(state, alteration));
  return std::make_unique<Alteration>(context, alteration, std::move(made));
}

}  // namespace tercet
