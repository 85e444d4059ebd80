#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <arrow/record_batch.h>

#include "catalog/online_rows.h"
#include "catalog/prediction_sink.h"
#include "inference/loaded_release.h"
#include "inference/prediction_log_book.h"

namespace tercet {

/// The rows that one read of a group found, one a row of the request.
struct ReadRows {
  Ref group;
  int64_t version = -1;  ///< up to which the group's commits were applied
  std::vector<RowStatus> status;
  std::vector<int64_t> event_times_us;  ///< INT64_MIN: none
  std::vector<int64_t> commits;         ///< −1: none
};

/// A request of n rows with what was read and answered, as the prediction log takes it over. It
/// shares the answer's batches, so that handing it on copies no values.
struct AnsweredRequest {
  std::string deployment;
  std::string request_id;
  std::shared_ptr<const LoadedRelease> loaded;
  int64_t release_number = 0;
  bool main = true;  ///< answered by the release that the deployment points at, not by an arm
  int64_t event_time_us = 0;
  int64_t request_time_us = 0;  ///< by the clock
  int64_t latency_ns = 0;
  std::shared_ptr<arrow::RecordBatch> entities;  ///< as they came
  /// The view's features before transformation; of a model without a view, its inputs.
  std::shared_ptr<arrow::RecordBatch> features;
  std::shared_ptr<arrow::RecordBatch> outputs;
  /// What a postprocess changed into them; null: nothing did.
  std::shared_ptr<arrow::RecordBatch> raw_outputs;
  std::vector<ReadRows> reads;              ///< in the order of the reading
  std::shared_ptr<PredictionLogBook> book;  ///< never null
  std::shared_ptr<const std::vector<PredictionSink>> sinks;  ///< of the policy; may be null

  int64_t rows() const { return outputs->num_rows(); }
};

}  // namespace tercet
