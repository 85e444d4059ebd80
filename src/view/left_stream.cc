#include "view/left_stream.h"

#include <algorithm>

#include "compute/asof_left.h"
#include "view/history.h"
#include "view/root_rows.h"

namespace tercet {
namespace {

constexpr int64_t kFewestSeen = 64, kMostSeen = 4096;  // rows that tell of the order
constexpr int64_t kMostBatchRows = 1 << 19;            // of the root, read at once
constexpr int64_t kBatchShare = 16;                    // of the limit, which they may take

}  // namespace

Result<std::unique_ptr<LeftStream>> LeftStream::Open(
    const ViewPlan* plan, ViewSnapshots* snapshots, const ViewReadOptions& options,
    std::shared_ptr<arrow::RecordBatchReader> spine) {
  auto left = std::unique_ptr<LeftStream>(new LeftStream(plan, snapshots, options));
  if (spine != nullptr) {
    left->reader_ = std::move(spine);
  } else if (options.spine != nullptr) {
    left->total_rows_ = options.spine->num_rows();
    left->reader_ = std::make_shared<arrow::TableBatchReader>(options.spine);
  } else {
    left->of_root_ = true;
    ARROW_ASSIGN_OR_RAISE(const ScanOptions scan, RootScan(*plan, options));
    ARROW_ASSIGN_OR_RAISE(const auto snapshot, snapshots->Get(plan->groups()[0].definition));
    if (!options.start_us && !options.end_us) left->total_rows_ = snapshot->row_count();
    const int64_t row_bytes = HistoryRowBytes(*snapshot->schema(), scan.columns);
    const int64_t batch_rows =
        std::min(options.memory_limit_bytes / kBatchShare / row_bytes, kMostBatchRows);
    ARROW_ASSIGN_OR_RAISE(left->reader_, OpenAllRows(snapshot.get(), scan, batch_rows));
  }
  return left;
}

Result<bool> LeftStream::InOrder() {
  if (rest_ == nullptr) ARROW_RETURN_NOT_OK(reader_->ReadNext(&rest_));
  if (rest_ == nullptr || rest_->num_rows() < kFewestSeen) return false;
  const auto seen = rest_->Slice(0, kMostSeen);
  SpineColumns spine;
  if (!of_root_) {
    ARROW_ASSIGN_OR_RAISE(spine, ResolveSpine(*plan_, *reader_->schema()));
  }
  const auto column = [&](const std::string& name) {
    const auto given = spine.given.find(name);
    return seen->GetColumnByName(given == spine.given.end() ? name : given->second);
  };
  const std::string& root_time = plan_->groups()[0].definition.event_time;
  std::shared_ptr<arrow::Int64Array> times_us;
  if (const auto times = column(spine.time.empty() ? root_time : spine.time)) {
    auto micros = EventTimeMicros(*times);
    if (!micros.ok()) return false;  // Next tells why
    times_us = *std::move(micros);
  }
  for (const ViewGroup& group : plan_->groups()) {
    if (&group == &plan_->groups()[0]) continue;
    if (group.from > 0) return false;
    arrow::ArrayVector keys;
    for (const std::string& name : group.left_keys) {
      keys.push_back(name == root_time ? nullptr : column(name));
      if (keys.back() == nullptr) return false;  // looked up, or made of the time
    }
    const auto left = AsOfLeft::Make(keys, times_us);
    if (!left.ok() || !left->in_order()) return false;
  }
  return true;
}

Result<std::shared_ptr<arrow::Table>> LeftStream::Take(int64_t rows) {
  arrow::RecordBatchVector batches;
  int64_t taken = 0;
  while (taken < rows) {
    if (rest_ == nullptr) {
      ARROW_RETURN_NOT_OK(reader_->ReadNext(&rest_));
      if (rest_ == nullptr) break;
    }
    batches.push_back(rest_->Slice(0, rows - taken));
    taken += batches.back()->num_rows();
    const bool all = batches.back()->num_rows() == rest_->num_rows();
    rest_ = all ? nullptr : rest_->Slice(batches.back()->num_rows());
  }
  taken_rows_ += taken;
  return arrow::Table::FromRecordBatches(reader_->schema(), batches);
}

Result<LeftRows> LeftStream::Next(int64_t rows) {
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const auto table, Take(rows));
    LeftRows left;
    if (of_root_) {
      ARROW_ASSIGN_OR_RAISE(left, RootRows(*plan_, table));
    } else {
      ViewReadOptions options = options_;
      options.spine = table;
      options.progress = nullptr;
      ARROW_ASSIGN_OR_RAISE(left, ReadSpine(*plan_, snapshots_, options));
    }
    // The time range may leave out all of a piece of a spine, which is not the end.
    if (left.rows > 0 || table->num_rows() == 0) return left;
  }
}

std::optional<double> LeftStream::fraction() const {
  if (!total_rows_ || *total_rows_ == 0) return std::nullopt;
  return std::min(1.0, static_cast<double>(taken_rows_) / static_cast<double>(*total_rows_));
}

}  // namespace tercet
