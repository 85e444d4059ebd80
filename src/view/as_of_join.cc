#include <algorithm>
#include <atomic>
#include <cstring>
#include <limits>

#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/builder.h>
#include <arrow/compute/api_vector.h>

#include "base/large_memory.h"
#include "base/parallel.h"
#include "base/recycled_memory.h"
#include "compute/asof_match.h"
#include "compute/sort_key.h"
#include "view/column_gather.h"
#include "view/history.h"
#include "view/point_in_time_read.h"
#include "view/row_flags.h"

namespace tercet {
namespace {

constexpr int64_t kMostBatchRows = 65536;
constexpr int64_t kLeastBatchRows = 1024;
constexpr int kTasksPerThread = 4;  // so that a thread with little to do takes from others
constexpr int64_t kLeastTaskRows = 1 << 16;
constexpr int64_t kLaterRows = 1 << 15;  // gathered by one thread at once; a multiple of 8
constexpr int64_t kTextBytes = 64;       // assumed of a value whose width varies
constexpr int64_t kFewKeys = 1 << 17;    // that another system is asked for

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

Result<std::shared_ptr<arrow::Array>> OneArray(const arrow::ChunkedArray& column) {
  if (column.num_chunks() == 0) return arrow::MakeEmptyArray(column.type());
  return arrow::Concatenate(column.chunks(), RecycledMemory());
}

/// The left side's keys, each once; null where they are more than few.
Result<std::shared_ptr<arrow::RecordBatch>> FewKeys(const arrow::Table& left_keys,
                                                    const AsOfLeft& left) {
  arrow::Int64Builder rows;
  const AsOfLeft::Codes codes = left.codes();
  for (int64_t i = 0; i < left.size(); ++i) {
    if (i > 0 && codes[i] == codes[i - 1]) continue;
    if (rows.length() == kFewKeys) return nullptr;
    ARROW_RETURN_NOT_OK(rows.Append(left.rows() == nullptr ? i : left.rows()[i]));
  }
  ARROW_ASSIGN_OR_RAISE(const auto indices, rows.Finish());
  ARROW_ASSIGN_OR_RAISE(const arrow::Datum keys,
                        arrow::compute::Take(arrow::Datum(left_keys), indices));
  return keys.table()->CombineChunksToBatch();
}

/// One join under way: what its tasks share.
class AsOfJoin {
 public:
  AsOfJoin(Snapshot* group, const AsOfLeft& left, const arrow::Table& left_keys, bool timed,
           std::optional<int64_t> ttl_us, const ViewReadOptions& options)
      : group_(group),
        left_(left),
        left_keys_(left_keys),
        rows_(left_keys.num_rows()),
        timed_(timed),
        ttl_us_(ttl_us),
        options_(options),
        found_(rows_) {}

  Result<JoinAnswer> Run(const std::vector<std::string>& features) {
    ARROW_RETURN_NOT_OK(PlanHistory(features));
    ARROW_ASSIGN_OR_RAISE(const std::vector<JoinTask> tasks, Tasks());
    arrow::FieldVector fields;
    for (const std::string& feature : features) {
      const auto& type = group_->schema()->GetFieldByName(feature)->type();
      fields.push_back(arrow::field(feature, type));
      const GatherOrder order = left_.in_order()                   ? GatherOrder::kInOrder
                                : history_->later(gathers_.size()) ? GatherOrder::kLater
                                                                   : GatherOrder::kScattered;
      ARROW_ASSIGN_OR_RAISE(
          gathers_.emplace_back(),
          ColumnGather::Make(type, rows_, static_cast<int>(tasks.size()), order, options_.memory));
      later_ |= order == GatherOrder::kLater;
    }
    if (later_) {
      ARROW_ASSIGN_OR_RAISE(numbers_, arrow::AllocateBuffer(rows_ * 4, RecycledMemory()));
      std::memset(numbers_->mutable_data(), 0xFF, static_cast<size_t>(rows_) * 4);  // kNone
    }
    ARROW_ASSIGN_OR_RAISE(const int64_t lanes, Lanes());
    std::atomic<size_t> next{0};
    ARROW_RETURN_NOT_OK(ParallelFor(lanes, [&](int64_t) -> Status {
      for (size_t t = next++; t < tasks.size(); t = next++) {
        ARROW_RETURN_NOT_OK(RunTask(static_cast<int>(t), tasks[t]));
      }
      return Status::OK();
    }));

    if (later_) ARROW_RETURN_NOT_OK(GatherLater());
    arrow::ChunkedArrayVector columns(features.size());
    ARROW_RETURN_NOT_OK(ParallelFor(static_cast<int64_t>(features.size()), [&](int64_t i) {
      return gathers_[static_cast<size_t>(i)]->Finish().Value(&columns[static_cast<size_t>(i)]);
    }));
    if (later_) {
      const auto* numbers = reinterpret_cast<const uint32_t*>(numbers_->data());
      for (int64_t i = 0; i < rows_; ++i) found_.data()[i] = numbers[i] != PlainRows::kNone;
    }
    int64_t found = 0;
    ARROW_ASSIGN_OR_RAISE(auto bitmap, found_.Pack(&found));
    JoinAnswer answer;
    answer.rows = arrow::Table::Make(arrow::schema(std::move(fields)), std::move(columns), rows_);
    answer.found = std::make_shared<arrow::BooleanArray>(rows_, std::move(bitmap));
    return answer;
  }

