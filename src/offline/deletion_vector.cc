#include "offline/deletion_vector.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <iterator>

#include <arrow/buffer.h>
#include <arrow/util/crc32.h>
#include <roaring/roaring.h>

#include "base/id.h"
#include "offline/data_file.h"

namespace tercet {
namespace {

constexpr uint32_t kMagic = 1681511377;
constexpr uint8_t kFileVersion = 1;
/// Vectors up to this size are kept in the log itself.
constexpr size_t kMaxInlineBytes = 1024;
constexpr uint32_t kCookieWithRuns = 12347;
constexpr uint32_t kCookieWithoutRuns = 12346;
constexpr uint32_t kMinContainersForOffsets = 4;
constexpr uint32_t kMaxArrayCardinality = 4096;
constexpr size_t kBitsetBytes = 8192;

constexpr std::string_view kZ85 =
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

static_assert(std::endian::native == std::endian::little);

template <typename T>
void Append(T value, std::string* bytes) {
  bytes->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

uint32_t BigEndian(uint32_t value) { return __builtin_bswap32(value); }

/// Reads little-endian numbers, and never past the end.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : bytes_(bytes) {}

  template <typename T>
  Result<T> Read() {
    ARROW_ASSIGN_OR_RAISE(const std::string_view found, Take(sizeof(T)));
    T value;
    std::memcpy(&value, found.data(), sizeof(T));
    return value;
  }

  Result<std::string_view> Take(size_t size) {
    if (size > bytes_.size()) {
      return Status::Invalid("the deletion vector is cut short: ", size, " bytes wanted, ",
                             bytes_.size(), " left");
    }
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }

 private:
  std::string_view bytes_;
};

uint16_t Number(std::string_view numbers, size_t i) {
  uint16_t value;
  std::memcpy(&value, numbers.data() + 2 * i, 2);
  return value;
}

/// Appends rows and checks that they ascend.
class RowSink {
 public:
  RowSink(DeletedRows* rows, int64_t max_rows) : rows_(rows), max_rows_(max_rows) {}

  Status Put(int64_t first, int64_t count = 1) {
    if (first <= last_) return Status::Invalid("rows of the deletion vector are out of order");
    if (static_cast<int64_t>(rows_->size()) + count > max_rows_) {
      return Status::Invalid("the deletion vector has more than ", max_rows_, " rows");
    }
    for (int64_t i = 0; i < count; ++i) rows_->push_back(first + i);
    last_ = first + count - 1;
    return Status::OK();
  }

