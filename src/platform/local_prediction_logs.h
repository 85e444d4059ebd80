#pragma once

#include <memory>

#include "inference/inference.h"
#include "platform/prediction_logs.h"

namespace tercet {

/// PredictionLogs of a project in this process: all of it is inference's.
class LocalPredictionLogs : public PredictionLogs {
 public:
  /// `inference` must outlive this; it is made later.
  explicit LocalPredictionLogs(const std::unique_ptr<Inference>* inference)
      : inference_(*inference) {}

  Status Flush(const std::string& deployment) override { return inference_->FlushLog(deployment); }
  Result<Verification> Verify(const std::string& deployment,
                              const VerifyRequest& request) override {
    return inference_->Verify(deployment, request);
  }

 private:
  const std::unique_ptr<Inference>& inference_;
};

}  // namespace tercet
