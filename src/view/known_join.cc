#include "view/known_join.h"

#include <algorithm>

#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/builder.h>
#include <arrow/compute/api_vector.h>

#include "base/time_text.h"
#include "offline/kept_history.h"
#include "view/join_key.h"

namespace tercet {
namespace {

/// The left rows by the last commit that each knows: those that know none first, then commit after
/// commit, each in the left order.
struct RowsByCommit {
  std::shared_ptr<arrow::Int64Array> rows;     ///< left row numbers in this order
  std::shared_ptr<arrow::Int64Array> inverse;  ///< where each left row is in it
  std::vector<int64_t> ends;                   ///< of those that know none, then of each commit's
};

Result<RowsByCommit> Sorted(const std::vector<Commit>& commits,
                            const arrow::Int64Array& known_at_us) {
  const int64_t n = known_at_us.length();
  std::vector<size_t> known(static_cast<size_t>(n));
  RowsByCommit sorted;
  sorted.ends.assign(commits.size() + 1, 0);
  for (int64_t i = 0; i < n; ++i) {
    const auto after = std::upper_bound(
        commits.begin(), commits.end(), known_at_us.Value(i),
        [](int64_t time_us, const Commit& commit) { return time_us < commit.commit_time_us; });
    known[static_cast<size_t>(i)] = static_cast<size_t>(after - commits.begin());
    ++sorted.ends[known[static_cast<size_t>(i)]];
  }
  std::vector<int64_t> next(sorted.ends.size(), 0);
  for (size_t c = 1; c < next.size(); ++c) {
    next[c] = sorted.ends[c - 1];
    sorted.ends[c] += sorted.ends[c - 1];
  }
  std::vector<int64_t> rows(static_cast<size_t>(n)), inverse(static_cast<size_t>(n));
  for (size_t i = 0; i < rows.size(); ++i) {
    const int64_t at = next[known[i]]++;
    rows[static_cast<size_t>(at)] = static_cast<int64_t>(i);
    inverse[i] = at;
  }
  sorted.rows =
      std::make_shared<arrow::Int64Array>(n, arrow::Buffer::FromVector(std::move(rows)));
  sorted.inverse =
      std::make_shared<arrow::Int64Array>(n, arrow::Buffer::FromVector(std::move(inverse)));
  return sorted;
}

/// The columns as they are now, of a snapshot that may lack some or have narrower ones; all null
/// without a snapshot.
Result<JoinAnswer> JoinAt(Snapshot* snapshot, const arrow::FieldVector& fields,
                          const std::shared_ptr<arrow::Table>& keys,
                          const std::shared_ptr<arrow::Int64Array>& times_us,
                          std::optional<int64_t> ttl_us, const ViewReadOptions& options) {
  JoinAnswer old;
  if (snapshot != nullptr) {
    std::vector<std::string> columns;
    for (const auto& field : fields) {
      if (snapshot->schema()->GetFieldByName(field->name()) != nullptr) {
        columns.push_back(field->name());
      }
    }
    ARROW_ASSIGN_OR_RAISE(old, JoinAsOf(snapshot, columns, keys, times_us, ttl_us, options));
  } else {
    ARROW_ASSIGN_OR_RAISE(const auto none,
                          arrow::MakeArrayFromScalar(arrow::BooleanScalar(false),
                                                     keys->num_rows()));
    old.found = std::static_pointer_cast<arrow::BooleanArray>(none);
  }
  arrow::ChunkedArrayVector columns;
  for (const auto& field : fields) {
    const auto known = old.rows == nullptr ? nullptr : old.rows->GetColumnByName(field->name());
    if (known != nullptr) {
      ARROW_ASSIGN_OR_RAISE(columns.emplace_back(),
                            CastColumn(field->name(), known, field->type()));
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(auto nulls, arrow::MakeArrayOfNull(field->type(), keys->num_rows()));
    columns.push_back(std::make_shared<arrow::ChunkedArray>(std::move(nulls)));
  }
  return JoinAnswer{.rows = arrow::Table::Make(arrow::schema(fields), std::move(columns),
                                               keys->num_rows()),
                    .found = std::move(old.found)};
}

/// Invalid where a row knows a commit from before the group kept its history.
Status CheckKept(const Snapshot& head, const std::vector<Commit>& commits,
                 const arrow::Int64Array& known_at_us) {
  ARROW_ASSIGN_OR_RAISE(const int64_t since, HistorySince(head.properties()));
  if (since == 0) return Status::OK();
  const auto first = std::find_if(commits.begin(), commits.end(),
                                  [&](const Commit& commit) { return commit.version >= since; });
  if (first == commits.end()) return Status::OK();
  for (int64_t i = 0; i < known_at_us.length(); ++i) {
    if (known_at_us.Value(i) >= first->commit_time_us) continue;
    return Status::Invalid("its history is kept since commit ", since, " of ",
                           FormatTime(first->commit_time_us),
                           ", so nobody can say what was known at ",
                           FormatTime(known_at_us.Value(i)), "; ask for later rows");
  }
  return Status::OK();
}

}  // namespace

Status CheckKeepsHistory(const FeatureGroupDefinition& group) {
  if (group.history) return Status::OK();
  return Status::Invalid("feature group '", group.ref().ToText(), "' keeps no history, so ",
                         "nobody can say what was known of it at a row's time; keep it from ",
                         "now on with alter(history=True), or read without known_at");
}

Status NoTimeToKnow() {
  return Status::Invalid("the left rows have no event time to say what was known at it; read ",
                         "the view with a spine that has one, or without known_at");
}

Result<JoinAnswer> JoinAsKnown(ViewSnapshots* snapshots, const FeatureGroupDefinition& group,
                               const std::vector<std::string>& columns,
                               const std::shared_ptr<arrow::Table>& left_keys,
                               const std::shared_ptr<arrow::Int64Array>& known_at_us,
                               const std::shared_ptr<arrow::Int64Array>& times_us,
                               std::optional<int64_t> ttl_us, const ViewReadOptions& options) {
  ARROW_RETURN_NOT_OK(CheckKeepsHistory(group));
  if (known_at_us == nullptr) return NoTimeToKnow();
  ARROW_ASSIGN_OR_RAISE(const auto head, snapshots->Get(group));
  arrow::FieldVector fields;
  for (const std::string& column : columns) {
    fields.push_back(head->schema()->GetFieldByName(column));
    if (fields.back() == nullptr) {
      return Status::KeyError("the feature group has no column '", column, "' as of commit ",
                              head->version());
    }
  }
  ARROW_ASSIGN_OR_RAISE(const std::vector<Commit> commits, snapshots->Commits(group));
  ARROW_RETURN_NOT_OK(CheckKept(*head, commits, *known_at_us));
  ARROW_ASSIGN_OR_RAISE(const RowsByCommit by_commit, Sorted(commits, *known_at_us));
  ARROW_ASSIGN_OR_RAISE(const arrow::Datum keys,
                        arrow::compute::Take(left_keys, by_commit.rows));
  std::shared_ptr<arrow::Array> times;
  if (times_us != nullptr) {
    ARROW_ASSIGN_OR_RAISE(times, arrow::compute::Take(*times_us, *by_commit.rows));
  }

  ViewReadOptions quiet = options;
  quiet.progress = nullptr;
  std::vector<std::shared_ptr<arrow::Table>> rows;
  arrow::ArrayVector found;
  for (size_t c = 0; c < by_commit.ends.size(); ++c) {
    const int64_t begin = c == 0 ? 0 : by_commit.ends[c - 1];
    const int64_t size = by_commit.ends[c] - begin;
    if (size == 0 && (c + 1 < by_commit.ends.size() || !rows.empty())) continue;
    std::shared_ptr<Snapshot> snapshot;
    if (c > 0) {
      ARROW_ASSIGN_OR_RAISE(snapshot, snapshots->At(group, commits[c - 1].version));
    }
    const auto times_of = times == nullptr ? nullptr
                                           : std::static_pointer_cast<arrow::Int64Array>(
                                                 times->Slice(begin, size));
    auto answer = JoinAt(snapshot.get(), fields, keys.table()->Slice(begin, size), times_of,
                         ttl_us, quiet);
    if (!answer.ok()) {
      return Explain(answer.status(),
                     c == 0 ? "before its first commit"
                            : "as of commit " + std::to_string(commits[c - 1].version));
    }
    rows.push_back(answer->rows);
    found.push_back(answer->found);
    if (options.progress) {
      options.progress(static_cast<double>(by_commit.ends[c]) /
                       static_cast<double>(std::max<int64_t>(by_commit.ends.back(), 1)));
    }
  }
  ARROW_ASSIGN_OR_RAISE(const auto whole, arrow::ConcatenateTables(rows));
  ARROW_ASSIGN_OR_RAISE(const auto whole_found, arrow::Concatenate(found));
  ARROW_ASSIGN_OR_RAISE(const arrow::Datum in_order,
                        arrow::compute::Take(whole, by_commit.inverse));
  ARROW_ASSIGN_OR_RAISE(const auto found_in_order,
                        arrow::compute::Take(*whole_found, *by_commit.inverse));
  return JoinAnswer{.rows = in_order.table(),
                    .found = std::static_pointer_cast<arrow::BooleanArray>(found_in_order)};
}

}  // namespace tercet
