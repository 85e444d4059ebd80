#include "offline/spilled_runs.h"

#include <algorithm>
#include <span>

#include <arrow/array/concatenate.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/writer.h>
#include <arrow/util/byte_size.h>

#include "offline/position_columns.h"
#include "offline/scratch_file.h"

namespace tercet {
namespace {

using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

/// Of the memory of a merge a batch of one run is this share: there are mostly a few dozen runs.
constexpr int64_t kBatchShare = 256;
constexpr int64_t kLeastBatchRows = 64;
constexpr int64_t kMostBatchRows = 65536;
/// Rows that are given out at once, in batches of a run.
constexpr int64_t kOutputBatches = 4;

Result<int64_t> RowBytes(const arrow::RecordBatch& rows) {
  ARROW_ASSIGN_OR_RAISE(const int64_t bytes, arrow::util::ReferencedBufferSize(rows));
  return bytes / std::max<int64_t>(rows.num_rows(), 1) + 1;
}

}  // namespace

/// Writes one run.
class SpilledRuns::RunWriter {
 public:
  static Result<std::unique_ptr<RunWriter>> Make(const std::string& folder,
                                                 const std::shared_ptr<arrow::Schema>& schema) {
    auto writer = std::make_unique<RunWriter>();
    ARROW_ASSIGN_OR_RAISE(writer->file_, ScratchFile::Make(folder));
    ARROW_ASSIGN_OR_RAISE(writer->writer_,
                          arrow::ipc::MakeFileWriter(writer->file_->sink(), schema));
    return writer;
  }
  Status Write(const arrow::RecordBatch& batch) { return writer_->WriteRecordBatch(batch); }
  Result<Run> Finish() {
    ARROW_RETURN_NOT_OK(writer_->Close());
    ARROW_ASSIGN_OR_RAISE(const auto bytes, file_->Map());
    Run run;
    ARROW_ASSIGN_OR_RAISE(run.batches, arrow::ipc::RecordBatchFileReader::Open(
                                           std::make_shared<arrow::io::BufferReader>(bytes)));
    return run;
  }

 private:
  std::unique_ptr<ScratchFile> file_;
  std::shared_ptr<arrow::ipc::RecordBatchWriter> writer_;
};

SpilledRuns::SpilledRuns(std::shared_ptr<arrow::Schema> schema, TableOptions options,
                         std::string folder, int64_t memory_bytes)
    : schema_(std::move(schema)),
      options_(std::move(options)),
      folder_(std::move(folder)),
      memory_bytes_(memory_bytes) {}

SpilledRuns::~SpilledRuns() = default;

int64_t SpilledRuns::BatchRows(int64_t row_bytes) const {
  return std::clamp(memory_bytes_ / kBatchShare / row_bytes, kLeastBatchRows, kMostBatchRows);
}

Status SpilledRuns::Add(const RowsToWrite& rows) {
  const int64_t n = rows.rows->num_rows();
  if (n == 0) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(const int64_t row_bytes, RowBytes(*rows.rows));
  const int64_t batch_rows = BatchRows(row_bytes);
  const std::span<const uint32_t> order(rows.order.order);
  const auto row = [&](int64_t i) { return order.empty() ? i : order[static_cast<size_t>(i)]; };
  ARROW_ASSIGN_OR_RAISE(const auto writer, RunWriter::Make(folder_, schema_));
  for (int64_t begin = 0; begin < n;) {
    int64_t end = std::min(begin + batch_rows, n);
    // Rows of one position stay together: a merge takes batches up to a position.
    while (end < n && rows.keys.Compare(row(end - 1), rows.keys, row(end)) == 0) ++end;
    BatchPtr batch = rows.rows->Slice(begin, end - begin);
    if (!order.empty()) {
      ARROW_ASSIGN_OR_RAISE(batch, GatherRows(*rows.rows,
                                              order.subspan(static_cast<size_t>(begin),
                                                            static_cast<size_t>(end - begin))));
    }
    ARROW_RETURN_NOT_OK(writer->Write(*batch));
    begin = end;
  }
  ARROW_ASSIGN_OR_RAISE(Run run, writer->Finish());
  runs_.push_back(std::move(run));
  row_count_ += n;
  return Status::OK();
}

Status SpilledRuns::Add(RowStream* rows) {
  ARROW_ASSIGN_OR_RAISE(const auto writer, RunWriter::Make(folder_, schema_));
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const std::optional<KeyedRows> next, rows->Next());
    if (!next) break;
    ARROW_ASSIGN_OR_RAISE(const int64_t row_bytes, RowBytes(*next->rows));
    const int64_t batch_rows = BatchRows(row_bytes);
    for (int64_t begin = 0; begin < next->rows->num_rows(); begin += batch_rows) {
      ARROW_RETURN_NOT_OK(writer->Write(*next->rows->Slice(begin, batch_rows)));
    }
    row_count_ += next->rows->num_rows();
  }
  ARROW_ASSIGN_OR_RAISE(Run run, writer->Finish());
  runs_.push_back(std::move(run));
  return Status::OK();
}

