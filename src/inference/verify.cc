#include "inference/verify.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <optional>
#include <span>

#include <arrow/array/array_binary.h>
#include <arrow/array/array_nested.h>
#include <arrow/array/array_primitive.h>
#include <arrow/scalar.h>

#include "base/time_range.h"
#include "base/time_text.h"
#include "compute/sort_key.h"
#include "compute/take_rows.h"
#include "inference/offline_rows.h"
#include "inference/prediction_rows.h"
#include "inference/prediction_table.h"
#include "view/vector_read.h"

namespace tercet {
namespace {

using Batch = std::shared_ptr<arrow::RecordBatch>;

constexpr int64_t kNone = std::numeric_limits<int64_t>::min();
/// Logged rows whose entities' history is held at once.
constexpr int64_t kRowsAtOnce = 4096;

std::vector<std::string> TextsAt(const arrow::Array& column, int64_t row) {
  const auto& lists = static_cast<const arrow::ListArray&>(column);
  const auto& values = static_cast<const arrow::StringArray&>(*lists.values());
  std::vector<std::string> texts;
  if (lists.IsNull(row)) return texts;
  for (int64_t i = lists.value_offset(row); i < lists.value_offset(row + 1); ++i) {
    texts.emplace_back(values.GetView(i));
  }
  return texts;
}

/// Element `index` of a list of integers or times.
int64_t NumberAt(const arrow::Array& column, int64_t row, size_t index, int64_t none) {
  const auto& lists = static_cast<const arrow::ListArray&>(column);
  const int64_t at = lists.value_offset(row) + static_cast<int64_t>(index);
  if (lists.values()->IsNull(at)) return none;
  return lists.values()->data()->GetValues<int64_t>(1)[at];
}

Result<RowStatus> StatusOf(const std::string& name) {
  for (const RowStatus status : {RowStatus::kPresent, RowStatus::kMissing, RowStatus::kExpired,
                                 RowStatus::kUnavailable, RowStatus::kStale}) {
    if (name == RowStatusName(status)) return status;
  }
  return Status::Invalid("the log has an unknown status '", name, "'");
}

/// What of a log's row must be alike so that rows can be asked again as one request.
struct Shape {
  std::string release_id;
  std::vector<std::string> inputs, groups;
  auto operator<=>(const Shape&) const = default;
};

std::string RowText(RowStatus status, int64_t event_time_us) {
  std::string text(RowStatusName(status));
  if (event_time_us != kNone) text += " of " + FormatTime(event_time_us);
  return text;
}

class Verifier {
 public:
  Verifier(FeatureTables* tables, Registry* registry, ServedReleases* releases)
      : tables_(tables), registry_(registry), releases_(releases) {}

  /// Verifies rows of the log; those that can't be are counted.
  Status Take(const Batch& log) {
    const auto& releases =
        static_cast<const arrow::StringArray&>(*log->GetColumnByName(kLogReleaseId));
    std::map<Shape, std::vector<int64_t>> alike;
    for (int64_t row = 0; row < log->num_rows(); ++row) {
      alike[{.release_id = releases.GetString(row),
             .inputs = TextsAt(*log->GetColumnByName(kLogInputs), row),
             .groups = TextsAt(*log->GetColumnByName(kLogReadGroup), row)}]
          .push_back(row);
    }
    for (const auto& [shape, rows] : alike) {
      for (size_t begin = 0; begin < rows.size(); begin += kRowsAtOnce) {
        const size_t end = std::min(rows.size(), begin + kRowsAtOnce);
        ARROW_ASSIGN_OR_RAISE(const Batch part,
                              TakeRows(log, std::span(rows).subspan(begin, end - begin)));
        ARROW_RETURN_NOT_OK(TakeAlike(shape, part));
      }
    }
    return Status::OK();
  }

  Verification Finish() { return std::move(report_); }

