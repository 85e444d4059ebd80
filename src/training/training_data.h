#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <arrow/table.h>

#include "base/clock.h"
#include "base/file_system.h"
#include "catalog/training_dataset.h"
#include "offline/feature_tables.h"
#include "training/row_places.h"
#include "view/feature_views.h"
#include "view/point_in_time_read.h"

namespace tercet {

class TableStore;

/// Rows of a view that another engine read, instead of our own read.
struct GivenRows {
  std::map<std::string, int64_t> pins;  ///< as of these commits, one for each of the view's groups
  /// Piece by piece in the view's order; nullopt is the end, of no rows there is one piece.
  std::function<Result<std::optional<ViewRows>>()> next;
};

struct TrainingDataOptions {
  SplitDefinition split;
  int64_t seed = 0;
  std::optional<int64_t> start_us, end_us;
  std::shared_ptr<arrow::Table> spine;
  /// Instead of a spine: all entities as of each of these times (view/entity_rows.h), which the
  /// dataset keeps as its spine.
  std::vector<int64_t> entity_times_us = {};
  bool known_at = false;  ///< ViewReadOptions::known_at
  /// What making it may hold: rows beyond a quarter of it are on disk, and so are the parts.
  int64_t memory_limit_bytes = 2LL << 30;
  std::function<void(double fraction)> progress;  ///< may be empty; called from any thread
  /// The rows that a read by all of the above gives, where another engine has made it: they are
  /// believed, and Rebuild proves them.
  std::optional<GivenRows> given = {};
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
  std::optional<RowPlaces> places;  ///< of rows that were given
};

/// Pipeline T's data: point-in-time read → split → fit on one part → transform → version. Of a
/// split into folds all rows are fitted on; Fold has each fold's own.
/// Thread-safe; any number of processes may make datasets of one view at once.
///
/// A dataset that is larger than memory is made piece by piece and kept in nameless scratch files,
/// which are mapped: its tables are used like others, their pages are the system's, and all values,
/// parameters and content addresses are equal.
///
/// Every table of a part is canonical (canonical_table.h), and the part's content address is that
/// of the columns of keys, features, labels and helpers, in this order. The statistics of a part
/// are those of its features before transformation, under the view's names, and of its labels:
/// what a monitor can compare with later rows of the feature groups and with requests.
class TrainingData {
 public:
  /// `root`: where spines are kept, `<root>/training_datasets/<view>@<version>/`. Scratch files are
  /// where those of the feature tables are.
  TrainingData(Catalog* catalog, FeatureTables* tables, std::shared_ptr<FileSystem> file_system,
               std::string root, const Clock* clock, PythonFunctions* python = nullptr);

  /// Makes and registers a new version, of the groups' heads as they are when the call begins. The
  /// transformations' parameters come from the part named "train", else from the first part.
  /// Invalid for a split that does not fit, or when that part has no rows to fit on; KeyError for
  /// an unknown view. A failure registers nothing and leaves no file.
  Result<TrainingDataset> Create(const Ref& view, const TrainingDataOptions& options);

  /// `dataset`: name "delay@1", or "delay" for the view's newest version; version 0 the newest.
  Result<TrainingDatasetDefinition> Get(const Ref& dataset);
  /// By view and version. A view of version 0 stands for all of its versions.
  Result<std::vector<TrainingDatasetDefinition>> List(const std::optional<Ref>& view);

  struct RebuildOptions {
    int64_t memory_limit_bytes = 2LL << 30;
    std::function<void(double fraction)> progress;
    std::optional<GivenRows> given = {};  ///< the dataset's rows, which are then not read again
  };
  /// Makes the dataset again from its pins, spine, seed and fitted parameters, and checks every
  /// part's content address: IOError naming the part when a byte differs, or the spine when that
  /// is corrupt or gone.
  Result<TrainingDataset> Rebuild(const Ref& dataset, const RebuildOptions& options);
  Result<TrainingDataset> Rebuild(const Ref& dataset) { return Rebuild(dataset, {}); }

  /// The rows that the model of one fold is trained and tested on, parts "train" and "test", of a
  /// dataset that was split into folds. The transformations are fitted on this fold's training
  /// rows, so that its test rows have no part in them; `definition` has their parameters, rows and
  /// content addresses instead of the dataset's.
  Result<TrainingDataset> Fold(const Ref& dataset, int64_t fold, const RebuildOptions& options);

  /// The newest commit of each of the view's groups.
  Result<std::map<std::string, int64_t>> Pins(const ViewPlan& plan);

  /// Removes the entry, then the spine. Invalid when models or releases depend on it.
  Status Drop(const Ref& dataset);

 private:
  std::string FolderOf(const Ref& view) const;
  Result<Ref> Resolve(const Ref& dataset);
  /// The rows that a registered dataset was made of.
  Result<ViewRows> ReadAgain(const ViewPlan& plan, const TrainingDatasetDefinition& definition,
                             const RebuildOptions& options, TableStore* store);
  Result<CatalogEntry> Register(const TrainingDatasetDefinition& definition,
                                const ViewPlan& plan);

  Catalog* const catalog_;
  FeatureTables* const tables_;
  const std::shared_ptr<FileSystem> file_system_;
  const std::string root_;
  FeatureViews views_;
};

}  // namespace tercet
