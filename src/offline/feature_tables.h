#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "base/file_system.h"
#include "catalog/catalog.h"
#include "catalog/feature_group.h"
#include "offline/table.h"

namespace tercet {

/// Feature groups with their tables: definitions from the catalog, tables opened once and kept.
/// Tables live at `<root>/feature_groups/<name>/<version>`. Thread-safe.
class FeatureTables {
 public:
  FeatureTables(Catalog* catalog, std::shared_ptr<FileSystem> file_system, std::string root,
                const Clock* clock);

  /// The stored definition; version 0 is the newest. Its schema is filled in from the table once
  /// there is one. KeyError with a suggestion.
  Result<FeatureGroupDefinition> Definition(const Ref& ref);

  /// Gets or creates: registers a definition, or checks it against the stored one (AlreadyExists
  /// with FeatureGroupDefinition::Difference otherwise). With a schema, makes the table.
  Result<FeatureGroupDefinition> Define(const FeatureGroupDefinition& definition);

  /// The group's table. KeyError when the group is unknown, or declared without a schema and
  /// nothing was inserted yet.
  Result<std::shared_ptr<Table>> Get(const Ref& ref);

  /// The group's table, made with `schema` when the group has none yet (a first insert).
  Result<std::shared_ptr<Table>> GetOrCreate(const Ref& ref,
                                             const std::shared_ptr<arrow::Schema>& schema);

  /// Unregisters the group (Invalid when others depend on it) and removes its files.
  Status Drop(const Ref& ref);

  Result<std::vector<FeatureGroupDefinition>> List();

 private:
  struct Group {
    FeatureGroupDefinition declared;  ///< as in the catalog
    int64_t created_us = 0;
    std::shared_ptr<Table> table;     ///< null when there is none yet
  };
  struct OpenTable {
    int64_t created_us = 0;           ///< of the group's catalog entry
    std::shared_ptr<Table> table;
  };

  std::string PathOf(const Ref& ref) const;
  Result<Group> Find(const Ref& ref);
  Result<Group> FromCatalog(const CatalogEntry& entry);
  Result<FeatureGroupDefinition> WithSchema(const Group& group) const;
  Result<std::shared_ptr<Table>> MakeTable(const Group& group,
                                           const std::shared_ptr<arrow::Schema>& schema);
  Status RemoveLeftovers(const Ref& ref, int64_t created_us);
  std::shared_ptr<Table> Keep(const Ref& ref, int64_t created_us, std::shared_ptr<Table> table);

  Catalog* const catalog_;
  const std::shared_ptr<FileSystem> file_system_;
  const std::string root_;
  const Clock* const clock_;
  std::mutex mutex_;
  std::map<std::string, OpenTable> tables_;  // by Ref text; guarded by mutex_
};

}  // namespace tercet
