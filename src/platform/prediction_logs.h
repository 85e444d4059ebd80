#pragma once

#include <string>

#include "base/result.h"
#include "catalog/verification.h"

namespace tercet {

/// The prediction logs of a project's deployments. A deployment whose policy has a `log_percent`
/// keeps that part of its requests in the feature group "<deployment>_predictions":
/// docs/guides/prediction-log.md says what is in its columns. Thread-safe.
class PredictionLogs {
 public:
  virtual ~PredictionLogs() = default;

  /// Writes what this process (a server's: that server) holds back, so that it can be read. It is
  /// written by itself soon, and when the project is closed. KeyError for an unknown deployment,
  /// IOError when what waited could not be written.
  virtual Status Flush(const std::string& deployment) = 0;

  /// Asks the logged requests of a deployment again, of the offline store as it was then, and says
  /// what is different. KeyError when the deployment has no log.
  virtual Result<Verification> Verify(const std::string& deployment,
                                      const VerifyRequest& request) = 0;
};

}  // namespace tercet
