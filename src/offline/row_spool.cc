#include "offline/row_spool.h"

#include <algorithm>
#include <span>

#include <arrow/table.h>
#include <arrow/util/byte_size.h>

#include "base/interrupt.h"
#include "offline/aligned_rows.h"
#include "offline/position_columns.h"

namespace tercet {
namespace {

using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

/// What sorting a row takes beside it: its key and time, two entries of the sort, its number.
constexpr int64_t kSortBytes = 56;
/// A piece is at most this many rows, which 32 bits count.
constexpr int64_t kMostPieceRows = int64_t{1} << 30;
/// Rows of one batch of Stream where all are in memory.
constexpr int64_t kBatchRows = 65536;

/// Batches that are gathered until they are as many as can be sorted in memory.
class Piece {
 public:
  explicit Piece(int64_t memory_limit_bytes) : most_bytes_(memory_limit_bytes / 4 * 3) {}

  /// How many more rows of this width there is room for. A single batch is sorted as it is; rows of
  /// several are held as they came and once more together.
  int64_t Room(int64_t row_bytes) const {
    const int64_t copies = batches_.empty() ? 1 : 2;
    const int64_t left = most_bytes_ - copies * bytes_ - rows_ * kSortBytes;
    return std::clamp<int64_t>(left / (copies * row_bytes + kSortBytes), 0,
                               kMostPieceRows - rows_);
  }
  void Add(BatchPtr batch, int64_t row_bytes) {
    bytes_ += batch->num_rows() * row_bytes;
    rows_ += batch->num_rows();
    batches_.push_back(std::move(batch));
  }
  bool empty() const { return batches_.empty(); }
  Result<BatchPtr> Take(const std::shared_ptr<arrow::Schema>& schema) {
    const std::vector<BatchPtr> batches = std::move(batches_);
    batches_.clear();
    bytes_ = rows_ = 0;
    if (batches.empty()) return arrow::RecordBatch::MakeEmpty(schema);
    if (batches.size() == 1) return batches[0];
    return arrow::ConcatenateRecordBatches(batches);
  }

 private:
  const int64_t most_bytes_;
  int64_t bytes_ = 0, rows_ = 0;
  std::vector<BatchPtr> batches_;
};

/// Rows in memory, batch by batch.
class MemoryStream : public RowStream {
 public:
  MemoryStream(const RowsToWrite* rows, const TableOptions* options)
      : rows_(rows), options_(options) {}

  Result<std::optional<KeyedRows>> Next() override {
    const int64_t count = std::min(kBatchRows, rows_->rows->num_rows() - begin_);
    if (count <= 0) return std::nullopt;
    KeyedRows batch{.rows = rows_->rows->Slice(begin_, count), .keys = {}};
    if (!rows_->order.order.empty()) {
      const std::span<const uint32_t> order(rows_->order.order);
      ARROW_ASSIGN_OR_RAISE(batch.rows,
                            GatherRows(*rows_->rows, order.subspan(static_cast<size_t>(begin_),
                                                                   static_cast<size_t>(count))));
    }
    ARROW_ASSIGN_OR_RAISE(batch.keys, RowKeys::Of(*batch.rows, *options_));
    begin_ += count;
    return batch;
  }

