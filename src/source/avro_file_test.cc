#include "source/avro_file.h"

#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include <arrow/util/compression.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "source/test_avro.h"

namespace tercet {
namespace {

using ::testing::HasSubstr;
using avro_bytes::kMarker;
using avro_bytes::Long;
using avro_bytes::Text;

/// A file of one block.
std::string File(const std::string& schema, int64_t count, const std::string& items,
                 const std::string& codec = "null") {
  return std::string("Obj\x01", 4) + Long(2) + Text("avro.schema") + Text(schema) +
         Text("avro.codec") + Text(codec) + Long(0) + kMarker + Long(count) +
         Long(static_cast<int64_t>(items.size())) + items + kMarker;
}

constexpr char kSchema[] = R"({"type": "record", "name": "a.b.Top", "fields": [
    {"name": "none", "type": ["null", {"type": "map", "values":
        {"type": "record", "name": "Inner", "fields": [{"name": "n", "type": "int"}]}}]},
    {"name": "inner", "type": "a.b.Inner"},
    {"name": "texts", "type": {"type": "array", "items": {"type": "string"}}},
    {"name": "inners", "type": {"type": "map", "values": "Inner"}},
    {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["x", "y"]}},
    {"name": "raw", "type": {"type": "fixed", "name": "Two", "size": 2}},
    {"name": "yes", "type": "boolean"},
    {"name": "half", "type": "float"},
    {"name": "quarter", "type": ["null", "double"]}]})";

/// One item of it.
std::string Item() {
  const float half = 0.5F;
  const double quarter = 0.25;
  return Long(0) + Long(-7) +
         // A block with its size told, and one without.
         Long(-1) + Long(2) + Text("ü") + Long(1) + Text("") + Long(0) +  //
         Long(1) + Text("k") + Long(1'000'000'000'000) + Long(0) +                  //
         Long(1) + "zz" + std::string(1, '\x01') +
         std::string(reinterpret_cast<const char*>(&half), sizeof half) + Long(1) +
         std::string(reinterpret_cast<const char*>(&quarter), sizeof quarter);
}

TEST(AvroFile, ReadsWhatItsSchemaSays) {
  const auto items = ReadAvroFile(File(kSchema, 2, Item() + Item()));
  ASSERT_TRUE(items.ok()) << items.status().ToString();
  ASSERT_EQ(items->size(), 2U);
  EXPECT_EQ((*items)[1],
            ParseJson(R"({"none": null, "inner": {"n": -7}, "texts": ["ü", ""],
                          "inners": {"k": {"n": 1000000000000}}, "kind": "y", "raw": "zz",
                          "yes": true, "half": 0.5, "quarter": 0.25})")
                .ValueOrDie());
  EXPECT_TRUE(ReadAvroFile(File(R"("long")", 0, "")).ValueOrDie().empty());
}

TEST(AvroFile, ReadsCompressedBlocks) {
  const std::string items = Item() + Item();
  arrow::util::GZipCodecOptions raw;
  raw.gzip_format = arrow::util::GZipFormat::DEFLATE;
  const std::pair<std::string, std::shared_ptr<arrow::util::Codec>> codecs[] = {
      {"deflate", arrow::util::Codec::Create(arrow::Compression::GZIP, raw).ValueOrDie()},
      {"zstandard", arrow::util::Codec::Create(arrow::Compression::ZSTD).ValueOrDie()},
      {"snappy", arrow::util::Codec::Create(arrow::Compression::SNAPPY).ValueOrDie()}};
  const auto plain = ReadAvroFile(File(kSchema, 2, items)).ValueOrDie();
  for (const auto& [name, codec] : codecs) {
    const auto compress = [&codec = *codec](const std::string& text) {
      const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
      const auto size = static_cast<int64_t>(text.size());
      std::string compressed(static_cast<size_t>(codec.MaxCompressedLen(size, bytes)), '\0');
      compressed.resize(static_cast<size_t>(
          codec.Compress(size, bytes, static_cast<int64_t>(compressed.size()),
                         reinterpret_cast<uint8_t*>(compressed.data()))
              .ValueOrDie()));
      return compressed;
    };
    const std::string checksum = name == "snappy" ? "1234" : "";
    const auto read = ReadAvroFile(File(kSchema, 2, compress(items) + checksum, name));
    ASSERT_TRUE(read.ok()) << name << ": " << read.status().ToString();
    EXPECT_EQ(*read, plain) << name;
    // No few bytes become many: what grows more than a thousandfold is refused.
    const std::string zeros(10'000'000, '\0');
    EXPECT_FALSE(ReadAvroFile(File(R"("int")", 1, compress(zeros) + checksum, name)).ok()) << name;
  }
}

TEST(AvroFile, RefusesWhatIsCutOffOrElse) {
  const std::string whole = File(kSchema, 1, Item());
  const size_t header = whole.size() - Item().size() - kMarker.size() - 2;
  for (size_t size = 0; size < whole.size(); ++size) {
    // Cut off behind its header it is a file without items.
    EXPECT_EQ(ReadAvroFile(whole.substr(0, size)).ok(), size == header) << size;
  }
  const auto refused = [](const std::string& bytes) {
    return ReadAvroFile(bytes).status().ToString();
  };
  EXPECT_THAT(refused("PAR1"), HasSubstr("no Avro file"));
  EXPECT_THAT(refused(File(R"("long")", 1, Long(1), "lz4")), HasSubstr("compressed by lz4"));
  EXPECT_THAT(refused(File(R"("long")", 1, Long(1), "deflate")), HasSubstr("Error"));
  EXPECT_THAT(refused(File(R"("long")", 2, Long(1))), HasSubstr("Invalid"));
  EXPECT_THAT(refused(File(R"("long")", 1, Long(1) + Long(2))), HasSubstr("don't fill"));
  EXPECT_THAT(refused(File(R"("Gone")", 1, "")), HasSubstr("no type 'Gone'"));
  EXPECT_THAT(refused(File(R"(["null"])", 1, Long(1))), HasSubstr("branch 1"));
  EXPECT_THAT(refused(File(R"("null")", int64_t{1} << 40, "")), HasSubstr("more values"));
  EXPECT_THAT(refused(File(R"({"type": "record", "name": "R", "fields":
                               [{"name": "r", "type": "R"}]})", 1, "")), HasSubstr("deep"));
}

}  // namespace
}  // namespace tercet
