#include "base/hash.h"

#include <gtest/gtest.h>

#include "base/id.h"

namespace tercet {
namespace {

TEST(Hash, Sha256OfTheStandardsExamples) {
  // FIPS 180-4, examples of NIST.
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Id, UuidsAreOfVersionFourAndDiffer) {
  const std::string a = NewUuid(), b = NewUuid();
  ASSERT_EQ(a.size(), 36u);
  EXPECT_EQ(a[14], '4');
  EXPECT_NE(std::string("89ab").find(a[19]), std::string::npos) << a;
  EXPECT_NE(a, b);
}

}  // namespace
}  // namespace tercet
