#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/type.h>

#include "base/cell.h"
#include "base/result.h"
#include "catalog/online_rows.h"
#include "catalog/serving.h"

namespace tercet {

/// Predictions of a request in place. Kept by its asker for the next one, which then allocates
/// little.
struct RowPrediction {
  /// Names the answer; set before asking, the request's own (at most 200 bytes), or empty for one
  /// that tells its time and release.
  std::string request_id;
  std::vector<Cell> outputs;         ///< row by row; until the next prediction into this object
  std::string_view release_id;       ///< of the release that answered; as long as its predictor
  int64_t release_number = 0;
  std::vector<std::string> missing;  ///< "temp: expired (row 0)", for people
  StageTimes stages{};
  VectorCells vector;                ///< what the features were, and the memory of the outputs
};

/// Predictions of a few rows by a deployment as it was when this was asked for, by the short way:
/// from cells to cells, without a box around any value, with the bits that a batch gives, under the
/// deployment's policy, by its traffic and in its statistics. Immutable, thread-safe.
class RowPredictor {
 public:
  virtual ~RowPredictor() = default;
  /// Rows of one request, at most: beyond some fifty, batches are better.
  static constexpr size_t kMostRows = 32;
  /// What a row brings: nothing else, and all of it.
  virtual const std::shared_ptr<arrow::Schema>& entities() const = 0;
  virtual const std::shared_ptr<arrow::Schema>& outputs() const = 0;
  /// Whether a request may wait for a place.
  virtual bool may_wait() const = 0;

  /// `rows`: row by row, a cell for each of entities(), which must stay while `prediction` is used;
  /// where there are no entities, one row. All are of one moment and one release. As of
  /// `event_time_us`, by default the clock's now. False, and nothing was answered or counted, when
  /// another process has the online rows, the groups have changed since, the prediction log takes
  /// this request, or it has more rows than kMostRows: the way by batches answers. Errors as those
  /// of a batch.
  virtual Result<bool> Predict(std::span<const Cell> rows, std::optional<int64_t> event_time_us,
                               RowPrediction* prediction) const = 0;
};

}  // namespace tercet
