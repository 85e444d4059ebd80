#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "catalog/online_rows.h"
#include "offline/feature_tables.h"

namespace tercet {

/// What the online store told of one read of a group, a value a row of the request.
struct LoggedRead {
  Ref group;
  std::vector<RowStatus> status;
  std::vector<int64_t> event_times_us;  ///< INT64_MIN: no row
  std::vector<int64_t> commits;         ///< of the row; −1: no row
  std::vector<int64_t> versions;        ///< up to which the group was applied
};

/// Answers reads by key as the online store should have, from the offline tables as they were: a
/// row's answer is the newest row of its key with event time ≤ the request's, within the TTL, as of
/// the commit up to which the group was applied, or the row's own if that is later. Written to be
/// obviously right, and apart from the merge of the point-in-time join: a lookup of the keys' whole
/// history and a search in it.
///
/// While the online store applies several commits a reader may meet a key between two of them. So
/// where that commit gives another row than the log has, later ones are tried that were there when
/// the request was answered; if none gives it, the first answer stands.
class OfflineRows : public OnlineRows {
 public:
  /// `logged`: the reads in the order in which they will be asked again; `answered_us`: when each
  /// row's request was answered. Both must outlive this.
  OfflineRows(FeatureTables* tables, const std::vector<LoggedRead>* logged,
              const std::vector<int64_t>* answered_us)
      : tables_(tables), logged_(*logged), answered_us_(*answered_us) {}

  /// Invalid for another read than the next logged one; KeyError for a commit that is no longer
  /// kept.
  Result<std::vector<RowsAnswer>> Read(const std::vector<RowsRequest>& requests) override;

  /// The answers so far, one a logged read, without their rows.
  const std::vector<RowsAnswer>& answers() const { return answers_; }

 private:
  struct Found;
  Result<RowsAnswer> ReadOne(const RowsRequest& request, const LoggedRead& logged);
  /// Finds the rows of `which` as of the commits that `versions` has of each.
  Status Find(const RowsRequest& request, const std::vector<int64_t>& which,
              const std::vector<int64_t>& versions, Found* found);
  Result<const std::vector<Commit>*> CommitsOf(const Ref& group);
  /// The keys' history as of a commit, by key and event time. Where its files are no longer kept,
  /// as of a compaction that came right after it and changed no row.
  Result<std::shared_ptr<arrow::RecordBatch>> HistoryAsOf(
      const Ref& group, int64_t version, const std::shared_ptr<arrow::RecordBatch>& keys,
      const std::vector<std::string>& columns);

  FeatureTables* const tables_;
  const std::vector<LoggedRead>& logged_;
  const std::vector<int64_t>& answered_us_;
  std::vector<RowsAnswer> answers_;
  std::map<Ref, std::vector<Commit>> commits_;
};

}  // namespace tercet
