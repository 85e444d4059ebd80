#include <algorithm>

#include <arrow/array/builder_primitive.h>
#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/compute/api_vector.h>
#include <arrow/datum.h>
#include <arrow/table.h>

#include "base/interrupt.h"
#include "offline/position_columns.h"
#include "offline/row_gather.h"
#include "offline/row_stream.h"

namespace tercet {
namespace {

using BatchPtr = std::shared_ptr<arrow::RecordBatch>;
using Mask = std::vector<uint8_t>;

Result<BatchPtr> Keep(const BatchPtr& rows, const Mask& mask) {
  const auto kept = std::count(mask.begin(), mask.end(), uint8_t{1});
  if (kept == rows->num_rows()) return rows;
  // Wanted rows often stand together: then nothing is copied.
  const auto first = std::find(mask.begin(), mask.end(), uint8_t{1}) - mask.begin();
  if (kept == 0) return rows->Slice(0, 0);
  if (std::all_of(mask.begin() + first, mask.begin() + first + kept,
                  [](uint8_t keep) { return keep != 0; })) {
    return rows->Slice(first, kept);
  }
  std::vector<uint32_t> numbers;
  numbers.reserve(static_cast<size_t>(kept));
  for (size_t i = 0; i < mask.size(); ++i) {
    if (mask[i] != 0) numbers.push_back(static_cast<uint32_t>(i));
  }
  return GatherRows(*rows, numbers);
}

/// Marks rows whose key is not among `only`. Both sides are sorted.
void MaskOtherKeys(const RowKeys& rows, const RowKeys& only, Mask* mask) {
  int64_t j = 0;
  for (int64_t i = 0; i < rows.size(); ++i) {
    while (j < only.size() && only.keys().Compare(j, rows.keys(), i) < 0) ++j;
    if (j == only.size() || only.keys().Compare(j, rows.keys(), i) != 0) (*mask)[i] = 0;
  }
}

/// Marks rows outside of the requested positions, times and keys. Rows are sorted.
void MaskUnwanted(const RowKeys& keys, const RunRequest& request, Mask* mask) {
  const int64_t n = keys.size();
  if (!request.low.empty()) {
    std::fill(mask->begin(), mask->begin() + keys.LowerBound(request.low), uint8_t{0});
  }
  if (!request.high.empty()) {
    std::fill(mask->begin() + keys.LowerBound(request.high), mask->end(), uint8_t{0});
  }
  if (keys.times() != nullptr && (request.start_us || request.end_us)) {
    const int64_t start = request.start_us.value_or(INT64_MIN);
    for (int64_t i = 0; i < n; ++i) {
      const int64_t time = keys.time(i);
      if (time < start || (request.end_us && time >= *request.end_us)) (*mask)[i] = 0;
    }
  }
  if (request.only != nullptr) MaskOtherKeys(keys, *request.only, mask);
}

/// Marks all rows but the last of each position. Rows are sorted, marked ones count as well: the
/// caller has not yet removed deleted rows, so it must not mark a live row for a deleted one.
void MaskEarlierDuplicates(const RowKeys& keys, Mask* mask) {
  int64_t last = -1;
  for (int64_t i = 0; i < keys.size(); ++i) {
    if ((*mask)[i] == 0) continue;
    if (last >= 0 && keys.Compare(last, keys, i) == 0) (*mask)[last] = 0;
    last = i;
  }
}

Mask MaskDeleted(const DeletedRows& deleted, int64_t first_row, int64_t rows) {
  Mask mask(rows, 1);
  const auto begin = std::lower_bound(deleted.begin(), deleted.end(), first_row);
  for (auto it = begin; it != deleted.end() && *it < first_row + rows; ++it) {
    mask[*it - first_row] = 0;
  }
  return mask;
}

/// Another engine's rows may lack a key or an event time: they stand nowhere, so nobody sees them.
void MaskUnplaced(const arrow::RecordBatch& rows, const TableOptions& options, Mask* mask) {
  for (const std::string& name : PositionColumns(options)) {
    const auto column = rows.GetColumnByName(name);
    if (column == nullptr || column->null_count() == 0) continue;
    for (int64_t i = 0; i < column->length(); ++i) {
      if (column->IsNull(i)) (*mask)[i] = 0;
    }
  }
}

/// The columns to read: those wanted, then those needed to tell positions.
std::vector<std::string> ReadColumns(const RunRequest& request, const TableOptions& options,
                                     bool keys) {
  std::vector<std::string> names = request.columns;
  if (!keys) return names;
  for (const std::string& name : PositionColumns(options)) AddOnce(&names, name);
  return names;
}

BatchPtr FirstColumns(const BatchPtr& rows, size_t count) {
  if (static_cast<size_t>(rows->num_columns()) == count) return rows;
  std::vector<int> indices(count);
  for (size_t i = 0; i < count; ++i) indices[i] = static_cast<int>(i);
  return *rows->SelectColumns(indices);
}

/// A sorted file, row group by row group.
class SortedRunStream : public RunStream {
 public:
  SortedRunStream(std::shared_ptr<const RunOpener> opener, std::shared_ptr<RunFile> file,
                  RunRequest request)
      : opener_(std::move(opener)),
        file_(std::move(file)),
        unique_(file_->file().run->unique),
        request_(std::move(request)) {
    arrow::FieldVector fields;
    for (const std::string& name : request_.columns) {
      fields.push_back(opener_->columns().logical->GetFieldByName(name));
    }
    wanted_ = arrow::schema(std::move(fields));
  }

