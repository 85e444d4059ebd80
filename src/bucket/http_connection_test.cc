#include "bucket/http_connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bucket/scripted_server.h"

namespace tercet {
namespace {

using testing::HasSubstr;

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";

class HttpConnectionTest : public testing::Test {
 protected:
  static HttpConnections To(const ScriptedServer& server) {
    return HttpConnections(*HttpAddress::Parse(server.endpoint()), "");
  }
  static Result<HttpResponse> Get(HttpConnections* connections) {
    bool sent = false;
    return connections->Send(kGet, "", /*is_head=*/false, &sent);
  }
};

TEST_F(HttpConnectionTest, KeepsAConnection) {
  ScriptedServer server({Answer("200 OK", "one", "ETag: \"e\"\r\n"),
                         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                         "2\r\ntw\r\n1\r\no\r\n0\r\n\r\n",
                         "HTTP/1.1 100 Continue\r\n\r\n" + Answer("404 Not Found", ""),
                         Answer("200 OK", "last", "Connection: close\r\n") + "!",
                         Answer("200 OK", "again")});
  HttpConnections connections = To(server);
  EXPECT_EQ(Get(&connections)->Header("etag"), "\"e\"");
  EXPECT_EQ(Get(&connections)->body, "two");
  EXPECT_EQ(Get(&connections)->status, 404);
  EXPECT_EQ(server.connections(), 1);
  EXPECT_EQ(Get(&connections)->body, "last");
  EXPECT_EQ(Get(&connections)->body, "again");
  EXPECT_EQ(server.connections(), 2);
}

TEST_F(HttpConnectionTest, HeadHasNoBody) {
  ScriptedServer server({"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", Answer("200 OK", "x")});
  HttpConnections connections = To(server);
  bool sent = false;
  const auto head = connections.Send(kGet, "", /*is_head=*/true, &sent);
  ASSERT_TRUE(head.ok()) << head.status();
  EXPECT_EQ(head->Header("content-length"), "1000");
  EXPECT_EQ(Get(&connections)->body, "x");
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(HttpConnectionTest, WhatIsNotWholeIsAnError) {
  ScriptedServer server({"", "HTTP/1.1 200 OK\r\nContent-Le!",
                         "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf!",
                         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhalf!",
                         "what is this\r\n\r\n!"});
  HttpConnections connections = To(server);
  for (int i = 0; i < 4; ++i) {
    const auto response = Get(&connections);
    EXPECT_TRUE(response.status().IsIOError()) << i;
    EXPECT_THAT(response.status().message(), HasSubstr("broke off")) << i;
  }
  EXPECT_THAT(Get(&connections).status().message(), HasSubstr("no HTTP"));
}

TEST_F(HttpConnectionTest, TellsWhetherAnythingWasSent) {
  bool sent = true;
  {
    HttpConnections nobody(*HttpAddress::Parse("http://127.0.0.1:1"), "");
    const auto response = nobody.Send(kGet, "", false, &sent);
    EXPECT_THAT(response.status().message(), HasSubstr("cannot reach the object store"));
    EXPECT_FALSE(sent);
  }
  ScriptedServer server({""});
  HttpConnections connections = To(server);
  EXPECT_FALSE(connections.Send(kGet, "", false, &sent).ok());
  EXPECT_TRUE(sent);
}

}  // namespace
}  // namespace tercet
