#include "inference/offline_rows.h"

#include <algorithm>
#include <limits>
#include <unordered_map>

#include <arrow/array/builder_primitive.h>
#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/compute/api_vector.h>
#include <arrow/datum.h>
#include <arrow/table.h>

#include "catalog/given_keys.h"
#include "compute/sort_key.h"
#include "compute/take_rows.h"
#include "compute/visibility.h"
#include "view/join_key.h"

namespace tercet {
namespace {

constexpr int64_t kNone = std::numeric_limits<int64_t>::min();
/// Commits after the applied one that are tried.
constexpr int kLaterCommits = 64;

/// The rows [begin, end) that one key has, in order of event time.
struct Range {
  int64_t begin = 0, end = 0;
};

Result<std::shared_ptr<arrow::RecordBatch>> HistoryOf(
    Table* group, int64_t version, const std::shared_ptr<arrow::RecordBatch>& keys,
    const std::vector<std::string>& columns) {
  ARROW_ASSIGN_OR_RAISE(const auto snapshot, group->AtVersion(version));
  ARROW_ASSIGN_OR_RAISE(const auto reader, snapshot->Lookup(keys, {.columns = columns}));
  ARROW_ASSIGN_OR_RAISE(const auto table, reader->ToTable());
  ARROW_ASSIGN_OR_RAISE(const auto whole, table->CombineChunksToBatch());
  return whole;
}

}  // namespace

/// What was found of each row of a request.
struct OfflineRows::Found {
  std::vector<RowStatus> status;
  std::vector<int64_t> event_times_us;
  std::vector<int64_t> at;        ///< into `rows`; −1: none
  std::vector<arrow::ArrayVector> rows;  ///< pieces, a column of the request each
  int64_t count = 0;              ///< rows in the pieces
};

Result<const std::vector<Commit>*> OfflineRows::CommitsOf(const Ref& group) {
  const auto found = commits_.find(group);
  if (found != commits_.end()) return &found->second;
  ARROW_ASSIGN_OR_RAISE(const auto table, tables_->Get(group));
  ARROW_ASSIGN_OR_RAISE(commits_[group], table->Commits());
  return &commits_[group];
}

Result<std::shared_ptr<arrow::RecordBatch>> OfflineRows::HistoryAsOf(
    const Ref& group, int64_t version, const std::shared_ptr<arrow::RecordBatch>& keys,
    const std::vector<std::string>& columns) {
  ARROW_ASSIGN_OR_RAISE(const auto table, tables_->Get(group));
  const auto history = HistoryOf(table.get(), version, keys, columns);
  if (history.ok()) return history;
  ARROW_ASSIGN_OR_RAISE(const std::vector<Commit>* commits, CommitsOf(group));
  for (const Commit& later : *commits) {
    if (later.version <= version) continue;
    if (later.operation != "compact") break;
    auto same = HistoryOf(table.get(), later.version, keys, columns);
    if (same.ok()) return same;
  }
  return history;
}

Status OfflineRows::Find(const RowsRequest& request, const std::vector<int64_t>& which,
                         const std::vector<int64_t>& versions, Found* found) {
  ARROW_ASSIGN_OR_RAISE(const FeatureGroupDefinition group, tables_->Definition(request.group));
  if (group.source) {
    return Status::Invalid("feature group '", group.ref().ToText(),
                           "' is external: what its source had then is not kept");
  }
  ARROW_ASSIGN_OR_RAISE(const SortKeys wanted, SortKeys::Encode(request.keys->columns()));
  std::vector<std::string> columns = group.primary_key;
  const auto add = [&](const std::string& name) {
    if (std::find(columns.begin(), columns.end(), name) == columns.end()) columns.push_back(name);
  };
  if (!group.event_time.empty()) add(group.event_time);
  for (const std::string& column : request.columns) add(column);

  std::map<int64_t, std::vector<int64_t>> by_version;
  for (const int64_t row : which) by_version[versions[row]].push_back(row);
  for (const auto& [version, rows] : by_version) {
    ARROW_ASSIGN_OR_RAISE(const auto keys, TakeRows(request.keys, rows));
    ARROW_ASSIGN_OR_RAISE(const auto history, HistoryAsOf(request.group, version, keys, columns));
    arrow::ArrayVector key_columns;
    for (const std::string& key : group.primary_key) {
      key_columns.push_back(history->GetColumnByName(key));
    }
    std::unordered_map<std::string, Range> ranges;
    if (history->num_rows() > 0) {
      ARROW_ASSIGN_OR_RAISE(const SortKeys there, SortKeys::Encode(key_columns));
      for (int64_t i = 0; i < history->num_rows(); ++i) {
        const auto [range, is_new] = ranges.try_emplace(there.ToBytes(i), Range{i, i});
        range->second.end = i + 1;
      }
    }
    std::shared_ptr<arrow::Int64Array> times;
    if (!group.event_time.empty()) {
      ARROW_ASSIGN_OR_RAISE(times, EventTimeMicros(*history->GetColumnByName(group.event_time)));
    }
    for (const int64_t row : rows) {
      found->status[row] = RowStatus::kMissing;
      found->event_times_us[row] = kNone;
      found->at[row] = -1;
      if (!wanted.valid(row)) continue;
      const auto range = ranges.find(wanted.ToBytes(row));
      if (range == ranges.end()) continue;
      const int64_t time_us = request.event_times_us[row];
      int64_t newest = -1;
      for (int64_t i = range->second.begin; i < range->second.end; ++i) {
        if (times == nullptr || NotLater(times->Value(i), time_us)) newest = i;
      }
      if (newest < 0) continue;
      found->status[row] = RowStatus::kPresent;
      if (times != nullptr) {
        found->event_times_us[row] = times->Value(newest);
        if (!WithinTtl(times->Value(newest), time_us, request.ttl_us)) {
          found->status[row] = RowStatus::kExpired;
          continue;
        }
      }
      found->at[row] = found->count + newest;
    }
    found->count += history->num_rows();
    found->rows.resize(request.columns.size());
    for (size_t c = 0; c < request.columns.size(); ++c) {
      const auto column = history->GetColumnByName(request.columns[c]);
      const auto& type = group.schema->GetFieldByName(request.columns[c])->type();
      // An older commit may have had the column with a narrower type.
      ARROW_ASSIGN_OR_RAISE(found->rows[c].emplace_back(),
                            CastColumn(request.columns[c], column, type));
    }
  }
  return Status::OK();
}

Result<RowsAnswer> OfflineRows::ReadOne(const RowsRequest& request, const LoggedRead& logged) {
  const auto n = static_cast<size_t>(request.keys->num_rows());
  if (!(logged.group == request.group) || logged.status.size() != n) {
    return Status::Invalid("the log has a read of feature group '", logged.group.ToText(),
                           "' where the view now reads '", request.group.ToText(), "'");
  }
  Found found{.status = std::vector<RowStatus>(n),
              .event_times_us = std::vector<int64_t>(n, kNone),
              .at = std::vector<int64_t>(n, -1),
              .rows = {},
              .count = 0};
  std::vector<int64_t> versions(n), open(n);
  for (size_t i = 0; i < n; ++i) {
    versions[i] = std::max(logged.versions[i], logged.commits[i]);
    open[i] = static_cast<int64_t>(i);
  }
  ARROW_RETURN_NOT_OK(Find(request, open, versions, &found));
  const auto agrees = [&](const Found& one, int64_t i) {
    return one.status[i] == logged.status[i] && one.event_times_us[i] == logged.event_times_us[i];
  };
  Found later = found;
  for (int tries = 0; tries < kLaterCommits; ++tries) {
    ARROW_ASSIGN_OR_RAISE(const std::vector<Commit>* commits, CommitsOf(request.group));
    const auto settled = [&](int64_t i) {
      if (agrees(later, i)) return true;
      const auto next = std::upper_bound(
          commits->begin(), commits->end(), versions[i],
          [](int64_t version, const Commit& commit) { return version < commit.version; });
      if (next == commits->end() || next->commit_time_us > answered_us_[i]) return true;
      versions[i] = next->version;
      return false;
    };
    std::erase_if(open, settled);
    if (open.empty()) break;
    ARROW_RETURN_NOT_OK(Find(request, open, versions, &later));
  }
  for (size_t i = 0; i < n; ++i) {
    const auto row = static_cast<int64_t>(i);
    if (agrees(found, row) || !agrees(later, row)) continue;
    found.status[i] = later.status[i];
    found.event_times_us[i] = later.event_times_us[i];
    found.at[i] = later.at[i];
  }

  RowsAnswer answer{.rows = nullptr,
                    .status = found.status,
                    .event_times_us = found.event_times_us,
                    .commits = logged.commits};
  arrow::Int64Builder indices;
  for (const int64_t at : found.at) {
    ARROW_RETURN_NOT_OK(at < 0 ? indices.AppendNull() : indices.Append(at));
  }
  ARROW_ASSIGN_OR_RAISE(const auto index_array, indices.Finish());
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (size_t c = 0; c < request.columns.size(); ++c) {
    ARROW_ASSIGN_OR_RAISE(const auto whole, arrow::Concatenate(later.rows[c]));
    ARROW_ASSIGN_OR_RAISE(const arrow::Datum taken, arrow::compute::Take(whole, index_array));
    arrays.push_back(taken.make_array());
    fields.push_back(arrow::field(request.columns[c], arrays.back()->type()));
  }
  answer.rows = arrow::RecordBatch::Make(arrow::schema(std::move(fields)),
                                         static_cast<int64_t>(n), std::move(arrays));
  return answer;
}

Result<std::vector<RowsAnswer>> OfflineRows::Read(const std::vector<RowsRequest>& requests) {
  std::vector<RowsRequest> known = requests;
  std::vector<RowsAnswer> answers;
  for (size_t r = 0; r < requests.size(); ++r) {
    if (answers_.size() >= logged_.size()) {
      return Status::Invalid("the view now reads feature group '", requests[r].group.ToText(),
                             "', which the log does not have");
    }
    ARROW_ASSIGN_OR_RAISE(known[r], WithKeysGiven(known, answers, r));
    ARROW_ASSIGN_OR_RAISE(answers.emplace_back(), ReadOne(known[r], logged_[answers_.size()]));
    answers_.push_back(answers.back());
    answers_.back().rows = nullptr;
  }
  return answers;
}

}  // namespace tercet