/// Windows as in the merge of a table's files; there are more runs here, and their rows lie in any
/// order between each other, so a window's rows are sorted together.
class SpilledRuns::MergeStream : public RowStream {
 public:
  MergeStream(std::shared_ptr<const SpilledRuns> runs, std::vector<int> columns, bool only_last)
      : runs_(std::move(runs)), columns_(std::move(columns)), only_last_(only_last) {
    arrow::FieldVector fields;
    for (const int column : columns_) fields.push_back(runs_->schema_->field(column));
    schema_ = arrow::schema(std::move(fields));
    for (const Run& run : runs_->runs_) inputs_.push_back({.run = &run});
  }

  Result<std::optional<KeyedRows>> Next() override {
    if (next_slice_ == slices_.size()) {
      ARROW_RETURN_NOT_OK(FillWindow());
      if (slices_.empty()) return std::nullopt;
    }
    // As many of the window's rows as make a batch.
    size_t end = next_slice_;
    int64_t rows = 0;
    while (end < slices_.size() && rows < output_rows_) rows += slices_[end++].count;
    std::vector<const SourceRows*> sources;
    for (const SourceRows& source : sources_) sources.push_back(&source);
    KeyedRows batch;
    ARROW_ASSIGN_OR_RAISE(
        batch.rows, GatherSlices(schema_, sources,
                                 std::span(slices_).subspan(next_slice_, end - next_slice_)));
    ARROW_ASSIGN_OR_RAISE(batch.keys, RowKeys::Of(*batch.rows, runs_->options_));
    next_slice_ = end;
    return batch;
  }

 private:
  struct Input {
    const Run* run = nullptr;
    int next = 0;  ///< batch
    BatchPtr rows = nullptr;
    RowKeys keys = {};
    int64_t begin = 0;

    int64_t last() const { return rows->num_rows() - 1; }
    bool at_end() const { return run == nullptr; }
  };

  Status Refill() {
    for (Input& input : inputs_) {
      while (!input.at_end() && (input.rows == nullptr || input.begin > input.last())) {
        if (input.next == input.run->batches->num_record_batches()) {
          input = Input();
          break;
        }
        ARROW_ASSIGN_OR_RAISE(input.rows, input.run->batches->ReadRecordBatch(input.next++));
        ARROW_ASSIGN_OR_RAISE(input.keys, RowKeys::Of(*input.rows, runs_->options_));
        input.begin = 0;
      }
    }
    std::erase_if(inputs_, [](const Input& input) { return input.at_end(); });
    return Status::OK();
  }

