#include "training/engine_rows.h"

#include <algorithm>
#include <string_view>

#include <arrow/array.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>

#include "training/table_store.h"

namespace tercet {
namespace {

Result<std::shared_ptr<arrow::Table>> TableOf(const std::shared_ptr<arrow::Buffer>& ipc) {
  ARROW_ASSIGN_OR_RAISE(const auto reader, arrow::ipc::RecordBatchStreamReader::Open(
                                               std::make_shared<arrow::io::BufferReader>(ipc)));
  ARROW_ASSIGN_OR_RAISE(auto table, reader->ToTable());
  ARROW_RETURN_NOT_OK(table->ValidateFull());
  return table;
}

}  // namespace

Result<std::optional<EngineRows::Message>> EngineRows::NextMessage() {
  while (batch_ == nullptr || at_ == batch_->num_rows()) {
    ARROW_ASSIGN_OR_RAISE(batch_, messages_->Next());
    if (batch_ == nullptr) return std::nullopt;
    at_ = 0;
  }
  const auto of = std::dynamic_pointer_cast<arrow::Int8Array>(batch_->GetColumnByName("of"));
  const auto ipc = std::dynamic_pointer_cast<arrow::BinaryArray>(batch_->GetColumnByName("ipc"));
  if (of == nullptr || ipc == nullptr || of->null_count() + ipc->null_count() > 0 ||
      of->Value(at_) < 0 || of->Value(at_) > 1) {
    return Status::TypeError(
        "rows of an engine come as messages with the columns \"of\", int8, 0 for the spine and 1 "
        "for rows, and \"ipc\", binary; these are ",
        batch_->schema()->ToString());
  }
  Message message{.of = static_cast<Of>(of->Value(at_)), .rows = nullptr};
  // A message shares the batch's memory, which may lie at any address.
  const std::string_view bytes = ipc->GetView(at_++);
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> aligned,
                        arrow::AllocateBuffer(static_cast<int64_t>(bytes.size())));
  std::copy(bytes.begin(), bytes.end(), reinterpret_cast<char*>(aligned->mutable_data()));
  auto rows = TableOf(aligned);
  if (!rows.ok()) return Explain(rows.status(), "a message with rows of an engine");
  message.rows = *std::move(rows);
  return message;
}

Result<std::unique_ptr<EngineRows>> EngineRows::Open(
    std::shared_ptr<arrow::RecordBatchReader> messages, const std::string& folder) {
  std::unique_ptr<EngineRows> rows(new EngineRows(std::move(messages)));
  std::unique_ptr<ScratchTable> spine;
  std::shared_ptr<arrow::Schema> schema;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(std::optional<Message> message, rows->NextMessage());
    if (!message || message->of == Of::kRows) {
      rows->waiting_ = std::move(message);
      break;
    }
    if (spine == nullptr) {
      schema = message->rows->schema()->RemoveMetadata();
      ARROW_ASSIGN_OR_RAISE(spine, ScratchTable::Make(folder, schema));
    }
    if (!message->rows->schema()->Equals(*schema, /*check_metadata=*/false)) {
      return Status::TypeError("the rows of a spine have different columns: ", schema->ToString(),
                               ", then ", message->rows->schema()->ToString());
    }
    ARROW_RETURN_NOT_OK(spine->Append(*message->rows->ReplaceSchemaMetadata(nullptr)));
  }
  if (spine != nullptr) {
    ARROW_ASSIGN_OR_RAISE(rows->spine_, spine->Finish());
  }
  return rows;
}

Result<std::optional<ViewRows>> EngineRows::Next(const ViewProgram& program) {
  std::optional<Message> message = std::move(waiting_);
  waiting_.reset();
  if (!message) {
    ARROW_ASSIGN_OR_RAISE(message, NextMessage());
  }
  if (!message) {
    if (any_) return std::nullopt;
    ARROW_ASSIGN_OR_RAISE(const auto none, arrow::RecordBatch::MakeEmpty(program.rows_schema()));
    any_ = true;
    return program.AsRead(*none);
  }
  if (message->of == Of::kSpine) return Status::Invalid("a spine's rows come after the view's");
  ARROW_ASSIGN_OR_RAISE(const auto batch, message->rows->CombineChunksToBatch());
  any_ = true;
  return program.AsRead(*batch);
}

}  // namespace tercet
