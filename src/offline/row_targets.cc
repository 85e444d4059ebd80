#include "offline/row_targets.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <span>

#include <arrow/array/util.h>
#include <arrow/builder.h>
#include <arrow/table.h>
#include <arrow/util/bit_util.h>

#include "offline/keyless_rows.h"
#include "offline/position_columns.h"
#include "offline/row_gather.h"

namespace tercet {
namespace {

template <typename T>
Result<std::shared_ptr<arrow::Array>> Pick(const PlainColumn& column,
                                           const std::shared_ptr<arrow::DataType>& type,
                                           std::span<const uint32_t> numbers) {
  const auto count = static_cast<int64_t>(numbers.size());
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> values,
                        arrow::AllocateBuffer(count * static_cast<int64_t>(sizeof(T))));
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> validity,
                        arrow::AllocateEmptyBitmap(count));
  auto* to = reinterpret_cast<T*>(values->mutable_data());
  int64_t nulls = 0;
  for (int64_t i = 0; i < count; ++i) {
    const PlainColumn::Word& word = column.words()[numbers[i] / 64];
    const uint64_t bit = uint64_t{1} << (numbers[i] % 64);
    if ((word.valid & bit) == 0) {
      to[i] = 0;
      ++nulls;
      continue;
    }
    std::memcpy(to + i, word.values + sizeof(T) * std::popcount(word.valid & (bit - 1)), sizeof(T));
    arrow::bit_util::SetBit(validity->mutable_data(), i);
  }
  if (nulls == 0) validity = nullptr;
  return arrow::MakeArray(
      arrow::ArrayData::Make(type, count, {std::move(validity), std::move(values)}, nulls));
}

/// These rows of a row group, ascending. Where a column lies plain in its file only they are looked
/// at: an upsert that touches every row group would otherwise decode the whole table.
Result<std::shared_ptr<arrow::RecordBatch>> PickRows(const RunFile& run, int group,
                                                     const arrow::Schema& schema,
                                                     std::span<const uint32_t> numbers) {
  arrow::ArrayVector arrays;
  for (const auto& field : schema.fields()) {
    ARROW_ASSIGN_OR_RAISE(const auto plain, run.ReadPlain(group, field->name()));
    if (plain != nullptr && plain->width() == 8) {
      ARROW_ASSIGN_OR_RAISE(arrays.emplace_back(), Pick<uint64_t>(*plain, field->type(), numbers));
    } else if (plain != nullptr && plain->width() == 4) {
      ARROW_ASSIGN_OR_RAISE(arrays.emplace_back(), Pick<uint32_t>(*plain, field->type(), numbers));
    } else {
      ARROW_ASSIGN_OR_RAISE(const auto rows,
                            run.Read(group, std::vector<std::string>{field->name()}));
      ARROW_ASSIGN_OR_RAISE(const auto picked, GatherRows(*rows, numbers));
      arrays.push_back(picked->column(0));
    }
  }
  return arrow::RecordBatch::Make(arrow::schema(schema.fields()),
                                  static_cast<int64_t>(numbers.size()), std::move(arrays));
}

/// Marks the rows that are targets. Rows without a position, which only foreign files have, are
/// none.
Status FindTargets(std::shared_ptr<arrow::RecordBatch> rows, const TableOptions& options,
                   const RowTargets& targets, bool sorted, std::vector<uint8_t>* found) {
  const bool whole = sorted || std::all_of(rows->columns().begin(), rows->columns().end(),
                                           [](const auto& c) { return c->null_count() == 0; });
  std::vector<uint32_t> numbers;
  if (!whole) {
    numbers = RowsByPosition::Of(*rows, options).with;
    ARROW_ASSIGN_OR_RAISE(rows, GatherRows(*rows, numbers));
  }
  ARROW_ASSIGN_OR_RAISE(const RowKeys keys, RowKeys::Of(*rows, options));
  if (whole) {
    targets.Find(keys, sorted, found);
    return Status::OK();
  }
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (targets.Contains(keys, static_cast<int64_t>(i))) (*found)[numbers[i]] = 1;
  }
  return Status::OK();
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

int64_t RowTargets::FirstRow(int64_t rank, const RowKeys& rows, int64_t begin) const {
  int64_t step = 1, low = begin, high = begin;
  while (high < rows.size() && CompareTo(rank, rows, high) > 0) {
    low = high + 1;
    high += step;
    step *= 2;
  }
  high = std::min(high, rows.size());
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (CompareTo(rank, rows, middle) > 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

void RowTargets::Find(const RowKeys& rows, bool sorted, std::vector<uint8_t>* found) const {
  if (!sorted) {
    for (int64_t i = 0; i < rows.size(); ++i) {
      if (Contains(rows, i)) (*found)[i] = 1;
    }
    return;
  }
  // Mostly a hundred rows lie between two targets: they are leapt over, not looked at.
  int64_t row = 0;
  for (int64_t rank = rows.size() == 0 ? size() : LowerBound(rows, 0, 0); rank < size(); ++rank) {
    row = FirstRow(rank, rows, row);
    if (row == rows.size()) return;
    for (int64_t i = row; i < rows.size() && CompareTo(rank, rows, i) == 0; ++i) (*found)[i] = 1;
  }
}

Result<FileMatch> MatchFile(const RunOpener& opener, const DataFilePtr& file,
                            const RowTargets& targets, bool whole_rows) {
  FileMatch match{.file = file, .run = nullptr, .rows = {}, .found = nullptr};
  ARROW_ASSIGN_OR_RAISE(match.run, opener.Open(file));
  const RunFile& run = *match.run;
  const std::vector<std::string> key_columns = PositionColumns(opener.options());
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  for (size_t g = 0; g < run.row_groups().size(); ++g) {
    const RunFile::RowGroup& group = run.row_groups()[g];
    if (run.sorted()) {
      const bool last = g + 1 == run.row_groups().size();
      const std::string& high = last ? file->run->high : run.row_groups()[g + 1].low;
      if (!group.low.empty() && !targets.Touches(group.low, high)) continue;
    }
    ARROW_ASSIGN_OR_RAISE(auto rows, run.Read(static_cast<int>(g), key_columns));
    std::vector<uint8_t> found(group.row_count, 0);
    const Status searched = FindTargets(rows, opener.options(), targets, run.sorted(), &found);
    if (!searched.ok()) return Explain(searched, "cannot read '" + file->path + "'");
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
    ARROW_ASSIGN_OR_RAISE(const auto wanted, indices.Finish());
    const std::span<const uint32_t> numbers(
        static_cast<const arrow::UInt32Array&>(*wanted).raw_values(),
        static_cast<size_t>(wanted->length()));
    if (whole_rows) {
      ARROW_ASSIGN_OR_RAISE(batches.emplace_back(),
                            PickRows(run, static_cast<int>(g), *opener.columns().logical, numbers));
    } else {
      ARROW_ASSIGN_OR_RAISE(batches.emplace_back(), GatherRows(*rows, numbers));
    }
  }
  if (!batches.empty()) {
    ARROW_ASSIGN_OR_RAISE(match.found, arrow::ConcatenateRecordBatches(batches));
  }
  return match;
}

}  // namespace tercet