 private:
  /// Leaves out the rows that online could not answer, or said that it answered from before.
  Status TakeAlike(const Shape& shape, const Batch& log) {
    std::vector<int64_t> answered;
    for (int64_t row = 0; row < log->num_rows(); ++row) {
      const auto status = TextsAt(*log->GetColumnByName(kLogReadStatus), row);
      const auto said = [&](RowStatus one) {
        return std::find(status.begin(), status.end(), RowStatusName(one)) != status.end();
      };
      if (said(RowStatus::kUnavailable) || said(RowStatus::kStale)) {
        ++report_.unavailable;
      } else {
        answered.push_back(row);
      }
    }
    if (answered.empty()) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(const Batch part, TakeRows(log, answered));
    Reasons reasons;
    return ReplayWhatCan(shape, part, &reasons);
  }

  /// Why rows that read these commits can't be asked again.
  using Reasons = std::map<std::string, Status>;

  /// Replays rows; those that can't be are listed, each with its reason. Which of them it is, is
  /// found by halving; others that read the same commits are not tried then.
  Status ReplayWhatCan(const Shape& shape, const Batch& log, Reasons* reasons) {
    std::vector<int64_t> open;
    for (int64_t row = 0; row < log->num_rows(); ++row) {
      const auto known = reasons->find(CommitsRead(*log, row));
      if (known == reasons->end()) {
        open.push_back(row);
      } else {
        AddUnreadable(*log, row, known->second);
      }
    }
    if (open.empty()) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(const Batch part, TakeRows(log, open));
    const Status replayed = Replay(shape, *part);
    if (replayed.ok()) return replayed;
    const int64_t half = part->num_rows() / 2;
    if (half == 0) {
      reasons->emplace(CommitsRead(*part, 0), replayed);
      AddUnreadable(*part, 0, replayed);
      return Status::OK();
    }
    ARROW_RETURN_NOT_OK(ReplayWhatCan(shape, part->Slice(0, half), reasons));
    return ReplayWhatCan(shape, part->Slice(half), reasons);
  }

  /// Of each group that a row read, the commits that it was and may have been as of.
  static std::string CommitsRead(const arrow::RecordBatch& log, int64_t row) {
    std::string text;
    for (const char* name : {kLogReadVersion, kLogReadCommit}) {
      const auto& lists = static_cast<const arrow::ListArray&>(*log.GetColumnByName(name));
      for (int64_t i = 0; i < lists.value_length(row); ++i) {
        text += std::to_string(NumberAt(lists, row, static_cast<size_t>(i), -1)) + " ";
      }
    }
    return text;
  }

  void AddUnreadable(const arrow::RecordBatch& log, int64_t row, const Status& why) {
    const auto& ids = static_cast<const arrow::StringArray&>(*log.GetColumnByName(kLogRequestId));
    const auto times = EventTimeMicros(*log.GetColumnByName(kLogEventTime));
    report_.AddUnreadable(ids.GetString(row), times.ok() ? (*times)->Value(row) : 0,
                          std::string(why.message()));
  }

