#include "view/history.h"

#include <algorithm>

#include <arrow/compute/api_vector.h>
#include <arrow/type_traits.h>

#include "base/add_once.h"
#include "offline/data_file.h"
#include "view/run_history.h"

namespace tercet {
namespace {

constexpr int64_t kRowGroupRows = 131'072;  // as our writer makes them
constexpr int64_t kTextBytes = 64;          // assumed of a value whose width varies
constexpr int64_t kTimesMerged = 3;         // a row that is merged: read, concatenated, in order

/// Tables that others wrote may have rows without a key or a time; no label can see them.
Result<std::shared_ptr<arrow::RecordBatch>> WithoutNulls(
    const std::shared_ptr<arrow::RecordBatch>& batch, const std::vector<std::string>& columns) {
  arrow::ArrayVector arrays;
  bool has_nulls = false;
  for (const std::string& column : columns) {
    arrays.push_back(batch->GetColumnByName(column));
    has_nulls |= arrays.back()->null_count() > 0;
  }
  if (!has_nulls) return batch;
  arrow::BooleanBuilder keep;
  ARROW_RETURN_NOT_OK(keep.Reserve(batch->num_rows()));
  for (int64_t i = 0; i < batch->num_rows(); ++i) {
    keep.UnsafeAppend(std::all_of(arrays.begin(), arrays.end(),
                                  [&](const auto& array) { return array->IsValid(i); }));
  }
  ARROW_ASSIGN_OR_RAISE(const auto mask, keep.Finish());
  ARROW_ASSIGN_OR_RAISE(const auto kept, arrow::compute::Filter(batch, mask));
  return kept.record_batch();
}

/// History as the snapshot's own scan merges it.
class ScanStream : public HistoryStream {
 public:
  ScanStream(const HistoryRequest& request, std::shared_ptr<arrow::RecordBatchReader> reader)
      : request_(request), reader_(std::move(reader)) {
    must_have_ = request_.primary_key;
    if (!request_.event_time.empty()) must_have_.push_back(request_.event_time);
  }

  Result<std::unique_ptr<HistoryChunk>> Next() override {
    while (true) {
      std::shared_ptr<arrow::RecordBatch> batch;
      ARROW_RETURN_NOT_OK(reader_->ReadNext(&batch));
      if (batch == nullptr) return nullptr;
      ARROW_ASSIGN_OR_RAISE(batch, WithoutNulls(batch, must_have_));
      if (batch->num_rows() == 0) continue;
      auto chunk = std::make_unique<HistoryChunk>();
      chunk->rows = batch->num_rows();
      arrow::ArrayVector keys;
      for (const std::string& key : request_.primary_key) {
        keys.push_back(batch->GetColumnByName(key));
      }
      ARROW_ASSIGN_OR_RAISE(chunk->keys, SortKeys::Encode(keys));
      if (!request_.event_time.empty()) {
        ARROW_ASSIGN_OR_RAISE(chunk->times,
                              EventTimeMicros(*batch->GetColumnByName(request_.event_time)));
      }
      for (const std::string& feature : request_.features) {
        chunk->columns.push_back({.array = batch->GetColumnByName(feature), .plain = nullptr});
      }
      return chunk;
    }
  }

 private:
  const HistoryRequest& request_;
  const std::shared_ptr<arrow::RecordBatchReader> reader_;
  std::vector<std::string> must_have_;
};

class ScanHistory : public History {
 public:
  ScanHistory(Snapshot* snapshot, HistoryRequest request)
      : snapshot_(snapshot), request_(std::move(request)), columns_(request_.primary_key) {
    if (!request_.event_time.empty()) AddOnce(&columns_, request_.event_time);
    for (const std::string& feature : request_.features) AddOnce(&columns_, feature);
  }

  Result<std::unique_ptr<HistoryStream>> Open(const HistoryRange& range) override {
    const ScanOptions scan{.columns = columns_,
                           .start_us = range.start_us,
                           .end_us = range.end_us,
                           .batch_rows = request_.batch_rows};
    ARROW_ASSIGN_OR_RAISE(auto reader, request_.keys == nullptr
                                           ? snapshot_->ScanRange(scan, range.keys)
                                           : snapshot_->Lookup(request_.keys, scan));
    return std::make_unique<ScanStream>(request_, std::move(reader));
  }

 private:
  Snapshot* const snapshot_;
  const HistoryRequest request_;
  std::vector<std::string> columns_;
};

}  // namespace

int64_t HistoryRowBytes(const arrow::Schema& schema, const std::vector<std::string>& columns) {
  int64_t bytes = 0;
  for (const std::string& column : columns) {
    const auto field = schema.GetFieldByName(column);
    if (field == nullptr) continue;
    const auto& type = *field->type();
    bytes += arrow::is_fixed_width(type.id()) && type.id() != arrow::Type::DICTIONARY
                 ? 1 + static_cast<const arrow::FixedWidthType&>(type).bit_width() / 8
                 : kTextBytes;
  }
  return std::max<int64_t>(bytes, 1);
}

Result<int64_t> HeldBytes(Snapshot* group, const std::vector<std::string>& columns) {
  ARROW_ASSIGN_OR_RAISE(const auto files, group->Files());
  std::vector<std::pair<std::string, int>> ends;  // where files begin and end
  int64_t deepest = 1, open = 0, unsorted_rows = 0;
  for (const auto& file : files) {
    if (!file->run) {
      unsorted_rows += file->RowCount().value_or(0);
      continue;
    }
    ends.emplace_back(file->run->low, 0);
    ends.emplace_back(file->run->high, 1);
  }
  std::sort(ends.begin(), ends.end());
  for (const auto& [key, ending] : ends) {
    open += ending == 0 ? 1 : -1;
    deepest = std::max(deepest, open);
  }
  const int64_t rows =
      kRowGroupRows * (deepest == 1 ? 2 : deepest * kTimesMerged) + unsorted_rows * kTimesMerged;
  return rows * HistoryRowBytes(*group->schema(), columns);
}

Result<std::unique_ptr<PlainRows>> History::ReadLater(size_t feature) {
  return Status::UnknownError("feature ", feature, " of a history is not to be read later");
}

Result<std::unique_ptr<History>> History::Make(Snapshot* snapshot, HistoryRequest request) {
  ARROW_ASSIGN_OR_RAISE(auto runs, RunHistory::Make(snapshot, request));
  if (runs != nullptr) return runs;
  return std::make_unique<ScanHistory>(snapshot, std::move(request));
}

}  // namespace tercet
