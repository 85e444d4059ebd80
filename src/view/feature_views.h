#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "catalog/feature_view.h"
#include "offline/feature_tables.h"
#include "view/vector_lookup.h"
#include "view/view_plan.h"

namespace tercet {

/// The feature views of a project: definitions in the catalog, plans made once and kept while
/// nothing in the catalog changes. Thread-safe.
class FeatureViews {
 public:
  /// `python` runs the functions of views that bring some; null: there are none.
  FeatureViews(Catalog* catalog, FeatureTables* tables, PythonFunctions* python = nullptr)
      : catalog_(catalog), tables_(tables), python_(python) {}

  /// Gets or creates. A new definition is checked as a whole (ViewPlan::Make) before it is stored;
  /// a group of version 0 stands for the group's newest version, which the stored definition names.
  /// AlreadyExists, one line a difference, when the stored definition of this name and version
  /// differs.
  Result<FeatureViewDefinition> Define(const FeatureViewDefinition& definition);

  /// The stored definition; version 0 is the newest. KeyError with a suggestion.
  Result<FeatureViewDefinition> Get(const Ref& ref);

  Result<std::vector<FeatureViewDefinition>> List();

  /// Invalid when training datasets, models or releases depend on it, naming them.
  Status Drop(const Ref& ref);

  /// The stored definition, resolved against its groups. A call costs microseconds unless the
  /// catalog changed.
  Result<std::shared_ptr<const ViewPlan>> Plan(const Ref& ref);

  /// The same, resolved against its groups as they were at these commits ("weather@1" → version),
  /// with the columns, types and TTLs of then; for what was made of them.
  Result<std::shared_ptr<const ViewPlan>> PlanAt(const Ref& ref,
                                                 const std::map<std::string, int64_t>& pins);

  /// How a vector of the view is looked up, made with its plan; null when it takes more than that
  /// (VectorLookup::Make).
  Result<std::shared_ptr<const VectorLookup>> Lookup(const Ref& ref);

  /// A definition resolved against the groups as they stand, whether it is stored or not.
  Result<std::shared_ptr<const ViewPlan>> Resolve(const FeatureViewDefinition& definition);

 private:
  struct Kept {
    int64_t change_counter = 0;  ///< the catalog's, read before the definition was
    std::shared_ptr<const ViewPlan> plan;
    std::shared_ptr<const VectorLookup> lookup;
  };

  Result<Kept> Keep(const Ref& ref);

  Catalog* const catalog_;
  FeatureTables* const tables_;
  PythonFunctions* const python_;
  std::mutex mutex_;
  std::map<Ref, Kept> plans_;  ///< guarded by mutex_
};

}  // namespace tercet
