#include "server/content_encoding.h"

#include <algorithm>

#include <arrow/util/compression.h>

#include "base/short_text.h"

namespace tercet {
namespace {

using arrow::util::Codec;

constexpr size_t kStep = 256 << 10;

/// Why Arrow's codec, which is linked anyhow: it tells gzip from zlib by itself.
Result<std::string> Inflate(std::string_view body, size_t max_bytes) {
  ARROW_ASSIGN_OR_RAISE(const auto codec, Codec::Create(arrow::Compression::GZIP));
  ARROW_ASSIGN_OR_RAISE(const auto decompressor, codec->MakeDecompressor());
  std::string decoded;
  bool more = false;  ///< output that had no room
  while (!body.empty() || (more && !decompressor->IsFinished())) {
    // A gzip file may be several, one behind the other.
    if (decompressor->IsFinished()) ARROW_RETURN_NOT_OK(decompressor->Reset());
    const size_t before = decoded.size();
    // One byte more than is allowed tells that there is more.
    decoded.resize(std::min(before + kStep, max_bytes + 1));
    ARROW_ASSIGN_OR_RAISE(
        const auto step,
        decompressor->Decompress(static_cast<int64_t>(body.size()),
                                 reinterpret_cast<const uint8_t*>(body.data()),
                                 static_cast<int64_t>(decoded.size() - before),
                                 reinterpret_cast<uint8_t*>(decoded.data()) + before));
    more = before + static_cast<size_t>(step.bytes_written) == decoded.size();
    decoded.resize(before + static_cast<size_t>(step.bytes_written));
    body.remove_prefix(static_cast<size_t>(step.bytes_read));
    if (decoded.size() > max_bytes) {
      return Status::CapacityError("request body of more than ", max_bytes,
                                   " bytes when it is unpacked");
    }
    if (step.bytes_read == 0 && step.bytes_written == 0) break;
  }
  if (!body.empty() || !decompressor->IsFinished()) return Status::Invalid("it ends too early");
  return decoded;
}

}  // namespace

Result<std::string> DecodeContent(std::string_view encoding, std::string_view body,
                                  size_t max_bytes) {
  if (encoding != "gzip" && encoding != "x-gzip" && encoding != "deflate") {
    return Status::NotImplemented("a request body in the encoding '", ShortText(encoding, 40),
                                  "' is not read; send gzip, deflate or none");
  }
  Result<std::string> decoded = Inflate(body, max_bytes);
  if (decoded.ok() || decoded.status().IsCapacityError()) return decoded;
  return Status::Invalid("the request body is not whole ", encoding, ": ",
                         decoded.status().message());
}

}  // namespace tercet
