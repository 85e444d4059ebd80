#include "offline/deletion_vector.h"

#include <numeric>
#include <random>

#include "offline/table_test_rows.h"

namespace tercet {
namespace {

TEST(DeletionVector, KeepsRowsOfEveryContainerKind) {
  std::mt19937 random(3);
  std::vector<DeletedRows> cases = {{}, {0}, {5, 7, 0xFFFFFFFF}, {int64_t{1} << 33}};
  DeletedRows runs, sparse, dense, far;
  for (int64_t i = 0; i < 200'000; ++i) {
    if (i % 1000 < 900) runs.push_back(i);
    if (random() % 1000 == 0) sparse.push_back(i);
    if (random() % 2 == 0) dense.push_back(i);
    if (i % 50'000 == 3) far.push_back(i * 70'001);
  }
  cases.insert(cases.end(), {runs, sparse, dense, far});
  for (const DeletedRows& rows : cases) {
    EXPECT_EQ(Value(DecodeVector(EncodeVector(rows))), rows);
  }
}

TEST(DeletionVector, RefusesEveryCut) {
  DeletedRows rows;
  for (int64_t i = 0; i < 20'000; i += 1 + i % 3) rows.push_back(i);
  const std::string bytes = EncodeVector(rows);
  for (size_t size = 0; size < bytes.size(); size += 1 + size / 50) {
    EXPECT_TRUE(DecodeVector(bytes.substr(0, size)).status().IsInvalid()) << size;
  }
  EXPECT_TRUE(DecodeVector(bytes, 10).status().IsInvalid());
}

TEST(DeletionVector, NoMoreRowsAreMadeThanTheLogTellsOf) {
  DeletedRows rows(5'000'000);
  std::iota(rows.begin(), rows.end(), 0);
  std::string bytes = EncodeVector(rows);  // some hundred bytes of runs
  ASSERT_LT(bytes.size(), 2000u);
  VectorPointer pointer{.storage_type = "i",
                        .path_or_inline = "",
                        .offset = std::nullopt,
                        .size_bytes = static_cast<int64_t>(bytes.size()),
                        .cardinality = 3};
  bytes.resize((bytes.size() + 3) / 4 * 4);
  pointer.path_or_inline = EncodeZ85(bytes);
  const Status status = ReadVector(LocalFileSystem().get(), "", pointer).status();
  EXPECT_TRUE(status.IsIOError());
  EXPECT_NE(status.message().find("more than 3 rows"), std::string::npos) << status.ToString();
}

// The example of https://rfc.zeromq.org/spec/32.
TEST(DeletionVector, Z85) {
  const std::string bytes = "\x86\x4F\xD2\x6F\xB5\x59\xF7\x5B";
  EXPECT_EQ(EncodeZ85(bytes), "HelloWorld");
  EXPECT_EQ(Value(DecodeZ85("HelloWorld")), bytes);
  EXPECT_TRUE(DecodeZ85("Hell").status().IsInvalid());
  EXPECT_TRUE(DecodeZ85("Hel\"o").status().IsInvalid());
  for (const char* broken : {"#####", "####0", "##zzz", "#0000HelloWorld"}) {
    EXPECT_TRUE(DecodeZ85(broken).status().IsInvalid()) << broken;
  }
  // The Rust library's way with what is not a multiple of four.
  EXPECT_EQ(Value(DecodeZ85("Hello##093")), bytes.substr(0, 4) + std::string("\3\0", 2));
  EXPECT_EQ(Value(DecodeZ85("###01")), "\1");
  const VectorPointer no_uuid{.storage_type = "u",
                              .path_or_inline = "HelloWorldHello##093",
                              .offset = 1,
                              .size_bytes = 36,
                              .cardinality = 2};
  EXPECT_TRUE(VectorPath(no_uuid).status().IsInvalid());
}

// The example of Delta's protocol document.
TEST(DeletionVector, NamesItsFile) {
  const VectorPointer pointer{.storage_type = "u",
                              .path_or_inline = "ab^-aqEH.-t@S}K{vb[*k^",
                              .offset = 4,
                              .size_bytes = 40,
                              .cardinality = 6};
  EXPECT_EQ(Value(VectorPath(pointer)),
            "ab/deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin");
}

// The inline example of Delta's own kernel.
TEST(DeletionVector, ReadsDeltasInlineExample) {
  const VectorPointer pointer{
      .storage_type = "i",
      .path_or_inline = "^Bg9^0rr910000000000iXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L",
      .offset = std::nullopt,
      .size_bytes = 44,
      .cardinality = 6};
  EXPECT_EQ(Value(ReadVector(LocalFileSystem().get(), "", pointer)),
            (DeletedRows{3, 4, 7, 11, 18, 29}));
}

TEST(DeletionVector, LargeOnesAreFiles) {
  TestFolder folder;
  DeletedRows rows;
  for (int64_t i = 0; i < 100'000; i += 7) rows.push_back(i);
  std::vector<std::string> created;
  VectorPointer pointer =
      Value(WriteVector(LocalFileSystem().get(), folder.path(), rows, &created));
  ASSERT_EQ(created.size(), 1);
  EXPECT_EQ(Value(VectorPath(pointer)), created[0]);
  EXPECT_EQ(Value(ReadVector(LocalFileSystem().get(), folder.path(), pointer)), rows);
  // A bit that fell over is noticed.
  const std::string path = folder.Join(created[0]);
  std::string bytes = Value(LocalFileSystem()->ReadFile(path));
  bytes[bytes.size() / 2] ^= 1;
  ASSERT_OK(LocalFileSystem()->Replace(path, bytes));
  const Status status = ReadVector(LocalFileSystem().get(), folder.path(), pointer).status();
  EXPECT_TRUE(status.IsIOError());
  EXPECT_NE(status.message().find(path), std::string::npos);
  pointer.size_bytes += 100;
  EXPECT_TRUE(ReadVector(LocalFileSystem().get(), folder.path(), pointer).status().IsIOError());
}

}  // namespace
}  // namespace tercet
