#include "catalog/feature_group.h"

#include <algorithm>
#include <cctype>
#include <set>

#include "base/name.h"
#include "base/short_text.h"
#include "base/time_text.h"
#include "catalog/definition_json.h"
#include "catalog/feature_type.h"
#include "compute/sort_key.h"

namespace tercet {
namespace {

constexpr std::string_view kModeNames[] = {"upsert", "append", "overwrite"};

/// Columns that reading changes() adds.
constexpr std::string_view kReserved[] = {"_change_type", "_commit_version", "_commit_time"};

/// Other engines find a Delta table's columns without regard to case.
std::string LowerCase(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

std::string Quoted(const std::vector<std::string>& names) {
  std::string text = "[";
  for (size_t i = 0; i < names.size(); ++i) text += (i == 0 ? "'" : ", '") + names[i] + "'";
  return text + "]";
}

std::string TtlText(const std::optional<int64_t>& ttl_us) {
  return ttl_us ? FormatDuration(*ttl_us) : "none";
}

/// Lines of "what: this, not other".
class Differences {
 public:
  void Add(std::string_view what, std::string_view this_one, std::string_view other) {
    if (this_one == other) return;
    text_ += (text_.empty() ? "" : "\n") + std::string(what) + ": " + std::string(this_one) +
             ", not " + std::string(other);
  }
  std::string text() && { return std::move(text_); }

 private:
  std::string text_;
};

void AddColumns(const arrow::Schema& mine, const arrow::Schema& other, Differences* found) {
  std::vector<std::string> my_order, other_order;
  for (const auto& field : mine.fields()) {
    const auto theirs = other.GetFieldByName(field->name());
    found->Add("column '" + field->name() + "'", field->ToString(),
               theirs == nullptr ? "absent" : theirs->ToString());
    if (theirs != nullptr) my_order.push_back(field->name());
  }
  for (const auto& field : other.fields()) {
    if (mine.GetFieldByName(field->name()) == nullptr) {
      found->Add("column '" + field->name() + "'", "absent", field->ToString());
    } else {
      other_order.push_back(field->name());
    }
  }
  found->Add("column order", Quoted(my_order), Quoted(other_order));
}

}  // namespace

json::object FeatureGroupDefinition::ToJson() const {
  const json::value columns =
      schema == nullptr ? json::value(nullptr) : json::value(SchemaToJson(*schema));
  const json::value time = event_time.empty() ? json::value(nullptr) : json::value(event_time);
  json::object object = {{"name", name},
                         {"version", version},
                         {"primary_key", ToJsonArray(primary_key)},
                         {"event_time", time},
                         {"ttl_us", OrNull(ttl_us)},
                         {"online", online},
                         {"deletion_vectors", deletion_vectors},
                         {"description", description},
                         {"tags", ToJsonObject(tags)},
                         {"schema", columns}};
  if (source) object["source"] = source->ToJson();
  if (history) object["history"] = true;
  if (!embeddings.empty()) object["embeddings"] = tercet::ToJson(embeddings);
  return object;
}

Result<FeatureGroupDefinition> FeatureGroupDefinition::FromJson(const json::object& object) {
  ARROW_RETURN_NOT_OK(CheckMembers(
      "feature group", object, {"name", "version", "primary_key", "event_time", "ttl_us", "online",
                                "deletion_vectors", "description", "tags", "schema", "source",
                                "history", "embeddings"}));
  FeatureGroupDefinition group;
  ARROW_ASSIGN_OR_RAISE(group.name, GetString(object, "name"));
  ARROW_ASSIGN_OR_RAISE(const auto version, FindInt(object, "version"));
  ARROW_ASSIGN_OR_RAISE(group.primary_key, FindStrings(object, "primary_key"));
  ARROW_ASSIGN_OR_RAISE(const auto event_time, FindString(object, "event_time"));
  ARROW_ASSIGN_OR_RAISE(group.ttl_us, FindInt(object, "ttl_us"));
  ARROW_ASSIGN_OR_RAISE(const auto online, FindBool(object, "online"));
  ARROW_ASSIGN_OR_RAISE(const auto deletion_vectors, FindBool(object, "deletion_vectors"));
  ARROW_ASSIGN_OR_RAISE(const auto history, FindBool(object, "history"));
  ARROW_ASSIGN_OR_RAISE(const auto description, FindString(object, "description"));
  ARROW_ASSIGN_OR_RAISE(group.tags, FindStringMap(object, "tags"));
  const json::value* schema = object.if_contains("schema");
  if (schema != nullptr && !schema->is_null()) {
    ARROW_ASSIGN_OR_RAISE(const json::array columns, FindArray(object, "schema"));
    ARROW_ASSIGN_OR_RAISE(group.schema, SchemaFromJson(columns));
  }
  ARROW_ASSIGN_OR_RAISE(const json::object source, FindObject(object, "source"));
  if (!source.empty()) {
    ARROW_ASSIGN_OR_RAISE(group.source, DataSource::FromJson(source));
  }
  ARROW_ASSIGN_OR_RAISE(const json::object embeddings, FindObject(object, "embeddings"));
  ARROW_ASSIGN_OR_RAISE(group.embeddings, EmbeddingsFromJson(embeddings));
  group.version = version.value_or(1);
  group.event_time = event_time.value_or("");
  group.online = online.value_or(false);
  group.deletion_vectors = deletion_vectors.value_or(true);
  group.history = history.value_or(false);
  group.description = description.value_or("");
  return group;
}

Status FeatureGroupDefinition::Check() const {
  ARROW_RETURN_NOT_OK(CheckName("feature group", name));
  const std::string what = "feature group '" + name + "'";
  if (version < 1) return Status::Invalid(what, ": version ", version, " is not 1 or more");
  if (primary_key.empty()) {
    return Status::Invalid(what, " has no primary key; name at least one column");
  }
  std::set<std::string> keys;
  for (const std::string& key : primary_key) {
    ARROW_RETURN_NOT_OK(CheckColumnName(key));
    if (!keys.insert(key).second) {
      return Status::Invalid(what, ": primary key column '", key, "' is named twice");
    }
  }
  if (!event_time.empty()) {
    ARROW_RETURN_NOT_OK(CheckColumnName(event_time));
    if (keys.contains(event_time)) {
      return Status::Invalid(what, ": the event time '", event_time,
                             "' is also in the primary key; leave it out there, rows are told "
                             "apart by (primary key, event time)");
    }
  }
  if (ttl_us && *ttl_us <= 0) {
    return Status::Invalid(what, ": a TTL must be longer than 0, not ", *ttl_us, " us");
  }
  if (ttl_us && event_time.empty()) {
    return Status::Invalid(what, " has a TTL of ", TtlText(ttl_us),
                           " but no event time to measure a row's age from");
  }
  if (source && history) {
    return Status::Invalid(what, " is external, so its history is not ours to keep; leave out ",
                           "'history'");
  }
  if (source) {
    const Status fits = source->Check();
    if (!fits.ok()) return Explain(fits, what);
  }
  if (!embeddings.empty() && !online) {
    return Status::Invalid(what, " has an embedding, '", embeddings.begin()->first,
                           "', whose neighbours are found among what is online; declare the group ",
                           "with online=True");
  }
  const Status embeddings_fit = CheckEmbeddings(embeddings, schema.get());
  if (!embeddings_fit.ok()) return Explain(embeddings_fit, what);
  if (schema == nullptr) return Status::OK();

  std::set<std::string> lower_names;
  for (const auto& field : schema->fields()) {
    ARROW_RETURN_NOT_OK(CheckColumnName(field->name()));
    if (!lower_names.insert(LowerCase(field->name())).second) {
      return Status::Invalid(what, ": column '", field->name(),
                             "' is there twice (upper and lower case are one)");
    }
    for (const std::string_view reserved : kReserved) {
      if (field->name() == reserved) {
        return Status::Invalid(what, ": column '", reserved, "' has a reserved name");
      }
    }
    // What is served online is served whole.
    if (!source || online) {
      const Status fits = CheckFeatureType(*field->type());
      if (!fits.ok()) return Explain(fits, what + ": column '" + field->name() + "'");
    }
  }
  for (const std::string& key : primary_key) {
    const auto field = schema->GetFieldByName(key);
    if (field == nullptr) {
      return Status::Invalid(what, ": primary key column '", key, "' is not in the schema",
                             Suggest(key, schema->field_names()));
    }
    if (!IsKeyType(*field->type())) {
      return Status::TypeError(what, ": primary key column '", key, "' cannot have the type ",
                               field->type()->ToString());
    }
  }
  if (!event_time.empty()) {
    const auto field = schema->GetFieldByName(event_time);
    if (field == nullptr) {
      return Status::Invalid(what, ": event time column '", event_time,
                             "' is not in the schema", Suggest(event_time, schema->field_names()));
    }
    if (!IsEventTimeType(*field->type())) {
      return Status::TypeError(what, ": event time column '", event_time,
                               "' must be a timestamp or a date, not ", field->type()->ToString(),
                               "; parse it first (pandas: to_datetime(…, utc=True))");
    }
  }
  return Status::OK();
}

std::string FeatureGroupDefinition::Difference(const FeatureGroupDefinition& other) const {
  Differences found;
  found.Add("name", name, other.name);
  found.Add("version", std::to_string(version), std::to_string(other.version));
  found.Add("primary key", Quoted(primary_key), Quoted(other.primary_key));
  found.Add("event time", event_time.empty() ? "none" : event_time,
            other.event_time.empty() ? "none" : other.event_time);
  found.Add("ttl", TtlText(ttl_us), TtlText(other.ttl_us));
  found.Add("online", online ? "true" : "false", other.online ? "true" : "false");
  found.Add("deletion vectors", deletion_vectors ? "true" : "false",
            other.deletion_vectors ? "true" : "false");
  found.Add("history", history ? "true" : "false", other.history ? "true" : "false");
  found.Add("description", "'" + description + "'", "'" + other.description + "'");
  found.Add("source", source ? source->ToText() : "none",
            other.source ? other.source->ToText() : "none");
  found.Add("tags", ToText(ToJsonObject(tags)), ToText(ToJsonObject(other.tags)));
  found.Add("embeddings", ToText(tercet::ToJson(embeddings)),
            ToText(tercet::ToJson(other.embeddings)));
  if (schema != nullptr && other.schema != nullptr) AddColumns(*schema, *other.schema, &found);
  return std::move(found).text();
}

json::object Commit::ToJson() const {
  return {{"feature_group", feature_group.ToText()},
          {"version", version},
          {"commit_time_us", commit_time_us},
          {"operation", operation},
          {"rows_inserted", rows_inserted},
          {"rows_updated", rows_updated},
          {"rows_deleted", rows_deleted},
          {"already_applied", already_applied}};
}

Result<Commit> Commit::FromJson(const json::object& object) {
  ARROW_RETURN_NOT_OK(CheckMembers(
      "commit", object, {"feature_group", "version", "commit_time_us", "operation",
                         "rows_inserted", "rows_updated", "rows_deleted", "already_applied"}));
  Commit commit;
  ARROW_ASSIGN_OR_RAISE(const std::string group, GetString(object, "feature_group"));
  ARROW_ASSIGN_OR_RAISE(commit.feature_group, Ref::Parse(group));
  ARROW_ASSIGN_OR_RAISE(commit.version, GetInt(object, "version"));
  ARROW_ASSIGN_OR_RAISE(commit.commit_time_us, GetInt(object, "commit_time_us"));
  ARROW_ASSIGN_OR_RAISE(commit.operation, GetString(object, "operation"));
  ARROW_ASSIGN_OR_RAISE(commit.rows_inserted, GetInt(object, "rows_inserted"));
  ARROW_ASSIGN_OR_RAISE(commit.rows_updated, GetInt(object, "rows_updated"));
  ARROW_ASSIGN_OR_RAISE(commit.rows_deleted, GetInt(object, "rows_deleted"));
  ARROW_ASSIGN_OR_RAISE(const auto already_applied, FindBool(object, "already_applied"));
  commit.already_applied = already_applied.value_or(false);
  return commit;
}

std::string_view InsertModeName(InsertMode mode) { return kModeNames[static_cast<int>(mode)]; }

Result<InsertMode> InsertModeFromName(std::string_view name) {
  for (const InsertMode mode : {InsertMode::kUpsert, InsertMode::kAppend, InsertMode::kOverwrite}) {
    if (InsertModeName(mode) == name) return mode;
  }
  return Status::Invalid("there is no insert mode '", ShortText(name), "'",
                         Suggest(name, {"upsert", "append", "overwrite"}));
}

}  // namespace tercet
