#include "view/view_snapshots.h"

#include <algorithm>

#include "compute/sort_key.h"
#include "offline/data_file.h"

namespace tercet {
namespace {

/// Sorted runs without deleted rows say it; of other files the rows that may be newer are read.
Result<std::optional<int64_t>> NewestTimeOf(Snapshot* snapshot) {
  std::optional<int64_t> newest;
  ARROW_ASSIGN_OR_RAISE(const auto files, snapshot->Files());
  bool all_told = true;
  for (const auto& file : files) {
    const bool tells = file->run && !file->add.vector && file->run->time_max_us < INT64_MAX;
    if (tells) newest = std::max(newest.value_or(INT64_MIN), file->run->time_max_us);
    all_told = all_told && tells;
  }
  if (all_told) return newest;
  const std::string& column = snapshot->options().event_time;
  ARROW_ASSIGN_OR_RAISE(
      const auto rows, snapshot->Scan({.columns = {column}, .start_us = newest, .end_us = {}}));
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const auto batch, rows->Next());
    if (batch == nullptr) return newest;
    ARROW_ASSIGN_OR_RAISE(const auto times, EventTimeMicros(*batch->column(0)));
    for (int64_t i = 0; i < times->length(); ++i) {
      if (times->IsValid(i)) newest = std::max(newest.value_or(INT64_MIN), times->Value(i));
    }
  }
}

}  // namespace

Result<std::shared_ptr<Snapshot>> ViewSnapshots::Get(const FeatureGroupDefinition& group) {
  const std::string name = group.ref().ToText();
  std::shared_ptr<Snapshot>& snapshot = snapshots_[name];
  if (snapshot != nullptr) return snapshot;
  ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<Table> table, tables_->Get(group.ref()));
  const auto pin = wanted_.find(name);
  if (pin == wanted_.end()) {
    ARROW_ASSIGN_OR_RAISE(snapshot, table->Head());
  } else {
    ARROW_ASSIGN_OR_RAISE(snapshot, table->AtVersion(pin->second));
  }
  pins_[name] = snapshot->version();
  return snapshot;
}

Result<std::vector<Commit>> ViewSnapshots::Commits(const FeatureGroupDefinition& group) {
  const std::string name = group.ref().ToText();
  const auto known = commits_.find(name);
  if (known != commits_.end()) return known->second;
  ARROW_ASSIGN_OR_RAISE(const auto snapshot, Get(group));
  ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<Table> table, tables_->Get(group.ref()));
  ARROW_ASSIGN_OR_RAISE(std::vector<Commit> commits, table->Commits());
  std::erase_if(commits, [&](const Commit& one) { return one.version > snapshot->version(); });
  return commits_[name] = std::move(commits);
}

Result<std::shared_ptr<Snapshot>> ViewSnapshots::At(const FeatureGroupDefinition& group,
                                                    int64_t version) {
  ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<Table> table, tables_->Get(group.ref()));
  return table->AtVersion(version);
}

Result<std::optional<int64_t>> ViewSnapshots::NewestTime(const FeatureGroupDefinition& group) {
  const std::string name = group.ref().ToText();
  const auto known = newest_times_.find(name);
  if (known != newest_times_.end()) return known->second;
  ARROW_ASSIGN_OR_RAISE(const auto snapshot, Get(group));
  ARROW_ASSIGN_OR_RAISE(newest_times_[name], NewestTimeOf(snapshot.get()));
  return newest_times_[name];
}

}  // namespace tercet
