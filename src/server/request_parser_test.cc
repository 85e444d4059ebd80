#include "server/request_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tercet {
namespace {

using ::testing::HasSubstr;

struct Read {
  RequestHead head;
  HttpRequest request;
  std::string error;  ///< Beast's, or the head's; empty: none
};

Read Parse(const std::string& text) {
  Read read;
  RequestParser parser(&read.head, &read.request);
  boost::system::error_code error;
  size_t used = 0;
  while (used < text.size() && !parser.is_done() && !error) {
    used += parser.put(boost::asio::buffer(text.data() + used, text.size() - used), error);
  }
  read.error = error ? error.message() : read.head.Check().message();
  return read;
}

std::string Post(const std::string& fields, const std::string& body = "") {
  return "POST /a HTTP/1.1\r\nHost: here\r\n" + fields + "\r\n" + body;
}

TEST(RequestParserTest, ReadsWhatEverybodyReadsAlike) {
  const Read plain = Parse(Post("Content-Length: 2\r\nContent-Encoding: GZip\r\n", "{}"));
  EXPECT_EQ(plain.error, "");
  EXPECT_EQ(plain.head.host, "here");
  EXPECT_EQ(plain.head.encoding, "gzip");
  EXPECT_EQ(plain.request.body, "{}");
  const Read chunked = Parse(Post("Transfer-Encoding: Chunked\r\nContent-Encoding: identity\r\n",
                                  "2;a=b\r\n{}\r\n0\r\nOrigin: evil\r\nHost: evil\r\n\r\n"));
  EXPECT_EQ(chunked.error, "");
  EXPECT_EQ(chunked.request.body, "{}");
  EXPECT_EQ(chunked.head.encoding, "");
  EXPECT_EQ(chunked.head.origin, "");  // behind the body nothing counts
  EXPECT_EQ(Parse("GET / HTTP/1.0\r\n\r\n").error, "");
}

TEST(RequestParserTest, TakesTheHostOfATarget) {
  for (const auto& [target, path] : {std::pair{"http://there:80/b?c=1", "/b?c=1"},
                                     std::pair{"HTTP://there:80", "/"},
                                     std::pair{"http://there:80?c", "/?c"}}) {
    const Read read = Parse(std::string("GET ") + target + " HTTP/1.1\r\nHost: here\r\n\r\n");
    EXPECT_EQ(read.error, "") << target;
    EXPECT_EQ(read.head.host, "there:80") << target;
    EXPECT_EQ(read.head.target, path) << target;
  }
}

TEST(RequestParserTest, RefusesWhatMayBeReadOtherwise) {
  const std::string chunks = "2\r\n{}\r\n0\r\n\r\n";
  for (const char* coding : {"identity", "gzip", "gzip, chunked", "chunked, identity",
                             "chunked, chunked", "xchunked", "\"chunked\""}) {
    EXPECT_THAT(Parse(Post("Transfer-Encoding: " + std::string(coding) + "\r\n", chunks)).error,
                HasSubstr("other than chunked"))
        << coding;
  }
  const std::string chunked = "Transfer-Encoding: chunked\r\n";
  EXPECT_NE(Parse(Post(chunked + chunked, chunks)).error, "");
  EXPECT_NE(Parse(Post(chunked + "Content-Length: 2\r\n", chunks)).error, "");
  EXPECT_NE(Parse(Post("Content-Length: 2\r\nContent-Length: 3\r\n", "{}")).error, "");
  EXPECT_THAT(Parse("POST /a HTTP/1.0\r\n" + chunked + "\r\n" + chunks).error,
              HasSubstr("HTTP/1.0"));
  EXPECT_THAT(Parse("GET / HTTP/1.1\r\n\r\n").error, HasSubstr("no field Host"));
  EXPECT_THAT(Parse(Post("Host: there\r\n")).error, HasSubstr("two fields Host"));
}

}  // namespace
}  // namespace tercet