  Status Replay(const Shape& shape, const arrow::RecordBatch& log) {
    ARROW_ASSIGN_OR_RAISE(const Release release, registry_->GetRelease(shape.release_id));
    ARROW_ASSIGN_OR_RAISE(const auto loaded, releases_->Load(release));
    // A model without a view reads nothing: its features are its request.
    if (loaded->plan() == nullptr) {
      report_.rows += log.num_rows();
      return Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(const auto times, EventTimeMicros(*log.GetColumnByName(kLogEventTime)));
    ARROW_ASSIGN_OR_RAISE(const auto asked,
                          EventTimeMicros(*log.GetColumnByName(kLogRequestTime)));
    const auto& latency =
        static_cast<const arrow::DoubleArray&>(*log.GetColumnByName(kLogLatency));
    std::vector<int64_t> event_times, answered;
    for (int64_t row = 0; row < log.num_rows(); ++row) {
      event_times.push_back(times->Value(row));
      answered.push_back(asked->Value(row) + static_cast<int64_t>(latency.Value(row)) + 1);
    }
    ARROW_ASSIGN_OR_RAISE(const auto reads, ReadsOf(shape, log));
    ARROW_ASSIGN_OR_RAISE(const Batch entities, EntitiesOf(shape, *loaded, log));
    OfflineRows offline(tables_, &reads, &answered);
    ARROW_ASSIGN_OR_RAISE(const VectorAnswer answer,
                          ReadVectors(*loaded->plan(), &offline, entities, event_times));
    // Nothing is counted before it is sure that all can be compared.
    ARROW_RETURN_NOT_OK(CheckFeatures(log, *answer.features));
    report_.rows += log.num_rows();
    CompareReads(log, event_times, reads, offline.answers());
    return CompareFeatures(log, event_times, *answer.features);
  }

  /// Whether the log has these features, of these types.
  static Status CheckFeatures(const arrow::RecordBatch& log, const arrow::RecordBatch& features) {
    for (const auto& field : features.schema()->fields()) {
      const auto logged = log.GetColumnByName(std::string(kLogFeaturePrefix) + field->name());
      if (logged == nullptr) {
        return Status::Invalid("the log lacks feature '", field->name(), "'");
      }
      if (logged->type()->Equals(*field->type())) continue;
      return Status::Invalid("the log has feature '", field->name(), "' as ",
                             logged->type()->ToString(), ", the view now as ",
                             field->type()->ToString());
    }
    return Status::OK();
  }

  static Result<std::vector<LoggedRead>> ReadsOf(const Shape& shape,
                                                 const arrow::RecordBatch& log) {
    std::vector<LoggedRead> reads(shape.groups.size());
    for (size_t r = 0; r < reads.size(); ++r) {
      ARROW_ASSIGN_OR_RAISE(reads[r].group, Ref::Parse(shape.groups[r]));
    }
    for (int64_t row = 0; row < log.num_rows(); ++row) {
      const auto status = TextsAt(*log.GetColumnByName(kLogReadStatus), row);
      for (size_t r = 0; r < reads.size(); ++r) {
        if (r >= status.size()) return Status::Invalid("the log has fewer statuses than reads");
        ARROW_ASSIGN_OR_RAISE(reads[r].status.emplace_back(), StatusOf(status[r]));
        reads[r].event_times_us.push_back(
            NumberAt(*log.GetColumnByName(kLogReadEventTime), row, r, kNone));
        reads[r].commits.push_back(NumberAt(*log.GetColumnByName(kLogReadCommit), row, r, -1));
        reads[r].versions.push_back(NumberAt(*log.GetColumnByName(kLogReadVersion), row, r, -1));
      }
    }
    return reads;
  }

  /// The requests' columns, as they came.
  static Result<Batch> EntitiesOf(const Shape& shape, const LoadedRelease& loaded,
                                  const arrow::RecordBatch& log) {
    arrow::FieldVector fields = LogKeys(loaded);
    arrow::ArrayVector columns;
    for (const auto& key : fields) columns.push_back(log.GetColumnByName(key->name()));
    for (const std::string& input : shape.inputs) {
      columns.push_back(log.GetColumnByName(std::string(kLogInputPrefix) + input));
      if (columns.back() != nullptr) {
        fields.push_back(arrow::field(input, columns.back()->type()));
      }
    }
    if (std::find(columns.begin(), columns.end(), nullptr) != columns.end()) {
      return Status::Invalid("the log lacks a column that the release's requests have");
    }
    return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), log.num_rows(),
                                    std::move(columns));
  }

  void CompareReads(const arrow::RecordBatch& log, const std::vector<int64_t>& event_times,
                    const std::vector<LoggedRead>& online,
                    const std::vector<RowsAnswer>& offline) {
    for (size_t r = 0; r < online.size(); ++r) {
      if (r >= offline.size()) continue;
      for (int64_t row = 0; row < log.num_rows(); ++row) {
        const auto i = static_cast<size_t>(row);
        if (online[r].status[i] == offline[r].status[i] &&
            online[r].event_times_us[i] == offline[r].event_times_us[i]) {
          continue;
        }
        Differ(log, row, event_times[i], online[r].group.ToText(),
               RowText(online[r].status[i], online[r].event_times_us[i]),
               RowText(offline[r].status[i], offline[r].event_times_us[i]));
      }
    }
  }

