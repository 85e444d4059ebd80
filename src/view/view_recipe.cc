#include "view/view_recipe.h"

#include <algorithm>

#include "offline/data_file.h"
#include "offline/delta_schema.h"
#include "offline/kept_history.h"
#include "offline/stored_type.h"
#include "view/known_join.h"
#include "view/left_rows.h"

namespace tercet {
namespace {

json::array ArrayOf(const std::vector<std::string>& texts) {
  json::array array;
  for (const std::string& text : texts) array.emplace_back(text);
  return array;
}

json::value ValueOf(const std::optional<int64_t>& number) {
  return number ? json::value(*number) : json::value();
}

Result<json::value> StoredTypeText(const std::shared_ptr<arrow::DataType>& logical) {
  ARROW_ASSIGN_OR_RAISE(auto stored, StoredType(*logical));
  ARROW_ASSIGN_OR_RAISE(const json::object schema,
                        EngineSchema(arrow::schema({arrow::field("value", std::move(stored))})));
  return schema.at("fields").as_array()[0].at("type");
}

Result<json::array> FilesOf(Snapshot* snapshot) {
  ARROW_ASSIGN_OR_RAISE(const auto files, snapshot->Files());
  json::array names;
  for (const auto& file : files) {
    names.emplace_back(file->path.substr(file->path.rfind('/') + 1));
  }
  return names;
}

/// A source that is ours to read, for any process that an engine has.
Result<json::object> SourceOf(const FeatureGroupDefinition& group, ViewSnapshots* snapshots) {
  if (group.source->location.starts_with("s3://")) {
    return Status::NotImplemented(
        "feature group '", group.ref().ToText(), "' is read from ", group.source->ToText(),
        ", which an engine's workers don't reach as we do; insert its rows into a group, or read "
        "the view without an engine");
  }
  ARROW_ASSIGN_OR_RAISE(const auto snapshot, snapshots->Get(group));
  arrow::FieldVector fields;
  for (const auto& field : snapshot->schema()->fields()) {
    const auto stored = StoredType(*field->type());
    // What is no feature is no view's to ask for.
    if (stored.ok()) fields.push_back(arrow::field(field->name(), *stored));
  }
  ARROW_ASSIGN_OR_RAISE(json::object schema, EngineSchema(arrow::schema(std::move(fields))));
  return json::object{{"source", group.source->ToJson()},
                      {"version", snapshot->version()},
                      {"key", ArrayOf(group.primary_key)},
                      {"event_time", group.event_time},
                      {"schema", std::move(schema)}};
}

Result<json::object> TableOf(const FeatureGroupDefinition& group, ViewSnapshots* snapshots,
                             FeatureTables* tables) {
  if (group.source && group.source->kind != "delta") return SourceOf(group, snapshots);
  ARROW_ASSIGN_OR_RAISE(const auto snapshot, snapshots->Get(group));
  ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<Table> table, tables->Get(group.ref()));
  ARROW_ASSIGN_OR_RAISE(json::array names, FilesOf(snapshot.get()));
  return json::object{{"path", table->path()},
                      {"version", snapshot->version()},
                      {"key", ArrayOf(group.primary_key)},
                      {"event_time", group.event_time},
                      {"files", std::move(names)}};
}

/// Adds what a table was as of each commit that somebody may have known.
Status AddKnown(const FeatureGroupDefinition& group, ViewSnapshots* snapshots,
                json::object* table) {
  ARROW_RETURN_NOT_OK(CheckKeepsHistory(group));
  ARROW_ASSIGN_OR_RAISE(const auto head, snapshots->Get(group));
  ARROW_ASSIGN_OR_RAISE(const int64_t since, HistorySince(head->properties()));
  ARROW_ASSIGN_OR_RAISE(const std::vector<Commit> commits, snapshots->Commits(group));
  json::array known;
  json::value since_us;
  for (const Commit& commit : commits) {
    if (commit.version < since) continue;
    if (since > 0 && since_us.is_null()) since_us = commit.commit_time_us;
    ARROW_ASSIGN_OR_RAISE(const auto snapshot, snapshots->At(group, commit.version));
    ARROW_ASSIGN_OR_RAISE(json::array files, FilesOf(snapshot.get()));
    known.push_back(json::object{{"version", commit.version},
                                 {"time_us", commit.commit_time_us},
                                 {"files", std::move(files)}});
  }
  (*table)["known"] = std::move(known);
  (*table)["since_us"] = std::move(since_us);
  return Status::OK();
}

Result<json::object> JoinOf(const ViewPlan& plan, const ViewGroup& group,
                            ViewSnapshots* snapshots) {
  std::vector<std::string> columns = group.features;
  for (const std::string& key : group.keys_given) {
    if (std::find(columns.begin(), columns.end(), key) == columns.end()) columns.push_back(key);
  }
  json::array left_keys;
  for (size_t k = 0; k < group.left_keys.size(); ++k) {
    const std::string& key = group.left_keys[k];
    left_keys.push_back(json::object{{"group", group.from}, {"column", key}});
    const FeatureGroupDefinition& from = plan.groups()[static_cast<size_t>(group.from)].definition;
    const auto left = from.schema->GetFieldByName(key);
    const auto& right = group.key_schema->field(static_cast<int>(k))->type();
    // Engines turn a time without a zone into one with by their session's zone.
    if (left != nullptr && left->type()->id() == arrow::Type::TIMESTAMP &&
        static_cast<const arrow::TimestampType&>(*left->type()).timezone().empty() !=
            static_cast<const arrow::TimestampType&>(*right).timezone().empty()) {
      return Status::NotImplemented("join key '", key, "' is ", left->type()->ToString(),
                                    " on the left and ", right->ToString(),
                                    " on the right; read the view without an engine");
    }
  }
  std::optional<int64_t> newest_us;
  if (group.horizon_us) {
    ARROW_ASSIGN_OR_RAISE(newest_us, snapshots->NewestTime(group.definition));
  }
  return json::object{{"table", group.definition.ref().ToText()},
                      {"columns", ArrayOf(columns)},
                      {"left_keys", std::move(left_keys)},
                      {"moved", group.moved()},
                      {"moved_us", group.horizon_us.value_or(-group.lag_us)},
                      {"has_horizon", group.horizon_us.has_value()},
                      {"newest_us", ValueOf(newest_us)},
                      {"ttl_us", ValueOf(group.TtlOf())},
                      {"inner", group.type == JoinType::kInner}};
}

/// The left rows' columns, and which of them are keys that come out.
struct LeftSteps {
  json::array columns, look_up, unknown;
  std::string time;
  std::vector<std::string> names;
};

Result<LeftSteps> LeftOf(const ViewPlan& plan, const RecipeOptions& options) {
  const FeatureGroupDefinition& root = plan.groups()[0].definition;
  LeftSteps left;
  const auto type_of = [&](const std::string& name) -> Result<json::value> {
    for (const auto& [parameter, text] : plan.definition().request_parameters) {
      if (parameter != name) continue;
      ARROW_ASSIGN_OR_RAISE(const auto type, TypeFromText(text));
      return StoredTypeText(type);
    }
    return StoredTypeText(root.schema->GetFieldByName(name)->type());
  };
  const auto add = [&](const std::string& name, const std::string& column) -> Status {
    if (std::find(left.names.begin(), left.names.end(), name) != left.names.end()) {
      return Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(json::value type, type_of(name));
    left.names.push_back(name);
    left.columns.push_back(
        json::object{{"name", name}, {"column", column}, {"type", std::move(type)}});
    return Status::OK();
  };
  if (options.spine == nullptr) {
    ARROW_ASSIGN_OR_RAISE(const ScanOptions scan, RootScan(plan, {}));
    for (const std::string& name : scan.columns) {
      if (name != root.event_time) ARROW_RETURN_NOT_OK(add(name, name));
    }
    left.time = root.event_time;
    return left;
  }
  ARROW_ASSIGN_OR_RAISE(const SpineColumns spine, ResolveSpine(plan, *options.spine));
  left.time = spine.time;
  for (const auto& [parameter, text] : plan.definition().request_parameters) {
    ARROW_RETURN_NOT_OK(add(parameter, parameter));
  }
  for (const auto& [name, column] : spine.given) ARROW_RETURN_NOT_OK(add(name, column));
  for (const std::string& name : spine.look_up) {
    left.names.push_back(name);
    left.look_up.emplace_back(name);
  }
  for (const std::string& name : spine.unknown) {
    ARROW_ASSIGN_OR_RAISE(json::value type, type_of(name));
    left.names.push_back(name);
    left.unknown.push_back(json::object{{"name", name}, {"type", std::move(type)}});
  }
  return left;
}

/// The left rows' keys as a read gives them: the root's, then those of joins.
std::vector<std::string> KeysOf(const ViewPlan& plan, const std::vector<std::string>& left) {
  std::vector<std::string> keys;
  const auto add = [&](const std::string& name) {
    const bool there = std::find(left.begin(), left.end(), name) != left.end();
    if (there && std::find(keys.begin(), keys.end(), name) == keys.end()) keys.push_back(name);
  };
  for (const std::string& name : plan.groups()[0].definition.primary_key) add(name);
  for (const ViewGroup& group : plan.groups()) {
    if (group.from > 0) continue;
    for (const std::string& name : group.left_keys) add(name);
  }
  return keys;
}

Result<std::shared_ptr<const ViewProgram>> ProgramOf(
    const std::shared_ptr<const ViewPlan>& plan, const LeftSteps& left,
    const std::vector<FittedTransformation>& fitted) {
  return ViewProgram::Make(plan, fitted, KeysOf(*plan, left.names), !left.time.empty());
}

}  // namespace

Result<json::object> EngineSchema(const std::shared_ptr<arrow::Schema>& stored) {
  // As Delta has it, which is how Spark reads one too.
  return ParseJsonObject(ToDeltaSchema({.logical = stored, .stored = stored}, {}));
}

Result<std::shared_ptr<const ViewProgram>> ProgramOf(const std::shared_ptr<const ViewPlan>& plan,
                                                     const RecipeOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const LeftSteps left, LeftOf(*plan, options));
  return ProgramOf(plan, left, options.fitted);
}

