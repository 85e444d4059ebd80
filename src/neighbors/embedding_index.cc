#include "neighbors/embedding_index.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <shared_mutex>

#include "base/log.h"
#include "compute/sort_key.h"
#include "compute/take_rows.h"
#include "neighbors/vector_column.h"

namespace tercet {
namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
constexpr int64_t kLongAgo = std::numeric_limits<int64_t>::min();
/// Rows that are read online at once, fewer of long vectors.
constexpr int64_t kSliceRows = 4096;
constexpr int64_t kSliceElements = int64_t{1} << 21;
/// How often rows past their TTL are looked for.
constexpr int64_t kExpiryUs = 1'000'000;

}  // namespace

EmbeddingIndex::EmbeddingIndex(IndexSource source)
    : source_(std::move(source)),
      distance_(FloatDistanceOf(source_.embedding.metric)),
      key_columns_(static_cast<int>(source_.group.primary_key.size())),
      row_memory_(source_.memory),
      next_due_us_(kNever),
      next_expiry_us_(source_.group.ttl_us ? kLongAgo : kNever),
      rows_(static_cast<size_t>(source_.dimension), KeySchema(source_.group)),
      graph_memory_(source_.memory) {}

Result<std::shared_ptr<EmbeddingIndex>> EmbeddingIndex::Load(IndexSource source, bool recall) {
  if (recall && !source.file.empty()) {
    std::shared_ptr<EmbeddingIndex> index(new EmbeddingIndex(source));
    Status recalled = index->Recall();
    if (recalled.ok()) recalled = index->LoadRows();
    if (recalled.ok()) {
      index->rows_.RemoveLabels(index->unconfirmed_);
      index->unconfirmed_.clear();
      return index;
    }
    if (!recalled.IsKeyError()) {
      LogWarn("a graph is built anew instead of being read: " + recalled.ToString());
    }
  }
  std::shared_ptr<EmbeddingIndex> index(new EmbeddingIndex(std::move(source)));
  ARROW_RETURN_NOT_OK(index->LoadRows());
  return index;
}

Status EmbeddingIndex::LoadRows() {
  const std::lock_guard following(following_);
  ARROW_ASSIGN_OR_RAISE(const int64_t commit, OnlineCommit(source_.online, source_.group));
  commit_ = commit;
  if (commit < 0) return Status::OK();
  // Which keys there are is told by the offline table; what their rows are, by the online store.
  Result<std::shared_ptr<Snapshot>> snapshot = source_.table->AtVersion(commit);
  if (snapshot.status().IsKeyError() || snapshot.status().IsNotImplemented()) {
    snapshot = source_.table->Head();
  }
  ARROW_RETURN_NOT_OK(snapshot.status());
  ScanOptions scan{.columns = source_.group.primary_key};
  const bool timed = !source_.group.event_time.empty();
  if (timed) scan.columns.push_back(source_.group.event_time);
  ARROW_ASSIGN_OR_RAISE(const auto reader, (*snapshot)->Scan(scan));
  const int64_t now_us = source_.clock->NowMicros();
  std::string last;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(auto batch, reader->Next());
    if (batch == nullptr) return Status::OK();
    if (batch->num_rows() == 0) continue;
    std::shared_ptr<arrow::Int64Array> times;
    if (timed) {
      ARROW_ASSIGN_OR_RAISE(times, EventTimeMicros(*batch->column(key_columns_)));
    }
    arrow::ArrayVector columns = batch->columns();
    columns.resize(static_cast<size_t>(key_columns_));
    batch =
        arrow::RecordBatch::Make(KeySchema(source_.group), batch->num_rows(), std::move(columns));
    ARROW_ASSIGN_OR_RAISE(const SortKeys keys, SortKeys::Encode(batch->columns()));
    std::vector<int64_t> firsts;  // rows of another key than the one before
    for (int64_t i = 0; i < batch->num_rows(); ++i) {
      if (timed && times->IsValid(i) && times->Value(i) > now_us) {
        due_.push({times->Value(i), batch->Slice(i, 1)});
      }
      const bool same =
          i > 0 ? keys.Compare(i, keys, i - 1) == 0 : !last.empty() && keys.ToBytes(0) == last;
      if (!same) firsts.push_back(i);
    }
    last = keys.ToBytes(batch->num_rows() - 1);
    if (static_cast<int64_t>(firsts.size()) < batch->num_rows()) {
      ARROW_ASSIGN_OR_RAISE(batch, TakeRows(batch, firsts));
    }
    ARROW_RETURN_NOT_OK(Refresh(batch));
  }
}

