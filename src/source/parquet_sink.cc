#include "source/parquet_sink.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <arrow/buffer.h>
#include <arrow/table.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <parquet/arrow/writer.h>
#include <parquet/exception.h>

#include "base/batch_bytes.h"
#include "base/file_system.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/log.h"

namespace tercet {
namespace {

constexpr std::string_view kJournal = ".journal", kFile = ".parquet", kPart = ".part";

/// Before each batch of a journal, which is an Arrow IPC stream.
struct FrameHead {
  uint64_t size = 0;
  uint64_t hash = 0;  ///< Hash64 of the stream
};

/// An open journal, locked as long as it is.
class Journal {
 public:
  Journal() = default;
  explicit Journal(int fd) : fd_(fd) {}
  ~Journal() { Close(); }
  Journal(Journal&& other) noexcept : fd_(std::exchange(other.fd_, -1)), size_(other.size_) {}
  Journal& operator=(Journal&& other) noexcept {
    Close();
    fd_ = std::exchange(other.fd_, -1);
    size_ = other.size_;
    return *this;
  }

  bool open() const { return fd_ >= 0; }
  int64_t size() const { return size_; }

  /// False when another process has it.
  bool Lock() const { return ::flock(fd_, LOCK_EX | LOCK_NB) == 0; }

  /// Puts frames at the end, durably; what a failed write left is cut off.
  Status Append(std::string_view frames) {
    std::string_view rest = frames;
    while (!rest.empty()) {
      const ssize_t written = ::write(fd_, rest.data(), rest.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return Cut();
      rest.remove_prefix(static_cast<size_t>(written));
    }
    if (::fdatasync(fd_) != 0) return Cut();
    size_ += static_cast<int64_t>(frames.size());
    return Status::OK();
  }

 private:
  Status Cut() {
    const Status failed = Status::IOError(std::strerror(errno));
    // A frame that can't be cut off is not whole, and what follows it would not be found.
    if (::ftruncate(fd_, size_) != 0 || ::lseek(fd_, size_, SEEK_SET) < 0) Close();
    return failed;
  }
  void Close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

  int fd_ = -1;
  int64_t size_ = 0;
};

void AppendFrame(std::string_view stream, std::string* frames) {
  const FrameHead head{.size = stream.size(), .hash = Hash64(stream)};
  frames->append(reinterpret_cast<const char*>(&head), sizeof(head));
  frames->append(stream);
}

using Batches = std::vector<std::shared_ptr<arrow::RecordBatch>>;

/// The batches of a journal up to its end, or to a frame that is not whole, whose write was never
/// said to be done. Those of one schema are together.
Result<std::vector<Batches>> ReadJournal(const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(const std::string bytes, LocalFileSystem()->ReadFile(path));
  std::vector<Batches> by_schema;
  size_t at = 0;
  while (bytes.size() - at >= sizeof(FrameHead)) {
    FrameHead head;
    std::memcpy(&head, bytes.data() + at, sizeof(head));
    at += sizeof(head);
    if (head.size > bytes.size() - at) break;
    const std::string_view stream(bytes.data() + at, head.size);
    if (Hash64(stream) != head.hash) break;
    at += head.size;
    ARROW_ASSIGN_OR_RAISE(const auto batch,
                          ReadBatch(arrow::Buffer::FromString(std::string(stream))));
    Batches* same = nullptr;
    for (Batches& batches : by_schema) {
      if (batches[0]->schema()->Equals(*batch->schema())) same = &batches;
    }
    if (same == nullptr) same = &by_schema.emplace_back();
    same->push_back(batch);
  }
  return by_schema;
}

Status WriteParquet(const Batches& batches, const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(const auto table, arrow::Table::FromRecordBatches(batches));
  ARROW_ASSIGN_OR_RAISE(const auto file, LocalFileSystem()->Create(path));
  try {
    ARROW_RETURN_NOT_OK(parquet::arrow::WriteTable(
        *table, arrow::default_memory_pool(), file, std::max<int64_t>(table->num_rows(), 1),
        parquet::WriterProperties::Builder().compression(parquet::Compression::ZSTD)->build(),
        parquet::ArrowWriterProperties::Builder().store_schema()->build()));
  } catch (const parquet::ParquetException& error) {
    return Status::IOError("cannot write '", path, "': ", error.what());
  }
  ARROW_RETURN_NOT_OK(file->Close());
  return LocalFileSystem()->SyncFile(path);
}

class ParquetSink : public RecordSink {
 public:
  ParquetSink(std::string folder, const std::string& name, const ParquetSinkOptions& options)
      : folder_(std::move(folder)), prefix_(name + "-"), options_(options) {}
  /// What was not published is found by the next sink.
  ~ParquetSink() override = default;

