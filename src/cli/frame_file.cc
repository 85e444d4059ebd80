#include "cli/frame_file.h"

#include <filesystem>

#include <arrow/csv/api.h>
#include <arrow/io/file.h>
#include <arrow/ipc/api.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/writer.h>

#include "base/file_system.h"
#include "base/id.h"

namespace tercet {
namespace {

enum class FileKind { kParquet, kCsv, kArrow };

Result<FileKind> KindOf(const std::string& path) {
  const std::string ending = std::filesystem::path(path).extension().string();
  if (ending == ".parquet") return FileKind::kParquet;
  if (ending == ".csv") return FileKind::kCsv;
  if (ending == ".arrow" || ending == ".ipc" || ending == ".feather") return FileKind::kArrow;
  return Status::Invalid("file '", path, "' must end in .parquet, .csv, .arrow, .ipc or .feather");
}

Result<std::shared_ptr<arrow::Table>> ReadParquet(
    const std::shared_ptr<arrow::io::RandomAccessFile>& file) {
  ARROW_ASSIGN_OR_RAISE(auto reader,
                        parquet::arrow::OpenFile(file, arrow::default_memory_pool()));
  return reader->ReadTable();
}

/// A file of batches begins with a word of its own; without it, it is a stream of them.
Result<std::shared_ptr<arrow::Table>> ReadArrow(
    const std::shared_ptr<arrow::io::RandomAccessFile>& file) {
  constexpr std::string_view kFileBegin = "ARROW1";
  ARROW_ASSIGN_OR_RAISE(const auto begin, file->ReadAt(0, kFileBegin.size()));
  if (static_cast<std::string_view>(*begin) == kFileBegin) {
    ARROW_ASSIGN_OR_RAISE(auto reader, arrow::ipc::RecordBatchFileReader::Open(file));
    return reader->ToTable();
  }
  ARROW_RETURN_NOT_OK(file->Seek(0));
  ARROW_ASSIGN_OR_RAISE(auto reader, arrow::ipc::RecordBatchStreamReader::Open(file));
  return reader->ToTable();
}

Result<std::shared_ptr<arrow::Table>> ReadCsv(
    const std::shared_ptr<arrow::io::RandomAccessFile>& file) {
  ARROW_ASSIGN_OR_RAISE(
      auto reader, arrow::csv::TableReader::Make(arrow::io::default_io_context(), file,
                                                 arrow::csv::ReadOptions::Defaults(),
                                                 arrow::csv::ParseOptions::Defaults(),
                                                 arrow::csv::ConvertOptions::Defaults()));
  ARROW_ASSIGN_OR_RAISE(auto table, reader->Read());
  for (const auto& field : table->schema()->fields()) {
    // What is no text is taken for bytes, which a file of text has none of.
    if (field->type()->id() == arrow::Type::BINARY) {
      return Status::Invalid("column '", field->name(),
                             "' has text that is not UTF-8; write the file anew as UTF-8 (iconv -f "
                             "latin1 -t utf8)");
    }
  }
  return table;
}

}  // namespace

std::string FrameFileSlip(const std::string& path) { return KindOf(path).status().message(); }

Result<std::shared_ptr<arrow::Table>> ReadFrameFile(const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(const FileKind kind, KindOf(path));
  if (!std::filesystem::exists(path)) return Status::KeyError("there is no file '", path, "'");
  const auto file = arrow::io::ReadableFile::Open(path);
  if (!file.ok()) return Status::KeyError("cannot read '", path, "': ", file.status().message());
  Result<std::shared_ptr<arrow::Table>> table = kind == FileKind::kParquet ? ReadParquet(*file)
                                                : kind == FileKind::kCsv   ? ReadCsv(*file)
                                                                           : ReadArrow(*file);
  if (!table.ok()) return Status::IOError("cannot read '", path, "': ", table.status().message());
  return table;
}

namespace {

Status WriteAs(FileKind kind, const arrow::Table& table, const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(const auto file, LocalFileSystem()->Create(path));
  switch (kind) {
    case FileKind::kParquet:
      ARROW_RETURN_NOT_OK(
          parquet::arrow::WriteTable(table, arrow::default_memory_pool(), file));
      break;
    case FileKind::kCsv:
      ARROW_RETURN_NOT_OK(
          arrow::csv::WriteCSV(table, arrow::csv::WriteOptions::Defaults(), file.get()));
      break;
    case FileKind::kArrow: {
      ARROW_ASSIGN_OR_RAISE(auto writer, arrow::ipc::MakeFileWriter(file, table.schema()));
      ARROW_RETURN_NOT_OK(writer->WriteTable(table));
      ARROW_RETURN_NOT_OK(writer->Close());
      break;
    }
  }
  return file->Close();
}

}  // namespace

Status WriteFrameFile(const arrow::Table& table, const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(const FileKind kind, KindOf(path));
  const std::filesystem::path whole(path);
  // Beside it, hidden until it is whole.
  const std::string part =
      (whole.parent_path() / ("." + whole.filename().string() + "-" + NewUuid())).string();
  Status written = WriteAs(kind, table, part);
  if (written.ok()) written = LocalFileSystem()->Rename(part, path);
  if (written.ok()) return written;
  // What is told is why it failed; a part that can't be removed is hidden.
  std::error_code ignored;
  std::filesystem::remove(part, ignored);
  return Explain(written, "cannot write '" + path + "'");
}

}  // namespace tercet