Result<bool> EmbeddingIndex::CatchUp() {
  ARROW_ASSIGN_OR_RAISE(int64_t commit, OnlineCommit(source_.online, source_.group));
  const int64_t since_us = source_.clock->NowMicros();
  if (commit == commit_ && next_due_us_ > since_us && next_expiry_us_ > since_us) return true;
  const std::lock_guard following(following_);
  // Others may have come here first; what is online by now is as good.
  ARROW_ASSIGN_OR_RAISE(commit, OnlineCommit(source_.online, source_.group));
  if (commit != commit_) {
    ARROW_ASSIGN_OR_RAISE(const bool followed, Follow(commit));
    if (!followed) return false;
  }
  const int64_t now_us = source_.clock->NowMicros();
  if (next_due_us_ <= now_us) ARROW_RETURN_NOT_OK(RefreshDue(now_us));
  DropExpired(now_us);
  return true;
}

Result<bool> EmbeddingIndex::Follow(int64_t commit) {
  // A store that went back was rebuilt; a source of another system tells no changes.
  if (commit < commit_ || commit_ < 0 || source_.group.source) return false;
  ARROW_ASSIGN_OR_RAISE(const std::vector<Commit> commits, source_.table->Commits());
  for (auto it = commits.rbegin(); it != commits.rend() && it->version > commit_; ++it) {
    // What the change feed does not tell of, or tells at length.
    const bool all = it->operation == "overwrite" || it->operation == "erase" ||
                     (it->operation == "alter" && it->rows_updated > 0);
    if (all && it->version <= commit) return false;
  }
  const auto changes = source_.table->Changes(commit_, commit);
  if (changes.status().IsKeyError()) return false;  // A vacuum took them.
  ARROW_RETURN_NOT_OK(changes.status());
  const int64_t now_us = source_.clock->NowMicros();
  std::set<std::string> seen;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const auto batch, (*changes)->Next());
    if (batch == nullptr) break;
    arrow::ArrayVector columns;
    for (const std::string& name : source_.group.primary_key) {
      columns.push_back(batch->GetColumnByName(name));
    }
    const auto keys =
        arrow::RecordBatch::Make(KeySchema(source_.group), batch->num_rows(), std::move(columns));
    ARROW_ASSIGN_OR_RAISE(const SortKeys sort_keys, SortKeys::Encode(keys->columns()));
    std::shared_ptr<arrow::Int64Array> times;
    if (!source_.group.event_time.empty()) {
      ARROW_ASSIGN_OR_RAISE(times,
                            EventTimeMicros(*batch->GetColumnByName(source_.group.event_time)));
    }
    std::vector<int64_t> changed;
    for (int64_t i = 0; i < keys->num_rows(); ++i) {
      if (times != nullptr && times->IsValid(i) && times->Value(i) > now_us) {
        due_.push({times->Value(i), keys->Slice(i, 1)});
      }
      if (seen.insert(sort_keys.ToBytes(i)).second) changed.push_back(i);
    }
    ARROW_ASSIGN_OR_RAISE(const auto of_changed, TakeRows(keys, changed));
    ARROW_RETURN_NOT_OK(Refresh(of_changed));
  }
  commit_ = commit;
  return true;
}

Status EmbeddingIndex::Refresh(const std::shared_ptr<arrow::RecordBatch>& keys) {
  const int64_t rows = std::min(kSliceRows, kSliceElements / source_.dimension);
  for (int64_t begin = 0; begin < keys->num_rows(); begin += rows) {
    ARROW_RETURN_NOT_OK(RefreshSlice(keys->Slice(begin, rows)));
  }
  next_due_us_ = !unavailable_.empty() ? kLongAgo : due_.empty() ? kNever : due_.top().time_us;
  return Status::OK();
}

