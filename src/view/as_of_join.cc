#include <algorithm>
#include <atomic>
#include <limits>

#include <arrow/compute/api_vector.h>

#include "base/parallel.h"
#include "compute/asof_match.h"
#include "compute/sort_key.h"
#include "view/column_gather.h"
#include "view/point_in_time_read.h"
#include "view/row_flags.h"

namespace tercet {
namespace {

constexpr int64_t kMostBatchRows = 65536;
constexpr int64_t kLeastBatchRows = 1024;
constexpr int kTasksPerThread = 4;  // so that a thread with little to do takes from others
constexpr int64_t kTextBytes = 64;  // assumed of a value whose width varies

/// Left positions [begin, end) and the keys of history that they can see.
struct JoinTask {
  int64_t begin, end;
  KeyRange keys;
};

/// The least text behind a key and all that begins with it (a table's rows of that key stand at
/// the key followed by their time); empty, which is no bound, where there is none.
std::string BehindKey(std::string key) {
  while (!key.empty() && key.back() == '\xFF') key.pop_back();
  if (!key.empty()) ++key.back();
  return key;
}

/// About how many bytes a row of history takes in memory.
int64_t RowBytes(const arrow::Schema& schema, const std::vector<std::string>& columns) {
  int64_t bytes = 0;
  for (const std::string& column : columns) {
    const auto type = schema.GetFieldByName(column)->type();
    bytes += arrow::is_fixed_width(type->id()) && type->id() != arrow::Type::DICTIONARY
                 ? 1 + static_cast<const arrow::FixedWidthType&>(*type).bit_width() / 8
                 : kTextBytes;
  }
  return std::max<int64_t>(bytes, 1);
}

Result<std::shared_ptr<arrow::Array>> OneArray(const arrow::ChunkedArray& column) {
  if (column.num_chunks() == 0) return arrow::MakeEmptyArray(column.type());
  return arrow::Concatenate(column.chunks());
}

/// One join under way: what its tasks share.
class AsOfJoin {
 public:
  AsOfJoin(Snapshot* group, const AsOfLeft& left, int64_t rows, bool timed,
           std::optional<int64_t> ttl_us, const ViewReadOptions& options)
      : group_(group),
        left_(left),
        rows_(rows),
        timed_(timed),
        ttl_us_(ttl_us),
        options_(options),
        found_(rows) {}

  Result<JoinAnswer> Run(const std::vector<std::string>& features) {
    ARROW_RETURN_NOT_OK(ChooseColumns(features));
    ARROW_ASSIGN_OR_RAISE(const std::vector<JoinTask> tasks, Tasks());
    for (const int column : feature_columns_) {
      ARROW_ASSIGN_OR_RAISE(
          gathers_.emplace_back(),
          ColumnGather::Make(TypeOf(column), rows_, static_cast<int>(tasks.size())));
    }
    ARROW_RETURN_NOT_OK(ParallelFor(static_cast<int64_t>(tasks.size()), [&](int64_t t) {
      return RunTask(static_cast<int>(t), tasks[static_cast<size_t>(t)]);
    }));

    arrow::FieldVector fields;
    arrow::ChunkedArrayVector columns(features.size());
    for (size_t i = 0; i < features.size(); ++i) {
      fields.push_back(arrow::field(features[i], TypeOf(feature_columns_[i])));
    }
    ARROW_RETURN_NOT_OK(ParallelFor(static_cast<int64_t>(features.size()), [&](int64_t i) {
      return gathers_[static_cast<size_t>(i)]->Finish().Value(&columns[static_cast<size_t>(i)]);
    }));
    int64_t found = 0;
    ARROW_ASSIGN_OR_RAISE(auto bitmap, found_.Pack(&found));
    JoinAnswer answer;
    answer.rows = arrow::Table::Make(arrow::schema(std::move(fields)), std::move(columns), rows_);
    answer.found = std::make_shared<arrow::BooleanArray>(rows_, std::move(bitmap));
    return answer;
  }

 private:
  std::shared_ptr<arrow::DataType> TypeOf(int scan_column) const {
    return group_->schema()->GetFieldByName(scan_columns_[static_cast<size_t>(scan_column)])->type();
  }

  Result<int> ScanColumn(const std::string& name) {
    if (group_->schema()->GetFieldByName(name) == nullptr) {
      return Status::KeyError("the feature group has no column '", name, "' as of commit ",
                              group_->version());
    }
    const auto found = std::find(scan_columns_.begin(), scan_columns_.end(), name);
    if (found == scan_columns_.end()) {
      scan_columns_.push_back(name);
      return static_cast<int>(scan_columns_.size()) - 1;
    }
    return static_cast<int>(found - scan_columns_.begin());
  }

