#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <arrow/table.h>

#include "catalog/training_dataset.h"
#include "offline/feature_tables.h"
#include "view/view_plan.h"

namespace tercet {

struct TrainingDataOptions {
  SplitDefinition split;
  int64_t seed = 0;
  std::optional<int64_t> start_us, end_us;
  std::shared_ptr<arrow::Table> spine;
  int64_t memory_limit_bytes = 1LL << 30;
  std::function<void(double fraction)> progress;
};

/// One part of a training dataset. Rows are aligned and in the view's order.
struct TrainingPart {
  std::string name;
  std::shared_ptr<arrow::Table> features;   ///< transformed
  std::shared_ptr<arrow::Table> labels;
  std::shared_ptr<arrow::Table> helpers;    ///< helper columns
  std::shared_ptr<arrow::Table> keys;       ///< left keys and "event_time"
};

struct TrainingDataset {
  TrainingDatasetDefinition definition;
  std::vector<TrainingPart> parts;
};

/// Pipeline T's data: point-in-time read → split → fit on the first part → transform → version.
/// Thread-safe.
class TrainingData {
 public:
  /// `root`: where spines are kept, `<root>/training_datasets/<view>/<version>/`.
  TrainingData(Catalog* catalog, FeatureTables* tables, std::shared_ptr<FileSystem> file_system,
               std::string root, const Clock* clock);

  /// Makes and registers a new version. Fitted parameters come from the part named "train", else
  /// the first part.
  Result<TrainingDataset> Create(const Ref& view, const TrainingDataOptions& options);

  Result<TrainingDatasetDefinition> Get(const Ref& dataset);  ///< name: view text; 0 the newest
  Result<std::vector<TrainingDatasetDefinition>> List(const std::optional<Ref>& view);

  /// Makes the dataset again from its pins, spine, seed and fitted parameters, and checks every
  /// part's content address: IOError when a byte differs.
  Result<TrainingDataset> Rebuild(const Ref& dataset);

  Status Drop(const Ref& dataset);

 private:
  Catalog* const catalog_;
  FeatureTables* const tables_;
  const std::shared_ptr<FileSystem> file_system_;
  const std::string root_;
  const Clock* const clock_;
};

/// The view's stored definition as a plan. KeyError with a suggestion.
Result<std::shared_ptr<const ViewPlan>> PlanOfView(Catalog* catalog, FeatureTables* tables,
                                                   const Ref& view);

}  // namespace tercet
