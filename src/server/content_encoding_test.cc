#include "server/content_encoding.h"

#include <arrow/util/compression.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tercet {
namespace {

using ::testing::HasSubstr;

std::string Packed(const std::string& text, arrow::util::GZipFormat format) {
  arrow::util::GZipCodecOptions options;
  options.gzip_format = format;
  const auto codec =
      arrow::util::Codec::Create(arrow::Compression::GZIP, options).ValueOrDie();
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  const auto size = static_cast<int64_t>(text.size());
  std::string packed(static_cast<size_t>(codec->MaxCompressedLen(size, bytes)), '\0');
  packed.resize(static_cast<size_t>(
      codec->Compress(size, bytes, static_cast<int64_t>(packed.size()),
                      reinterpret_cast<uint8_t*>(packed.data()))
          .ValueOrDie()));
  return packed;
}

TEST(ContentEncodingTest, UnpacksGzipAndZlib) {
  const std::string large(3 << 20, 'x');
  for (const std::string& text : {std::string("{\"query\": 1}"), large}) {
    EXPECT_EQ(DecodeContent("gzip", Packed(text, arrow::util::GZipFormat::GZIP), 4 << 20)
                  .ValueOrDie(),
              text);
    EXPECT_EQ(DecodeContent("deflate", Packed(text, arrow::util::GZipFormat::ZLIB), 4 << 20)
                  .ValueOrDie(),
              text);
  }
  const std::string two = Packed("ab", arrow::util::GZipFormat::GZIP) +
                          Packed("cd", arrow::util::GZipFormat::GZIP);
  EXPECT_EQ(DecodeContent("x-gzip", two, 100).ValueOrDie(), "abcd");
}

TEST(ContentEncodingTest, RefusesWhatIsTooLargeOrBroken) {
  const std::string packed = Packed(std::string(1 << 20, 'x'), arrow::util::GZipFormat::GZIP);
  EXPECT_TRUE(DecodeContent("gzip", packed, 1 << 20).ok());
  EXPECT_TRUE(DecodeContent("gzip", packed, (1 << 20) - 1).status().IsCapacityError());
  for (size_t size = 0; size < packed.size(); size += 7) {
    EXPECT_TRUE(DecodeContent("gzip", packed.substr(0, size), 2 << 20).status().IsInvalid())
        << size;
  }
  for (const std::string& body : {std::string(), std::string("{}"), packed + "x"}) {
    EXPECT_TRUE(DecodeContent("gzip", body, 2 << 20).status().IsInvalid());
  }
  const Status status = DecodeContent("br", packed, 100).status();
  EXPECT_TRUE(status.IsNotImplemented());
  EXPECT_THAT(status.message(), HasSubstr("'br' is not read"));
}

}  // namespace
}  // namespace tercet