  /// Makes files of journals that processes left which are gone.
  Status Recover() {
    const auto disk = LocalFileSystem();
    ARROW_RETURN_NOT_OK(disk->MakeDirectory(folder_));
    ARROW_ASSIGN_OR_RAISE(const auto files, disk->List(folder_));
    for (const FileInfo& file : files) {
      const std::string hidden = "." + prefix_;
      if (!file.name.starts_with(hidden) || !file.name.ends_with(kJournal)) continue;
      const std::string id = file.name.substr(
          hidden.size(), file.name.size() - hidden.size() - kJournal.size());
      const Journal journal(
          ::open(PathOf(id, kJournal).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
      if (!journal.open() || !journal.Lock()) continue;
      ARROW_RETURN_NOT_OK(MakeFiles(id));
      LogInfo("made Parquet files of what '" + PathOf(id, kJournal) + "' had kept");
    }
    return Status::OK();
  }

  Status Write(std::span<const SinkRecord> records) override {
    std::string frames;
    for (size_t begin = 0; begin < records.size();) {
      const SinkRecord& first = records[begin];
      size_t end = begin + 1;
      while (end < records.size() && records[end].rows == first.rows &&
             records[end].row == records[end - 1].row + 1) {
        ++end;
      }
      const auto part = first.rows->Slice(first.row, static_cast<int64_t>(end - begin));
      ARROW_ASSIGN_OR_RAISE(const auto stream, WriteBatch(*part));
      AppendFrame(std::string_view(*stream), &frames);
      begin = end;
    }
    if (frames.empty()) return Status::OK();
    if (!journal_.open()) ARROW_RETURN_NOT_OK(Begin());
    ARROW_RETURN_NOT_OK(Explain(journal_.Append(frames),
                                "cannot append to '" + PathOf(id_, kJournal) + "'"));
    if (journal_.size() >= options_.file_bytes) publish_at_ = TimePoint::clock::now();
    return Status::OK();
  }

  Status Publish() override {
    if (!publish_at_) return Status::OK();
    ARROW_RETURN_NOT_OK(MakeFiles(id_));
    journal_ = Journal();
    publish_at_.reset();
    return Status::OK();
  }

  std::optional<TimePoint> publish_at() const override { return publish_at_; }

 private:
  /// A hidden name for what is not whole, and a plain one for a file.
  std::string PathOf(const std::string& id, std::string_view suffix) const {
    return JoinPath(folder_, (suffix == kFile ? "" : ".") + prefix_ + id + std::string(suffix));
  }

  Status Begin() {
    // A journal whose end could not be cut off waits under its old name.
    if (publish_at_) ARROW_RETURN_NOT_OK(MakeFiles(id_));
    publish_at_.reset();
    id_ = fmt::format("{:%Y%m%dT%H%M%S}-{}", fmt::gmtime(std::time(nullptr)),
                      NewUuid().substr(0, 8));
    const std::string path = PathOf(id_, kJournal);
    Journal journal(
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640));
    if (!journal.open() || !journal.Lock()) {
      return Status::IOError("cannot begin '", path, "': ", std::strerror(errno));
    }
    ARROW_RETURN_NOT_OK(LocalFileSystem()->SyncDirectory(folder_));
    journal_ = std::move(journal);
    publish_at_ = TimePoint::clock::now() + options_.age;
    return Status::OK();
  }

  /// A journal's files under their names, which are the journal's: to do it again changes nothing.
  Status MakeFiles(const std::string& id) const {
    const auto disk = LocalFileSystem();
    const std::string journal = PathOf(id, kJournal);
    const auto read = ReadJournal(journal);
    // Between two locks, another process may have made them.
    if (read.status().IsKeyError()) return Status::OK();
    ARROW_RETURN_NOT_OK(read.status());
    const std::vector<Batches>& by_schema = *read;
    for (size_t i = 0; i < by_schema.size(); ++i) {
      const std::string file = i == 0 ? id : id + "-" + std::to_string(i);
      ARROW_RETURN_NOT_OK(WriteParquet(by_schema[i], PathOf(file, kPart)));
      ARROW_RETURN_NOT_OK(disk->Rename(PathOf(file, kPart), PathOf(file, kFile)));
    }
    ARROW_RETURN_NOT_OK(disk->SyncDirectory(folder_));
    return disk->Remove(journal);
  }

  const std::string folder_, prefix_;
  const ParquetSinkOptions options_;
  Journal journal_;
  std::string id_;                       ///< of the journal
  std::optional<TimePoint> publish_at_;  ///< there is what readers do not see
};

}  // namespace

Result<std::unique_ptr<RecordSink>> OpenParquetSink(const std::string& folder,
                                                    const std::string& name,
                                                    const ParquetSinkOptions& options) {
  auto sink = std::make_unique<ParquetSink>(folder, name, options);
  ARROW_RETURN_NOT_OK(sink->Recover());
  return sink;
}

}  // namespace tercet
