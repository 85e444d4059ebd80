#include "source/hudi_log.h"

#include <algorithm>
#include <cstring>

#include "source/avro_bytes.h"

namespace tercet {
namespace {

constexpr std::string_view kMagic = "#HUDI#";
constexpr size_t kLong = 8;
constexpr uint32_t kFormatVersion = 1;
/// Blocks of deletes are of Java's making before.
constexpr uint32_t kAvroDeletes = 3;

/// Big-endian numbers from the front, as Java writes them.
class JavaBytes {
 public:
  explicit JavaBytes(std::string_view bytes) : left_(bytes) {}

  size_t left() const { return left_.size(); }

  Result<std::string_view> Take(uint64_t count) {
    if (count > left_.size()) {
      return Status::Invalid("cut off: ", count, " bytes are to come, ", left_.size(), " are left");
    }
    const std::string_view taken = left_.substr(0, count);
    left_.remove_prefix(count);
    return taken;
  }

  template <typename T>
  Result<T> TakeNumber() {
    ARROW_ASSIGN_OR_RAISE(const std::string_view raw, Take(sizeof(T)));
    T value = 0;
    for (const char byte : raw) value = static_cast<T>(value << 8) | static_cast<uint8_t>(byte);
    return value;
  }

 private:
  std::string_view left_;
};

/// A header's or footer's entries: their number, and a number, a size and a text each.
Status ReadEntries(JavaBytes* bytes, HudiLogBlock* block) {
  ARROW_ASSIGN_OR_RAISE(const uint32_t count, bytes->TakeNumber<uint32_t>());
  for (uint32_t i = 0; i < count; ++i) {
    ARROW_ASSIGN_OR_RAISE(const uint32_t name, bytes->TakeNumber<uint32_t>());
    ARROW_ASSIGN_OR_RAISE(const uint32_t size, bytes->TakeNumber<uint32_t>());
    ARROW_ASSIGN_OR_RAISE(const std::string_view text, bytes->Take(size));
    switch (name) {
      case 0: block->instant = text; break;
      case 1: block->target = text; break;
      case 2: block->schema = text; break;
      case 3: block->command = text; break;
      case 4: block->compacted = text; break;
      case 7: block->partial = text == "true"; break;
      default: break;  // hints: positions of records, and of which file
    }
  }
  return Status::OK();
}

/// A block, from behind its size on.
Result<HudiLogBlock> ReadBlock(std::string_view text) {
  JavaBytes bytes(text);
  HudiLogBlock block;
  ARROW_ASSIGN_OR_RAISE(const uint32_t version, bytes.TakeNumber<uint32_t>());
  if (version != kFormatVersion) {
    return Status::NotImplemented("the log format ", version, " is not read, only ",
                                  kFormatVersion);
  }
  ARROW_ASSIGN_OR_RAISE(const uint32_t kind, bytes.TakeNumber<uint32_t>());
  if (kind > static_cast<uint32_t>(HudiLogBlock::Kind::kChanges)) {
    return Status::NotImplemented("blocks of the kind ", kind, " are not read");
  }
  block.kind = static_cast<HudiLogBlock::Kind>(kind);
  ARROW_RETURN_NOT_OK(ReadEntries(&bytes, &block));
  ARROW_ASSIGN_OR_RAISE(const uint64_t size, bytes.TakeNumber<uint64_t>());
  ARROW_ASSIGN_OR_RAISE(block.content, bytes.Take(size));
  HudiLogBlock footer;
  ARROW_RETURN_NOT_OK(ReadEntries(&bytes, &footer));
  if (bytes.left() != kLong) return Status::Invalid("its parts don't fill it");
  return block;
}

/// Whether a block of that many bytes is whole: it ends with its size, and another one, or nothing,
/// comes behind.
bool IsWhole(std::string_view text, uint64_t size) {
  if (size < kLong || size > text.size()) return false;
  uint64_t again = 0;
  for (const char byte : text.substr(size - kLong, kLong)) {
    again = again << 8 | static_cast<uint8_t>(byte);
  }
  const std::string_view behind = text.substr(size);
  return again == size + kMagic.size() &&
         (behind.size() < kMagic.size() || behind.starts_with(kMagic));
}

}  // namespace

Result<std::vector<HudiLogBlock>> ReadHudiLog(std::string_view bytes) {
  std::vector<HudiLogBlock> blocks;
  size_t at = 0;
  while (bytes.size() - at >= kMagic.size()) {
    if (!bytes.substr(at).starts_with(kMagic)) {
      return Status::Invalid("no block begins at byte ", at);
    }
    JavaBytes sizes(bytes.substr(at + kMagic.size()));
    const Result<uint64_t> size = sizes.TakeNumber<uint64_t>();
    if (!size.ok()) break;  // a writer was stopped
    const size_t begin = at + kMagic.size() + kLong;
    const std::string_view rest = bytes.substr(begin);
    if (!IsWhole(rest, *size)) {
      at = std::min(bytes.find(kMagic, at + kMagic.size()), bytes.size());
      continue;
    }
    auto block = ReadBlock(rest.substr(0, *size));
    if (!block.ok()) return Explain(block.status(), "block at byte " + std::to_string(at));
    block->offset = static_cast<int64_t>(at);
    blocks.push_back(std::move(*block));
    at = begin + *size;
  }
  return blocks;
}

Result<std::vector<HudiDelete>> ReadHudiDeletes(std::string_view content) {
  JavaBytes framed(content);
  ARROW_ASSIGN_OR_RAISE(const uint32_t version, framed.TakeNumber<uint32_t>());
  if (version < kAvroDeletes) {
    return Status::NotImplemented("deletes of the version ", version, ", which Hudi wrote until "
                                  "0.13, are not read; compact the table");
  }
  ARROW_ASSIGN_OR_RAISE(const uint32_t size, framed.TakeNumber<uint32_t>());
  ARROW_ASSIGN_OR_RAISE(const std::string_view list, framed.Take(size));
  AvroBytes bytes(list);
  std::vector<HudiDelete> deletes;
  // A list of records in Avro: blocks of so many, then an empty one.
  while (true) {
    ARROW_ASSIGN_OR_RAISE(int64_t count, bytes.TakeLong());
    if (count == 0) return deletes;
    if (count < 0) {
      ARROW_RETURN_NOT_OK(bytes.TakeLong().status());
      if (__builtin_sub_overflow(int64_t{0}, count, &count)) {
        return Status::Invalid("a list has too many records");
      }
    }
    for (int64_t i = 0; i < count; ++i) {
      HudiDelete one;
      // The key and the partition's path may be null, each.
      std::string partition;
      for (std::string* text : {&one.key, &partition}) {
        ARROW_ASSIGN_OR_RAISE(const int64_t branch, bytes.TakeLong());
        if (branch < 0 || branch > 1) return Status::Invalid("branch ", branch, " of two");
        if (branch == 0) continue;
        ARROW_ASSIGN_OR_RAISE(*text, bytes.TakeText());
      }
      ARROW_ASSIGN_OR_RAISE(const int64_t branch, bytes.TakeLong());
      switch (branch) {
        case 0: break;
        case 1: {  // a truth value
          ARROW_ASSIGN_OR_RAISE(const std::string_view byte, bytes.Take(1));
          one.order = int64_t{byte[0] != 0};
          break;
        }
        case 2: case 3: case 8: case 10: case 11: {  // int, long, a date, times
          ARROW_ASSIGN_OR_RAISE(const int64_t value, bytes.TakeLong());
          // The int 0 stands for nothing.
          if (branch != 2 || value != 0) one.order = value;
          break;
        }
        case 4: {
          ARROW_ASSIGN_OR_RAISE(one.order, bytes.TakeFloat<float>());
          break;
        }
        case 5: {
          ARROW_ASSIGN_OR_RAISE(one.order, bytes.TakeFloat<double>());
          break;
        }
        case 7: {
          ARROW_ASSIGN_OR_RAISE(const std::string_view text, bytes.TakeText());
          one.order = std::string(text);
          break;
        }
        default:
          return Status::NotImplemented("deletes that are ordered by bytes, decimals or several "
                                        "columns (kind ", branch, ") are not read");
      }
      deletes.push_back(std::move(one));
    }
  }
}

Result<std::vector<std::string_view>> ReadHudiAvroRecords(std::string_view content) {
  JavaBytes bytes(content);
  ARROW_ASSIGN_OR_RAISE(const uint32_t version, bytes.TakeNumber<uint32_t>());
  if (version == 0) return Status::NotImplemented("rows of the version 0 are not read");
  ARROW_ASSIGN_OR_RAISE(const uint32_t count, bytes.TakeNumber<uint32_t>());
  std::vector<std::string_view> records;
  for (uint32_t i = 0; i < count; ++i) {
    ARROW_ASSIGN_OR_RAISE(const uint32_t size, bytes.TakeNumber<uint32_t>());
    ARROW_ASSIGN_OR_RAISE(records.emplace_back(), bytes.Take(size));
  }
  return records;
}

}  // namespace tercet
