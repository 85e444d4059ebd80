#include <algorithm>
#include <cctype>

#include "base/time_text.h"
#include "offline/delta_table.h"

namespace tercet {
namespace {

std::string TextOf(const json::object& object, std::string_view key) {
  const auto text = FindString(object, key);
  return text.ok() ? text->value_or("") : "";
}

int64_t IntegerOf(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr) return 0;
  if (value->is_string()) return std::atoll(value->as_string().c_str());
  const auto number = FindInt(object, key);
  return number.ok() ? number->value_or(0) : 0;
}

/// Our word for what another engine did.
std::string ForeignOperation(const json::object& info) {
  std::string name = TextOf(info, "operation");
  if (name == "WRITE") {
    const auto parameters = FindObject(info, "operationParameters");
    const std::string mode = parameters.ok() ? TextOf(*parameters, "mode") : "";
    name = mode == "Overwrite" ? "overwrite" : "append";
  } else if (name == "OPTIMIZE") {
    name = "compact";
  } else if (name == "CREATE TABLE") {
    name = "create";
  }
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return name.empty() ? "unknown" : name;
}

void DescribeForeign(const LogCommit& log_commit, Commit* commit) {
  const json::object& info = log_commit.info();
  commit->operation = ForeignOperation(info);
  int64_t added = 0, removed = 0;
  for (const Action& action : log_commit.actions) {
    if (const auto* add = std::get_if<AddFile>(&action); add != nullptr && add->data_change) {
      const auto file = MakeDataFile(*add, {}, 0, 0);
      if (file.ok()) added += (*file)->RowCount().value_or(0);
    }
    if (const auto* remove = std::get_if<RemoveFile>(&action)) removed += remove->data_change;
  }
  const auto found = FindObject(info, "operationMetrics");
  const json::object metrics = found.ok() ? *found : json::object();
  auto first = [&](std::initializer_list<std::string_view> names) {
    for (const std::string_view name : names) {
      if (metrics.contains(name)) return IntegerOf(metrics, name);
    }
    return int64_t{0};
  };
  commit->rows_updated = first({"numTargetRowsUpdated", "num_target_rows_updated",
                                "numUpdatedRows", "num_updated_rows"});
  commit->rows_deleted = first({"numTargetRowsDeleted", "num_target_rows_deleted",
                                "numDeletedRows", "num_deleted_rows"});
  commit->rows_inserted = first({"numTargetRowsInserted", "num_target_rows_inserted"});
  // Plain writes: what was added, if nothing else says so.
  if (removed == 0 || commit->operation == "overwrite") commit->rows_inserted = added;
}

}  // namespace

Commit DescribeCommit(const LogCommit& log_commit, int64_t previous_time_us) {
  const json::object& info = log_commit.info();
  Commit commit{.feature_group = {},
                .version = log_commit.version,
                .commit_time_us = CommitTimeOf(info, log_commit.modified_us)};
  if (!IsOurCommit(info)) {
    if (!HasExactTime(info) && previous_time_us != INT64_MIN) {
      commit.commit_time_us = std::max(commit.commit_time_us, previous_time_us + 1);
    }
    DescribeForeign(log_commit, &commit);
    return commit;
  }
  const json::object& ours = info.at("tercet").as_object();
  commit.operation = TextOf(ours, "operation");
  commit.rows_inserted = IntegerOf(ours, "rows_inserted");
  commit.rows_updated = IntegerOf(ours, "rows_updated");
  commit.rows_deleted = IntegerOf(ours, "rows_deleted");
  return commit;
}

Result<Commit> DeltaTable::CommitOf(int64_t version) {
  const Result<LogCommit> commit = log_.ReadCommit(version);
  // An idempotency key outlives the commit that it came with, which a cleanup of the log may take.
  if (commit.status().IsKeyError()) return Commit{.version = version, .operation = "unknown"};
  ARROW_RETURN_NOT_OK(commit.status());
  Commit described = DescribeCommit(*commit, INT64_MIN);
  std::lock_guard lock(mutex_);
  if (head_ != nullptr && head_->version() == version) {
    described.commit_time_us = head_->commit_time_us();
  }
  return described;
}

Result<std::vector<Commit>> DeltaTable::Commits() {
  ARROW_ASSIGN_OR_RAISE(const auto head, HeadSnapshot());
  std::lock_guard lock(mutex_);
  if (history_table_id_ != head->state()->metadata.id) {
    history_.clear();
    history_table_id_ = head->state()->metadata.id;
  }
  if (!history_.empty()) {
    // Another process may have cleaned the log up since.
    ARROW_ASSIGN_OR_RAISE(const bool kept, log_.HasCommit(history_.front().version));
    if (!kept) history_.clear();
  }
  int64_t next = head->version() + 1;
  if (!history_.empty()) {
    next = history_.back().version + 1;
  } else {
    // Old commits may have been cleaned up; the rest must be without gaps.
    ARROW_ASSIGN_OR_RAISE(const std::vector<int64_t> versions, log_.Versions());
    if (!versions.empty()) next = versions.front();
  }
  for (; next <= head->version(); ++next) {
    ARROW_ASSIGN_OR_RAISE(const LogCommit commit, log_.ReadCommit(next));
    const int64_t previous = history_.empty() ? INT64_MIN : history_.back().commit_time_us;
    history_.push_back(DescribeCommit(commit, previous));
  }
  std::vector<Commit> commits = history_;
  std::erase_if(commits, [&](const Commit& commit) { return commit.version > head->version(); });
  return commits;
}

Result<std::shared_ptr<Snapshot>> DeltaTable::AtTime(int64_t time_us) {
  ARROW_ASSIGN_OR_RAISE(auto head, HeadSnapshot());
  if (head->commit_time_us() <= time_us) return head;
  ARROW_ASSIGN_OR_RAISE(const std::vector<Commit> commits, Commits());
  const auto after = std::upper_bound(
      commits.begin(), commits.end(), time_us,
      [](int64_t time, const Commit& commit) { return time < commit.commit_time_us; });
  if (after == commits.begin()) {
    return Status::KeyError("no commit at or before ", FormatTime(time_us), "; the first is of ",
                            commits.empty() ? "later" : FormatTime(commits[0].commit_time_us));
  }
  return AtVersion(std::prev(after)->version);
}

}  // namespace tercet
