#include "training/row_files.h"

#include <algorithm>
#include <map>

#include <arrow/csv/api.h>
#include <arrow/io/file.h>
#include <arrow/ipc/api.h>
#include <arrow/table.h>
#include <arrow/util/byte_size.h>
#include <parquet/arrow/writer.h>
#include <parquet/exception.h>

#include "base/name.h"
#include "base/short_text.h"
#include "training/tfrecord.h"

namespace tercet {

/// Somewhere to write one batch after another.
class RowFile {
 public:
  virtual ~RowFile() = default;
  virtual Status Write(const std::shared_ptr<arrow::RecordBatch>& batch) = 0;
  virtual Status Close() = 0;
};

namespace {

using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

/// A Parquet row group is complete with so many rows, or so many bytes.
constexpr int64_t kGroupRows = 1 << 20;
constexpr int64_t kGroupBytes = 64 << 20;

class ParquetRows : public RowFile {
 public:
  static Result<std::unique_ptr<RowFile>> Open(
      std::shared_ptr<arrow::io::OutputStream> sink, const arrow::Schema& schema,
      std::shared_ptr<parquet::WriterProperties> properties =
          parquet::default_writer_properties()) {
    auto file = std::make_unique<ParquetRows>();
    ARROW_ASSIGN_OR_RAISE(file->writer_,
                          parquet::arrow::FileWriter::Open(
                              schema, arrow::default_memory_pool(), std::move(sink),
                              std::move(properties),
                              parquet::ArrowWriterProperties::Builder().store_schema()->build()));
    return file;
  }

  Status Write(const BatchPtr& batch) override {
    ARROW_ASSIGN_OR_RAISE(const int64_t bytes, arrow::util::ReferencedBufferSize(*batch));
    for (int64_t row = 0; row < batch->num_rows();) {
      const int64_t count = std::min(kGroupRows - rows_, batch->num_rows() - row);
      batches_.push_back(batch->Slice(row, count));
      rows_ += count;
      row += count;
      if (rows_ == kGroupRows) ARROW_RETURN_NOT_OK(WriteGroup());
    }
    bytes_ += bytes;
    return bytes_ >= kGroupBytes ? WriteGroup() : Status::OK();
  }
  Status Close() override {
    ARROW_RETURN_NOT_OK(WriteGroup());
    return writer_->Close();
  }

 private:
  Status WriteGroup() {
    bytes_ = 0;
    if (rows_ == 0) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(const auto table, arrow::Table::FromRecordBatches(batches_));
    batches_.clear();
    ARROW_RETURN_NOT_OK(writer_->WriteTable(*table, rows_));
    rows_ = 0;
    return Status::OK();
  }

  std::unique_ptr<parquet::arrow::FileWriter> writer_;
  std::vector<BatchPtr> batches_;
  int64_t rows_ = 0, bytes_ = 0;
};

/// An Arrow or CSV file.
class BatchRows : public RowFile {
 public:
  explicit BatchRows(std::shared_ptr<arrow::ipc::RecordBatchWriter> writer)
      : writer_(std::move(writer)) {}
  Status Write(const BatchPtr& batch) override { return writer_->WriteRecordBatch(*batch); }
  Status Close() override { return writer_->Close(); }

 private:
  const std::shared_ptr<arrow::ipc::RecordBatchWriter> writer_;
};

class TfRecordRows : public RowFile {
 public:
  explicit TfRecordRows(std::shared_ptr<arrow::io::OutputStream> sink) : sink_(std::move(sink)) {}
  Status Write(const BatchPtr& batch) override {
    ARROW_ASSIGN_OR_RAISE(const auto table, arrow::Table::FromRecordBatches({batch}));
    return WriteTfRecords(*table, sink_.get());
  }
  Status Close() override { return Status::OK(); }

 private:
  const std::shared_ptr<arrow::io::OutputStream> sink_;
};

Result<std::unique_ptr<RowFile>> OpenRows(const std::shared_ptr<arrow::io::OutputStream>& sink,
                                          const std::shared_ptr<arrow::Schema>& schema,
                                          const std::string& format) {
  if (format == "parquet") return ParquetRows::Open(sink, *schema);
  if (format == "tfrecord") return std::make_unique<TfRecordRows>(sink);
  std::shared_ptr<arrow::ipc::RecordBatchWriter> writer;
  if (format == "arrow") {
    ARROW_ASSIGN_OR_RAISE(writer, arrow::ipc::MakeFileWriter(sink, schema));
  } else {
    for (const auto& field : schema->fields()) {
      if (!arrow::is_nested(field->type()->id())) continue;
      return Status::TypeError("column '", field->name(), "' of type ", field->type()->ToString(),
                               " has no form in CSV; write Parquet or Arrow instead");
    }
    ARROW_ASSIGN_OR_RAISE(writer, arrow::csv::MakeCSVWriter(sink, schema));
  }
  return std::make_unique<BatchRows>(std::move(writer));
}

Result<parquet::Compression::type> CompressionOf(const RowFileOptions& options) {
  const std::map<std::string, parquet::Compression::type> kinds = {
      {"", parquet::Compression::ZSTD},         {"zstd", parquet::Compression::ZSTD},
      {"snappy", parquet::Compression::SNAPPY}, {"lz4", parquet::Compression::LZ4},
      {"gzip", parquet::Compression::GZIP},     {"none", parquet::Compression::UNCOMPRESSED}};
  const auto found = kinds.find(options.compression);
  if (found == kinds.end()) {
    return Status::Invalid("there is no compression '", ShortText(options.compression, 40), "'",
                           Suggest(options.compression,
                                   {"zstd", "snappy", "lz4", "gzip", "none"}));
  }
  if (!options.compression.empty() && options.format != "parquet") {
    return Status::Invalid("a ", options.format, " file has no compression; leave it out");
  }
  return found->second;
}

Result<std::shared_ptr<parquet::WriterProperties>> PropertiesOf(const arrow::Schema& schema,
                                                                const RowFileOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const auto compression, CompressionOf(options));
  parquet::WriterProperties::Builder builder;
  builder.compression(compression);
  for (const auto& field : schema.fields()) {
    if (arrow::is_fixed_width(*field->type())) builder.disable_dictionary(field->name());
  }
  return builder.build();
}

}  // namespace

