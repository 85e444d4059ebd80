#include "base/batch_bytes.h"

#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <arrow/ipc/writer.h>

namespace tercet {

Result<std::shared_ptr<arrow::Buffer>> WriteBatch(const arrow::RecordBatch& batch) {
  ARROW_ASSIGN_OR_RAISE(const auto stream, arrow::io::BufferOutputStream::Create(1024));
  ARROW_ASSIGN_OR_RAISE(const auto writer, arrow::ipc::MakeStreamWriter(stream, batch.schema()));
  ARROW_RETURN_NOT_OK(writer->WriteRecordBatch(batch));
  ARROW_RETURN_NOT_OK(writer->Close());
  return stream->Finish();
}

Result<std::shared_ptr<arrow::RecordBatch>> ReadBatch(arrow::io::InputStream* input) {
  arrow::ipc::IpcReadOptions options = arrow::ipc::IpcReadOptions::Defaults();
  options.ensure_alignment = arrow::ipc::Alignment::kDataTypeSpecificAlignment;
  ARROW_ASSIGN_OR_RAISE(const auto reader,
                        arrow::ipc::RecordBatchStreamReader::Open(input, options));
  ARROW_ASSIGN_OR_RAISE(auto batch, reader->Next());
  if (batch == nullptr) return Status::Invalid("an Arrow stream without a batch");
  ARROW_ASSIGN_OR_RAISE(const auto more, reader->Next());
  if (more != nullptr) return Status::Invalid("an Arrow stream of more than one batch");
  return batch;
}

Result<std::shared_ptr<arrow::RecordBatch>> ReadBatch(const std::shared_ptr<arrow::Buffer>& bytes) {
  arrow::io::BufferReader input(bytes);
  return ReadBatch(&input);
}

}  // namespace tercet
