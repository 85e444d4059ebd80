#include "offline/feature_tables.h"

#include "base/name.h"
#include "offline/external_table.h"
#include "offline/stored_type.h"

namespace tercet {
namespace {

Result<FeatureGroupDefinition> FromEntry(const CatalogEntry& entry) {
  ARROW_ASSIGN_OR_RAISE(FeatureGroupDefinition definition,
                        FeatureGroupDefinition::FromJson(entry.definition));
  definition.name = entry.ref.name;
  definition.version = entry.ref.version;
  return definition;
}

TableOptions OptionsOf(const FeatureGroupDefinition& definition) {
  return {.primary_key = definition.primary_key,
          .event_time = definition.event_time,
          .deletion_vectors = definition.deletion_vectors};
}

}  // namespace

FeatureTables::FeatureTables(Catalog* catalog, std::shared_ptr<FileSystem> file_system,
                             std::string root, const Clock* clock, bool outlive_catalog)
    : catalog_(catalog),
      file_system_(std::move(file_system)),
      root_(std::move(root)),
      clock_(clock),
      outlive_catalog_(outlive_catalog) {
  memory_.scratch_folder = root_;
}

std::string FeatureTables::PathOf(const Ref& ref) const {
  return JoinPath(JoinPath(JoinPath(root_, "feature_groups"), ref.name),
                  std::to_string(ref.version));
}

Result<FeatureTables::Group> FeatureTables::Find(const Ref& ref) {
  ARROW_ASSIGN_OR_RAISE(const CatalogEntry entry, catalog_->Get(Kind::kFeatureGroup, ref));
  return FromCatalog(entry);
}

Result<FeatureTables::Group> FeatureTables::FromCatalog(const CatalogEntry& entry) {
  Group group{.declared = {}, .created_us = entry.created_us, .table = nullptr};
  ARROW_ASSIGN_OR_RAISE(group.declared, FromEntry(entry));
  {
    std::lock_guard lock(mutex_);
    const auto found = tables_.find(entry.ref.ToText());
    // A group that was dropped and declared again by another process has another table.
    if (found != tables_.end() && found->second.created_us == entry.created_us) {
      group.table = found->second.table;
      return group;
    }
  }
  if (group.declared.source) {
    // A source that is gone must not keep the other groups from being listed.
    auto external = OpenExternalTable(file_system_, *group.declared.source,
                                      OptionsOf(group.declared), clock_, memory_.limit_bytes);
    group.problem = external.status();
    if (external.ok()) {
      group.table = Keep(entry.ref, entry.created_us, std::move(external).ValueUnsafe());
    }
    return group;
  }
  Result<std::shared_ptr<Table>> opened =
      Table::Open(file_system_, PathOf(entry.ref), OptionsOf(group.declared), clock_, memory_);
  if (opened.status().IsKeyError()) return group;  // Declared, and nothing inserted yet.
  ARROW_RETURN_NOT_OK(opened.status());
  group.table = Keep(entry.ref, entry.created_us, std::move(opened).ValueUnsafe());
  return group;
}

std::shared_ptr<Table> FeatureTables::Keep(const Ref& ref, int64_t created_us,
                                           std::shared_ptr<Table> table) {
  std::lock_guard lock(mutex_);
  OpenTable& open = tables_[ref.ToText()];
  // Two threads may have opened it at once: all use the first, whose log is then read once.
  if (open.table == nullptr || open.created_us != created_us) {
    open = {.created_us = created_us, .table = std::move(table)};
  }
  return open.table;
}

Result<FeatureGroupDefinition> FeatureTables::WithSchema(const Group& group) const {
  FeatureGroupDefinition definition = group.declared;
  if (group.table != nullptr) {
    const Result<std::shared_ptr<Snapshot>> head = group.table->Head();
    if (!head.ok() && definition.source) return definition;  // its files went since
    ARROW_RETURN_NOT_OK(head.status());
    definition.schema = (*head)->schema();
  }
  return definition;
}

Result<FeatureGroupDefinition> FeatureTables::Definition(const Ref& ref) {
  ARROW_ASSIGN_OR_RAISE(const Group group, Find(ref));
  return WithSchema(group);
}

Result<FeatureGroupDefinition> FeatureTables::Define(const FeatureGroupDefinition& declared) {
  ARROW_RETURN_NOT_OK(CheckName("feature group", declared.name));
  FeatureGroupDefinition definition = declared;
  if (definition.schema != nullptr) {
    arrow::FieldVector fields;
    for (const auto& field : definition.schema->fields()) {
      fields.push_back(field->WithType(LogicalType(field->type())));
    }
    definition.schema = arrow::schema(std::move(fields));
  }
  ARROW_ASSIGN_OR_RAISE(std::optional<CatalogEntry> entry,
                        catalog_->Find(Kind::kFeatureGroup, definition.ref()));
  if (!entry) {
    FeatureGroupDefinition first = definition;
    if (first.version == 0) first.version = 1;
    ARROW_RETURN_NOT_OK(first.Check());
    if (first.source) ARROW_RETURN_NOT_OK(CheckSource(first));
    const Result<CatalogEntry> put =
        catalog_->Put(Kind::kFeatureGroup, first.ref(), first.ToJson(), {});
    // Another process may have declared it in between: then that is what ours is compared to.
    if (!put.ok() && !put.status().IsAlreadyExists()) return put.status();
    if (put.ok() && !outlive_catalog_) {
      ARROW_RETURN_NOT_OK(RemoveLeftovers(put->ref, put->created_us));
    }
    ARROW_ASSIGN_OR_RAISE(entry, catalog_->Get(Kind::kFeatureGroup, first.ref()));
  }
  ARROW_ASSIGN_OR_RAISE(Group group, FromCatalog(*entry));
  FeatureGroupDefinition wanted = definition;
  wanted.version = entry->ref.version;
  FeatureGroupDefinition stored = group.declared;
  // What was declared is compared to what was declared, since a table may widen a type.
  if (stored.schema == nullptr && wanted.schema != nullptr) {
    ARROW_ASSIGN_OR_RAISE(stored, WithSchema(group));
  }
  std::string difference = wanted.Difference(stored);
  if (!difference.empty() && group.table != nullptr) {
    // Code that says what an alteration made of the group is right, too.
    ARROW_ASSIGN_OR_RAISE(const FeatureGroupDefinition now, WithSchema(group));
    if (wanted.Difference(now).empty()) difference.clear();
  }
  if (!difference.empty()) {
    return Status::AlreadyExists("feature group '", wanted.ref().ToText(),
                                 "' is already defined differently (this call, not the stored):\n",
                                 difference, "\nuse another version, or drop the stored one");
  }
  if (wanted.schema != nullptr && group.table == nullptr) {
    ARROW_ASSIGN_OR_RAISE(group.table, MakeTable(group, wanted.schema));
  }
  return WithSchema(group);
}

Status FeatureTables::CheckSource(const FeatureGroupDefinition& definition) const {
  const std::string what = "external feature group '" + definition.ref().ToText() + "'";
  if (definition.schema != nullptr) {
    return Status::Invalid(what, ": the columns are those of its source; declare no schema");
  }
  const auto table = OpenExternalTable(file_system_, *definition.source, OptionsOf(definition),
                                       clock_, memory_.limit_bytes);
  if (!table.ok()) return Explain(table.status(), what);
  ARROW_ASSIGN_OR_RAISE(const auto head, (*table)->Head());
  FeatureGroupDefinition whole = definition;
  whole.schema = head->schema();
  return whole.Check();
}

Status FeatureTables::RemoveLeftovers(const Ref& ref, int64_t created_us) {
  // A crash in the middle of Drop leaves a table without a group. Another process may already have
  // made the new group's table, so only what is older than the group is removed.
  const std::string path = PathOf(ref);
  ARROW_ASSIGN_OR_RAISE(const auto files, file_system_->List(JoinPath(path, "_delta_log")));
  for (const FileInfo& file : files) {
    if (file.name.ends_with(".json") && file.modified_us >= created_us) return Status::OK();
  }
  return files.empty() ? Status::OK() : file_system_->RemoveTree(path);
}

Result<std::shared_ptr<Table>> FeatureTables::Get(const Ref& ref) {
  ARROW_ASSIGN_OR_RAISE(const Group group, Find(ref));
  ARROW_RETURN_NOT_OK(group.problem);
  if (group.table == nullptr) {
    return Status::KeyError("feature group '", group.declared.ref().ToText(),
                            "' has no table yet: it was declared without a schema and nothing was "
                            "inserted; insert rows first");
  }
  return group.table;
}

Result<std::shared_ptr<Table>> FeatureTables::GetOrCreate(
    const Ref& ref, const std::shared_ptr<arrow::Schema>& schema) {
  ARROW_ASSIGN_OR_RAISE(const Group group, Find(ref));
  if (group.table != nullptr) return group.table;
  return MakeTable(group, group.declared.schema != nullptr ? group.declared.schema : schema);
}

Result<std::shared_ptr<Table>> FeatureTables::MakeTable(
    const Group& group, const std::shared_ptr<arrow::Schema>& schema) {
  FeatureGroupDefinition definition = group.declared;
  // What a DataFrame library notes beside a schema (an index, a version) is not the table's.
  definition.schema = schema->RemoveMetadata();
  ARROW_RETURN_NOT_OK(definition.Check());
  const std::string path = PathOf(definition.ref());
  Result<std::shared_ptr<Table>> made =
      Table::Create(file_system_, path, definition.schema, OptionsOf(definition), clock_, memory_);
  if (made.status().IsAlreadyExists()) {
    made = Table::Open(file_system_, path, OptionsOf(definition), clock_, memory_);
  }
  ARROW_RETURN_NOT_OK(made.status());
  return Keep(definition.ref(), group.created_us, std::move(made).ValueUnsafe());
}

Status FeatureTables::Drop(const Ref& ref) {
  ARROW_ASSIGN_OR_RAISE(const CatalogEntry entry, catalog_->Get(Kind::kFeatureGroup, ref));
  ARROW_RETURN_NOT_OK(catalog_->Drop(Kind::kFeatureGroup, entry.ref));
  {
    std::lock_guard lock(mutex_);
    tables_.erase(entry.ref.ToText());
  }
  // The log first, where a table without one is no table: a drop that was broken off then leaves
  // none with files missing.
  if (outlive_catalog_) {
    ARROW_RETURN_NOT_OK(file_system_->RemoveTree(JoinPath(PathOf(entry.ref), "_delta_log")));
  }
  return file_system_->RemoveTree(PathOf(entry.ref));
}

Result<std::vector<FeatureGroupDefinition>> FeatureTables::List() {
  ARROW_ASSIGN_OR_RAISE(const std::vector<CatalogEntry> entries,
                        catalog_->List(Kind::kFeatureGroup));
  std::vector<FeatureGroupDefinition> definitions;
  definitions.reserve(entries.size());
  for (const CatalogEntry& entry : entries) {
    ARROW_ASSIGN_OR_RAISE(const Group group, FromCatalog(entry));
    ARROW_ASSIGN_OR_RAISE(definitions.emplace_back(), WithSchema(group));
  }
  return definitions;
}

}  // namespace tercet
