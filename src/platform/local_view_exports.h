#pragma once

#include "offline/feature_tables.h"
#include "platform/view_export.h"
#include "training/training_data.h"
#include "view/feature_views.h"

namespace tercet {

/// ViewExports of a project in this process.
class LocalViewExports : public ViewExports {
 public:
  /// All must outlive this.
  LocalViewExports(FeatureViews* views, FeatureTables* tables, TrainingData* training,
                   int64_t memory_limit_bytes)
      : views_(*views),
        tables_(*tables),
        training_(*training),
        memory_limit_bytes_(memory_limit_bytes) {}

  Result<json::object> Recipe(const Ref& view, const ViewExportRequest& request) override;
  Result<EngineDataset> CreateDataset(const Ref& view, const EngineRowsRequest& rows,
                                      const Progress& progress) override;
  Result<EngineDataset> Fold(const Ref& view, int64_t version, int64_t fold,
                             const EngineRowsRequest& rows, const Progress& progress) override;

 private:
  FeatureViews& views_;
  FeatureTables& tables_;
  TrainingData& training_;
  const int64_t memory_limit_bytes_;
};

}  // namespace tercet
