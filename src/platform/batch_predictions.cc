#include "platform/batch_predictions.h"

#include <filesystem>
#include <memory>

#include "training/row_files.h"

namespace tercet {

Result<BatchWritten> BatchPredictions::ToFile(const BatchRequest& request, const BatchFile& file,
                                              const Progress& progress) {
  RowFileOptions options{.format = file.format, .compression = file.compression};
  if (options.format.empty()) {
    const std::string ending = std::filesystem::path(file.path).extension().string();
    options.format = ending.empty() ? "parquet" : ending.substr(1);
  }
  // Before anything is predicted.
  ARROW_RETURN_NOT_OK(CheckRowFileOptions(options));
  std::unique_ptr<RowFileWriter> writer;
  BatchWritten written;
  ARROW_RETURN_NOT_OK(ToEach(request, progress, [&](const Frame& piece) -> Status {
    if (writer == nullptr) {
      ARROW_ASSIGN_OR_RAISE(writer, RowFileWriter::Open(file.path, piece->schema(), options));
    }
    written.rows += piece->num_rows();
    return writer->Write(*piece);
  }));
  if (writer == nullptr) return Status::IOError("batch predictions broke off");
  ARROW_ASSIGN_OR_RAISE(written.bytes, writer->Publish());
  return written;
}

Status CheckStartable(const BatchRequest& request) {
  if (request.spine == nullptr) return Status::OK();
  return Status::Invalid("batch predictions of a spine are waited for; begun without waiting are "
                         "those of the view's rows in a time range");
}

}  // namespace tercet
