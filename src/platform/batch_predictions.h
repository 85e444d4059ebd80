#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "platform/platform.h"

namespace tercet {

/// Which rows to predict: the view's with start ≤ event time < end, or a spine's.
struct BatchRequest {
  Ref model;
  std::optional<int64_t> start_us, end_us;
  Frame spine;  ///< may be null
};

/// A file of predictions.
struct BatchFile {
  std::string path;
  std::string format;       ///< "parquet", "arrow", "csv" or "tfrecord"; empty: by the path's end
  std::string compression;  ///< of Parquet: "zstd" (when empty), "snappy", "lz4", "gzip" or "none"
};

struct BatchWritten {
  int64_t rows = 0;
  int64_t bytes = 0;  ///< of the file
};

/// Predictions of history that are more than memory holds: left keys, event time and the model's
/// outputs (Platform::Batch), piece by piece. While one piece is taken the next is predicted and
/// the one after it read; what is held is what the memory limit allows for the reading, and the
/// answers of two pieces. Errors are Platform::Batch's. Thread-safe.
class BatchPredictions {
 public:
  using Take = std::function<Status(const Frame& piece)>;

  virtual ~BatchPredictions() = default;

  /// Hands the answers over in their order, on the calling thread; there is one piece at least,
  /// which may have no rows. An error of `take` ends it.
  virtual Status ToEach(const BatchRequest& request, const Progress& progress,
                        const Take& take) = 0;

  /// Writes them to a file on this machine. The path has the whole file, durably, when this returns
  /// OK, and is as it was before when not, also after a crash. Invalid for a format or a
  /// compression that there is not.
  Result<BatchWritten> ToFile(const BatchRequest& request, const BatchFile& file,
                              const Progress& progress);

  /// Inserts them into a feature group with columns of these names, as one commit. With an
  /// idempotency key, doing it again, after a crash too, changes nothing. Errors are
  /// Platform::Insert's besides.
  virtual Result<Commit> ToGroup(const BatchRequest& request, const Ref& group,
                                 const InsertRequest& insert, const Progress& progress) = 0;

  /// Begins ToGroup without waiting for it, and returns the run that tells of it (GetRun): its
  /// metric "progress" goes from 0 to 1, its output is the commit, its error why there is none.
  /// The process that has the project does them one after the other, and must live: when it closes
  /// the project the run fails, when it is killed the run stays "running"; neither leaves rows, and
  /// with an idempotency key it can be begun again. KeyError for a model or group that there is
  /// not, Overloaded when too many wait, Invalid for a spine: it would have to be kept meanwhile.
  virtual Result<Run> StartToGroup(const BatchRequest& request, const Ref& group,
                                   const InsertRequest& insert) = 0;
};

/// Invalid when predictions of these rows can't be made without waiting for them.
Status CheckStartable(const BatchRequest& request);

}  // namespace tercet
