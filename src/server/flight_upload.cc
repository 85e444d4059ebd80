#include "server/flight_upload.h"

#include <arrow/util/align_util.h>

namespace tercet {
namespace {

class UploadReader : public arrow::RecordBatchReader {
 public:
  UploadReader(std::shared_ptr<arrow::flight::FlightMessageReader> messages,
               std::shared_ptr<arrow::Schema> schema, bool needs_end)
      : messages_(std::move(messages)), schema_(std::move(schema)), needs_end_(needs_end) {}

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    *batch = nullptr;
    while (!ended_) {
      ARROW_ASSIGN_OR_RAISE(const arrow::flight::FlightStreamChunk chunk, messages_->Next());
      if (chunk.data != nullptr) {
        ARROW_RETURN_NOT_OK(chunk.data->ValidateFull());
        // Values lie in the message as it came, at any address.
        ARROW_ASSIGN_OR_RAISE(*batch, arrow::util::EnsureAlignment(
                                          chunk.data, arrow::util::kValueAlignment,
                                          arrow::default_memory_pool()));
        return Status::OK();
      }
      if (chunk.app_metadata == nullptr) {
        if (needs_end_) {
          return Status::Cancelled("the upload broke off before its end; nothing was done");
        }
        ended_ = true;
      } else {
        ended_ = chunk.app_metadata->ToString() == kUploadEnd;
      }
    }
    return Status::OK();
  }

 private:
  const std::shared_ptr<arrow::flight::FlightMessageReader> messages_;
  const std::shared_ptr<arrow::Schema> schema_;
  const bool needs_end_;
  bool ended_ = false;
};

}  // namespace

Result<RecordBatchReader> ReadUpload(std::shared_ptr<arrow::flight::FlightMessageReader> messages,
                                     bool needs_end) {
  ARROW_ASSIGN_OR_RAISE(auto schema, messages->GetSchema());
  return std::make_shared<UploadReader>(std::move(messages), std::move(schema), needs_end);
}

Status DrainUpload(arrow::flight::FlightMessageReader* messages) {
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const arrow::flight::FlightStreamChunk chunk, messages->Next());
    if (chunk.data == nullptr && chunk.app_metadata == nullptr) return Status::OK();
  }
}

}  // namespace tercet