 private:
  Status PlanHistory(const std::vector<std::string>& features) {
    HistoryRequest request;
    request.primary_key = group_->options().primary_key;
    if (timed_) request.event_time = group_->options().event_time;
    request.features = features;
    request.fixed_keys = left_.fixed();
    request.later = !left_.in_order();
    if (group_->finds_keys()) {
      ARROW_ASSIGN_OR_RAISE(request.keys, FewKeys(left_keys_, left_));
    }
    std::vector<std::string> all = request.primary_key;
    all.insert(all.end(), features.begin(), features.end());
    if (timed_) all.push_back(request.event_time);
    for (const std::string& name : all) {
      if (group_->schema()->GetFieldByName(name) == nullptr) {
        return Status::KeyError("the feature group has no column '", name, "' as of commit ",
                                group_->version());
      }
    }
    // Each task holds a batch, the one before it, and what the scan merges it from.
    const int64_t held = ThreadCount() * (3 + group_->file_count());
    const int64_t row_bytes = HistoryRowBytes(*group_->schema(), all);
    request.batch_rows =
        std::clamp(options_.memory_limit_bytes / held / row_bytes, kLeastBatchRows, kMostBatchRows);
    columns_ = std::move(all);
    return History::Make(group_, std::move(request)).Value(&history_);
  }

  /// How many tasks may run at once, each holding what it must of history.
  Result<int64_t> Lanes() {
    ARROW_ASSIGN_OR_RAISE(const int64_t held_bytes, HeldBytes(group_, columns_));
    return std::clamp<int64_t>(options_.memory_limit_bytes / 2 / held_bytes, 1, ThreadCount());
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
    // A small part of the keys may be one range of history: then it is divided by the left rows.
    const int64_t most = std::max(kLeastTaskRows, left_.size() / ThreadCount());
    for (size_t t = 0; t < tasks.size(); ++t) {
      const int64_t middle = tasks[t].end - tasks[t].begin > most + most / 2
                                 ? left_.LowerBound(left_.KeyAt(tasks[t].begin + most))
                                 : tasks[t].begin;
      if (middle <= tasks[t].begin) continue;
      JoinTask rest{.begin = middle, .end = tasks[t].end, .keys = std::move(tasks[t].keys)};
      tasks[t].end = middle;
      tasks[t].keys = {.low = std::move(rest.keys.low), .high = BehindKey(left_.KeyAt(middle - 1))};
      rest.keys.low = left_.KeyAt(middle);
      tasks.insert(tasks.begin() + static_cast<int64_t>(t) + 1, std::move(rest));
    }
    return tasks;
  }

  HistoryRange RangeOf(const JoinTask& task) const {
    HistoryRange range{.keys = task.keys, .start_us = {}, .end_us = {}};
    if (!timed_) return range;
    const auto [least, most] =
        std::minmax_element(left_.times_us() + task.begin, left_.times_us() + task.end);
    if (*most < std::numeric_limits<int64_t>::max()) range.end_us = *most + 1;
    int64_t start;
    if (ttl_us_ && !__builtin_sub_overflow(*least, *ttl_us_, &start)) range.start_us = start;
    return range;
  }

