#include "neighbors/index_file.h"

#include <algorithm>
#include <cstring>

#include <arrow/io/memory.h>

#include "base/batch_bytes.h"
#include "base/hash.h"
#include "base/id.h"
#include "catalog/definition_json.h"

namespace tercet {
namespace {

constexpr std::string_view kMagic = "TCTNEAR1";
constexpr size_t kBlockBytes = size_t{1} << 20;
constexpr char kTemporary[] = ".tmp-";
/// A file that is being written has grown since.
constexpr int64_t kGrowsUs = 3'600'000'000;

std::string_view BytesOf(const auto& number) {
  return {reinterpret_cast<const char*>(&number), sizeof(number)};
}

uint64_t ChecksumOf(std::string_view bytes) {
  uint64_t checksum = 0;
  for (; !bytes.empty(); bytes.remove_prefix(std::min(kBlockBytes, bytes.size()))) {
    checksum = Hash64(bytes.substr(0, kBlockBytes), checksum);
  }
  return checksum;
}

/// Takes bytes from the front. Invalid where there are fewer.
Result<std::string_view> Take(std::string_view* bytes, uint64_t count) {
  if (count > bytes->size()) return Status::Invalid("it breaks off");
  const std::string_view taken = bytes->substr(0, count);
  bytes->remove_prefix(count);
  return taken;
}

Result<IndexFile> Parse(const std::shared_ptr<arrow::Buffer>& memory, const json::object& of,
                        size_t dimension) {
  auto bytes = std::string_view(*memory);
  ARROW_ASSIGN_OR_RAISE(const std::string_view magic, Take(&bytes, kMagic.size()));
  if (magic != kMagic) return Status::Invalid("it is of another format");
  uint64_t checksum;
  if (bytes.size() < sizeof(checksum)) return Status::Invalid("it breaks off");
  const size_t body = static_cast<size_t>(memory->size()) - sizeof(checksum);
  std::memcpy(&checksum, memory->data() + body, sizeof(checksum));
  bytes.remove_suffix(sizeof(checksum));
  if (ChecksumOf(std::string_view(*memory).substr(0, body)) != checksum) {
    return Status::Invalid("its bytes are not those that were written");
  }
  uint32_t head_bytes;
  ARROW_ASSIGN_OR_RAISE(const std::string_view length, Take(&bytes, sizeof(head_bytes)));
  std::memcpy(&head_bytes, length.data(), sizeof(head_bytes));
  ARROW_ASSIGN_OR_RAISE(const std::string_view text, Take(&bytes, head_bytes));
  ARROW_ASSIGN_OR_RAISE(const json::object head, ParseJsonObject(text));
  const json::value* what = head.if_contains("of");
  if (what == nullptr || *what != json::value(of)) {
    return Status::Invalid("it is of something else");
  }
  ARROW_ASSIGN_OR_RAISE(const int64_t rows, GetInt(head, "rows"));
  ARROW_ASSIGN_OR_RAISE(const int64_t key_bytes, GetInt(head, "keys"));
  ARROW_ASSIGN_OR_RAISE(const int64_t graph_bytes, GetInt(head, "graph"));
  if (rows < 0 || static_cast<uint64_t>(rows) > bytes.size()) {
    return Status::Invalid("it is of ", rows, " rows");
  }
  IndexFile file{.memory = memory};
  ARROW_ASSIGN_OR_RAISE(const std::string_view keys,
                        Take(&bytes, static_cast<uint64_t>(key_bytes)));
  arrow::io::BufferReader input(arrow::SliceBuffer(
      memory, keys.data() - reinterpret_cast<const char*>(memory->data()), key_bytes));
  ARROW_ASSIGN_OR_RAISE(file.keys, ReadBatch(&input));
  ARROW_RETURN_NOT_OK(file.keys->ValidateFull());
  ARROW_ASSIGN_OR_RAISE(file.vectors,
                        Take(&bytes, static_cast<uint64_t>(rows) * dimension * sizeof(float)));
  ARROW_ASSIGN_OR_RAISE(file.graph, Take(&bytes, static_cast<uint64_t>(graph_bytes)));
  if (!bytes.empty() || file.keys->num_rows() != rows) {
    return Status::Invalid("its parts are not of one size");
  }
  return file;
}

}  // namespace

Result<IndexFile> ReadIndexFile(FileSystem* files, const std::string& path, const json::object& of,
                                size_t dimension) {
  ARROW_ASSIGN_OR_RAISE(const auto input, files->OpenMapped(path));
  ARROW_ASSIGN_OR_RAISE(const int64_t size, input->GetSize());
  ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<arrow::Buffer> memory, input->ReadAt(0, size));
  auto file = Parse(memory, of, dimension);
  return file.ok() ? file : Explain(file.status(), "the index file " + path);
}

