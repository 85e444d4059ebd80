#include "source/avro_blocks.h"

#include <algorithm>
#include <utility>

#include "base/short_text.h"
#include "source/avro_bytes.h"
#include "source/decompress.h"

namespace tercet {
namespace {

constexpr std::string_view kMagic("Obj\x01", 4);
constexpr size_t kMarkerBytes = 16;
/// Two numbers of at most ten bytes.
constexpr int64_t kMostBlockHead = 20;
/// Most headers are smaller, so that one read has them whole.
constexpr int64_t kFirstHeaderBytes = 1 << 16;
/// Snappy's blocks end in a checksum.
constexpr size_t kSnappyChecksum = 4;
/// No block of a table's shrank more than that; Deflate can't, either.
constexpr size_t kMostGrowth = 1100;

/// What stands before the first block.
struct Header {
  std::string_view schema, codec, marker;
};

Result<Header> TakeHeader(AvroBytes* bytes) {
  const auto magic = bytes->Take(kMagic.size());
  if (!magic.ok() || *magic != kMagic) return Status::Invalid("no Avro file: it starts otherwise");
  Header header;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(int64_t count, bytes->TakeLong());
    if (count == 0) break;
    if (count < 0) ARROW_RETURN_NOT_OK(bytes->TakeLong().status());
    for (; count != 0; count += count < 0 ? 1 : -1) {
      ARROW_ASSIGN_OR_RAISE(const std::string_view key, bytes->TakeText());
      ARROW_ASSIGN_OR_RAISE(const std::string_view value, bytes->TakeText());
      if (key == "avro.schema") header.schema = value;
      if (key == "avro.codec") header.codec = value;
    }
  }
  ARROW_ASSIGN_OR_RAISE(header.marker, bytes->Take(kMarkerBytes));
  return header;
}

/// Null for blocks that are stored as they are.
Result<std::unique_ptr<arrow::util::Codec>> CodecOf(std::string_view name) {
  using arrow::Compression;
  if (name.empty() || name == "null") return nullptr;
  if (name == "deflate") {
    arrow::util::GZipCodecOptions raw;
    raw.gzip_format = arrow::util::GZipFormat::DEFLATE;
    return arrow::util::Codec::Create(Compression::GZIP, raw);
  }
  if (name == "zstandard") return arrow::util::Codec::Create(Compression::ZSTD);
  if (name == "snappy") return arrow::util::Codec::Create(Compression::SNAPPY);
  return Status::NotImplemented("its blocks are compressed by ", ShortText(name));
}

}  // namespace

Result<AvroBlocks> AvroBlocks::Open(std::shared_ptr<arrow::io::RandomAccessFile> file) {
  AvroBlocks blocks;
  blocks.file_ = std::move(file);
  ARROW_ASSIGN_OR_RAISE(blocks.size_, blocks.file_->GetSize());
  ARROW_RETURN_NOT_OK(blocks.ReadHeader());
  return blocks;
}

Status AvroBlocks::ReadHeader() {
  // It doesn't tell its size: more is read until it is whole.
  for (int64_t asked = kFirstHeaderBytes;; asked *= 4) {
    const int64_t there = std::min(asked, size_);
    offset_ = 0;
    ARROW_ASSIGN_OR_RAISE(const std::string_view text, Read(there));
    AvroBytes bytes(text);
    const auto header = TakeHeader(&bytes);
    if (!header.ok()) {
      if (there == size_) return header.status();
      continue;
    }
    offset_ = there - static_cast<int64_t>(bytes.left());
    ARROW_ASSIGN_OR_RAISE(schema_, ParseJson(header->schema));
    marker_ = header->marker;
    return CodecOf(header->codec).Value(&codec_);
  }
}

/// The next bytes of the file, as many of them as are there.
Result<std::string_view> AvroBlocks::Read(int64_t size) {
  size = std::min(size, size_ - offset_);
  ARROW_ASSIGN_OR_RAISE(stored_, file_->ReadAt(offset_, size));
  if (stored_->size() != size) return Status::IOError("cut off at byte ", offset_);
  offset_ += size;
  return std::string_view(*stored_);
}

Result<bool> AvroBlocks::Next(Block* block) {
  if (offset_ == size_) return false;
  ARROW_ASSIGN_OR_RAISE(const std::string_view text, Read(kMostBlockHead));
  AvroBytes head(text);
  ARROW_ASSIGN_OR_RAISE(block->count, head.TakeLong());
  ARROW_ASSIGN_OR_RAISE(const int64_t size, head.TakeLong());
  offset_ -= static_cast<int64_t>(head.left());
  if (block->count < 0 || size < 0 || size > size_ - offset_) {
    return Status::Invalid("a block of ", block->count, " items and ", size, " bytes can't be");
  }
  ARROW_ASSIGN_OR_RAISE(const std::string_view whole,
                        Read(size + static_cast<int64_t>(kMarkerBytes)));
  std::string_view stored = whole.substr(0, static_cast<size_t>(size));
  if (whole.substr(stored.size()) != marker_) {
    return Status::Invalid("a block doesn't end where it says");
  }
  if (codec_ != nullptr) {
    if (codec_->compression_type() == arrow::Compression::SNAPPY) {
      stored.remove_suffix(std::min(stored.size(), kSnappyChecksum));
    }
    ARROW_ASSIGN_OR_RAISE(decompressed_,
                          Decompress(codec_.get(), stored, stored.size() * kMostGrowth));
    stored = decompressed_;
  }
  block->bytes = stored;
  return true;
}

}  // namespace tercet