  Status ChooseColumns(const std::vector<std::string>& features) {
    for (const std::string& key : group_->options().primary_key) {
      ARROW_ASSIGN_OR_RAISE(key_columns_.emplace_back(), ScanColumn(key));
    }
    if (timed_) {
      ARROW_ASSIGN_OR_RAISE(time_column_, ScanColumn(group_->options().event_time));
    }
    for (const std::string& feature : features) {
      ARROW_ASSIGN_OR_RAISE(feature_columns_.emplace_back(), ScanColumn(feature));
    }
    // Each task holds a batch, the one before it, and what the scan merges it from.
    const int64_t held = ThreadCount() * (3 + group_->file_count());
    batch_rows_ = std::clamp(options_.memory_limit_bytes / held /
                                 RowBytes(*group_->schema(), scan_columns_),
                             kLeastBatchRows, kMostBatchRows);
    return Status::OK();
  }

  Result<std::vector<JoinTask>> Tasks() {
    std::vector<JoinTask> tasks;
    if (left_.size() == 0) return tasks;
    ARROW_ASSIGN_OR_RAISE(const std::vector<KeyRange> ranges,
                          group_->Partition(ThreadCount() * kTasksPerThread));
    for (const KeyRange& range : ranges) {
      JoinTask task{.begin = range.low.empty() ? 0 : left_.LowerBound(range.low),
                    .end = range.high.empty() ? left_.size() : left_.LowerBound(range.high),
                    .keys = {}};
      if (task.begin >= task.end) continue;
      // Of history only the keys from the first to the last label's are wanted.
      task.keys.low = left_.KeyAt(task.begin);
      task.keys.high = BehindKey(left_.KeyAt(task.end - 1));
      tasks.push_back(std::move(task));
    }
    return tasks;
  }

  ScanOptions ScanOf(const JoinTask& task) const {
    ScanOptions scan{.columns = scan_columns_, .start_us = {}, .end_us = {},
                     .batch_rows = batch_rows_};
    if (!timed_) return scan;
    const auto [least, most] =
        std::minmax_element(left_.times_us() + task.begin, left_.times_us() + task.end);
    if (*most < std::numeric_limits<int64_t>::max()) scan.end_us = *most + 1;
    int64_t start;
    if (ttl_us_ && !__builtin_sub_overflow(*least, *ttl_us_, &start)) scan.start_us = start;
    return scan;
  }

  Status RunTask(int number, const JoinTask& task) {
    ARROW_ASSIGN_OR_RAISE(const auto reader, group_->ScanRange(ScanOf(task), task.keys));
    AsOfMatcher matcher(&left_, task.begin, task.end, timed_, ttl_us_);
    std::shared_ptr<arrow::RecordBatch> before, batch;
    int64_t batch_begin = 0;  // number of the batch's first row
    std::vector<int32_t> from(static_cast<size_t>(AsOfMatcher::kBlockRows));
    const AsOfMatcher::Emit emit = [&](const AsOfBlock& block) {
      // All rows of a block are of one batch: this one, or the last row of the one before.
      bool of_before = false;
      for (int64_t i = 0; i < block.size; ++i) of_before |= block.right[i] >= 0 &&
                                                            block.right[i] < batch_begin;
      const arrow::RecordBatch* source = of_before ? before.get() : batch.get();
      const int64_t first = of_before ? batch_begin - before->num_rows() : batch_begin;
      for (int64_t i = 0; i < block.size; ++i) {
        from[static_cast<size_t>(i)] =
            block.right[i] < 0 ? -1 : static_cast<int32_t>(block.right[i] - first);
      }
      return GatherRows(number, source, block, from.data());
    };

    while (!matcher.done()) {
      std::shared_ptr<arrow::RecordBatch> next;
      ARROW_RETURN_NOT_OK(reader->ReadNext(&next));
      if (next == nullptr) break;
      ARROW_ASSIGN_OR_RAISE(next, WithoutNullKeys(next));
      if (next->num_rows() == 0) continue;
      batch_begin += batch == nullptr ? 0 : batch->num_rows();
      before = std::move(batch);
      batch = std::move(next);
      ARROW_ASSIGN_OR_RAISE(const SortKeys keys, SortKeys::Encode(*batch, key_columns_));
      std::shared_ptr<arrow::Int64Array> times;
      if (timed_) {
        ARROW_ASSIGN_OR_RAISE(times, EventTimeMicros(*batch->column(time_column_)));
      }
      ARROW_RETURN_NOT_OK(matcher.Feed(keys, timed_ ? times->raw_values() : nullptr, emit));
    }
    if (batch != nullptr) {
      batch_begin += batch->num_rows();
      before = std::move(batch);
    }
    ARROW_RETURN_NOT_OK(matcher.Finish(emit));
    if (options_.progress) {
      const int64_t done = done_.fetch_add(task.end - task.begin) + task.end - task.begin;
      options_.progress(static_cast<double>(done) / static_cast<double>(left_.size()));
    }
    return Status::OK();
  }