  Status RunTask(int number, const JoinTask& task) {
    ARROW_ASSIGN_OR_RAISE(const auto stream, history_->Open(RangeOf(task)));
    AsOfMatcher matcher(&left_, task.begin, task.end, timed_, ttl_us_);
    std::unique_ptr<HistoryChunk> before, chunk;
    int64_t chunk_begin = 0;  // number of the chunk's first row
    std::vector<int32_t> from(static_cast<size_t>(AsOfMatcher::kBlockRows));
    const AsOfMatcher::Emit emit = [&](const AsOfBlock& block) {
      // All rows of a block are of one chunk: this one, or the last row of the one before.
      bool of_before = false;
      for (int64_t i = 0; i < block.size; ++i) {
        of_before |= block.right[i] >= 0 && block.right[i] < chunk_begin;
      }
      const HistoryChunk* source = of_before ? before.get() : chunk.get();
      const int64_t first = of_before ? chunk_begin - before->rows : chunk_begin;
      for (int64_t i = 0; i < block.size; ++i) {
        from[static_cast<size_t>(i)] =
            block.right[i] < 0 ? -1 : static_cast<int32_t>(block.right[i] - first);
      }
      return Gather(number, source, block, from.data());
    };

    while (!matcher.done()) {
      ARROW_ASSIGN_OR_RAISE(auto next, stream->Next());
      if (next == nullptr) break;
      chunk_begin += chunk == nullptr ? 0 : chunk->rows;
      before = std::move(chunk);
      chunk = std::move(next);
      const int64_t* times = timed_ ? chunk->times->raw_values() : nullptr;
      if (chunk->keys) {
        ARROW_RETURN_NOT_OK(matcher.Feed(*chunk->keys, times, emit));
      } else {
        const auto* codes = chunk->codes->data_as<uint64_t>();
        ARROW_RETURN_NOT_OK(matcher.FeedCodes(codes, times, chunk->rows, emit));
      }
    }
    if (chunk != nullptr) {
      chunk_begin += chunk->rows;
      before = std::move(chunk);
    }
    ARROW_RETURN_NOT_OK(matcher.Finish(emit));
    if (options_.progress) {
      const int64_t done = done_.fetch_add(task.end - task.begin) + task.end - task.begin;
      options_.progress(static_cast<double>(done) / static_cast<double>(left_.size()));
    }
    return Status::OK();
  }

  Status Gather(int task, const HistoryChunk* source, const AsOfBlock& block, const int32_t* from) {
    const uint32_t* rows = left_.rows();
    const GatherBlock gather{.size = block.size,
                             .from = from,
                             .to = rows == nullptr ? nullptr : rows + block.left_begin,
                             .begin = block.left_begin};
    if (source == nullptr) {  // no history at all
      for (const auto& column : gathers_) column->PutNulls(gather);
      return Status::OK();
    }
    for (size_t i = 0; i < gathers_.size(); ++i) {
      const HistoryChunk::Column& column = source->columns[i];
      if (column.plain == nullptr && column.array == nullptr) continue;  // later
      ARROW_RETURN_NOT_OK(column.plain != nullptr
                              ? gathers_[i]->GatherPlain(*column.plain, gather)
                              : gathers_[i]->Gather(task, *column.array, gather));
    }
    if (!later_) {
      for (int64_t i = 0; i < gather.size; ++i) {
        if (from[i] >= 0) found_.data()[gather.target(i)] = 1;
      }
      return Status::OK();
    }
    auto* numbers = reinterpret_cast<uint32_t*>(numbers_->mutable_data());
    const auto first = static_cast<uint32_t>(source->number);
    for (int64_t i = 0; i < gather.size; ++i) {
      if (from[i] >= 0) numbers[gather.to[i]] = first + static_cast<uint32_t>(from[i]);
    }
    return Status::OK();
  }

  /// Some columns at a time, by all threads, so that they share what the cache holds of these.
  Status GatherLater() {
    std::vector<size_t> columns;
    for (size_t i = 0; i < gathers_.size(); ++i) {
      if (history_->later(i)) columns.push_back(i);
    }
    for (size_t next = 0; next < columns.size();) {
      std::vector<std::unique_ptr<PlainRows>> sources;
      std::vector<GatherTarget> targets;
      size_t together = 1;
      while (sources.size() < together) {
        ARROW_ASSIGN_OR_RAISE(sources.emplace_back(), history_->ReadLater(columns[next]));
        targets.push_back(gathers_[columns[next++]]->later());
        if (sources.size() == 1) together = Together(*sources[0], columns.size() - next + 1);
      }
      ARROW_RETURN_NOT_OK(together == 1 ? GatherAlone(*sources[0], targets[0])
                                        : GatherTogether(sources, targets));
    }
    return Status::OK();
  }

  /// How many of `columns` like this one to gather from records of them all.
  size_t Together(const PlainRows& column, size_t columns) const {
    const auto rows = static_cast<int64_t>(column.words().size()) * 64;
    if (rows_ < rows / 2) return 1;
    for (const size_t most : {RowRecords::kMostColumns, RowRecords::kHalfLine}) {
      if (most == RowRecords::kMostColumns && rows_ < 2 * rows) continue;
      const size_t together = std::min(columns, most);
      if (RowRecords::Bytes(together, rows) <= options_.copy_limit_bytes) return together;
    }
    return 1;
  }

  Status GatherAlone(const PlainRows& source, GatherTarget to) const {
    return ForLaterSlices([&](const uint32_t* numbers, int64_t begin, int64_t count) {
      const GatherTarget slice = SliceOf(to, source.width(), begin, count);
      source.Gather(numbers, count, slice.values, slice.bitmap);
    });
  }