  /// All buffered rows up to the least of the batches' last positions, in their order.
  Status FillWindow() {
    slices_.clear();
    next_slice_ = 0;
    ARROW_RETURN_NOT_OK(Refill());
    if (inputs_.empty()) return Status::OK();
    const Input* bound = &inputs_.front();
    for (const Input& input : inputs_) {
      if (input.keys.Compare(input.last(), bound->keys, bound->last()) < 0) bound = &input;
    }
    const std::vector<std::string> key_columns = PositionColumns(runs_->options_);
    std::vector<arrow::ArrayVector> keys(key_columns.size());
    std::vector<RowSlice> parts;
    sources_.clear();
    output_rows_ = 0;
    int64_t rows = 0;
    std::vector<int64_t> ends;  // what `begin` becomes; the bound is one of the inputs
    for (const Input& input : inputs_) {
      const int64_t end = input.keys.Seek(input.begin, bound->keys, bound->last(), false);
      ends.push_back(end);
      output_rows_ = std::max(output_rows_, input.rows->num_rows() * kOutputBatches);
      if (end == input.begin) continue;
      parts.push_back({static_cast<uint32_t>(sources_.size()), static_cast<uint32_t>(input.begin),
                       static_cast<uint32_t>(end - input.begin)});
      SourceRows& source = sources_.emplace_back();
      for (const int column : columns_) {
        source.columns.push_back({input.rows->column(column), nullptr});
      }
      for (size_t k = 0; k < key_columns.size(); ++k) {
        keys[k].push_back(input.rows->GetColumnByName(key_columns[k])
                              ->Slice(input.begin, end - input.begin));
      }
      rows += end - input.begin;
    }
    for (size_t i = 0; i < inputs_.size(); ++i) inputs_[i].begin = ends[i];
    return PutInOrder(parts, keys, key_columns, rows);
  }

  Status PutInOrder(const std::vector<RowSlice>& parts,
                    const std::vector<arrow::ArrayVector>& keys,
                    const std::vector<std::string>& key_columns, int64_t rows) {
    if (parts.size() == 1) {
      slices_.push_back(parts[0]);
      return Status::OK();
    }
    arrow::ArrayVector columns;
    arrow::FieldVector fields;
    for (size_t k = 0; k < keys.size(); ++k) {
      ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), arrow::Concatenate(keys[k]));
      fields.push_back(arrow::field(key_columns[k], columns.back()->type()));
    }
    const auto together =
        arrow::RecordBatch::Make(arrow::schema(std::move(fields)), rows, std::move(columns));
    ARROW_ASSIGN_OR_RAISE(const RowKeys positions, RowKeys::Of(*together, runs_->options_));
    const RowOrder order = SortRows(positions);  // stable: earlier runs first
    // Row of the concatenation → part and row of its batch.
    std::vector<int64_t> begins;
    int64_t sum = 0;
    for (const RowSlice& part : parts) {
      begins.push_back(sum);
      sum += part.count;
    }
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t row = order.order.empty() ? i : order.order[static_cast<size_t>(i)];
      if (only_last_ && !order.unique && i + 1 < rows) {
        const int64_t next = order.order.empty() ? i + 1 : order.order[static_cast<size_t>(i + 1)];
        if (positions.Compare(row, positions, next) == 0) continue;
      }
      const auto part = static_cast<size_t>(
          std::upper_bound(begins.begin(), begins.end(), row) - begins.begin() - 1);
      const auto place = static_cast<uint32_t>(parts[part].begin + (row - begins[part]));
      if (!slices_.empty()) {
        RowSlice& last = slices_.back();
        if (last.source == parts[part].source && last.begin + last.count == place) {
          ++last.count;
          continue;
        }
      }
      slices_.push_back({parts[part].source, place, 1});
    }
    return Status::OK();
  }

  const std::shared_ptr<const SpilledRuns> runs_;
  const std::vector<int> columns_;
  const bool only_last_;
  std::shared_ptr<arrow::Schema> schema_;
  std::vector<Input> inputs_;
  std::vector<SourceRows> sources_;  ///< of the window
  std::vector<RowSlice> slices_;     ///< the window's rows in order
  size_t next_slice_ = 0;
  int64_t output_rows_ = 0;
};

Result<std::unique_ptr<RowStream>> SpilledRuns::Merge(std::shared_ptr<const SpilledRuns> runs,
                                                      const std::vector<std::string>& columns,
                                                      bool only_last) {
  std::vector<int> indices;
  for (const std::string& name : columns) {
    indices.push_back(runs->schema_->GetFieldIndex(name));
    if (indices.back() < 0) return Status::KeyError("no column '", name, "'");
  }
  return std::make_unique<MergeStream>(std::move(runs), std::move(indices), only_last);
}

}  // namespace tercet