IndexFileWriter::IndexFileWriter(FileSystem* files, const std::string& path)
    : files_(files), path_(path), temporary_(path + kTemporary + NewUuid()) {}

Result<std::unique_ptr<IndexFileWriter>> IndexFileWriter::Open(FileSystem* files,
                                                               const std::string& path,
                                                               const json::object& of,
                                                               const arrow::RecordBatch& keys,
                                                               size_t graph_bytes) {
  std::unique_ptr<IndexFileWriter> writer(new IndexFileWriter(files, path));
  ARROW_ASSIGN_OR_RAISE(const auto key_bytes, WriteBatch(keys));
  ARROW_ASSIGN_OR_RAISE(writer->stream_, files->Create(writer->temporary_));
  const std::string head = ToText(json::object{{"of", of},
                                               {"rows", keys.num_rows()},
                                               {"keys", key_bytes->size()},
                                               {"graph", graph_bytes}});
  ARROW_RETURN_NOT_OK(writer->Write(kMagic));
  ARROW_RETURN_NOT_OK(writer->Write(BytesOf(static_cast<uint32_t>(head.size()))));
  ARROW_RETURN_NOT_OK(writer->Write(head));
  ARROW_RETURN_NOT_OK(writer->Write(std::string_view(*key_bytes)));
  return writer;
}

IndexFileWriter::~IndexFileWriter() {
  if (published_) return;
  // What stays is found by nobody, and taken away by the next one who publishes.
  if (stream_ != nullptr) stream_->Close().Warn();
  files_->Remove(temporary_).Warn();
}

Status IndexFileWriter::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    const size_t part = std::min(bytes.size(), kBlockBytes - block_.size());
    block_.append(bytes.substr(0, part));
    bytes.remove_prefix(part);
    if (block_.size() == kBlockBytes) ARROW_RETURN_NOT_OK(WriteBlock());
  }
  return Status::OK();
}

Status IndexFileWriter::WriteBlock() {
  checksum_ = Hash64(block_, checksum_);
  ARROW_RETURN_NOT_OK(stream_->Write(block_.data(), static_cast<int64_t>(block_.size())));
  block_.clear();
  return Status::OK();
}

Status IndexFileWriter::Publish() {
  if (!block_.empty()) ARROW_RETURN_NOT_OK(WriteBlock());
  ARROW_RETURN_NOT_OK(stream_->Write(&checksum_, sizeof(checksum_)));
  ARROW_RETURN_NOT_OK(stream_->Close());
  ARROW_RETURN_NOT_OK(files_->SyncFile(temporary_));
  ARROW_RETURN_NOT_OK(files_->Rename(temporary_, path_));
  published_ = true;
  const size_t slash = path_.rfind('/');
  const std::string folder = path_.substr(0, slash), name = path_.substr(slash + 1);
  ARROW_RETURN_NOT_OK(files_->SyncDirectory(folder));
  // What a process left that was killed; another one's may still be growing.
  ARROW_ASSIGN_OR_RAISE(const FileInfo now, files_->Stat(path_));
  ARROW_ASSIGN_OR_RAISE(const std::vector<FileInfo> all, files_->List(folder));
  for (const FileInfo& file : all) {
    const bool left = file.name.starts_with(name + kTemporary) &&
                      file.modified_us < now.modified_us - kGrowsUs;
    if (left) ARROW_RETURN_NOT_OK(files_->Remove(JoinPath(folder, file.name)));
  }
  return Status::OK();
}

}  // namespace tercet
