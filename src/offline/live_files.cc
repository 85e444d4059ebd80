#include "offline/live_files.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "offline/stats_text.h"

namespace tercet {
namespace {

bool IsInTime(const FileFilter& filter, int64_t time_min_us, int64_t time_max_us) {
  return (!filter.start_us || time_max_us >= *filter.start_us) &&
         (!filter.end_us || time_min_us < *filter.end_us);
}

/// The same for a foreign file, by its statistics.
bool MayBeInTime(const FileFilter& filter, std::string_view stats) {
  if ((!filter.start_us && !filter.end_us) || filter.time_column.empty()) return true;
  const std::optional<TimeBounds> bounds = TimeBoundsOf(stats, filter.time_column);
  return !bounds || IsInTime(filter, bounds->min_us, bounds->max_us);
}

bool IsWanted(const FileFilter& filter, const DataFile& file) {
  if (!file.run) return MayBeInTime(filter, file.add.stats);
  return IsInTime(filter, file.run->time_min_us, file.run->time_max_us) &&
         (!filter.may_hold || filter.may_hold(*file.run));
}

}  // namespace

LiveFiles::LiveFiles(std::shared_ptr<const CheckpointFiles> base) : base_(std::move(base)) {}

int64_t LiveFiles::size() const {
  const size_t base = base_ == nullptr ? 0 : base_->rows().size();
  return static_cast<int64_t>(base + added_.size()) - gone_count_;
}

int64_t LiveFiles::total_bytes() const {
  int64_t bytes = 0;
  for (const auto& [key, file] : added_) bytes += file->add.size_bytes;
  if (base_ == nullptr) return bytes;
  for (size_t i = 0; i < base_->rows().size(); ++i) {
    if (!IsGone(i)) bytes += base_->SizeBytesOf(base_->rows()[i]);
  }
  return bytes;
}

std::optional<int64_t> LiveFiles::row_count() const {
  int64_t rows = 0;
  for (const auto& [key, file] : added_) {
    const std::optional<int64_t> count = file->RowCount();
    if (!count) return std::nullopt;
    rows += *count;
  }
  if (base_ == nullptr) return rows;
  for (size_t i = 0; i < base_->rows().size(); ++i) {
    if (IsGone(i)) continue;
    const std::optional<int64_t> count = base_->RowCountOf(base_->rows()[i]);
    if (!count) return std::nullopt;
    rows += *count;
  }
  return rows;
}

int64_t LiveFiles::CountRunsBelow(int64_t rows) const {
  int64_t count = 0;
  for (const auto& [key, file] : added_) count += file->run && file->run->row_count < rows;
  if (base_ == nullptr) return count;
  for (size_t i = 0; i < base_->rows().size(); ++i) {
    const CheckpointFiles::Row& row = base_->rows()[i];
    count += !IsGone(i) && row.is_run && row.row_count < rows;
  }
  return count;
}

bool LiveFiles::Contains(const AddFile& file) const {
  if (added_.contains(file.Key())) return true;
  if (base_ == nullptr) return false;
  const std::optional<size_t> row = base_->Find(file.path, file.vector);
  return row && !IsGone(*row);
}

void LiveFiles::EraseBase(const std::string& path, const std::optional<VectorPointer>& vector) {
  if (base_ == nullptr) return;
  const std::optional<size_t> row = base_->Find(path, vector);
  if (!row || IsGone(*row)) return;
  if (gone_.empty()) gone_.resize(base_->rows().size());
  gone_[*row] = true;
  ++gone_count_;
}

void LiveFiles::Put(DataFilePtr file) {
  EraseBase(file->add.path, file->add.vector);
  std::string key = file->add.Key();
  added_[std::move(key)] = std::move(file);
}

void LiveFiles::Erase(const std::string& path, const std::optional<VectorPointer>& vector) {
  if (added_.erase(LogicalFileKey(path, vector)) == 0) EraseBase(path, vector);
}

std::vector<DataFilePtr> LiveFiles::Ordered(const FileFilter& filter) const {
  std::vector<DataFilePtr> ordered;
  for (const auto& [key, file] : added_) {
    if (IsWanted(filter, *file)) ordered.push_back(file);
  }
  if (base_ != nullptr) {
    RunTagReader reader(base_->options());
    RunTags run;
    for (size_t i = 0; i < base_->rows().size(); ++i) {
      const CheckpointFiles::Row& row = base_->rows()[i];
      if (IsGone(i)) continue;
      if (row.is_run) {
        if (!IsInTime(filter, row.time_min_us, row.time_max_us)) continue;
        // A run whose bounds are damaged counts as foreign.
        if (filter.may_hold && base_->ReadRunTags(row, &reader, &run) && !filter.may_hold(run)) {
          continue;
        }
      } else if (!MayBeInTime(filter, base_->StatsOf(row))) {
        continue;
      }
      ordered.push_back(base_->FileOf(row));
    }
  }
  std::sort(ordered.begin(), ordered.end(), [](const DataFilePtr& a, const DataFilePtr& b) {
    return std::tie(a->version, a->position, a->path) < std::tie(b->version, b->position, b->path);
  });
  return ordered;
}

}  // namespace tercet
