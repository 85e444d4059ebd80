#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "inference/answered_request.h"

namespace tercet {

/// The columns of the prediction log, besides the entity's keys. Columns of a release's own have a
/// prefix, so that an input may be named like an output.
inline constexpr char kLogRequestId[] = "request_id";
inline constexpr char kLogEventTime[] = "event_time";
inline constexpr char kLogRequestTime[] = "request_time";
inline constexpr char kLogReleaseId[] = "release_id";
inline constexpr char kLogReleaseNumber[] = "release_number";
inline constexpr char kLogArm[] = "arm";
inline constexpr char kLogLatency[] = "latency_us";
/// Names of the columns that the request brought beside the keys.
inline constexpr char kLogInputs[] = "inputs";
/// One element for each group that was read, in the order of the reading.
inline constexpr char kLogReadGroup[] = "read_group";
inline constexpr char kLogReadStatus[] = "read_status";
inline constexpr char kLogReadEventTime[] = "read_event_time";
inline constexpr char kLogReadCommit[] = "read_commit";
inline constexpr char kLogReadVersion[] = "read_version";

inline constexpr std::string_view kLogInputPrefix = "input_";
inline constexpr std::string_view kLogFeaturePrefix = "feature_";
inline constexpr std::string_view kLogOutputPrefix = "output_";
inline constexpr std::string_view kLogRawPrefix = "raw_";

/// The entity columns by which a release's groups are looked up, with their types: the first part
/// of its log's primary key, the request's id being the last. None for a model without a view.
arrow::FieldVector LogKeys(const LoadedRelease& loaded);

/// The type that a request's column has in this release's log; null for one that the release does
/// not know.
std::shared_ptr<arrow::DataType> LogInputType(const LoadedRelease& loaded,
                                              const std::string& column);

/// Requests of one release as rows of its log, in their order. A request of one row keeps its id,
/// row i of one of several is "id/i". Rows without an entity can't be keyed: they are left out and
/// counted.
struct LogRows {
  std::shared_ptr<arrow::RecordBatch> rows;
  int64_t without_entity = 0;
};
Result<LogRows> LogRowsOf(const std::vector<const AnsweredRequest*>& requests);

}  // namespace tercet
