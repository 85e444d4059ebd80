#include "source/decompress.h"

#include <algorithm>
#include <memory>

namespace tercet {
namespace {

constexpr size_t kStep = 1 << 16;

/// Snappy says its size before the first byte, as a number of seven bits a byte.
Result<std::string> DecompressSnappy(arrow::util::Codec* codec, std::string_view bytes,
                                     size_t most) {
  uint64_t size = 0;
  for (size_t i = 0; i < std::min<size_t>(bytes.size(), 5); ++i) {
    const auto byte = static_cast<uint8_t>(bytes[i]);
    size |= static_cast<uint64_t>(byte & 0x7F) << (7 * i);
    if (byte < 0x80) break;
  }
  if (size > most) return Status::CapacityError("decompressed it has more than ", most, " bytes");
  std::string text(size, '\0');
  ARROW_ASSIGN_OR_RAISE(
      const int64_t written,
      codec->Decompress(static_cast<int64_t>(bytes.size()),
                        reinterpret_cast<const uint8_t*>(bytes.data()),
                        static_cast<int64_t>(size), reinterpret_cast<uint8_t*>(text.data())));
  if (static_cast<uint64_t>(written) != size) return Status::IOError("it is cut off");
  return text;
}

}  // namespace

Result<std::string> Decompress(arrow::util::Codec* codec, std::string_view bytes, size_t most) {
  if (codec->compression_type() == arrow::Compression::SNAPPY) {
    return DecompressSnappy(codec, bytes, most);
  }
  ARROW_ASSIGN_OR_RAISE(const auto stream, codec->MakeDecompressor());
  std::string text;
  while (!stream->IsFinished()) {
    const size_t before = text.size();
    text.resize(before + kStep);
    ARROW_ASSIGN_OR_RAISE(
        const auto step,
        stream->Decompress(static_cast<int64_t>(bytes.size()),
                           reinterpret_cast<const uint8_t*>(bytes.data()),
                           static_cast<int64_t>(kStep),
                           reinterpret_cast<uint8_t*>(text.data() + before)));
    text.resize(before + static_cast<size_t>(step.bytes_written));
    bytes.remove_prefix(static_cast<size_t>(step.bytes_read));
    if (text.size() > most) {
      return Status::CapacityError("decompressed it has more than ", most, " bytes");
    }
    const bool stuck = step.bytes_read == 0 && step.bytes_written == 0;
    if (stuck && !stream->IsFinished()) return Status::IOError("it is cut off");
  }
  return text;
}

}  // namespace tercet