  Status CompareFeatures(const arrow::RecordBatch& log, const std::vector<int64_t>& event_times,
                         const arrow::RecordBatch& features) {
    const auto bits = arrow::EqualOptions().nans_equal(true).signed_zeros_equal(false);
    for (int f = 0; f < features.num_columns(); ++f) {
      const std::string& name = features.schema()->field(f)->name();
      const auto online = log.GetColumnByName(std::string(kLogFeaturePrefix) + name);
      const auto offline = features.column(f);
      if (online->Equals(*offline, bits)) continue;
      for (int64_t row = 0; row < log.num_rows(); ++row) {
        if (online->RangeEquals(*offline, row, row + 1, row, bits)) continue;
        ARROW_ASSIGN_OR_RAISE(const auto online_value, online->GetScalar(row));
        ARROW_ASSIGN_OR_RAISE(const auto offline_value, offline->GetScalar(row));
        Differ(log, row, event_times[static_cast<size_t>(row)], name, online_value->ToString(),
               offline_value->ToString());
      }
    }
    return Status::OK();
  }

  void Differ(const arrow::RecordBatch& log, int64_t row, int64_t event_time_us,
              const std::string& feature, std::string online, std::string offline) {
    ++report_.differences;
    ++report_.by_feature[feature];
    if (report_.listed.size() == Verification::kListed) return;
    const auto& ids = static_cast<const arrow::StringArray&>(*log.GetColumnByName(kLogRequestId));
    report_.listed.push_back({.request_id = ids.GetString(row),
                              .event_time_us = event_time_us,
                              .feature = feature,
                              .online = std::move(online),
                              .offline = std::move(offline)});
  }

  FeatureTables* const tables_;
  Registry* const registry_;
  ServedReleases* const releases_;
  Verification report_;
};

/// The event time from which on there are about `limit` rows.
Result<std::optional<int64_t>> StartOf(const std::vector<std::shared_ptr<Snapshot>>& logs,
                                       const VerifyRequest& request) {
  if (request.limit == 0) return request.start_us;
  std::vector<int64_t> times;
  for (const auto& log : logs) {
    ARROW_ASSIGN_OR_RAISE(const auto rows, log->Scan({.columns = {kLogEventTime},
                                                      .start_us = request.start_us,
                                                      .end_us = request.end_us}));
    while (true) {
      ARROW_ASSIGN_OR_RAISE(const auto batch, rows->Next());
      if (batch == nullptr) break;
      ARROW_ASSIGN_OR_RAISE(const auto micros, EventTimeMicros(*batch->column(0)));
      times.insert(times.end(), micros->raw_values(), micros->raw_values() + micros->length());
    }
  }
  if (static_cast<int64_t>(times.size()) <= request.limit) return request.start_us;
  const auto first = times.end() - request.limit;
  std::nth_element(times.begin(), first, times.end());
  return *first;
}

}  // namespace

Result<Verification> VerifyPredictions(FeatureTables* tables, Registry* registry,
                                       ServedReleases* releases, const std::string& deployment,
                                       const VerifyRequest& request) {
  ARROW_RETURN_NOT_OK(CheckTimeRange("verification of deployment '" + deployment + "'",
                                     request.start_us, request.end_us));
  ARROW_ASSIGN_OR_RAISE(const auto groups, PredictionGroups(tables, deployment));
  if (groups.empty()) {
    return Status::KeyError("deployment '", deployment,
                            "' has no prediction log; give its policy a log_percent, and ask it");
  }
  std::vector<std::shared_ptr<Snapshot>> logs;
  for (const FeatureGroupDefinition& group : groups) {
    ARROW_ASSIGN_OR_RAISE(const auto table, tables->Get(group.ref()));
    ARROW_ASSIGN_OR_RAISE(logs.emplace_back(), table->Head());
  }
  ARROW_ASSIGN_OR_RAISE(const auto start_us, StartOf(logs, request));
  Verifier verifier(tables, registry, releases);
  for (const auto& log : logs) {
    ARROW_ASSIGN_OR_RAISE(const auto rows,
                          log->Scan({.start_us = start_us, .end_us = request.end_us}));
    while (true) {
      ARROW_ASSIGN_OR_RAISE(const auto batch, rows->Next());
      if (batch == nullptr) break;
      ARROW_RETURN_NOT_OK(verifier.Take(batch));
    }
  }
  return verifier.Finish();
}

}  // namespace tercet
