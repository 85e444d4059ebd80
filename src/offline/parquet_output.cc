#include "offline/parquet_output.h"

#include <arrow/util/compression.h>
#include <parquet/arrow/writer.h>
#include <parquet/exception.h>

namespace tercet {
namespace {

/// Texts and bytes are dictionary-encoded, in lists, structs and maps too; `path` is Parquet's.
void EnableDictionaries(const arrow::DataType& type, const std::string& path,
                        parquet::WriterProperties::Builder* builder) {
  switch (type.id()) {
    case arrow::Type::LIST:
      return EnableDictionaries(*type.field(0)->type(), path + ".list.element", builder);
    case arrow::Type::MAP: {
      const auto& map = static_cast<const arrow::MapType&>(type);
      EnableDictionaries(*map.key_type(), path + ".key_value.key", builder);
      return EnableDictionaries(*map.item_type(), path + ".key_value.value", builder);
    }
    case arrow::Type::STRUCT:
      for (const auto& member : type.fields()) {
        EnableDictionaries(*member->type(), path + "." + member->name(), builder);
      }
      return;
    default:
      if (arrow::is_binary_like(type.id())) builder->enable_dictionary(path);
  }
}

Result<std::shared_ptr<parquet::WriterProperties>> PropertiesOf(
    const arrow::Schema& schema, const RunLayout& layout,
    const std::vector<std::string>& indexed_columns) {
  ARROW_ASSIGN_OR_RAISE(const auto compression,
                        arrow::util::Codec::GetCompressionType(layout.compression));
  parquet::WriterProperties::Builder builder;
  builder.version(parquet::ParquetVersion::PARQUET_2_6)
      ->created_by("tercet")
      ->compression(compression)
      ->max_row_group_length(layout.row_group_rows)
      // Plain numbers are read at the speed of memory; a dictionary would cost the join more than
      // it saves on disk.
      ->disable_dictionary();
  for (const auto& field : schema.fields()) {
    EnableDictionaries(*field->type(), field->name(), &builder);
  }
  for (const std::string& column : indexed_columns) builder.enable_write_page_index(column);
  return builder.build();
}

}  // namespace

Status EarlySync::Begin() {
  if (running_.valid()) {
    if (running_.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
      return Status::OK();
    }
    ARROW_RETURN_NOT_OK(running_.get());
  }
  running_ = std::async(std::launch::async, [this] { return file_system_->SyncFile(path_); });
  return Status::OK();
}

Status EarlySync::Finish() {
  if (running_.valid()) ARROW_RETURN_NOT_OK(running_.get());
  return file_system_->SyncFile(path_);
}

ParquetOutput::ParquetOutput(std::string whole_path, NewFiles* files)
    : whole_path_(std::move(whole_path)),
      files_(files),
      sync_(files->file_system(), whole_path_) {}

ParquetOutput::~ParquetOutput() = default;

Result<std::unique_ptr<ParquetOutput>> ParquetOutput::Open(
    const std::string& path, const std::shared_ptr<arrow::Schema>& schema, const RunLayout& layout,
    const std::vector<std::string>& indexed_columns, NewFiles* files) {
  ARROW_ASSIGN_OR_RAISE(const auto properties, PropertiesOf(*schema, layout, indexed_columns));
  std::unique_ptr<ParquetOutput> output(
      new ParquetOutput(JoinPath(files->table_path(), path), files));
  files->Add(path);
  ARROW_ASSIGN_OR_RAISE(output->sink_, files->file_system()->Create(output->whole_path_));
  try {
    ARROW_ASSIGN_OR_RAISE(
        output->writer_,
        parquet::arrow::FileWriter::Open(*schema, arrow::default_memory_pool(), output->sink_,
                                         properties));
  } catch (const parquet::ParquetException& error) {
    return Status::IOError("cannot write '", output->whole_path_, "': ", error.what());
  }
  return output;
}

Status ParquetOutput::WriteGroup(const arrow::Table& rows) {
  if (rows.num_rows() == 0) return Status::OK();
  try {
    ARROW_RETURN_NOT_OK(writer_->WriteTable(rows, rows.num_rows()));
  } catch (const parquet::ParquetException& error) {
    return Status::IOError("cannot write '", whole_path_, "': ", error.what());
  }
  return ++groups_ < 3 ? Status::OK() : sync_.Begin();
}

Result<int64_t> ParquetOutput::Close(const std::shared_ptr<arrow::KeyValueMetadata>& pairs) {
  try {
    if (pairs != nullptr) ARROW_RETURN_NOT_OK(writer_->AddKeyValueMetadata(pairs));
    ARROW_RETURN_NOT_OK(writer_->Close());
  } catch (const parquet::ParquetException& error) {
    return Status::IOError("cannot write '", whole_path_, "': ", error.what());
  }
  ARROW_RETURN_NOT_OK(sink_->Close());
  ARROW_RETURN_NOT_OK(sync_.Finish());
  ARROW_ASSIGN_OR_RAISE(const FileInfo info, files_->file_system()->Stat(whole_path_));
  return info.size_bytes;
}

}  // namespace tercet
