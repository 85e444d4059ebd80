// How a Redis lets clients in: users with passwords and rights, and TLS.

#include <cstdlib>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "online/test_redis_rows.h"

namespace tercet {
namespace {

using ::testing::HasSubstr;

using RedisLoginTest = RedisRowsTest;

TEST_F(RedisLoginTest, AUserHasItsPasswordAndItsRights) {
  // What the store needs, and nothing else.
  TestRedis server({"--user", "tercet", "on", ">secret", "~test:*", "-@all", "+@hash", "+@string",
                    "+unlink", "+cluster|slots", "+select", "+ping", "--requirepass", "admin"},
                   {.user = "tercet", .password = "secret"});
  const auto store = Open(server.address());
  ASSERT_TRUE(store->Define(Weather()).ok());
  ASSERT_TRUE(Load(store.get(), 5, 1).ok());
  ASSERT_TRUE(Upsert(store.get(), 1, 6, 2).ok());
  EXPECT_EQ(ReadValue(store.get(), 1).ValueOrDie(), 6);
  EXPECT_TRUE(store->Drop(kGroup).ok());
  RedisAddress wrong = server.address();
  wrong.password = "guess";
  const Status refused = RedisLink::Connect(wrong).status();
  EXPECT_THAT(refused.message(), HasSubstr("refuses AUTH: WRONGPASS"));
  EXPECT_THAT(refused.message(), Not(HasSubstr("guess")));
  RedisAddress nobody = server.address();
  nobody.user = nobody.password = "";
  EXPECT_THAT(RedisStore::Open(nobody, "test", SystemClock()).status().message(),
              HasSubstr("NOAUTH"));
  // By the default user's password alone.
  nobody.password = "admin";
  EXPECT_TRUE(RedisStore::Open(nobody, "test", SystemClock()).ok());
}

/// A certificate authority, and what it vouches for: a server at 127.0.0.1, and a client.
class Certificates {
 public:
  Certificates() : folder_(std::filesystem::temp_directory_path() / ("tercet-tls-" + NewUuid())) {
    std::filesystem::create_directories(folder_);
    Run("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ca -keyout ca.key -out ca.crt");
    for (const std::string name : {"server", "client"}) {
      Run("req -newkey rsa:2048 -nodes -subj /CN=" + name +
          " -addext subjectAltName=IP:127.0.0.1 -keyout " + name + ".key -out " + name + ".csr");
      Run("x509 -req -in " + name + ".csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 " +
          "-copy_extensions copy -out " + name + ".crt");
    }
  }
  ~Certificates() { std::filesystem::remove_all(folder_); }
  std::string Path(const std::string& name) const { return folder_ / name; }

 private:
  void Run(const std::string& arguments) const {
    const std::string line = "cd " + folder_.string() + " && openssl " + arguments + " 2>log";
    ASSERT_EQ(std::system(line.c_str()), 0) << line;
  }
  const std::filesystem::path folder_;
};

TEST_F(RedisLoginTest, IsReachedByTls) {
  const Certificates files;
  TlsSettings tls;
  tls.ca_file = files.Path("ca.crt");
  tls.certificate_file = files.Path("client.crt");
  tls.key_file = files.Path("client.key");
  TestRedis server(
      {"--tls-cert-file", files.Path("server.crt"), "--tls-key-file", files.Path("server.key"),
       "--tls-ca-cert-file", files.Path("ca.crt"), "--tls-auth-clients", "yes"},
      {.tls = tls});
  const auto store = Open(server.address());
  ASSERT_TRUE(store->Define(Weather()).ok());
  ASSERT_TRUE(Load(store.get(), 5, 1).ok());
  EXPECT_EQ(ReadValue(store.get(), 1).ValueOrDie(), 5);
  // More than one record of TLS, in both directions.
  std::string big(3 << 20, 'x');
  const auto link = RedisLink::Connect(server.address()).ValueOrDie();
  ASSERT_TRUE(link->Run(RedisCommand{"SET", "big", big}).ok());
  EXPECT_EQ(link->Run(RedisCommand{"GET", "big"}).ValueOrDie().text, big);

  RedisAddress stranger = server.address();
  stranger.tls->ca_file = "";
  EXPECT_THAT(RedisLink::Connect(stranger).status().message(),
              HasSubstr("its certificate is not trusted"));
  RedisAddress other = server.address();
  other.tls->server_name = "cache.example";
  EXPECT_THAT(RedisLink::Connect(other).status().message(),
              HasSubstr("its certificate is not trusted"));
  RedisAddress unnamed = server.address();
  unnamed.tls->certificate_file = unnamed.tls->key_file = "";
  EXPECT_TRUE(RedisLink::Connect(unnamed).status().IsIOError());
  RedisAddress plain = server.address();
  plain.tls.reset();
  EXPECT_TRUE(RedisLink::Connect(plain).status().IsIOError());
  // It may come back like any other.
  server.Kill();
  EXPECT_TRUE(ReadValue(store.get(), 1).status().IsIOError());
}

}  // namespace
}  // namespace tercet