  Result<std::optional<KeyedRows>> Next() override {
    ARROW_RETURN_NOT_OK(CheckInterrupt());
    size_t index = 0;
    while (const auto file = NextGroup(&index)) {
      ARROW_ASSIGN_OR_RAISE(KeyedRows batch, ReadGroup(*file, index));
      if (batch.rows->num_rows() > 0) return batch;
    }
    if (held_ == nullptr) return std::nullopt;
    KeyedRows last{.rows = std::move(held_), .keys = {}};
    held_ = nullptr;
    ARROW_RETURN_NOT_OK(Finish(&last));
    return last;
  }

  Result<std::optional<LooseRows>> NextLoose() override {
    if (unique_) {
      size_t index = 0;
      while (const auto file = NextGroup(&index)) {
        if (FiltersGroup(*file, index)) {
          ARROW_ASSIGN_OR_RAISE(KeyedRows batch, ReadGroup(*file, index));
          if (batch.rows->num_rows() > 0) return LooseOf(std::move(batch));
          continue;
        }
        ARROW_ASSIGN_OR_RAISE(LooseRows rows, ReadLoose(*file, index));
        if (rows.count == 0) continue;
        ARROW_RETURN_NOT_OK(PutKeys(*file, index, &rows));
        return rows;
      }
      return std::nullopt;
    }
    ARROW_ASSIGN_OR_RAISE(std::optional<KeyedRows> batch, Next());
    if (!batch) return std::nullopt;
    return LooseOf(*std::move(batch));
  }

 private:
  /// The next row group that may hold wanted rows, in the file that it returns; null at the end.
  std::shared_ptr<RunFile> NextGroup(size_t* index) {
    while (file_ != nullptr) {
      *index = group_++;
      // Many small files may be merged at once: none stays open longer than it must.
      auto file = group_ < file_->row_groups().size() ? file_ : std::move(file_);
      if (*index < file->row_groups().size() && GroupMayHold(*file, *index)) return file;
    }
    return nullptr;
  }

  /// A row group's live rows where they are: columns that lie plain in the file stay there.
  Result<LooseRows> ReadLoose(const RunFile& file, size_t index) const {
    const RunFile::RowGroup& group = file.row_groups()[index];
    const int row_group = static_cast<int>(index);
    LooseRows rows;
    rows.source.columns.resize(request_.columns.size());
    std::vector<std::string> others;
    for (size_t i = 0; i < request_.columns.size(); ++i) {
      ARROW_ASSIGN_OR_RAISE(rows.source.columns[i].plain,
                            file.ReadPlain(row_group, request_.columns[i]));
      if (rows.source.columns[i].plain == nullptr) others.push_back(request_.columns[i]);
    }
    ARROW_ASSIGN_OR_RAISE(const BatchPtr decoded, file.Read(row_group, others));
    int next = 0;
    for (ColumnRows& column : rows.source.columns) {
      if (column.plain == nullptr) column.array = decoded->column(next++);
    }
    const DeletedRows& deleted = file.deleted();
    int64_t begin = group.first_row;
    const int64_t end = group.first_row + group.row_count;
    auto gone = std::lower_bound(deleted.begin(), deleted.end(), begin);
    while (begin < end) {
      const int64_t until = gone != deleted.end() && *gone < end ? *gone : end;
      if (until > begin) {
        rows.live.push_back({static_cast<uint32_t>(begin - group.first_row),
                             static_cast<uint32_t>(until - begin)});
        rows.count += until - begin;
      }
      begin = until + 1;
      if (until < end) ++gone;
    }
    return rows;
  }

