#include "training/spine_file.h"

#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <arrow/ipc/writer.h>
#include <arrow/util/compression.h>

#include "base/hash.h"
#include "base/id.h"

namespace tercet {
namespace {

Status WriteTable(FileSystem* file_system, const std::string& path, const arrow::Table& table) {
  arrow::ipc::IpcWriteOptions options = arrow::ipc::IpcWriteOptions::Defaults();
  if (arrow::util::Codec::IsAvailable(arrow::Compression::ZSTD)) {
    ARROW_ASSIGN_OR_RAISE(options.codec, arrow::util::Codec::Create(arrow::Compression::ZSTD, 1));
  }
  // An IPC file has one dictionary a column; pandas' categoricals may bring one a chunk.
  options.unify_dictionaries = true;
  ARROW_ASSIGN_OR_RAISE(const auto file, file_system->Create(path));
  ARROW_ASSIGN_OR_RAISE(const auto writer,
                        arrow::ipc::MakeFileWriter(file.get(), table.schema(), options));
  ARROW_RETURN_NOT_OK(writer->WriteTable(table, /*max_chunksize=*/1 << 20));
  ARROW_RETURN_NOT_OK(writer->Close());
  return file->Close();
}

Result<std::shared_ptr<arrow::Buffer>> ReadAll(FileSystem* file_system, const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(const auto file, file_system->OpenMapped(path));
  ARROW_ASSIGN_OR_RAISE(const int64_t size, file->GetSize());
  return file->ReadAt(0, size);
}

}  // namespace

Result<SpineFile> WriteSpine(FileSystem* file_system, const std::string& folder,
                             const arrow::Table& spine) {
  SpineFile written{.name = "spine-" + NewUuid() + ".arrow", .sha256 = {}};
  const std::string path = JoinPath(folder, written.name);
  ARROW_RETURN_NOT_OK(file_system->MakeDirectory(folder));
  const Status stored = [&]() -> Status {
    ARROW_RETURN_NOT_OK(WriteTable(file_system, path, spine));
    ARROW_RETURN_NOT_OK(file_system->SyncFile(path));
    return file_system->SyncDirectory(folder);
  }();
  if (!stored.ok()) {
    // What was half written is named nowhere; the first failure is the one worth telling.
    (void)file_system->Remove(path);
    return Explain(stored, "cannot keep the spine as '" + path + "'");
  }
  ARROW_ASSIGN_OR_RAISE(const auto bytes, ReadAll(file_system, path));
  written.sha256 = Sha256Hex(std::string_view(*bytes));
  return written;
}

Result<std::shared_ptr<arrow::Table>> ReadSpine(FileSystem* file_system, const std::string& folder,
                                                const SpineFile& file) {
  const std::string path = JoinPath(folder, file.name);
  const Result<std::shared_ptr<arrow::Buffer>> bytes = ReadAll(file_system, path);
  if (!bytes.ok()) {
    return Status::IOError("cannot read the spine '", path, "': ", bytes.status().message());
  }
  const std::string sha256 = Sha256Hex(std::string_view(**bytes));
  if (sha256 != file.sha256) {
    return Status::IOError("the spine '", path, "' is corrupt: its SHA-256 is ", sha256,
                           ", not ", file.sha256);
  }
  const auto source = std::make_shared<arrow::io::BufferReader>(*bytes);
  ARROW_ASSIGN_OR_RAISE(const auto reader, arrow::ipc::RecordBatchFileReader::Open(source));
  return reader->ToTable();
}

}  // namespace tercet
