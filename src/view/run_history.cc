#include "view/run_history.h"

#include <algorithm>
#include <limits>

#include "base/recycled_memory.h"
#include "offline/data_file.h"

namespace tercet {
namespace {

constexpr uint64_t kSignBit = uint64_t{1} << 63;

/// Signed integers as SortKeys' fixed values.
Result<std::shared_ptr<arrow::Buffer>> CodesOf(const PlainColumn& column, int64_t rows) {
  const auto count = static_cast<size_t>(rows);
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> buffer,
                        arrow::AllocateBuffer(rows * 8, RecycledMemory()));
  auto* codes = buffer->mutable_data_as<uint64_t>();
  if (column.width() == 8) {
    column.CopyTo(buffer->mutable_data());
    for (size_t i = 0; i < count; ++i) codes[i] ^= kSignBit;
    return buffer;
  }
  std::vector<int32_t> narrow(count);
  column.CopyTo(reinterpret_cast<uint8_t*>(narrow.data()));
  for (size_t i = 0; i < count; ++i) {
    codes[i] = static_cast<uint64_t>(static_cast<int64_t>(narrow[i])) ^ kSignBit;
  }
  return buffer;
}

bool IsMicros(const arrow::DataType& type) {
  return type.id() == arrow::Type::TIMESTAMP &&
         static_cast<const arrow::TimestampType&>(type).unit() == arrow::TimeUnit::MICRO;
}

}  // namespace

/// The row groups of one range.
class RunStream : public HistoryStream {
 public:
  RunStream(RunHistory* history, HistoryRange range)
      : history_(history), request_(history->request_), range_(std::move(range)) {}

  Result<std::unique_ptr<HistoryChunk>> Next() override {
    while (file_ < history_->files_.size()) {
      const RunTags& run = *history_->files_[file_]->run;
      if (run_ == nullptr) {
        if (!MayHold(run.low, run.high, run.time_min_us, run.time_max_us)) {
          ++file_;
          continue;
        }
        ARROW_ASSIGN_OR_RAISE(run_, history_->File(file_));
        group_ = 0;
      }
      const auto& groups = run_->row_groups();
      while (group_ < groups.size()) {
        const size_t group = group_++;
        const std::string& high = group_ < groups.size() ? groups[group_].low : run.high;
        if (groups[group].row_count > 0 &&
            MayHold(groups[group].low, high, groups[group].time_min_us,
                    groups[group].time_max_us)) {
          return Read(static_cast<int>(group), groups[group].row_count);
        }
      }
      run_ = nullptr;
      ++file_;
    }
    return nullptr;
  }

 private:
  /// Whether rows from position `first` to `last`, of these times, may be wanted.
  bool MayHold(const std::string& first, const std::string& last, int64_t time_min_us,
               int64_t time_max_us) const {
    if (!last.empty() && last < range_.keys.low) return false;
    if (!range_.keys.high.empty() && first >= range_.keys.high) return false;
    if (request_.event_time.empty()) return true;
    if (range_.start_us && time_max_us < *range_.start_us) return false;
    return !range_.end_us || time_min_us < *range_.end_us;
  }

  Result<std::unique_ptr<HistoryChunk>> Read(int group, int64_t rows) {
    auto chunk = std::make_unique<HistoryChunk>();
    chunk->rows = rows;
    std::vector<std::string> decode;  // what does not lie plain
    ARROW_ASSIGN_OR_RAISE(const bool plain_keys, PlainKeys(group, chunk.get()));
    if (!plain_keys) decode = request_.primary_key;
    ARROW_ASSIGN_OR_RAISE(const bool plain_times, PlainTimes(group, chunk.get()));
    if (!plain_times) decode.push_back(request_.event_time);
    const size_t first_feature = decode.size();
    for (size_t i = 0; i < request_.features.size(); ++i) {
      HistoryChunk::Column& column = chunk->columns.emplace_back();
      if (history_->later_[i]) continue;
      ARROW_ASSIGN_OR_RAISE(column.plain, run_->ReadPlain(group, request_.features[i]));
      if (column.plain == nullptr) decode.push_back(request_.features[i]);
    }
    if (history_->numbered_rows_ > 0) {
      chunk->number = history_->numbers_[file_][static_cast<size_t>(group)];
      std::lock_guard lock(history_->mutex_);
      history_->given_[file_][static_cast<size_t>(group)] = true;
    }
    if (decode.empty()) return chunk;

    ARROW_ASSIGN_OR_RAISE(const auto batch, run_->Read(group, decode));
    for (size_t i = 0; i < first_feature; ++i) {
      if (batch->column(static_cast<int>(i))->null_count() > 0) {
        return Status::IOError("a sorted run has rows without '", decode[i], "'");
      }
    }
    if (!plain_keys) {
      const auto columns = batch->columns();
      ARROW_ASSIGN_OR_RAISE(
          chunk->keys,
          SortKeys::Encode({columns.begin(),
                            columns.begin() + static_cast<int64_t>(request_.primary_key.size())}));
    }
    if (!plain_times) {
      ARROW_ASSIGN_OR_RAISE(chunk->times,
                            EventTimeMicros(*batch->column(static_cast<int>(first_feature) - 1)));
    }
    auto next = static_cast<int>(first_feature);
    for (size_t i = 0; i < chunk->columns.size(); ++i) {
      HistoryChunk::Column& column = chunk->columns[i];
      if (!history_->later_[i] && column.plain == nullptr) column.array = batch->column(next++);
    }
    return chunk;
  }

