#include "client/token_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file_system.h"
#include "base/id.h"

namespace tercet {
namespace {

class TokenFile : public testing::Test {
 protected:
  ~TokenFile() override { EXPECT_TRUE(LocalFileSystem()->Remove(path_).ok()); }
  Result<std::string> Read(const std::string& text) {
    ARROW_RETURN_NOT_OK(LocalFileSystem()->Replace(path_, text));
    return ReadTokenFile(path_);
  }
  const std::string path_ = JoinPath(testing::TempDir(), "token-" + NewUuid());
};

TEST_F(TokenFile, IsItsFirstLine) {
  EXPECT_EQ(*Read("0123456789abcdef"), "0123456789abcdef");
  EXPECT_EQ(*Read("0123456789abcdef \t\r\n# of the server\n"), "0123456789abcdef");
}

TEST_F(TokenFile, AShortOneOrNoneIsRefused) {
  const Status status = Read("secret\n0123456789abcdef").status();
  EXPECT_TRUE(status.IsInvalid());
  EXPECT_THAT(status.message(), testing::HasSubstr("6 characters"));
  EXPECT_TRUE(ReadTokenFile(path_ + ".none").status().IsKeyError());
}

}  // namespace
}  // namespace tercet
