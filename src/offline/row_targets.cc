#include "offline/row_targets.h"

#include <algorithm>

#include <arrow/builder.h>
#include <arrow/compute/api_vector.h>
#include <arrow/datum.h>
#include <arrow/table.h>

namespace tercet {
namespace {

std::vector<std::string> KeyColumns(const TableOptions& options) {
  std::vector<std::string> names = options.primary_key;
  if (!options.event_time.empty() &&
      std::find(names.begin(), names.end(), options.event_time) == names.end()) {
    names.push_back(options.event_time);
  }
  return names;
}

}  // namespace

bool RowTargets::Touches(const std::string& low, const std::string& high) const {
  int64_t begin = 0, end = size();
  while (begin < end) {
    const int64_t middle = begin + (end - begin) / 2;
    const std::string position = keys_.Position(Row(middle));
    // A bare key stands for all positions that begin with it.
    if (position < low && !(whole_keys_ && low.starts_with(position))) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  return begin < size() && keys_.Position(Row(begin)) <= high;
}

bool RowTargets::MayTouch(const DataFile& file) const {
  return size() > 0 && (!file.run || Touches(file.run->low, file.run->high));
}

int64_t RowTargets::LowerBound(const RowKeys& rows, int64_t i, int64_t begin) const {
  int64_t step = 1, low = begin, high = begin;
  while (high < size() && CompareTo(high, rows, i) < 0) {
    low = high + 1;
    high += step;
    step *= 2;
  }
  high = std::min(high, size());
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (CompareTo(middle, rows, i) < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

bool RowTargets::Contains(const RowKeys& rows, int64_t i) const {
  const int64_t rank = LowerBound(rows, i, 0);
  return rank < size() && CompareTo(rank, rows, i) == 0;
}

void RowTargets::Find(const RowKeys& rows, bool sorted, std::vector<uint8_t>* found) const {
  int64_t rank = 0;
  for (int64_t i = 0; i < rows.size(); ++i) {
    rank = LowerBound(rows, i, sorted ? rank : 0);
    if (rank < size() && CompareTo(rank, rows, i) == 0) (*found)[i] = 1;
  }
}

Result<FileMatch> MatchFile(const RunOpener& opener, const DataFilePtr& file,
                            const RowTargets& targets, bool whole_rows) {
  FileMatch match{.file = file, .run = nullptr, .rows = {}, .found = nullptr};
  ARROW_ASSIGN_OR_RAISE(match.run, opener.Open(file));
  const RunFile& run = *match.run;
  const std::vector<std::string> key_columns = KeyColumns(opener.options());
  const std::vector<std::string> all_columns = opener.columns().logical->field_names();
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  for (size_t g = 0; g < run.row_groups().size(); ++g) {
    const RunFile::RowGroup& group = run.row_groups()[g];
    if (run.sorted()) {
      const bool last = g + 1 == run.row_groups().size();
      const std::string& high = last ? file->run->high : run.row_groups()[g + 1].low;
      if (!group.low.empty() && !targets.Touches(group.low, high)) continue;
    }
    ARROW_ASSIGN_OR_RAISE(auto rows, run.Read(static_cast<int>(g), key_columns));
    Result<RowKeys> keys = RowKeys::Of(*rows, opener.options());
    if (!keys.ok()) return Explain(keys.status(), "cannot read '" + file->path + "'");
    std::vector<uint8_t> found(group.row_count, 0);
    targets.Find(*keys, run.sorted(), &found);
    const auto first_deleted =
        std::lower_bound(run.deleted().begin(), run.deleted().end(), group.first_row);
    for (auto it = first_deleted;
         it != run.deleted().end() && *it < group.first_row + group.row_count; ++it) {
      found[*it - group.first_row] = 0;
    }
    arrow::UInt32Builder indices;
    for (int64_t i = 0; i < group.row_count; ++i) {
      if (found[i] == 0) continue;
      match.rows.push_back(group.first_row + i);
      ARROW_RETURN_NOT_OK(indices.Append(static_cast<uint32_t>(i)));
    }
    if (indices.length() == 0) continue;
    if (whole_rows) {
      ARROW_ASSIGN_OR_RAISE(rows, run.Read(static_cast<int>(g), all_columns));
    }
    ARROW_ASSIGN_OR_RAISE(const auto wanted, indices.Finish());
    ARROW_ASSIGN_OR_RAISE(arrow::Datum taken, arrow::compute::Take(rows, wanted));
    batches.push_back(taken.record_batch());
  }
  if (!batches.empty()) {
    ARROW_ASSIGN_OR_RAISE(match.found, arrow::ConcatenateRecordBatches(batches));
  }
  return match;
}

}  // namespace tercet