  /// Brings the live rows of these columns together.
  static Result<BatchPtr> Together(const LooseRows& rows,
                                   const std::shared_ptr<arrow::Schema>& schema) {
    std::vector<RowSlice> slices;
    slices.reserve(rows.live.size());
    for (const LooseRows::Span& span : rows.live) slices.push_back({0, span.begin, span.count});
    return GatherSlices(schema, {&rows.source}, slices);
  }

  /// The positions of the live rows.
  Status PutKeys(const RunFile& file, size_t index, LooseRows* rows) const {
    const TableOptions& options = opener_->options();
    const std::vector<std::string> names = ReadColumns({}, options, true);
    BatchPtr keys;
    if (rows->live.size() == 1 && rows->live[0].count == file.row_groups()[index].row_count) {
      ARROW_ASSIGN_OR_RAISE(keys, file.Read(static_cast<int>(index), names));
    } else {
      LooseRows only{.source = {}, .live = rows->live, .count = rows->count, .keys = {}};
      arrow::FieldVector fields;
      for (const std::string& name : names) {
        const auto column = std::find(request_.columns.begin(), request_.columns.end(), name);
        only.source.columns.push_back(
            rows->source.columns[static_cast<size_t>(column - request_.columns.begin())]);
        fields.push_back(opener_->columns().logical->GetFieldByName(name));
      }
      ARROW_ASSIGN_OR_RAISE(keys, Together(only, arrow::schema(std::move(fields))));
    }
    ARROW_ASSIGN_OR_RAISE(rows->keys, RowKeys::Of(*keys, options));
    return Status::OK();
  }

  static LooseRows LooseOf(KeyedRows batch) {
    return {.source = SourceRows::Of(*batch.rows),
            .live = {{0, static_cast<uint32_t>(batch.rows->num_rows())}},
            .count = batch.rows->num_rows(),
            .keys = std::move(batch.keys)};
  }

  bool GroupMayHold(const RunFile& file, size_t index) const {
    const auto& groups = file.row_groups();
    const std::string& high =
        index + 1 < groups.size() ? groups[index + 1].low : file.file().run->high;
    return request_.MayHold(groups[index].low, high, groups[index].time_min_us,
                            groups[index].time_max_us);
  }

  /// Whether rows of the group must be looked at one by one: mostly a group is wholly wanted.
  bool FiltersGroup(const RunFile& file, size_t index) const {
    if (!request_.FiltersRows()) return false;
    if (request_.only != nullptr) return true;
    const auto& groups = file.row_groups();
    const RunFile::RowGroup& group = groups[index];
    if (request_.start_us && group.time_min_us < *request_.start_us) return true;
    if (request_.end_us && group.time_max_us >= *request_.end_us) return true;
    const std::string& high =
        index + 1 < groups.size() ? groups[index + 1].low : file.file().run->high;
    if (!request_.low.empty() && group.low < request_.low) return true;
    return !request_.high.empty() && high >= request_.high;
  }