  Result<bool> PlainKeys(int group, HistoryChunk* chunk) const {
    if (!request_.fixed_keys || request_.primary_key.size() != 1) return false;
    ARROW_ASSIGN_OR_RAISE(const auto column, run_->ReadPlain(group, request_.primary_key[0]));
    if (column == nullptr || column->has_nulls()) return false;
    ARROW_ASSIGN_OR_RAISE(chunk->codes, CodesOf(*column, chunk->rows));
    return true;
  }

  Result<bool> PlainTimes(int group, HistoryChunk* chunk) const {
    if (request_.event_time.empty()) return true;
    const auto field = history_->snapshot_->schema()->GetFieldByName(request_.event_time);
    if (!IsMicros(*field->type())) return false;
    ARROW_ASSIGN_OR_RAISE(const auto column, run_->ReadPlain(group, request_.event_time));
    if (column == nullptr || column->has_nulls()) return false;
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> times,
                          arrow::AllocateBuffer(chunk->rows * 8, RecycledMemory()));
    column->CopyTo(times->mutable_data());
    chunk->times = std::make_shared<arrow::Int64Array>(chunk->rows, std::move(times));
    return true;
  }

  RunHistory* const history_;
  const HistoryRequest& request_;
  const HistoryRange range_;
  size_t file_ = 0, group_ = 0;
  std::shared_ptr<RunFile> run_;  // files_[file_], once it is needed
};

Result<std::optional<std::vector<std::shared_ptr<const DataFile>>>> FollowingRuns(
    Snapshot* snapshot) {
  ARROW_ASSIGN_OR_RAISE(auto files, snapshot->Files());
  for (const auto& file : files) {
    if (!file->run || file->add.vector || !file->add.partition_values.empty()) return std::nullopt;
  }
  std::sort(files.begin(), files.end(),
            [](const auto& a, const auto& b) { return a->run->low < b->run->low; });
  for (size_t i = 1; i < files.size(); ++i) {
    if (files[i - 1]->run->high >= files[i]->run->low) return std::nullopt;
  }
  return files;
}

Result<std::unique_ptr<History>> RunHistory::Make(Snapshot* snapshot,
                                                  const HistoryRequest& request) {
  ARROW_ASSIGN_OR_RAISE(auto files, FollowingRuns(snapshot));
  if (!files) return nullptr;
  auto history = std::unique_ptr<RunHistory>(new RunHistory(snapshot, request));
  history->files_ = *std::move(files);
  history->open_.resize(history->files_.size());
  if (request.later) ARROW_RETURN_NOT_OK(history->PlanLater());
  return history;
}

Status RunHistory::PlanLater() {
  numbers_.resize(files_.size());
  given_.resize(files_.size());
  std::vector<bool> plain(request_.features.size(), true);
  int64_t rows = 0;
  for (size_t f = 0; f < files_.size(); ++f) {
    ARROW_ASSIGN_OR_RAISE(const auto run, File(f));
    for (size_t g = 0; g < run->row_groups().size(); ++g) {
      numbers_[f].push_back(rows);
      rows += (run->row_groups()[g].row_count + 63) / 64 * 64;
      for (size_t i = 0; i < plain.size(); ++i) {
        plain[i] = plain[i] && run->LiesPlain(static_cast<int>(g), request_.features[i]);
      }
    }
    given_[f].resize(run->row_groups().size());
  }
  if (rows == 0 || rows >= PlainRows::kNone) return Status::OK();
  later_ = std::move(plain);
  numbered_rows_ = rows;
  return Status::OK();
}

Result<std::unique_ptr<PlainRows>> RunHistory::ReadLater(size_t feature) {
  const std::string& name = request_.features[feature];
  const auto& type = *snapshot_->schema()->GetFieldByName(name)->type();
  const int width = static_cast<const arrow::FixedWidthType&>(type).bit_width() / 8;
  auto rows = std::make_unique<PlainRows>(width, numbered_rows_);
  for (size_t f = 0; f < files_.size(); ++f) {
    for (size_t g = 0; g < given_[f].size(); ++g) {
      if (!given_[f][g]) continue;
      ARROW_ASSIGN_OR_RAISE(const auto run, File(f));
      ARROW_ASSIGN_OR_RAISE(auto column, run->ReadPlain(static_cast<int>(g), name));
      if (column == nullptr) {  // the footer did not tell all
        ARROW_ASSIGN_OR_RAISE(const auto batch, run->Read(static_cast<int>(g), {name}));
        column = PlainColumn::Of(*batch->column(0), width);
      }
      rows->Put(numbers_[f][g], std::move(column));
    }
  }
  return rows;
}

Result<std::unique_ptr<HistoryStream>> RunHistory::Open(const HistoryRange& range) {
  return std::make_unique<RunStream>(this, range);
}

Result<std::shared_ptr<RunFile>> RunHistory::File(size_t index) {
  std::lock_guard lock(mutex_);
  if (open_[index] == nullptr) {
    ARROW_ASSIGN_OR_RAISE(open_[index], snapshot_->OpenFile(files_[index]));
  }
  return open_[index];
}

}  // namespace tercet
