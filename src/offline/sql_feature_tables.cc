#include "offline/sql_feature_tables.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/time_text.h"
#include "offline/data_file.h"

namespace tercet {
namespace {

/// Below so many rows, threads cost more than they save.
constexpr int64_t kRowsWorthSplitting = 200'000;

class SnapshotTable : public SqlTable {
 public:
  SnapshotTable(std::shared_ptr<Snapshot> snapshot, const SqlTimeRange& range)
      : snapshot_(std::move(snapshot)), range_(range) {}

  const std::shared_ptr<arrow::Schema>& schema() const override { return snapshot_->schema(); }
  std::optional<int64_t> row_count() const override { return snapshot_->row_count(); }

  Result<std::vector<SqlPart>> Parts(const std::vector<std::string>& columns,
                                     int count) override {
    ScanOptions scan;
    scan.columns = columns;
    constexpr SqlTimeRange kAll;
    if (range_.start_us != kAll.start_us) scan.start_us = range_.start_us;
    if (range_.end_us != kAll.end_us) scan.end_us = range_.end_us;
    ARROW_ASSIGN_OR_RAISE(const bool splits, IsWorthSplitting());
    std::vector<KeyRange> ranges(1);
    if (splits) {
      ARROW_ASSIGN_OR_RAISE(ranges, snapshot_->Partition(count));
    }
    std::vector<SqlPart> parts;
    for (const KeyRange& keys : ranges) {
      parts.push_back([snapshot = snapshot_, scan, keys] {
        return snapshot->ScanRange(scan, keys);
      });
    }
    return parts;
  }

 private:
  /// A file of another engine's is sorted as a whole, which each part would do again.
  Result<bool> IsWorthSplitting() const {
    if (snapshot_->row_count().value_or(0) < kRowsWorthSplitting) return false;
    ARROW_ASSIGN_OR_RAISE(const auto files, snapshot_->Files());
    return std::all_of(files.begin(), files.end(),
                       [](const auto& file) { return file->run.has_value(); });
  }

  const std::shared_ptr<Snapshot> snapshot_;
  const SqlTimeRange range_;
};

}  // namespace

Result<FeatureGroupDefinition> SqlFeatureTables::Resolve(const std::string& name) {
  const Result<Ref> ref = Ref::Parse(name);
  Result<FeatureGroupDefinition> group =
      ref.ok() ? tables_->Definition(*ref) : Result<FeatureGroupDefinition>(ref.status());
  if (group.ok()) return group;
  // "weather_1" is version 1 of weather, unless a group has this very name.
  const size_t mark = name.find_last_of('_');
  const bool numbered = mark != std::string::npos && mark > 0 && mark + 1 < name.size() &&
                        name.size() - mark < 12 &&
                        name.find_first_not_of("0123456789", mark + 1) == std::string::npos;
  if (!numbered) return group;
  const Ref version{name.substr(0, mark), std::stoll(name.substr(mark + 1))};
  if (version.version == 0) return group;
  Result<FeatureGroupDefinition> other = tables_->Definition(version);
  if (other.ok() || !tables_->Definition({version.name, 0}).ok()) {
    return other.ok() ? other : group;
  }
  return other.status();  // the group is there, but not this version
}

Result<std::shared_ptr<Snapshot>> SqlFeatureTables::SnapshotOf(const Ref& ref) {
  const std::string text = ref.ToText();
  const std::lock_guard lock(mutex_);
  std::shared_ptr<Snapshot>& snapshot = snapshots_[text];
  if (snapshot != nullptr) return snapshot;
  ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<Table> table, tables_->Get(ref));
  const auto version = versions_.find(text);
  if (version != versions_.end()) {
    ARROW_ASSIGN_OR_RAISE(snapshot, table->AtVersion(version->second));
  } else if (as_of_us_) {
    ARROW_ASSIGN_OR_RAISE(snapshot, table->AtTime(*as_of_us_));
  } else {
    ARROW_ASSIGN_OR_RAISE(snapshot, table->Head());
  }
  return snapshot;
}

Result<std::shared_ptr<SqlTable>> SqlFeatureTables::Find(const std::string& name) {
  const Result<FeatureGroupDefinition> group = Resolve(name);
  if (!group.ok()) {
    // A file's name is the engine's, which knows whether it may be read.
    if (name.find_first_of("./") != std::string::npos) return nullptr;
    return group.status();
  }
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<Snapshot> snapshot, SnapshotOf(group->ref()));
  const std::lock_guard lock(mutex_);
  pins_[group->ref().ToText()] = snapshot->version();
  const auto range = ranges_.find(name);
  return std::make_shared<SnapshotTable>(
      std::move(snapshot), range == ranges_.end() ? SqlTimeRange{} : range->second);
}

Result<std::shared_ptr<SqlTable>> SqlFeatureTables::FindAsOf(const std::string& name,
                                                             const std::string& as_of) {
  ARROW_ASSIGN_OR_RAISE(const FeatureGroupDefinition group, Resolve(name));
  ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<Table> table, tables_->Get(group.ref()));
  std::shared_ptr<Snapshot> snapshot;
  // Iceberg's and Hudi's commits have numbers of nineteen digits.
  int64_t commit = 0;
  const auto [end, error] = std::from_chars(as_of.data(), as_of.data() + as_of.size(), commit);
  if (error == std::errc() && end == as_of.data() + as_of.size()) {
    ARROW_ASSIGN_OR_RAISE(snapshot, table->AtVersion(commit));
  } else {
    ARROW_ASSIGN_OR_RAISE(const int64_t time_us, ParseTime(as_of));
    ARROW_ASSIGN_OR_RAISE(snapshot, table->AtTime(time_us));
  }
  const std::lock_guard lock(mutex_);
  pins_[group.ref().ToText()] = snapshot->version();
  return std::make_shared<SnapshotTable>(std::move(snapshot), SqlTimeRange{});
}

Result<std::string> SqlFeatureTables::GroupOf(const std::string& name) {
  ARROW_ASSIGN_OR_RAISE(const FeatureGroupDefinition group, Resolve(name));
  return group.ref().ToText();
}

std::shared_ptr<arrow::Field> SqlFeatureTables::EventTimeOf(const std::string& name) {
  const Result<FeatureGroupDefinition> group = Resolve(name);
  if (!group.ok() || group->event_time.empty() || group->schema == nullptr) return nullptr;
  return group->schema->GetFieldByName(group->event_time);
}

void SqlFeatureTables::Narrow(std::map<std::string, SqlTimeRange> ranges) {
  const std::lock_guard lock(mutex_);
  ranges_ = std::move(ranges);
}

std::map<std::string, int64_t> SqlFeatureTables::pins() {
  const std::lock_guard lock(mutex_);
  return pins_;
}

}  // namespace tercet