Status EmbeddingIndex::RefreshSlice(const std::shared_ptr<arrow::RecordBatch>& keys) {
  std::vector<std::string> names = rows_.schema()->field_names();
  names.push_back(source_.column);
  ARROW_ASSIGN_OR_RAISE(const OnlineColumns read, ReadOnline(source_.online, source_.group, keys,
                                                             names, source_.clock->NowMicros()));
  ARROW_ASSIGN_OR_RAISE(const SortKeys sort_keys, SortKeys::Encode(keys->columns()));
  const VectorColumn vectors(read.rows->column(read.rows->num_columns() - 1), source_.dimension);
  ARROW_ASSIGN_OR_RAISE(auto rows, read.rows->RemoveColumn(read.rows->num_columns() - 1));
  struct Known {
    uint32_t label;
    int64_t event_time_us;
  };
  const auto dimension = static_cast<size_t>(source_.dimension);
  std::vector<float> vector(dimension), taken_vectors;
  std::vector<std::string> taken_keys, gone;
  std::vector<int64_t> taken, taken_times;
  std::vector<Known> same;
  for (int64_t i = 0; i < keys->num_rows(); ++i) {
    const auto status = read.status[static_cast<size_t>(i)];
    if (status == RowStatus::kUnavailable) {
      // Its rows are being brought back: until then it has none, and then it is read again.
      unavailable_.push_back(keys->Slice(i, 1));
    }
    std::string key = sort_keys.ToBytes(i);
    if (!HasRow(status) || !vectors.Read(source_.embedding.metric, i, vector.data())) {
      gone.push_back(std::move(key));
      continue;
    }
    const int64_t event_time_us = read.event_times_us[static_cast<size_t>(i)];
    // Only this thread changes the rows, so it may read them without a lock.
    if (const auto label = rows_.FindSame(key, *rows, i, vector.data())) {
      same.push_back({*label, event_time_us});
      continue;
    }
    taken.push_back(i);
    taken_keys.push_back(std::move(key));
    taken_times.push_back(event_time_us);
    taken_vectors.insert(taken_vectors.end(), vector.begin(), vector.end());
  }
  if (static_cast<int64_t>(taken.size()) < rows->num_rows()) {
    ARROW_ASSIGN_OR_RAISE(rows, TakeRows(rows, taken));
  }
  {
    const std::unique_lock lock(mutex_);
    for (const std::string& key : gone) rows_.Remove(key);
    for (const Known& known : same) {
      rows_.SetEventTime(known.label, known.event_time_us);
      if (known.label / 64 < unconfirmed_.size()) {
        unconfirmed_[known.label / 64] &= ~(uint64_t{1} << (known.label % 64));
      }
    }
    ARROW_RETURN_NOT_OK(rows_.Put(std::move(taken_keys), taken_times, rows, taken_vectors));
  }
  return row_memory_.Set(rows_.bytes());
}

Status EmbeddingIndex::RefreshDue(int64_t now_us) {
  std::vector<std::shared_ptr<arrow::RecordBatch>> keys;
  keys.swap(unavailable_);
  for (; !due_.empty() && due_.top().time_us <= now_us; due_.pop()) {
    keys.push_back(due_.top().key);
  }
  const Status refreshed = [&]() -> Status {
    ARROW_ASSIGN_OR_RAISE(const auto all, arrow::ConcatenateRecordBatches(keys));
    return Refresh(all);
  }();
  // What the store could not answer for now is asked for again.
  if (!refreshed.ok()) unavailable_ = std::move(keys);
  return refreshed;
}

void EmbeddingIndex::DropExpired(int64_t now_us) {
  if (now_us < next_expiry_us_) return;
  next_expiry_us_ = now_us + kExpiryUs;
  const std::unique_lock lock(mutex_);
  rows_.RemoveOlderThan(now_us - *source_.group.ttl_us);
}

Status EmbeddingIndex::AddColumns(const std::vector<std::string>& names) {
  const std::lock_guard following(following_);
  std::vector<int> of_key(static_cast<size_t>(key_columns_));
  std::iota(of_key.begin(), of_key.end(), 0);
  for (const std::string& name : names) {
    if (rows_.schema()->GetFieldIndex(name) >= 0) continue;
    const auto field = source_.group.schema->GetFieldByName(name);
    arrow::ArrayVector values;
    for (const RowChunk& chunk : rows_.chunks()) {
      ARROW_ASSIGN_OR_RAISE(const auto keys, chunk.rows->SelectColumns(of_key));
      ARROW_ASSIGN_OR_RAISE(
          const OnlineColumns read,
          ReadOnline(source_.online, source_.group, keys, {name}, source_.clock->NowMicros()));
      values.push_back(read.rows->column(0));
    }
    {
      const std::unique_lock lock(mutex_);
      ARROW_RETURN_NOT_OK(rows_.AddColumn(field, values));
    }
    ARROW_RETURN_NOT_OK(row_memory_.Set(rows_.bytes()));
  }
  return Status::OK();
}

}  // namespace tercet
