#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <arrow/record_batch.h>

#include "base/result.h"
#include "catalog/prediction_sink.h"

namespace tercet {

/// A record as a sink takes it: as text, as a row of a batch, or both (TakesText).
struct SinkRecord {
  std::string key;   ///< of what it is about: records of one key keep their order
  std::string json;  ///< an object, on one line
  std::shared_ptr<const arrow::RecordBatch> rows;  ///< shared by the batch's records
  int64_t row = 0;                                 ///< of `rows`
  int64_t row_bytes = 0;                           ///< about its part of the batch's memory
};

/// A place outside of Tercet that takes records. Used by one thread at a time.
class RecordSink {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  virtual ~RecordSink() = default;
  /// Returns when all records are kept there. IOError when that may go better later (nobody is
  /// there, the disk is full): the same records may be written again, and are then kept once by
  /// files and PostgreSQL, at least once by Kafka. Any other error says that one of the records is
  /// refused for good; the others are to be written again, without it.
  virtual Status Write(std::span<const SinkRecord> records) = 0;
  /// Shows readers what was written and they do not see yet: most sinks have none of that. IOError
  /// when it may go better later; nothing is lost then.
  virtual Status Publish() { return Status::OK(); }
  /// When Publish is to be called at the latest; nullopt: all is seen.
  virtual std::optional<TimePoint> publish_at() const { return std::nullopt; }
};

/// Whether the records of such a sink have a text; the others have a row.
inline bool TakesText(const PredictionSink& sink) { return !sink.parquet(); }

/// Opens a sink; it connects when it is first written to. `name` begins the names of files. IOError
/// when its library is not installed or its folder can't be made.
Result<std::unique_ptr<RecordSink>> OpenRecordSink(const PredictionSink& sink,
                                                   const std::string& name);

/// OK when a file sink's folder lies in one of `allowed`, or when the kind of another is among
/// them; all are when there is no list. NotImplemented otherwise, saying what is allowed.
Status CheckSinkAllowed(const PredictionSink& sink,
                        const std::optional<std::vector<std::string>>& allowed);

}  // namespace tercet