  Status GatherTogether(const std::vector<std::unique_ptr<PlainRows>>& sources,
                        const std::vector<GatherTarget>& to) {
    ARROW_RETURN_NOT_OK(records_.Load(sources));
    return ForLaterSlices([&](const uint32_t* numbers, int64_t begin, int64_t count) {
      std::vector<GatherTarget> slice;
      for (size_t c = 0; c < to.size(); ++c) {
        slice.push_back(SliceOf(to[c], sources[c]->width(), begin, count));
      }
      records_.Gather(numbers, count, slice);
    });
  }

  /// The same from row `begin` on, with memory for `count` rows.
  GatherTarget SliceOf(const GatherTarget& column, int width, int64_t begin, int64_t count) const {
    uint8_t* values = column.values + begin * width;
    if (options_.memory == LargeMemory()) PopulatePages(values, count * width);
    return {values, column.bitmap + begin / 8};
  }

  template <typename Gather>
  Status ForLaterSlices(const Gather& gather) const {
    const auto* numbers = reinterpret_cast<const uint32_t*>(numbers_->data());
    return ParallelFor((rows_ + kLaterRows - 1) / kLaterRows, [&](int64_t slice) {
      const int64_t begin = slice * kLaterRows;
      gather(numbers + begin, begin, std::min(kLaterRows, rows_ - begin));
      return Status::OK();
    });
  }

  Snapshot* const group_;
  const AsOfLeft& left_;
  const arrow::Table& left_keys_;
  const int64_t rows_;
  const bool timed_;
  const std::optional<int64_t> ttl_us_;
  const ViewReadOptions& options_;
  std::vector<std::string> columns_;  // of history: keys, time, features
  std::unique_ptr<History> history_;
  std::vector<std::unique_ptr<ColumnGather>> gathers_;
  RowFlags found_;
  bool later_ = false;                      // some column is gathered at the end:
  std::unique_ptr<arrow::Buffer> numbers_;  // the number of the row that each left row sees
  RowRecords records_;                      // of columns that are gathered together
  std::atomic<int64_t> done_{0};
};

}  // namespace

Status CheckLeftKeys(const Snapshot& group, const arrow::Table& left_keys) {
  const std::vector<std::string>& primary_key = group.options().primary_key;
  if (left_keys.num_columns() != static_cast<int>(primary_key.size())) {
    return Status::Invalid("a join on ", primary_key.size(), " key columns got ",
                           left_keys.num_columns());
  }
  for (size_t k = 0; k < primary_key.size(); ++k) {
    const auto& type = left_keys.column(static_cast<int>(k))->type();
    const auto field = group.schema()->GetFieldByName(primary_key[k]);
    if (field == nullptr || !field->type()->Equals(*type)) {
      return Status::TypeError("join key '", primary_key[k], "' is ", type->ToString(),
                               " on the left side, not ",
                               field == nullptr ? "there on the right" : field->type()->ToString());
    }
  }
  return Status::OK();
}

Result<std::shared_ptr<const AsOfLeft>> OrderLeft(
    const Snapshot& group, const arrow::Table& left_keys,
    const std::shared_ptr<arrow::Int64Array>& left_times_us) {
  ARROW_RETURN_NOT_OK(CheckLeftKeys(group, left_keys));
  arrow::ArrayVector keys;
  for (const auto& column : left_keys.columns()) {
    if (column->num_chunks() == 1) {
      keys.push_back(column->chunk(0));
    } else {
      ARROW_ASSIGN_OR_RAISE(keys.emplace_back(), OneArray(*column));
    }
  }
  ARROW_ASSIGN_OR_RAISE(AsOfLeft left, AsOfLeft::Make(keys, left_times_us));
  return std::make_shared<const AsOfLeft>(std::move(left));
}

Result<JoinAnswer> JoinAsOf(Snapshot* group, const std::vector<std::string>& features,
                            const AsOfLeft& left, const arrow::Table& left_keys,
                            std::optional<int64_t> ttl_us, const ViewReadOptions& options) {
  const bool timed = left.times_us() != nullptr && !group->options().event_time.empty();
  return AsOfJoin(group, left, left_keys, timed, ttl_us, options).Run(features);
}

Result<JoinAnswer> JoinAsOf(Snapshot* group, const std::vector<std::string>& features,
                            const std::shared_ptr<arrow::Table>& left_keys,
                            const std::shared_ptr<arrow::Int64Array>& left_times_us,
                            std::optional<int64_t> ttl_us, const ViewReadOptions& options) {
  // A group without times is joined by key alone: left rows without a time see it too.
  const bool timed = !group->options().event_time.empty();
  ARROW_ASSIGN_OR_RAISE(const auto left,
                        OrderLeft(*group, *left_keys, timed ? left_times_us : nullptr));
  return JoinAsOf(group, features, *left, *left_keys, ttl_us, options);
}

}  // namespace tercet