  Result<KeyedRows> ReadGroup(const RunFile& file, size_t index) {
    const RunFile::RowGroup& group = file.row_groups()[index];
    const bool keys_needed = request_.with_keys || FiltersGroup(file, index) || !unique_;
    KeyedRows batch;
    if (!keys_needed && !file.deleted().empty()) {
      ARROW_ASSIGN_OR_RAISE(const LooseRows rows, ReadLoose(file, index));
      ARROW_ASSIGN_OR_RAISE(batch.rows, Together(rows, wanted_));
      return batch;
    }
    ARROW_ASSIGN_OR_RAISE(
        batch.rows,
        file.Read(static_cast<int>(index), ReadColumns(request_, opener_->options(), keys_needed)));
    if (!keys_needed) return batch;
    Mask mask = MaskDeleted(file.deleted(), group.first_row, group.row_count);
    ARROW_ASSIGN_OR_RAISE(RowKeys keys, RowKeys::Of(*batch.rows, opener_->options()));
    MaskUnwanted(keys, request_, &mask);
    if (unique_) {
      batch.keys = std::move(keys);
      return Filter(std::move(batch), mask);
    }
    MaskEarlierDuplicates(keys, &mask);
    ARROW_ASSIGN_OR_RAISE(batch.rows, Keep(batch.rows, mask));
    return HoldLast(batch.rows);
  }

  Result<KeyedRows> Filter(KeyedRows batch, const Mask& mask) {
    ARROW_ASSIGN_OR_RAISE(const BatchPtr kept, Keep(batch.rows, mask));
    if (kept == batch.rows) {
      batch.rows = FirstColumns(batch.rows, request_.columns.size());
      return batch;
    }
    batch.rows = kept;
    ARROW_RETURN_NOT_OK(Finish(&batch));
    return batch;
  }

  /// A position's last row may be in the next row group, so the last row of each waits for that.
  Result<KeyedRows> HoldLast(const BatchPtr& rows) {
    KeyedRows batch{.rows = rows, .keys = {}};
    if (rows->num_rows() == 0) return batch;
    if (held_ != nullptr) {
      ARROW_ASSIGN_OR_RAISE(const RowKeys held, RowKeys::Of(*held_, opener_->options()));
      ARROW_ASSIGN_OR_RAISE(const RowKeys first,
                            RowKeys::Of(*rows->Slice(0, 1), opener_->options()));
      if (held.Compare(0, first, 0) != 0) {
        ARROW_ASSIGN_OR_RAISE(batch.rows, arrow::ConcatenateRecordBatches({held_, rows}));
      }
    }
    const int64_t last = batch.rows->num_rows() - 1;
    held_ = batch.rows->Slice(last);
    batch.rows = batch.rows->Slice(0, last);
    ARROW_RETURN_NOT_OK(Finish(&batch));
    return batch;
  }

  /// Positions, if asked for, of rows that are final; then only the columns asked for.
  Status Finish(KeyedRows* batch) {
    if (request_.with_keys && batch->rows->num_rows() > 0) {
      ARROW_ASSIGN_OR_RAISE(batch->keys, RowKeys::Of(*batch->rows, opener_->options()));
    }
    batch->rows = FirstColumns(batch->rows, request_.columns.size());
    return Status::OK();
  }

  const std::shared_ptr<const RunOpener> opener_;
  std::shared_ptr<RunFile> file_;  ///< null after its last row group
  const bool unique_;              ///< no position comes twice in the file
  const RunRequest request_;
  std::shared_ptr<arrow::Schema> wanted_;  ///< the request's columns
  size_t group_ = 0;
  BatchPtr held_;
};

/// A foreign file: read whole, then sorted; one batch.
class ForeignRunStream : public RunStream {
 public:
  ForeignRunStream(std::shared_ptr<const RunOpener> opener, std::shared_ptr<RunFile> file,
                   RunRequest request)
      : opener_(std::move(opener)), file_(std::move(file)), request_(std::move(request)) {}

