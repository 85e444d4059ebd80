#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "catalog/catalog.h"
#include "catalog/catalog_index.h"
#include "catalog/impact.h"
#include "catalog/lineage_graph.h"
#include "catalog/training_dataset.h"
#include "lineage/project_graph.h"
#include "offline/feature_tables.h"
#include "view/feature_views.h"

namespace tercet {

/// The lineage of a project's nouns and columns. Borrows what it reads, which must outlive it.
/// Thread-safe.
class Lineage {
 public:
  Lineage(Catalog* catalog, FeatureTables* tables, FeatureViews* views, CatalogIndex* index)
      : catalog_(catalog), tables_(tables), views_(views), index_(index) {}

  /// What the object is made of and what is made of it. KeyError with a suggestion for an object or
  /// column that is not there.
  Result<LineageGraph> Of(const LineageRequest& request);

  /// What depends on the object: what would break if it were not there.
  Result<ImpactReport> ImpactOf(const std::string& object);

  /// All of the project's. Made anew only when the catalog has changed.
  Result<std::shared_ptr<const ProjectGraph>> Whole();

 private:
  Status AddGroups(ProjectGraph* graph);
  /// `all_resolve` becomes false where a view's columns are not known now.
  Status AddViews(ProjectGraph* graph, bool* all_resolve);
  Status AddDatasets(ProjectGraph* graph);
  Status AddModels(ProjectGraph* graph);
  Status AddServing(ProjectGraph* graph);
  Status AddSteps(ProjectGraph* graph);
  Status AddRuns(ProjectGraph* graph);
  /// The node that an object's name means.
  Result<size_t> NodeOf(const ProjectGraph& graph, const std::string& object);

  Catalog* const catalog_;
  FeatureTables* const tables_;
  FeatureViews* const views_;
  CatalogIndex* const index_;
  std::mutex mutex_;
  std::shared_ptr<const ProjectGraph> whole_;  // guarded by mutex_; null: not kept
  int64_t counter_ = 0;                        // guarded by mutex_; the catalog's before whole_
};

/// The columns and rows of a resolved view, and what each is made of.
void AddViewLineage(const ViewPlan& plan, ProjectGraph* graph);

/// The columns of a training dataset, as its transformations made them of the view's; `plan` is
/// null when the view no longer resolves.
Status AddDatasetLineage(const TrainingDatasetDefinition& dataset, const ViewPlan* plan,
                         ProjectGraph* graph);

}  // namespace tercet
