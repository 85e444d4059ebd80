#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "catalog/catalog.h"
#include "catalog/erasure.h"
#include "catalog/feature_group.h"
#include "catalog/feature_group_change.h"
#include "offline/table.h"

namespace tercet {

/// Feature groups with their tables: definitions from the catalog, tables opened once and kept.
/// Tables live at `<root>/feature_groups/<name>/<version>`. Where they outlive the catalog (in a
/// bucket), a table that is there when its group is declared is the group's; elsewhere it is what a
/// drop left. Thread-safe.
class FeatureTables {
 public:
  FeatureTables(Catalog* catalog, std::shared_ptr<FileSystem> file_system, std::string root,
                const Clock* clock, bool outlive_catalog = false);

  /// What each write of the tables may hold in memory; called before the first use.
  void SetWriteMemory(WriteMemory memory) { memory_ = std::move(memory); }
  const WriteMemory& write_memory() const { return memory_; }

  /// The stored definition; version 0 is the newest. Its schema is filled in from the table once
  /// there is one. KeyError with a suggestion.
  Result<FeatureGroupDefinition> Definition(const Ref& ref);

  /// Gets or creates: registers a definition, or checks it against the stored one (AlreadyExists
  /// with FeatureGroupDefinition::Difference otherwise). With a schema, makes the table.
  Result<FeatureGroupDefinition> Define(const FeatureGroupDefinition& declared);

  /// The group's table. KeyError when the group is unknown, or declared without a schema and
  /// nothing was inserted yet.
  Result<std::shared_ptr<Table>> Get(const Ref& ref);

  /// The group's table, made with `schema` when the group has none yet (a first insert).
  Result<std::shared_ptr<Table>> GetOrCreate(const Ref& ref,
                                             const std::shared_ptr<arrow::Schema>& schema);

  /// Unregisters the group (Invalid when others depend on it) and removes its files.
  Status Drop(const Ref& ref);

  Result<std::vector<FeatureGroupDefinition>> List();

  /// The definition with the columns and the TTL that the group had as of a commit.
  Result<FeatureGroupDefinition> DefinitionAt(const Ref& ref, int64_t version);

  /// Changes the group's table, then its entry in the catalog; the new definition. What may change:
  /// Table::Alter. Columns, types and properties need a table: Invalid without.
  Result<FeatureGroupDefinition> Alter(const Ref& ref, const FeatureGroupChange& change);

  /// Table::Vacuum, with the commits pinned that training datasets and others in the catalog name.
  Result<VacuumReport> Vacuum(const Ref& ref, const VacuumRequest& request);

  /// Table::Erase on the group, or on every group whose primary key has all columns of `keys`
  /// (KeyError when there is none), and the training datasets that are lost by it.
  Result<ErasureReport> Erase(const std::optional<Ref>& ref,
                              const std::shared_ptr<arrow::RecordBatch>& keys);

 private:
  struct Group {
    FeatureGroupDefinition declared;  ///< as in the catalog
    int64_t created_us = 0;
    std::shared_ptr<Table> table;     ///< null when there is none yet
    Status problem;                   ///< why an external group's source can't be opened
  };
  struct OpenTable {
    int64_t created_us = 0;           ///< of the group's catalog entry
    std::shared_ptr<Table> table;
  };

  std::string PathOf(const Ref& ref) const;
  Result<Group> Find(const Ref& ref);
  Result<Group> FromCatalog(const CatalogEntry& entry);
  /// Opens the source of a new external group and checks that it has what the group declares.
  Status CheckSource(const FeatureGroupDefinition& definition) const;
  Result<FeatureGroupDefinition> WithSchema(const Group& group) const;
  Result<std::shared_ptr<Table>> MakeTable(const Group& group,
                                           const std::shared_ptr<arrow::Schema>& schema);
  Result<TableAlteration> AlterationOf(const Group& group, const FeatureGroupChange& change) const;
  Status UpdateEntry(const Ref& ref, const FeatureGroupChange& change);
  /// Commit → the catalog's entries that pin it.
  Result<std::map<int64_t, std::vector<std::string>>> PinsOf(const Ref& ref);
  Status RemoveLeftovers(const Ref& ref, int64_t created_us);
  std::shared_ptr<Table> Keep(const Ref& ref, int64_t created_us, std::shared_ptr<Table> table);

  Catalog* const catalog_;
  const std::shared_ptr<FileSystem> file_system_;
  const std::string root_;
  const Clock* const clock_;
  const bool outlive_catalog_;
  WriteMemory memory_;
  std::mutex mutex_;
  std::map<std::string, OpenTable> tables_;  // by Ref text; guarded by mutex_
};

}  // namespace tercet