Result<json::object> RecipeOf(const std::shared_ptr<const ViewPlan>& plan,
                              ViewSnapshots* snapshots, FeatureTables* tables,
                              const RecipeOptions& options) {
  ARROW_ASSIGN_OR_RAISE(LeftSteps left, LeftOf(*plan, options));
  json::object tables_json;
  json::array joins;
  for (const ViewGroup& group : plan->groups()) {
    const std::string name = group.definition.ref().ToText();
    if (!tables_json.contains(name)) {
      ARROW_ASSIGN_OR_RAISE(tables_json[name], TableOf(group.definition, snapshots, tables));
    }
    const bool is_root = &group == &plan->groups()[0];
    const bool looked_up = is_root ? !left.look_up.empty() : !group.horizon_us;
    json::object& table = tables_json[name].as_object();
    if (options.known_at && looked_up && !table.contains("known")) {
      if (left.time.empty()) return Explain(NoTimeToKnow(), "feature group '" + name + "'");
      ARROW_RETURN_NOT_OK(AddKnown(group.definition, snapshots, &table));
    }
    if (is_root) continue;
    if (left.time.empty() && group.moved()) {
      return Status::Invalid("the left rows have no event time that a ",
                             group.horizon_us ? "horizon" : "lag",
                             " could be counted from; read the view with a spine that has one");
    }
    ARROW_ASSIGN_OR_RAISE(json::object join, JoinOf(*plan, group, snapshots));
    joins.push_back(std::move(join));
  }
  ARROW_ASSIGN_OR_RAISE(const auto program, ProgramOf(plan, left, options.fitted));
  json::array inputs;
  arrow::FieldVector input_fields;
  for (const ViewProgram::Input& input : program->inputs()) {
    inputs.push_back(json::object{{"group", input.group}, {"column", input.column}});
    input_fields.push_back(arrow::field("c" + std::to_string(input_fields.size()), input.type));
  }
  ARROW_ASSIGN_OR_RAISE(json::object input_types, EngineSchema(arrow::schema(input_fields)));
  ARROW_ASSIGN_OR_RAISE(json::object output, EngineSchema(program->output_schema()));
  ARROW_ASSIGN_OR_RAISE(json::object rows, EngineSchema(program->rows_schema()));
  json::object pins;
  for (const auto& [name, version] : snapshots->pins()) pins[name] = version;
  const ViewGroup& root = plan->groups()[0];
  return json::object{{"pins", std::move(pins)},
                      {"tables", std::move(tables_json)},
                      {"root", root.definition.ref().ToText()},
                      {"left", std::move(left.columns)},
                      {"time", left.time},
                      {"ttl_us", ValueOf(root.ttl_us)},
                      {"look_up", std::move(left.look_up)},
                      {"unknown", std::move(left.unknown)},
                      {"joins", std::move(joins)},
                      {"inputs", std::move(inputs)},
                      {"input_types", std::move(input_types)},
                      {"output", std::move(output)},
                      {"rows", std::move(rows)},
                      {"features", ArrayOf(plan->feature_schema()->field_names())},
                      {"labels", ArrayOf(plan->label_schema()->field_names())},
                      {"program", program->ToJson()}};
}

}  // namespace tercet