  /// Tables that others wrote may have rows without a key or a time; no label can see them.
  Result<std::shared_ptr<arrow::RecordBatch>> WithoutNullKeys(
      const std::shared_ptr<arrow::RecordBatch>& batch) const {
    std::vector<int> columns = key_columns_;
    if (timed_) columns.push_back(time_column_);
    bool has_nulls = false;
    for (const int column : columns) has_nulls |= batch->column(column)->null_count() > 0;
    if (!has_nulls) return batch;
    arrow::BooleanBuilder keep;
    ARROW_RETURN_NOT_OK(keep.Reserve(batch->num_rows()));
    for (int64_t i = 0; i < batch->num_rows(); ++i) {
      keep.UnsafeAppend(std::all_of(columns.begin(), columns.end(),
                                    [&](int c) { return batch->column(c)->IsValid(i); }));
    }
    ARROW_ASSIGN_OR_RAISE(const auto mask, keep.Finish());
    ARROW_ASSIGN_OR_RAISE(const auto kept, arrow::compute::Filter(batch, mask));
    return kept.record_batch();
  }

  Status GatherRows(int task, const arrow::RecordBatch* source, const AsOfBlock& block,
                    const int32_t* from) {
    const uint32_t* rows = left_.rows();
    const GatherBlock gather{.size = block.size,
                             .from = from,
                             .to = rows == nullptr ? nullptr : rows + block.left_begin,
                             .begin = block.left_begin};
    if (source == nullptr) return Status::OK();  // no history at all: all stay null
    for (size_t i = 0; i < gathers_.size(); ++i) {
      ARROW_RETURN_NOT_OK(
          gathers_[i]->Gather(task, *source->column(feature_columns_[i]), gather));
    }
    for (int64_t i = 0; i < gather.size; ++i) {
      if (from[i] >= 0) found_.data()[gather.target(i)] = 1;
    }
    return Status::OK();
  }

  Snapshot* const group_;
  const AsOfLeft& left_;
  const int64_t rows_;
  const bool timed_;
  const std::optional<int64_t> ttl_us_;
  const ViewReadOptions& options_;
  std::vector<std::string> scan_columns_;
  std::vector<int> key_columns_, feature_columns_;  // among the scan's columns
  int time_column_ = -1;
  int64_t batch_rows_ = kMostBatchRows;
  std::vector<std::unique_ptr<ColumnGather>> gathers_;
  RowFlags found_;
  std::atomic<int64_t> done_{0};
};

}  // namespace

Result<JoinAnswer> JoinAsOf(Snapshot* group, const std::vector<std::string>& features,
                            const std::shared_ptr<arrow::Table>& left_keys,
                            const std::shared_ptr<arrow::Int64Array>& left_times_us,
                            std::optional<int64_t> ttl_us, const ViewReadOptions& options) {
  const std::vector<std::string>& primary_key = group->options().primary_key;
  if (left_keys->num_columns() != static_cast<int>(primary_key.size())) {
    return Status::Invalid("a join on ", primary_key.size(), " key columns got ",
                           left_keys->num_columns());
  }
  arrow::ArrayVector keys;
  for (size_t k = 0; k < primary_key.size(); ++k) {
    const auto& column = left_keys->column(static_cast<int>(k));
    const auto field = group->schema()->GetFieldByName(primary_key[k]);
    if (field == nullptr || !field->type()->Equals(*column->type())) {
      return Status::TypeError("join key '", primary_key[k], "' is ", column->type()->ToString(),
                               " on the left side, not ",
                               field == nullptr ? "there on the right" : field->type()->ToString());
    }
    if (column->num_chunks() == 1) {
      keys.push_back(column->chunk(0));
    } else {
      ARROW_ASSIGN_OR_RAISE(keys.emplace_back(), OneArray(*column));
    }
  }
  const bool timed = left_times_us != nullptr && !group->options().event_time.empty();
  ARROW_ASSIGN_OR_RAISE(SortKeys encoded, SortKeys::Encode(keys));
  ARROW_ASSIGN_OR_RAISE(const AsOfLeft left,
                        AsOfLeft::Make(std::move(encoded), timed ? left_times_us : nullptr));
  return AsOfJoin(group, left, left_keys->num_rows(), timed, ttl_us, options).Run(features);
}

}  // namespace tercet
