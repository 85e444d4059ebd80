#include "offline/compaction_choice.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

namespace tercet {
namespace {

/// Runs of less than this share of a full file are small.
constexpr int64_t kSmallShare = 4;
/// As many large runs over one key are merged; fewer cost a reader little.
constexpr int kMaxDepth = 4;
/// Files of which this share of rows is deleted are written anew.
constexpr double kMaxDeletedShare = 0.2;

bool IsWorn(const DataFile& file) {
  if (!file.run) return true;
  return file.add.vector && static_cast<double>(file.add.vector->cardinality) >
                                kMaxDeletedShare * static_cast<double>(file.run->row_count);
}

/// How many of the runs lie over one position at most.
int MaxDepth(const std::vector<DataFilePtr>& files, const std::vector<size_t>& runs) {
  std::vector<std::pair<std::string, int>> edges;
  for (const size_t i : runs) {
    edges.emplace_back(files[i]->run->low, -1);
    edges.emplace_back(files[i]->run->high, 1);
  }
  std::sort(edges.begin(), edges.end());  // at equal positions beginnings first
  int depth = 0, most = 0;
  for (const auto& edge : edges) most = std::max(most, depth -= edge.second);
  return most;
}

/// Chooses the runs that lie over another one.
void ChooseOverlapping(const std::vector<DataFilePtr>& files, std::vector<size_t> runs,
                       std::vector<bool>* chosen) {
  std::sort(runs.begin(), runs.end(), [&](size_t a, size_t b) {
    return files[a]->run->low < files[b]->run->low;
  });
  size_t farthest = 0;  // of those before, the one that ends last
  for (size_t i = 1; i < runs.size(); ++i) {
    const RunTags& before = *files[runs[farthest]]->run;
    const RunTags& run = *files[runs[i]]->run;
    if (run.low <= before.high) (*chosen)[runs[farthest]] = (*chosen)[runs[i]] = true;
    if (run.high > before.high) farthest = i;
  }
}

/// The positions over which some files lie, as ranges that do not touch.
class Ranges {
 public:
  void Add(const DataFile& file) {
    if (!file.run) {
      whole_ = true;
      return;
    }
    std::string low = file.run->low, high = file.run->high;
    auto next = FirstEndingAt(low);
    while (next != ends_.end() && next->first <= high) {
      low = std::min(low, next->first);
      high = std::max(high, next->second);
      next = ends_.erase(next);
    }
    ends_.emplace(std::move(low), std::move(high));
  }

  bool Touch(const DataFile& file) {
    if (whole_ || (!file.run && !ends_.empty())) return true;
    if (!file.run) return false;
    const auto next = FirstEndingAt(file.run->low);
    return next != ends_.end() && next->first <= file.run->high;
  }

 private:
  /// The first range that ends at a position or behind it.
  std::map<std::string, std::string>::iterator FirstEndingAt(const std::string& position) {
    auto next = ends_.upper_bound(position);
    if (next == ends_.begin()) return next;
    const auto before = std::prev(next);
    return before->second >= position ? before : next;
  }

  std::map<std::string, std::string> ends_;  // low → high
  bool whole_ = false;
};

/// Chooses what lies between the chosen files and the youngest of them.
void ChooseBetween(const std::vector<DataFilePtr>& files, std::vector<bool>* chosen) {
  int64_t youngest = -1;
  for (size_t i = 0; i < files.size(); ++i) {
    if ((*chosen)[i]) youngest = std::max(youngest, files[i]->version);
  }
  Ranges older;  // where chosen files lie that are not younger
  for (size_t begin = 0; begin < files.size();) {
    // Files of one age count as older than each other.
    size_t end = begin + 1;
    while (end < files.size() && !files[end]->After(*files[begin])) ++end;
    for (size_t i = begin; i < end; ++i) {
      if ((*chosen)[i]) older.Add(*files[i]);
    }
    for (bool grown = true; grown;) {
      grown = false;
      for (size_t i = begin; i < end; ++i) {
        const DataFile& file = *files[i];
        if ((*chosen)[i] || file.keyless || file.version > youngest || !older.Touch(file)) continue;
        (*chosen)[i] = true;
        older.Add(file);
        grown = end - begin > 1;
      }
    }
    begin = end;
  }
}

}  // namespace

int64_t SmallRunRows(const RunLayout& layout) { return layout.max_file_rows / kSmallShare; }

std::vector<DataFilePtr> FilesToCompact(const std::vector<DataFilePtr>& files,
                                        const RunLayout& layout) {
  std::vector<bool> chosen(files.size());
  std::vector<size_t> large;
  int64_t count = 0;
  bool worn = false;
  for (size_t i = 0; i < files.size(); ++i) {
    const DataFile& file = *files[i];
    if (file.keyless) continue;  // no row of it is anywhere in the order
    const bool is_worn = IsWorn(file);
    worn = worn || is_worn;
    if (is_worn || file.run->row_count < SmallRunRows(layout)) {
      chosen[i] = true;
      ++count;
    } else {
      large.push_back(i);
    }
  }
  if (count == 1 && !worn) chosen.assign(files.size(), false);
  if (MaxDepth(files, large) >= kMaxDepth) ChooseOverlapping(files, large, &chosen);
  ChooseBetween(files, &chosen);
  std::vector<DataFilePtr> ordered;
  for (size_t i = 0; i < files.size(); ++i) {
    if (chosen[i]) ordered.push_back(files[i]);
  }
  return ordered;
}

}  // namespace tercet
