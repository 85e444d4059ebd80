#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <arrow/table.h>

#include "base/clock.h"
#include "base/file_system.h"
#include "catalog/catalog.h"
#include "catalog/erasure.h"
#include "catalog/training_dataset.h"
#include "offline/feature_tables.h"
#include "view/feature_views.h"

namespace tercet {

/// Takes erased entities out of what training datasets keep: the spines that came with them, and
/// the statistics and class balances that are in their entries. A dataset that had such an entity
/// can't be made again; its entry then says so. What was learned stays: fitted parameters, which a
/// release needs to answer, and models.
class DatasetErasure {
 public:
  DatasetErasure(Catalog* catalog, FeatureTables* tables, FeatureViews* views,
                 std::shared_ptr<FileSystem> file_system, std::string root, const Clock* clock)
      : catalog_(catalog),
        tables_(tables),
        views_(views),
        file_system_(std::move(file_system)),
        root_(std::move(root)),
        clock_(clock) {}

  /// The datasets ("delay@1@2") whose spines have rows of the entities, by the columns that look
  /// them up in `group`, or in any group whose primary key has all columns of `keys`; and those
  /// whose spine an earlier erasure removed. Changes nothing.
  Result<std::vector<std::string>> Find(const std::optional<Ref>& group,
                                        const std::shared_ptr<arrow::Table>& keys);

  /// Forgets those and the ones that the report names as lost; the report then names all, and the
  /// models that learned from them.
  Status Forget(const std::vector<std::string>& datasets, ErasureReport* report);

 private:
  std::string FolderOf(const Ref& view) const;
  /// Whether a spine has a row of the entities.
  Result<bool> Holds(const TrainingDatasetDefinition& dataset,
                     const std::vector<Ref>& groups, const arrow::Table& keys);
  Status ForgetOne(const std::string& name);

  Catalog* const catalog_;
  FeatureTables* const tables_;
  FeatureViews* const views_;
  const std::shared_ptr<FileSystem> file_system_;
  const std::string root_;
  const Clock* const clock_;
};

}  // namespace tercet
