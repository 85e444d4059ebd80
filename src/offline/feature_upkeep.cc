// What changes a feature group that has rows: alterations, vacuum, erasure.
#include <algorithm>
#include <set>

#include <arrow/json/from_string.h>

#include "base/name.h"
#include "base/short_text.h"
#include "offline/delta_schema.h"
#include "offline/feature_tables.h"
#include "offline/kept_history.h"
#include "offline/table_property.h"

namespace tercet {
namespace {

constexpr int kMaxUpdates = 20;

std::string Naming(const FeatureGroupDefinition& definition) {
  return "feature group '" + definition.ref().ToText() + "'";
}

/// A default from JSON as a value of the feature's type.
Result<std::shared_ptr<arrow::Scalar>> DefaultOf(const FeatureGroupChange::NewFeature& feature) {
  if (feature.default_value.is_null()) return arrow::MakeNullScalar(feature.type);
  const Result<std::shared_ptr<arrow::Array>> array = arrow::json::ArrayFromJSONString(
      feature.type, "[" + ToText(feature.default_value) + "]");
  if (!array.ok()) {
    return Status::TypeError("the default of feature '", feature.name, "' is ",
                             ShortText(ToText(feature.default_value)), ", which is no ",
                             feature.type->ToString());
  }
  return (*array)->GetScalar(0);
}

/// The TTLs that a group had before, oldest first, as text: [{"until": 7, "ttl_us": 3600000000}]
/// for "up to commit 7". Old commits, and datasets made of them, go on being read with them.
Result<std::string> ExtendTtlHistory(const std::map<std::string, std::string>& properties,
                                     int64_t until, const std::optional<int64_t>& ttl_us) {
  json::array history;
  const auto known = properties.find(std::string(kTtlHistoryProperty));
  if (known != properties.end()) {
    ARROW_ASSIGN_OR_RAISE(const json::value value, ParseJson(known->second));
    if (value.is_array()) history = value.as_array();
  }
  history.push_back(json::object{
      {"until", until}, {"ttl_us", ttl_us ? json::value(*ttl_us) : json::value(nullptr)}});
  return ToText(history);
}

Result<std::optional<int64_t>> TtlAt(const std::map<std::string, std::string>& properties,
                                     int64_t version, const std::optional<int64_t>& now) {
  const auto known = properties.find(std::string(kTtlHistoryProperty));
  if (known == properties.end()) return now;
  ARROW_ASSIGN_OR_RAISE(const json::value value, ParseJson(known->second));
  if (!value.is_array()) return now;
  for (const json::value& item : value.as_array()) {
    if (!item.is_object()) continue;
    ARROW_ASSIGN_OR_RAISE(const int64_t until, GetInt(item.as_object(), "until"));
    if (version <= until) return FindInt(item.as_object(), "ttl_us");
  }
  return now;
}

}  // namespace

Result<FeatureGroupDefinition> FeatureTables::DefinitionAt(const Ref& ref, int64_t version) {
  ARROW_ASSIGN_OR_RAISE(const Group group, Find(ref));
  FeatureGroupDefinition definition = group.declared;
  if (group.table == nullptr) return definition;
  ARROW_ASSIGN_OR_RAISE(const auto head, group.table->Head());
  ARROW_ASSIGN_OR_RAISE(const auto then, group.table->AtVersion(version));
  definition.schema = then->schema();
  ARROW_ASSIGN_OR_RAISE(definition.ttl_us, TtlAt(head->properties(), version, definition.ttl_us));
  return definition;
}

Result<TableAlteration> FeatureTables::AlterationOf(const Group& group,
                                                    const FeatureGroupChange& change) const {
  TableAlteration alteration{.widen = change.widen, .properties = change.properties};
  ARROW_ASSIGN_OR_RAISE(const auto head, group.table->Head());
  FeatureGroupDefinition wanted = group.declared;
  arrow::FieldVector fields = head->schema()->fields();
  for (const FeatureGroupChange::NewFeature& feature : change.add) {
    alteration.add.push_back(arrow::field(feature.name, feature.type));
    fields.push_back(alteration.add.back());
    ARROW_ASSIGN_OR_RAISE(alteration.defaults[feature.name], DefaultOf(feature));
  }
  // What the table would allow and a feature group does not: reserved names, a TTL of nothing. A
  // column that is there twice is said better by the table.
  wanted.schema = arrow::schema(fields);
  if (change.change_ttl) wanted.ttl_us = change.ttl_us;
  const bool repeated =
      std::any_of(change.add.begin(), change.add.end(), [&](const auto& feature) {
        return head->schema()->GetFieldIndex(feature.name) >= 0;
      });
  if (!repeated) ARROW_RETURN_NOT_OK(wanted.Check());
  if (change.change_ttl && change.ttl_us != group.declared.ttl_us) {
    ARROW_ASSIGN_OR_RAISE(
        alteration.properties[std::string(kTtlHistoryProperty)],
        ExtendTtlHistory(head->properties(), head->version(), group.declared.ttl_us));
  }
  if (change.history && !group.declared.history) {
    ARROW_ASSIGN_OR_RAISE(const int64_t since,
                          OldestWholeCommit(file_system_.get(), group.table.get()));
    if (since > 0) {
      alteration.properties[std::string(kHistorySinceProperty)] = std::to_string(since);
    }
  }
  return alteration;
}

Result<FeatureGroupDefinition> FeatureTables::Alter(const Ref& ref,
                                                    const FeatureGroupChange& change) {
  ARROW_ASSIGN_OR_RAISE(const Group group, Find(ref));
  const Ref whole = group.declared.ref();
  for (const auto& [name, text] : change.properties) {
    ARROW_RETURN_NOT_OK(CheckProperty(name, text));
  }
  if (change.history && !*change.history) {
    return Status::Invalid(
        Naming(group.declared),
        group.declared.history
            ? " keeps its history, and training data that was made as known at a time counts on "
              "it; make a new version of the group without"
            : " keeps no history already");
  }
  if (change.history && group.declared.source) {
    return Status::Invalid(Naming(group.declared), " is external: its history is not ours to keep");
  }
  if (group.table != nullptr) {
    ARROW_ASSIGN_OR_RAISE(const TableAlteration alteration, AlterationOf(group, change));
    if (!alteration.add.empty() || !alteration.widen.empty() || !alteration.properties.empty()) {
      const Status altered = group.table->Alter(alteration).status();
      if (!altered.ok()) return Explain(altered, "altering " + Naming(group.declared));
    }
  } else if (change.ChangesTable()) {
    return Status::Invalid(Naming(group.declared), " has no table yet, so features, types and ",
                           "properties can't be altered; insert rows first");
  }
  ARROW_RETURN_NOT_OK(UpdateEntry(whole, change));
  return Definition(whole);
}

Status FeatureTables::UpdateEntry(const Ref& ref, const FeatureGroupChange& change) {
  for (int tries = 0; tries < kMaxUpdates; ++tries) {
    ARROW_ASSIGN_OR_RAISE(const CatalogEntry entry, catalog_->Get(Kind::kFeatureGroup, ref));
    ARROW_ASSIGN_OR_RAISE(const Group group, FromCatalog(entry));
    FeatureGroupDefinition definition = group.declared;
    if (change.description) definition.description = *change.description;
    if (change.tags) definition.tags = *change.tags;
    if (change.change_ttl) definition.ttl_us = change.ttl_us;
    if (change.history) definition.history = true;
    for (const auto& [column, embedding] : change.embeddings) {
      if (embedding) {
        definition.embeddings[column] = *embedding;
      } else if (definition.embeddings.erase(column) == 0) {
        std::vector<std::string> names;
        for (const auto& [name, declared] : definition.embeddings) names.push_back(name);
        return Status::KeyError("feature group '", ref.ToText(), "' has no embedding '", column,
                                "'", Suggest(column, names));
      }
    }
    if (definition.schema != nullptr && group.table != nullptr) {
      ARROW_ASSIGN_OR_RAISE(const auto head, group.table->Head());
      definition.schema = head->schema();
    }
    ARROW_RETURN_NOT_OK(definition.Check());
    if (!change.embeddings.empty() && group.table != nullptr) {
      ARROW_ASSIGN_OR_RAISE(const auto head, group.table->Head());
      const Status fits = CheckEmbeddings(definition.embeddings, head->schema().get());
      if (!fits.ok()) return Explain(fits, "altering " + Naming(definition));
    }
    // Also where only the table changed: what others keep of the group follows the catalog.
    const Status updated =
        catalog_->Update(Kind::kFeatureGroup, ref, entry.revision, definition.ToJson()).status();
    if (!updated.IsCancelled()) return updated;
  }
  return Status::Cancelled("feature group '", ref.ToText(), "' is being altered by others at ",
                           "once; try again");
}

Result<std::map<int64_t, std::vector<std::string>>> FeatureTables::PinsOf(const Ref& ref) {
  std::map<int64_t, std::vector<std::string>> pins;
  const std::string name = ref.ToText();
  for (const Kind kind : {Kind::kTrainingDataset, Kind::kModel, Kind::kRelease}) {
    ARROW_ASSIGN_OR_RAISE(const std::vector<CatalogEntry> entries, catalog_->List(kind));
    for (const CatalogEntry& entry : entries) {
      ARROW_ASSIGN_OR_RAISE(const json::object pinned, FindObject(entry.definition, "pins"));
      ARROW_ASSIGN_OR_RAISE(const auto version, FindInt(pinned, name));
      if (version) pins[*version].push_back(NounRef{entry.kind, entry.ref}.ToText());
    }
  }
  return pins;
}

Result<VacuumReport> FeatureTables::Vacuum(const Ref& ref, const VacuumRequest& request) {
  ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<Table> table, Get(ref));
  ARROW_ASSIGN_OR_RAISE(const FeatureGroupDefinition definition, Definition(ref));
  ARROW_ASSIGN_OR_RAISE(auto pins, PinsOf(definition.ref()));
  std::set<int64_t> versions;
  for (const auto& [version, by] : pins) versions.insert(version);
  if (definition.history) {
    ARROW_ASSIGN_OR_RAISE(const std::vector<Commit> commits, table->Commits());
    ARROW_ASSIGN_OR_RAISE(const auto head, table->Head());
    ARROW_ASSIGN_OR_RAISE(const int64_t since, HistorySince(head->properties()));
    for (const Commit& commit : commits) {
      if (commit.version >= since) versions.insert(commit.version);
    }
  }
  Result<VacuumReport> report = table->Vacuum(request, versions);
  if (!report.ok()) {
    std::string by;
    for (const auto& [version, nouns] : pins) {
      by += (by.empty() ? "" : "; ") + std::to_string(version) + " is pinned by " + nouns.front();
    }
    return Explain(report.status(), Naming(definition) + (by.empty() ? "" : " (" + by + ")"));
  }
  report->pinned = std::move(pins);
  return report;
}