 private:
  DeletedRows* rows_;
  const int64_t max_rows_;
  int64_t last_ = -1;
};

Status DecodeContainer(Cursor* cursor, int64_t base, uint32_t cardinality, bool runs,
                       RowSink* sink) {
  if (runs) {
    ARROW_ASSIGN_OR_RAISE(const uint16_t count, cursor->Read<uint16_t>());
    ARROW_ASSIGN_OR_RAISE(const std::string_view pairs, cursor->Take(4 * size_t{count}));
    for (size_t i = 0; i < count; ++i) {
      const int64_t start = Number(pairs, 2 * i), more = Number(pairs, 2 * i + 1);
      if (start + more > 0xFFFF) return Status::Invalid("a run of the deletion vector is too long");
      ARROW_RETURN_NOT_OK(sink->Put(base + start, more + 1));
    }
  } else if (cardinality <= kMaxArrayCardinality) {
    ARROW_ASSIGN_OR_RAISE(const std::string_view values, cursor->Take(2 * size_t{cardinality}));
    for (size_t i = 0; i < cardinality; ++i) {
      ARROW_RETURN_NOT_OK(sink->Put(base + Number(values, i)));
    }
  } else {
    ARROW_ASSIGN_OR_RAISE(const std::string_view bits, cursor->Take(kBitsetBytes));
    for (size_t i = 0; i < kBitsetBytes; ++i) {
      for (uint8_t byte = static_cast<uint8_t>(bits[i]); byte != 0; byte &= byte - 1) {
        ARROW_RETURN_NOT_OK(sink->Put(base + 8 * i + std::countr_zero(byte)));
      }
    }
  }
  return Status::OK();
}

/// One 32-bit Roaring bitmap.
Status DecodeBitmap(Cursor* cursor, int64_t base, RowSink* sink) {
  ARROW_ASSIGN_OR_RAISE(const uint32_t cookie, cursor->Read<uint32_t>());
  uint32_t containers = 0;
  std::string_view run_flags;
  const bool with_runs = (cookie & 0xFFFF) == kCookieWithRuns;
  if (with_runs) {
    containers = (cookie >> 16) + 1;
    ARROW_ASSIGN_OR_RAISE(run_flags, cursor->Take((containers + 7) / 8));
  } else if (cookie == kCookieWithoutRuns) {
    ARROW_ASSIGN_OR_RAISE(containers, cursor->Read<uint32_t>());
  } else {
    return Status::Invalid("the deletion vector has an unknown bitmap format ", cookie);
  }
  if (containers > 0x10000) return Status::Invalid("the deletion vector has too many containers");
  ARROW_ASSIGN_OR_RAISE(const std::string_view headers, cursor->Take(4 * size_t{containers}));
  if (!with_runs || containers >= kMinContainersForOffsets) {
    ARROW_RETURN_NOT_OK(cursor->Take(4 * size_t{containers}));  // offsets: we read in order
  }
  for (size_t i = 0; i < containers; ++i) {
    const bool runs = with_runs && ((run_flags[i / 8] >> (i % 8)) & 1) != 0;
    ARROW_RETURN_NOT_OK(DecodeContainer(cursor, base + int64_t{Number(headers, 2 * i)} * 0x10000,
                                        Number(headers, 2 * i + 1) + 1u, runs, sink));
  }
  return Status::OK();
}

Result<std::string> ReadVectorFile(FileSystem* file_system, const std::string& path,
                                   const VectorPointer& pointer) {
  ARROW_ASSIGN_OR_RAISE(const auto file, file_system->OpenMapped(path));
  ARROW_ASSIGN_OR_RAISE(const int64_t size, file->GetSize());
  const int64_t offset = pointer.offset.value_or(1);
  if (offset < 0 || pointer.size_bytes < 0 || pointer.size_bytes > size ||
      offset > size - pointer.size_bytes - 8) {
    return Status::IOError("'", path, "' of ", size, " bytes is too short for a vector of ",
                           pointer.size_bytes, " bytes at ", offset);
  }
  ARROW_ASSIGN_OR_RAISE(const auto buffer, file->ReadAt(offset, pointer.size_bytes + 8));
  if (buffer->size() != pointer.size_bytes + 8) {
    return Status::IOError("cannot read '", path, "' to its end");
  }
  const std::string_view framed(*buffer);
  uint32_t length, checksum;
  std::memcpy(&length, framed.data(), 4);
  std::memcpy(&checksum, framed.data() + framed.size() - 4, 4);
  const std::string_view bytes = framed.substr(4, pointer.size_bytes);
  if (BigEndian(length) != pointer.size_bytes) {
    return Status::IOError("'", path, "' has a vector of ", BigEndian(length), " bytes, not of ",
                           pointer.size_bytes);
  }
  if (arrow::internal::crc32(0, bytes.data(), bytes.size()) != BigEndian(checksum)) {
    return Status::IOError("'", path, "' is damaged: its checksum differs");
  }
  return std::string(bytes);
}

Result<DeletedRows> Decoded(std::string_view bytes, const VectorPointer& pointer,
                            const std::string& where) {
  // A few damaged bytes may stand for billions of rows: no more are made than the log tells of.
  Result<DeletedRows> rows = DecodeVector(bytes, std::max<int64_t>(0, pointer.cardinality));
  if (!rows.ok()) return Status::IOError("cannot read ", where, ": ", rows.status().message());
  if (static_cast<int64_t>(rows->size()) != pointer.cardinality) {
    return Status::IOError(where, " has ", rows->size(), " rows, but the log says ",
                           pointer.cardinality);
  }
  return rows;
}

}  // namespace

Result<std::string> VectorPath(const VectorPointer& pointer) {
  const std::string& text = pointer.path_or_inline;
  if (pointer.storage_type != "u") return Status::Invalid("an inline vector has no file");
  if (text.size() < 20) return Status::Invalid("'", text, "' names no deletion vector");
  // 20 characters of Z85 are the UUID, those before them a folder.
  const size_t folder_size = text.size() - 20;
  ARROW_ASSIGN_OR_RAISE(const std::string id,
                        DecodeZ85(std::string_view(text).substr(folder_size)));
  if (id.size() != 16) return Status::Invalid("'", text, "' names no deletion vector");
  std::string uuid = ToHex(id);
  for (const size_t dash : {8, 13, 18, 23}) uuid.insert(dash, "-");
  const std::string folder = text.substr(0, folder_size);
  const std::string name = "deletion_vector_" + uuid + ".bin";
  return DecodeLogPath(folder.empty() ? name : folder + "/" + name);
}

std::string EncodeVector(const DeletedRows& rows) {
  std::string bytes;
  Append(kMagic, &bytes);
  const size_t count_at = bytes.size();
  Append(uint64_t{0}, &bytes);
  uint64_t bitmaps = 0;
  for (size_t begin = 0; begin < rows.size();) {
    const int64_t high = rows[begin] >> 32;
    std::vector<uint32_t> low;
    while (begin < rows.size() && rows[begin] >> 32 == high) {
      low.push_back(static_cast<uint32_t>(rows[begin++]));
    }
    std::unique_ptr<roaring_bitmap_t, decltype(&roaring_bitmap_free)> bitmap(
        roaring_bitmap_of_ptr(low.size(), low.data()), &roaring_bitmap_free);
    roaring_bitmap_run_optimize(bitmap.get());
    Append(static_cast<uint32_t>(high), &bytes);
    const size_t at = bytes.size();
    bytes.resize(at + roaring_bitmap_portable_size_in_bytes(bitmap.get()));
    roaring_bitmap_portable_serialize(bitmap.get(), bytes.data() + at);
    ++bitmaps;
  }
  std::memcpy(bytes.data() + count_at, &bitmaps, sizeof(bitmaps));
  return bytes;
}

Result<DeletedRows> DecodeVector(std::string_view bytes, int64_t max_rows) {
  Cursor cursor(bytes);
  ARROW_ASSIGN_OR_RAISE(const uint32_t magic, cursor.Read<uint32_t>());
  if (magic != kMagic) {
    return Status::Invalid("the deletion vector has an unknown format ", magic);
  }
  ARROW_ASSIGN_OR_RAISE(const uint64_t bitmaps, cursor.Read<uint64_t>());
  DeletedRows rows;
  RowSink sink(&rows, max_rows);
  for (uint64_t i = 0; i < bitmaps; ++i) {
    ARROW_ASSIGN_OR_RAISE(const uint32_t high, cursor.Read<uint32_t>());
    if (high > 0x7FFFFFFF) return Status::Invalid("a deleted row's number is too large");
    ARROW_RETURN_NOT_OK(DecodeBitmap(&cursor, static_cast<int64_t>(high) << 32, &sink));
  }
  return rows;
}

std::string EncodeZ85(std::string_view bytes) {
  std::string text;
  for (size_t i = 0; i + 4 <= bytes.size(); i += 4) {
    uint32_t value;
    std::memcpy(&value, bytes.data() + i, 4);
    value = BigEndian(value);
    char digits[5];
    for (int k = 4; k >= 0; --k, value /= 85) digits[k] = kZ85[value % 85];
    text.append(digits, 5);
  }
  return text;
}

Result<std::string> DecodeZ85(std::string_view text) {
  if (text.size() % 5 != 0) return Status::Invalid("Z85 text of ", text.size(), " characters");
  std::string bytes;
  for (size_t i = 0; i < text.size(); i += 5) {
    // No whole group begins with '#', so in the last it stands for a byte that is not there.
    const bool last = i + 5 == text.size();
    const size_t missing =
        last ? std::min(text.substr(i).find_first_not_of('#'), size_t{5}) : size_t{0};
    uint64_t value = 0;
    for (size_t k = missing; k < 5; ++k) {
      const size_t digit = kZ85.find(text[i + k]);
      if (digit == std::string_view::npos) {
        return Status::Invalid("Z85 text has the character '", std::string(1, text[i + k]), "'");
      }
      value = value * 85 + digit;
    }
    if (missing > 3 || value >> (8 * (4 - missing)) != 0) {
      return Status::Invalid("Z85 text has a value out of range");
    }
    Append(BigEndian(static_cast<uint32_t>(value) << (8 * missing)), &bytes);
    bytes.resize(bytes.size() - missing);
  }
  return bytes;
}

Result<DeletedRows> ReadVector(FileSystem* file_system, const std::string& table_path,
                               const VectorPointer& pointer) {
  const std::string where = "the log's inline deletion vector";
  std::string bytes;
  if (pointer.storage_type == "i") {
    ARROW_ASSIGN_OR_RAISE(bytes, DecodeZ85(pointer.path_or_inline));
    if (pointer.size_bytes < 0 || pointer.size_bytes > static_cast<int64_t>(bytes.size())) {
      return Status::IOError(where, " is shorter than its ", pointer.size_bytes, " bytes");
    }
    bytes.resize(pointer.size_bytes);
  } else if (pointer.storage_type == "u") {
    ARROW_ASSIGN_OR_RAISE(const std::string name, VectorPath(pointer));
    return ReadVectorAt(file_system, JoinPath(table_path, name), pointer);
  } else {
    return Status::NotImplemented("deletion vectors of storage type '", pointer.storage_type,
                                  "' are not supported");
  }
  return Decoded(bytes, pointer, where);
}

Result<DeletedRows> ReadVectorAt(FileSystem* file_system, const std::string& path,
                                 const VectorPointer& pointer) {
  ARROW_ASSIGN_OR_RAISE(const std::string bytes, ReadVectorFile(file_system, path, pointer));
  return Decoded(bytes, pointer, "'" + path + "'");
}

Result<VectorPointer> WriteVector(FileSystem* file_system, const std::string& table_path,
                                  const DeletedRows& rows, std::vector<std::string>* created) {
  std::string bytes = EncodeVector(rows);
  VectorPointer pointer;
  pointer.size_bytes = static_cast<int64_t>(bytes.size());
  pointer.cardinality = static_cast<int64_t>(rows.size());
  if (bytes.size() <= kMaxInlineBytes) {
    bytes.resize((bytes.size() + 3) / 4 * 4);
    pointer.storage_type = "i";
    pointer.path_or_inline = EncodeZ85(bytes);
    return pointer;
  }
  const std::string uuid = NewUuid();
  std::string digits = uuid;
  std::erase(digits, '-');
  ARROW_ASSIGN_OR_RAISE(const std::string id, FromHex(digits));
  pointer.storage_type = "u";
  pointer.path_or_inline = EncodeZ85(id);
  pointer.offset = 1;
  std::string file(1, static_cast<char>(kFileVersion));
  Append(BigEndian(static_cast<uint32_t>(bytes.size())), &file);
  file += bytes;
  Append(BigEndian(arrow::internal::crc32(0, bytes.data(), bytes.size())), &file);
  const std::string name = "deletion_vector_" + uuid + ".bin";
  ARROW_RETURN_NOT_OK(file_system->PutIfAbsent(JoinPath(table_path, name), file));
  created->push_back(name);
  return pointer;
}

DeletedRows Unite(const DeletedRows& a, const DeletedRows& b) {
  DeletedRows united;
  united.reserve(a.size() + b.size());
  std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(united));
  return united;
}

}  // namespace tercet