Status CheckRowFormat(const std::string& format) {
  const std::vector<std::string> formats = {"parquet", "arrow", "csv", "tfrecord"};
  if (std::find(formats.begin(), formats.end(), format) != formats.end()) return Status::OK();
  return Status::Invalid("there is no format '", format, "' of row files",
                         Suggest(format, formats));
}

Status WriteRows(arrow::RecordBatchReader* rows, const std::string& format,
                 const std::string& name, const std::string& path) {
  const auto written = [&]() -> Status {
    ARROW_ASSIGN_OR_RAISE(const auto sink, arrow::io::FileOutputStream::Open(name));
    try {
      ARROW_ASSIGN_OR_RAISE(const auto file, OpenRows(sink, rows->schema(), format));
      while (true) {
        BatchPtr batch;
        ARROW_RETURN_NOT_OK(rows->ReadNext(&batch));
        if (batch == nullptr) break;
        if (batch->num_rows() > 0) ARROW_RETURN_NOT_OK(file->Write(batch));
      }
      ARROW_RETURN_NOT_OK(file->Close());
    } catch (const parquet::ParquetException& error) {
      return Status::IOError(error.what());
    }
    return sink->Close();
  }();
  return Explain(written, "cannot write '" + path + "'");
}

Status CheckRowFileOptions(const RowFileOptions& options) {
  ARROW_RETURN_NOT_OK(CheckRowFormat(options.format));
  return CompressionOf(options).status();
}

RowFileWriter::RowFileWriter(std::string path)
    : path_(std::move(path)), name_(files_.NameFor(path_)) {}

RowFileWriter::~RowFileWriter() = default;

Result<std::unique_ptr<RowFileWriter>> RowFileWriter::Open(
    const std::string& path, const std::shared_ptr<arrow::Schema>& schema,
    const RowFileOptions& options) {
  ARROW_RETURN_NOT_OK(CheckRowFileOptions(options));
  std::unique_ptr<RowFileWriter> writer(new RowFileWriter(path));
  const Status opened = [&]() -> Status {
    ARROW_ASSIGN_OR_RAISE(writer->sink_, arrow::io::FileOutputStream::Open(writer->name_));
    if (options.format != "parquet") {
      return OpenRows(writer->sink_, schema, options.format).Value(&writer->file_);
    }
    ARROW_ASSIGN_OR_RAISE(const auto properties, PropertiesOf(*schema, options));
    return ParquetRows::Open(writer->sink_, *schema, properties).Value(&writer->file_);
  }();
  ARROW_RETURN_NOT_OK(Explain(opened, "cannot write '" + path + "'"));
  return writer;
}

Status RowFileWriter::Write(const arrow::Table& rows) {
  const auto written = [&]() -> Status {
    arrow::TableBatchReader batches(rows);
    try {
      while (true) {
        ARROW_ASSIGN_OR_RAISE(const auto batch, batches.Next());
        if (batch == nullptr) return Status::OK();
        if (batch->num_rows() > 0) ARROW_RETURN_NOT_OK(file_->Write(batch));
      }
    } catch (const parquet::ParquetException& error) {
      return Status::IOError(error.what());
    }
  }();
  return Explain(written, "cannot write '" + path_ + "'");
}

Result<int64_t> RowFileWriter::Publish() {
  int64_t bytes = 0;
  const auto closed = [&]() -> Status {
    try {
      ARROW_RETURN_NOT_OK(file_->Close());
    } catch (const parquet::ParquetException& error) {
      return Status::IOError(error.what());
    }
    ARROW_ASSIGN_OR_RAISE(bytes, sink_->Tell());
    return sink_->Close();
  }();
  ARROW_RETURN_NOT_OK(Explain(closed, "cannot write '" + path_ + "'"));
  ARROW_RETURN_NOT_OK(files_.Publish());
  return bytes;
}

Status ExportRows(arrow::RecordBatchReader* rows, const std::string& format,
                  const std::string& path) {
  ARROW_RETURN_NOT_OK(CheckRowFormat(format));
  WholeFiles files;
  ARROW_RETURN_NOT_OK(WriteRows(rows, format, files.NameFor(path), path));
  return files.Publish();
}

}  // namespace tercet
