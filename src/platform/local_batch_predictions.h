#pragma once

#include <memory>
#include <string>
#include <utility>

#include "inference/inference.h"
#include "platform/batch_predictions.h"
#include "platform/batch_runs.h"

namespace tercet {

/// BatchPredictions of a project in this process: inference's, and a group's Insert.
class LocalBatchPredictions : public BatchPredictions {
 public:
  /// Both must outlive this; `inference` is made later.
  /// `runs_folder`: of the project's signs of life.
  LocalBatchPredictions(Platform* platform, const std::unique_ptr<Inference>* inference,
                        int64_t memory_limit_bytes, std::string runs_folder)
      : platform_(platform),
        inference_(*inference),
        memory_limit_bytes_(memory_limit_bytes),
        runs_(platform, std::move(runs_folder)) {}

  Status ToEach(const BatchRequest& request, const Progress& progress, const Take& take) override;
  Result<Commit> ToGroup(const BatchRequest& request, const Ref& group,
                         const InsertRequest& insert, const Progress& progress) override;

  Result<Run> StartToGroup(const BatchRequest& request, const Ref& group,
                           const InsertRequest& insert) override;
  /// Ends the runs, while there is still what they work with.
  void EndRuns() { runs_.End(); }
  /// Fails the runs that killed processes left.
  Status FailAbandonedRuns() { return runs_.FailAbandoned(); }

 private:
  Result<std::unique_ptr<BatchStream>> Open(const BatchRequest& request, const Progress& progress,
                                            int64_t memory_limit_bytes);

  Platform* const platform_;
  const std::unique_ptr<Inference>& inference_;
  const int64_t memory_limit_bytes_;
  BatchRuns runs_;
};

}  // namespace tercet