  Result<std::optional<KeyedRows>> Next() override {
    ARROW_RETURN_NOT_OK(CheckInterrupt());
    if (done_) return std::nullopt;
    done_ = true;
    const std::vector<std::string> names = ReadColumns(request_, opener_->options(), true);
    std::vector<BatchPtr> live;
    for (size_t i = 0; i < file_->row_groups().size(); ++i) {
      const RunFile::RowGroup& group = file_->row_groups()[i];
      ARROW_ASSIGN_OR_RAISE(const BatchPtr rows, file_->Read(static_cast<int>(i), names));
      Mask mask = MaskDeleted(file_->deleted(), group.first_row, group.row_count);
      MaskUnplaced(*rows, opener_->options(), &mask);
      ARROW_ASSIGN_OR_RAISE(live.emplace_back(), Keep(rows, mask));
    }
    if (live.empty()) return std::nullopt;
    BatchPtr rows = live[0];
    if (live.size() > 1) {
      ARROW_ASSIGN_OR_RAISE(rows, arrow::ConcatenateRecordBatches(live));
    }
    KeyedRows batch;
    ARROW_ASSIGN_OR_RAISE(batch.keys, Positions(*rows));
    const RowOrder order = SortRows(batch.keys);
    if (!order.order.empty()) {
      const auto indices = std::make_shared<arrow::UInt32Array>(
          rows->num_rows(), arrow::Buffer::Wrap(order.order.data(), order.order.size()));
      ARROW_ASSIGN_OR_RAISE(arrow::Datum taken, arrow::compute::Take(rows, indices));
      rows = taken.record_batch();
      ARROW_ASSIGN_OR_RAISE(batch.keys, Positions(*rows));
    }
    Mask mask(rows->num_rows(), 1);
    MaskUnwanted(batch.keys, request_, &mask);
    MaskEarlierDuplicates(batch.keys, &mask);
    ARROW_ASSIGN_OR_RAISE(batch.rows, Keep(rows, mask));
    if (batch.rows->num_rows() == 0) return std::nullopt;
    ARROW_ASSIGN_OR_RAISE(batch.keys, Positions(*batch.rows));
    batch.rows = FirstColumns(batch.rows, request_.columns.size());
    return batch;
  }

  Result<std::optional<LooseRows>> NextLoose() override {
    ARROW_ASSIGN_OR_RAISE(std::optional<KeyedRows> batch, Next());
    if (!batch) return std::nullopt;
    return LooseRows{.source = SourceRows::Of(*batch->rows),
                     .live = {{0, static_cast<uint32_t>(batch->rows->num_rows())}},
                     .count = batch->rows->num_rows(),
                     .keys = std::move(batch->keys)};
  }

 private:
  Result<RowKeys> Positions(const arrow::RecordBatch& rows) const {
    Result<RowKeys> keys = RowKeys::Of(rows, opener_->options());
    if (!keys.ok()) return Explain(keys.status(), "cannot read '" + file_->file().path + "'");
    return keys;
  }

  const std::shared_ptr<const RunOpener> opener_;
  const std::shared_ptr<RunFile> file_;
  const RunRequest request_;
  bool done_ = false;
};

}  // namespace

bool RunRequest::MayHold(const std::string& first, const std::string& last, int64_t time_min_us,
                         int64_t time_max_us) const {
  if (start_us && time_max_us < *start_us) return false;
  if (end_us && time_min_us >= *end_us) return false;
  if (last.empty()) return true;
  if (!low.empty() && last < low) return false;
  if (!high.empty() && first >= high) return false;
  if (only != nullptr) {
    // Some wanted key k with first's key ≤ k ≤ last's key. A position begins with its key, and no
    // key is a prefix of another, so the bare key k sorts before the positions of k.
    int64_t begin = 0, end = only->size();
    while (begin < end) {
      const int64_t middle = begin + (end - begin) / 2;
      const std::string key = only->keys().ToBytes(middle);
      if (key < first && !first.starts_with(key)) {
        begin = middle + 1;
      } else {
        end = middle;
      }
    }
    if (begin == only->size() || only->keys().ToBytes(begin) > last) return false;
  }
  return true;
}

void RunOpener::Prefetch(const std::vector<DataFilePtr>& files) const {
  constexpr int64_t kMostBytes = 256 << 20;
  constexpr size_t kMostFiles = 256;
  std::vector<std::string> paths;
  int64_t bytes = 0;
  for (const DataFilePtr& file : files) {
    bytes += file->add.size_bytes;
    if (bytes > kMostBytes || paths.size() == kMostFiles) break;
    paths.push_back(JoinPath(table_path_, file->path));
  }
  if (paths.size() > 1) file_system_->Prefetch(paths);
}

Result<std::unique_ptr<RunStream>> OpenRun(const std::shared_ptr<const RunOpener>& opener,
                                           const DataFilePtr& file, const RunRequest& request) {
  ARROW_ASSIGN_OR_RAISE(auto run, opener->Open(file));
  if (run->sorted()) {
    return std::make_unique<SortedRunStream>(opener, std::move(run), request);
  }
  return std::make_unique<ForeignRunStream>(opener, std::move(run), request);
}

}  // namespace tercet