Result<ErasureReport> FeatureTables::Erase(const std::optional<Ref>& ref,
                                           const std::shared_ptr<arrow::RecordBatch>& keys) {
  std::vector<FeatureGroupDefinition> groups;
  if (ref) {
    ARROW_ASSIGN_OR_RAISE(groups.emplace_back(), Definition(*ref));
  } else {
    ARROW_ASSIGN_OR_RAISE(groups, List());
    const std::vector<std::string> names = keys->schema()->field_names();
    std::erase_if(groups, [&](const FeatureGroupDefinition& group) {
      // What another system keeps is that system's to erase.
      return group.source || !std::all_of(names.begin(), names.end(), [&](const std::string& name) {
        return std::find(group.primary_key.begin(), group.primary_key.end(), name) !=
               group.primary_key.end();
      });
    });
    if (groups.empty() || names.empty()) {
      std::string text;
      for (const std::string& name : names) text += (text.empty() ? "'" : ", '") + name + "'";
      return Status::KeyError("no feature group has ", text.empty() ? "these columns" : text,
                              " in its primary key; nothing was erased");
    }
  }
  ErasureReport report;
  std::set<std::string> lost;
  for (const FeatureGroupDefinition& group : groups) {
    const Result<std::shared_ptr<Table>> table = Get(group.ref());
    // Declared, and nothing was inserted. A table that can't be read may hold what is to be erased.
    if (!ref && table.status().IsKeyError()) continue;
    ARROW_RETURN_NOT_OK(table.status());
    const Result<TableErasure> erased = (*table)->Erase(keys);
    if (!erased.ok()) return Explain(erased.status(), "erasing from " + Naming(group));
    report.groups[group.ref().ToText()] = {.version = erased->version,
                                           .rows = erased->rows,
                                           .files = erased->files,
                                           .lost_versions = erased->lost_versions};
    ARROW_ASSIGN_OR_RAISE(const auto datasets, catalog_->List(Kind::kTrainingDataset));
    for (const CatalogEntry& entry : datasets) {
      ARROW_ASSIGN_OR_RAISE(const json::object pins, FindObject(entry.definition, "pins"));
      ARROW_ASSIGN_OR_RAISE(const auto version, FindInt(pins, group.ref().ToText()));
      if (version && std::binary_search(erased->lost_versions.begin(),
                                        erased->lost_versions.end(), *version)) {
        lost.insert(entry.ref.ToText());
      }
    }
  }
  report.lost_datasets.assign(lost.begin(), lost.end());
  return report;
}

}  // namespace tercet
