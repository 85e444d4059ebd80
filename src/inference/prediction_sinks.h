#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <arrow/record_batch.h>

#include "inference/sink_writer.h"

namespace tercet {

/// The sinks that deployments' policies name, each with its writer, which is made when it first
/// gets a row. Thread-safe.
class PredictionSinks {
 public:
  /// What may be written (CheckSinkAllowed): the policy may be of another process.
  explicit PredictionSinks(std::optional<std::vector<std::string>> allowed)
      : allowed_(std::move(allowed)) {}

  /// Hands rows of a prediction log (prediction_rows.h), whose first `keys` columns are the
  /// entity's keys, to these sinks: a record each, with the log's columns and the deployment.
  void Offer(const std::string& deployment, const std::vector<PredictionSink>& sinks,
             const arrow::RecordBatch& rows, size_t keys);

  /// SinkWriter::Ask of all, then Await of each. What is not done until then is told by Statistics.
  void Settle(std::chrono::steady_clock::time_point until);

  /// Of a deployment's sinks that have had a row in this process.
  std::vector<PredictionSinkStatistics> Statistics(const std::string& deployment) const;

 private:
  using Key = std::pair<std::string, PredictionSink>;  ///< the deployment's name first

  std::shared_ptr<SinkWriter> WriterOf(const std::string& deployment, const PredictionSink& sink);

  const std::optional<std::vector<std::string>> allowed_;
  mutable std::mutex mutex_;
  std::map<Key, std::shared_ptr<SinkWriter>> writers_;  ///< guarded by mutex_
};

}  // namespace tercet
