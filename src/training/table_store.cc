#include "training/table_store.h"

#include <algorithm>
#include <vector>

#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>

#include "base/parallel.h"

namespace tercet {

using TablePtr = std::shared_ptr<arrow::Table>;

Result<std::unique_ptr<ScratchTable>> ScratchTable::Make(
    const std::string& folder, const std::shared_ptr<arrow::Schema>& schema) {
  auto table = std::make_unique<ScratchTable>();
  table->schema_ = schema;
  ARROW_ASSIGN_OR_RAISE(table->file_, ScratchFile::Make(folder));
  ARROW_ASSIGN_OR_RAISE(table->writer_, arrow::ipc::MakeFileWriter(table->file_->sink(), schema));
  return table;
}

Status ScratchTable::Append(const arrow::Table& rows) {
  return writer_->WriteTable(rows, kStoredRows);
}

Result<TablePtr> ScratchTable::Finish() {
  ARROW_RETURN_NOT_OK(writer_->Close());
  ARROW_ASSIGN_OR_RAISE(const auto bytes, file_->Map());
  ARROW_ASSIGN_OR_RAISE(const auto reader, arrow::ipc::RecordBatchFileReader::Open(
                                               std::make_shared<arrow::io::BufferReader>(bytes)));
  ARROW_ASSIGN_OR_RAISE(const auto batches, reader->ToRecordBatches());
  return arrow::Table::FromRecordBatches(schema_, batches);
}

Result<TablePtr> StoreSlices(const TableStore& store, const TablePtr& rows,
                             const std::function<Result<TablePtr>(const TablePtr& slice)>& make) {
  const auto slice_of = [&](int64_t begin) -> Result<TablePtr> {
    return rows->Slice(begin, kStoredRows)->CombineChunks();
  };
  std::unique_ptr<ScratchTable> scratch;
  const int64_t at_once = kStoredRows * ThreadCount();
  // At least one slice, for the columns.
  for (int64_t first = 0; first == 0 || first < rows->num_rows(); first += at_once) {
    const int64_t end = std::min(first + at_once, rows->num_rows());
    std::vector<TablePtr> made(
        static_cast<size_t>(std::max<int64_t>(1, (end - first + kStoredRows - 1) / kStoredRows)));
    ARROW_RETURN_NOT_OK(ParallelFor(static_cast<int64_t>(made.size()), [&](int64_t i) -> Status {
      ARROW_ASSIGN_OR_RAISE(const TablePtr slice, slice_of(first + i * kStoredRows));
      return make(slice).Value(&made[static_cast<size_t>(i)]);
    }));
    if (scratch == nullptr) {
      ARROW_ASSIGN_OR_RAISE(scratch, ScratchTable::Make(store.folder(), made[0]->schema()));
    }
    for (const TablePtr& table : made) ARROW_RETURN_NOT_OK(scratch->Append(*table));
  }
  return scratch->Finish();
}

}  // namespace tercet