 private:
  const RowsToWrite* const rows_;
  const TableOptions* const options_;
  int64_t begin_ = 0;
};

}  // namespace

const std::shared_ptr<arrow::Schema>& RowSpool::schema() const {
  return spilled_ ? spilled_->schema() : rows_.rows->schema();
}

Result<std::shared_ptr<RowSpool>> RowSpool::Of(BatchPtr rows, const TableOptions& options) {
  auto spool = std::make_shared<RowSpool>();
  spool->options_ = options;
  ARROW_ASSIGN_OR_RAISE(spool->rows_, RowsToWrite::Make(std::move(rows), options));
  return spool;
}

Result<std::shared_ptr<RowSpool>> RowSpool::Fill(arrow::RecordBatchReader* rows,
                                                 const arrow::Schema& schema,
                                                 const TableOptions& options,
                                                 const ColumnDefaults& defaults,
                                                 int64_t memory_limit_bytes,
                                                 const std::string& folder) {
  ARROW_ASSIGN_OR_RAISE(const RowAligner aligner,
                        RowAligner::Make(*rows->schema(), schema, defaults));
  Piece piece(memory_limit_bytes);
  std::shared_ptr<SpilledRuns> spilled;
  const auto spill = [&]() -> Status {
    if (spilled == nullptr) {
      spilled =
          std::make_shared<SpilledRuns>(aligner.schema(), options, folder, memory_limit_bytes);
    }
    ARROW_ASSIGN_OR_RAISE(BatchPtr together, piece.Take(aligner.schema()));
    ARROW_ASSIGN_OR_RAISE(const RowsToWrite sorted,
                          RowsToWrite::Make(std::move(together), options));
    return spilled->Add(sorted);
  };
  while (true) {
    BatchPtr batch;
    ARROW_RETURN_NOT_OK(CheckInterrupt());
    ARROW_RETURN_NOT_OK(rows->ReadNext(&batch));
    if (batch == nullptr) break;
    const int64_t n = batch->num_rows();
    if (n == 0) continue;
    ARROW_ASSIGN_OR_RAISE(const int64_t bytes, arrow::util::ReferencedBufferSize(*batch));
    const int64_t row_bytes = bytes / n + 1;
    for (int64_t begin = 0; begin < n;) {
      int64_t room = piece.Room(row_bytes);
      if (room == 0 && !piece.empty()) {
        ARROW_RETURN_NOT_OK(spill());
        continue;
      }
      room = std::min(std::max<int64_t>(room, 1), n - begin);
      const BatchPtr part = room == n ? batch : batch->Slice(begin, room);
      ARROW_ASSIGN_OR_RAISE(BatchPtr aligned, aligner.Align(*part));
      // Categories become their values, which are longer.
      ARROW_ASSIGN_OR_RAISE(const int64_t held, arrow::util::ReferencedBufferSize(*aligned));
      piece.Add(std::move(aligned), std::max(row_bytes, held / room + 1));
      begin += room;
    }
  }
  if (spilled == nullptr) {
    ARROW_ASSIGN_OR_RAISE(BatchPtr together, piece.Take(aligner.schema()));
    return Of(std::move(together), options);
  }
  if (!piece.empty()) ARROW_RETURN_NOT_OK(spill());
  auto spool = std::make_shared<RowSpool>();
  spool->options_ = options;
  spool->spilled_ = std::move(spilled);
  return spool;
}

Result<std::unique_ptr<RowStream>> RowSpool::Stream(bool only_last) const {
  if (spilled_ != nullptr) {
    return SpilledRuns::Merge(spilled_, schema()->field_names(), only_last);
  }
  return std::make_unique<MemoryStream>(&rows_, &options_);
}

Result<BatchPtr> RowSpool::Duplicate() const {
  const std::vector<std::string> names = PositionColumns(options_);
  if (spilled_ == nullptr) {
    if (rows_.order.unique) return nullptr;
    const BatchPtr row = rows_.rows->Slice(rows_.order.duplicate, 1);
    std::vector<int> columns;
    for (const std::string& name : names) columns.push_back(row->schema()->GetFieldIndex(name));
    return row->SelectColumns(columns);
  }
  ARROW_ASSIGN_OR_RAISE(const auto keys, SpilledRuns::Merge(spilled_, names, false));
  std::string before;
  bool first = true;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const std::optional<KeyedRows> next, keys->Next());
    if (!next) return nullptr;
    const RowKeys& positions = next->keys;
    if (!first && positions.Position(0) == before) return next->rows->Slice(0, 1);
    for (int64_t i = 1; i < positions.size(); ++i) {
      if (positions.Compare(i - 1, positions, i) == 0) return next->rows->Slice(i, 1);
    }
    before = positions.Position(positions.size() - 1);
    first = false;
  }
}

}  // namespace tercet
