#include "server/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include <atomic>

#include "base/interrupt.h"
#include "server/server.h"

namespace tercet {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::StartsWith;
namespace asio = boost::asio;

/// A client that can be rude: it sends bytes, and reads until the server closes or goes silent.
class RawClient {
 public:
  explicit RawClient(int port) : socket_(context_) {
    socket_.connect({asio::ip::make_address("127.0.0.1"), static_cast<unsigned short>(port)});
  }
  void Write(const std::string& bytes) {
    boost::system::error_code error;
    asio::write(socket_, asio::buffer(bytes), error);
  }
  /// Sends no more; an answer may still come.
  void EndWriting() { socket_.shutdown(asio::ip::tcp::socket::shutdown_send); }
  /// Up to the server's close.
  std::string ReadAll() {
    std::string all;
    boost::system::error_code error;
    asio::read(socket_, asio::dynamic_buffer(all), error);
    return all;
  }
  /// One answer: its header, and as much of a body as it says.
  std::string ReadOne() {
    while (true) {
      const size_t end = buffered_.find("\r\n\r\n");
      if (end != std::string::npos) {
        const size_t at = buffered_.find("Content-Length: ");
        const size_t size = end + 4 + std::stoul(buffered_.substr(at + 16, 20));
        if (buffered_.size() >= size) {
          std::string one = buffered_.substr(0, size);
          buffered_.erase(0, size);
          return one;
        }
      }
      char bytes[4096];
      boost::system::error_code error;
      const size_t got = socket_.read_some(asio::buffer(bytes), error);
      if (error) return buffered_;
      buffered_.append(bytes, got);
    }
  }

 private:
  asio::io_context context_;
  asio::ip::tcp::socket socket_;
  std::string buffered_;
};

class HttpServerTest : public ::testing::Test {
 protected:
  void Start(HttpLimits limits = {}, std::string_view token = "") {
    access_ = std::make_unique<Access>(token);
    std::vector<Route> routes;
    routes.push_back({.method = "GET",
                      .pattern = "/hot/{name}",
                      .handler = [](const HttpRequest& request,
                                    const PathArguments& arguments) -> Result<HttpAnswer> {
                        const std::string* value = request.Query("q");
                        return HttpAnswer::Json(json::object{
                            {"name", arguments[0]}, {"q", value == nullptr ? "" : *value}});
                      },
                      .lane = AlwaysHot});
    routes.push_back(
        {.method = "POST",
         .pattern = "/slow",
         .handler = [this](const HttpRequest& request, const PathArguments&) -> Result<HttpAnswer> {
           started_ = true;
           while (!go_) {
             ARROW_RETURN_NOT_OK(CheckInterrupt());
             std::this_thread::sleep_for(milliseconds(1));
           }
           return HttpAnswer::Json(json::object{{"size", request.body.size()}});
         },
         .lane = nullptr});
    routes.push_back({.method = "GET",
                      .pattern = "/large",
                      .handler = [](const HttpRequest&,
                                    const PathArguments&) -> Result<HttpAnswer> {
                        return HttpAnswer{.body = std::string(kLargeBytes, 'x')};
                      },
                      .lane = AlwaysHot});
    routes.push_back({.method = "POST",
                      .pattern = "/size",
                      .handler = [](const HttpRequest& request,
                                    const PathArguments&) -> Result<HttpAnswer> {
                        return HttpAnswer::Json(json::object{{"size", request.body.size()}});
                      },
                      .lane = AlwaysHot});
    routes.push_back(
        {.method = "GET",
         .pattern = "/throws",
         .handler = [](const HttpRequest&, const PathArguments&) -> Result<HttpAnswer> {
           throw std::runtime_error("a bug");
         },
         .lane = AlwaysHot});
    routes.push_back(
        {.method = "POST",
         .pattern = "/json",
         .handler = [](const HttpRequest& request, const PathArguments&) -> Result<HttpAnswer> {
           ARROW_ASSIGN_OR_RAISE(const json::object body, request.JsonBody());
           return HttpAnswer::Json(body);
         },
         .lane = AlwaysHot});
    router_ = std::make_unique<Router>(std::move(routes));
    metrics_ = std::make_unique<Metrics>(router_->Names());
    server_ =
        HttpServer::Start({"127.0.0.1", 0}, router_.get(), access_.get(), metrics_.get(), limits)
            .ValueOrDie();
  }

  static constexpr size_t kLargeBytes = 16 << 20;  // more than a socket takes

  std::string Ask(const std::string& bytes) {
    RawClient client(server_->port());
    client.Write(bytes);
    return client.ReadOne();
  }
  static std::string Post(const std::string& path, const std::string& body) {
    return "POST " + path +
           " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\n\r\n" + body;
  }
  static std::string Get(const std::string& path, const std::string& headers = "") {
    return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n" + headers + "\r\n";
  }

  std::atomic<bool> started_{false};
  std::atomic<bool> go_{false};
  std::unique_ptr<Access> access_;
  std::unique_ptr<Router> router_;
  std::unique_ptr<Metrics> metrics_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, KeepsConnectionsAndAnswersPipelinedRequestsInOrder) {
  Start();
  RawClient client(server_->port());
  client.Write(Get("/hot/a%20b?q=1%2B1+2") + Get("/hot/second") + Get("/nowhere"));
  EXPECT_THAT(client.ReadOne(), HasSubstr(R"({"name":"a b","q":"1+1 2"})"));
  EXPECT_THAT(client.ReadOne(), HasSubstr("second"));
  EXPECT_THAT(client.ReadOne(), StartsWith("HTTP/1.1 404 "));
  client.Write("HEAD /hot/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  const std::string head = client.ReadAll();
  EXPECT_THAT(head, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_TRUE(head.ends_with("\r\n\r\n"));
}

TEST_F(HttpServerTest, RefusesWhatIsNotARequestAndLivesOn) {
  HttpLimits limits;
  limits.header_bytes = 2048;
  limits.body_bytes = 10'000;
  Start(limits);
  EXPECT_THAT(Ask("rubbish\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Ask(std::string(200, '\0')), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Ask(Get("/hot/%zz")), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Ask(Get("/hot/a%2")), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Ask(Get("/hot/x", "X: " + std::string(4000, 'x') + "\r\n")),
              StartsWith("HTTP/1.1 431 "));
  EXPECT_THAT(Ask(Post("/json", std::string(20'000, ' '))), StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(Ask("POST /json HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n"),
              StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(Ask("POST /json HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n"),
              StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Ask("DELETE /json HTTP/1.1\r\nHost: localhost\r\n\r\n"), StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(Ask(Post("/json", "{\"a\":")), HasSubstr("malformed JSON at byte"));
  EXPECT_THAT(Ask(Post("/json", "[1]")), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Ask(Post("/json", "{\"a\":" + std::string(3000, '[') + "}")),
              StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Ask(Get("/throws")), StartsWith("HTTP/1.1 500 "));
  EXPECT_THAT(Ask(Get("/hot/x")), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, TellsOlderClientsWhetherTheConnectionStays) {
  Start();
  RawClient client(server_->port());
  const std::string request = "GET /hot/x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
  for (int i = 0; i < 2; ++i) {
    client.Write(request);
    EXPECT_THAT(client.ReadOne(), HasSubstr("\r\nConnection: keep-alive\r\n"));
  }
  client.Write("GET /hot/x HTTP/1.0\r\n\r\n");
  EXPECT_THAT(client.ReadAll(), HasSubstr("\r\nConnection: close\r\n"));
}

TEST_F(HttpServerTest, RefusesInTheFormThatThePathsClientsExpect) {
  HttpLimits limits;
  limits.body_bytes = 10;
  Start(limits);
  const std::string coded = "{\"error\":{\"code\":\"CapacityError\"";
  EXPECT_THAT(Ask(Post("/json", std::string(20, ' '))), HasSubstr(coded));
  for (const char* path : {"/v2/models/a/infer", "/v1/models/a:predict", "/invocations?b=c"}) {
    EXPECT_THAT(Ask(Post(path, std::string(20, ' '))), HasSubstr("{\"error\":\"request body of"))
        << path;
  }
  EXPECT_THAT(Ask(Post("/v2x", std::string(20, ' '))), HasSubstr(coded));
  EXPECT_THAT(Ask("DELETE /hot/x HTTP/1.1\r\nHost: localhost\r\n\r\n"),
              HasSubstr("\r\nAllow: GET, HEAD\r\n"));
}

TEST_F(HttpServerTest, ReadsChunkedBodiesAndSaysContinue) {
  Start();
  EXPECT_THAT(Ask("POST /json HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "5\r\n{\"a\":\r\n2\r\n7}\r\n0\r\n\r\n"),
              HasSubstr("{\"a\":7}"));
  RawClient client(server_->port());
  client.Write(
      "POST /json HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 7\r\n"
      "Connection: close\r\n\r\n");
  std::this_thread::sleep_for(milliseconds(50));
  client.Write("{\"a\":8}");
  const std::string answers = client.ReadAll();
  EXPECT_THAT(answers, StartsWith("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK"));
}

TEST_F(HttpServerTest, AnAnswerThatIsReadSlowlyComesWholeAndHoldsUpNobody) {
  Start();
  RawClient slow(server_->port());
  slow.Write(Get("/large") + Get("/hot/next"));
  for (int i = 0; i < 8; ++i) EXPECT_THAT(Ask(Get("/hot/x")), StartsWith("HTTP/1.1 200 "));
  const std::string large = slow.ReadOne();
  EXPECT_TRUE(large.ends_with(std::string(1000, 'x')));
  EXPECT_GT(large.size(), kLargeBytes);
  EXPECT_THAT(slow.ReadOne(), HasSubstr("next"));
}

TEST_F(HttpServerTest, ReadsALargeBodyAndOneOfManyPieces) {
  Start();
  EXPECT_THAT(Ask(Post("/size", std::string(kLargeBytes, 'y'))),
              HasSubstr("{\"size\":" + std::to_string(kLargeBytes) + "}"));
  RawClient client(server_->port());
  for (const char byte : Post("/size", "1234567890")) client.Write({byte});
  EXPECT_THAT(client.ReadOne(), HasSubstr("{\"size\":10}"));
}

TEST_F(HttpServerTest, AClientThatSendsNoMoreGetsItsAnswers) {
  Start();
  RawClient client(server_->port());
  client.Write(Get("/hot/first") + Post("/size", "12345") + Get("/large"));
  client.EndWriting();
  EXPECT_THAT(client.ReadOne(), HasSubstr("first"));
  EXPECT_THAT(client.ReadOne(), HasSubstr("{\"size\":5}"));
  EXPECT_GT(client.ReadOne().size(), kLargeBytes);
  EXPECT_EQ(client.ReadAll(), "");
}

TEST_F(HttpServerTest, ManyClientsAskManyThingsAtOnce) {
  Start();
  constexpr int kClients = 20, kRequests = 200;
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int c = 0; c < kClients; ++c) {
    clients.push_back(std::make_unique<RawClient>(server_->port()));
    std::string requests;
    for (int i = 0; i < kRequests; ++i) {
      const std::string name = std::to_string(c) + "-" + std::to_string(i);
      requests += i % 3 == 0 ? Post("/json", "{\"name\":\"" + name + "\"}") : Get("/hot/" + name);
    }
    clients.back()->Write(requests);
  }
  for (int c = 0; c < kClients; ++c) {
    for (int i = 0; i < kRequests; ++i) {
      const std::string name = std::to_string(c) + "-" + std::to_string(i);
      ASSERT_THAT(clients[static_cast<size_t>(c)]->ReadOne(),
                  HasSubstr("\"name\":\"" + name + "\""));
    }
  }
}

TEST_F(HttpServerTest, ASlowHandlerHoldsUpNobody) {
  Start();
  RawClient slow(server_->port());
  slow.Write(Post("/slow", "12345"));
  while (!started_) std::this_thread::sleep_for(milliseconds(1));
  for (int i = 0; i < 8; ++i) EXPECT_THAT(Ask(Get("/hot/x")), StartsWith("HTTP/1.1 200 "));
  go_ = true;
  EXPECT_THAT(slow.ReadOne(), HasSubstr("{\"size\":5}"));
}

TEST_F(HttpServerTest, ASlowHandlerEndsWhenItsClientSendsNoMore) {
  Start();
  RawClient client(server_->port());
  client.Write(Post("/slow", "12345"));
  while (!started_) std::this_thread::sleep_for(milliseconds(1));
  client.EndWriting();
  EXPECT_THAT(client.ReadOne(), StartsWith("HTTP/1.1 499 "));
}

TEST_F(HttpServerTest, DropsConnectionsThatSendTooSlowly) {
  HttpLimits limits;
  limits.idle = milliseconds(1000);
  limits.request = milliseconds(1000);
  Start(limits);
  RawClient silent(server_->port());
  RawClient half(server_->port());
  half.Write("GET /hot/x HTTP/1.1\r\nHo");
  RawClient body(server_->port());
  body.Write("POST /json HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{");
  EXPECT_EQ(silent.ReadAll(), "");
  EXPECT_THAT(half.ReadAll(), StartsWith("HTTP/1.1 408 "));
  EXPECT_THAT(body.ReadAll(), StartsWith("HTTP/1.1 408 "));
}

TEST_F(HttpServerTest, DrainsBeforeItStops) {
  Start();
  RawClient idle(server_->port());
  RawClient slow(server_->port());
  slow.Write(Post("/slow", "1"));
  while (!started_) std::this_thread::sleep_for(milliseconds(1));
  std::thread finisher([this] {
    std::this_thread::sleep_for(milliseconds(100));
    go_ = true;
  });
  EXPECT_TRUE(server_->Stop(std::chrono::seconds(60)));
  finisher.join();
  const std::string answer = slow.ReadAll();
  EXPECT_THAT(answer, HasSubstr("Connection: close"));
  EXPECT_THAT(answer, HasSubstr("{\"size\":1}"));
  EXPECT_EQ(idle.ReadAll(), "");
}

TEST_F(HttpServerTest, AsksForTheToken) {
  Start({}, "0123456789abcdef");
  EXPECT_THAT(Ask(Get("/hot/x")), StartsWith("HTTP/1.1 401 "));
  EXPECT_THAT(Ask(Get("/hot/x", "Authorization: Bearer 0123456789abcdeF\r\n")),
              StartsWith("HTTP/1.1 401 "));
  EXPECT_THAT(Ask(Get("/hot/x", "Authorization: Bearer 0123456789abcdef\r\n")),
              StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, KeepsWebPagesOut) {
  Start();
  EXPECT_THAT(Ask("GET /hot/x HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
              StartsWith("HTTP/1.1 403 "));
  EXPECT_THAT(Ask(Get("/hot/x", "Origin: https://evil.example\r\n")), StartsWith("HTTP/1.1 403 "));
  EXPECT_THAT(Ask(Get("/hot/x", "Origin: http://localhost:3000\r\n")), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, CountsRequestsByRoute) {
  Start();
  Ask(Get("/hot/x"));
  Ask(Get("/hot/y"));
  Ask(Get("/nowhere"));
  const std::string text = metrics_->ToText();
  EXPECT_THAT(text,
              HasSubstr("tercet_http_requests_total{route=\"GET /hot/{name}\",status=\"2xx\"} 2"));
  EXPECT_THAT(text, HasSubstr("tercet_http_requests_total{route=\"unknown\",status=\"4xx\"} 1"));
  EXPECT_THAT(text, HasSubstr("_count{route=\"GET /hot/{name}\"} 2"));
}

TEST(AccessTest, OtherAddressesNeedAToken) {
  const Access open("");
  const Access guarded("0123456789abcdef");
  for (const char* loopback : {"127.0.0.1:80", "localhost:80", "[::1]:80", ":80", "127.9.9.9:1"}) {
    EXPECT_TRUE(open.CheckBind("HTTP", Address::Parse(loopback).ValueOrDie()).ok()) << loopback;
  }
  for (const char* other : {"0.0.0.0:80", "[::]:80", "10.0.0.1:80", "example.org:80"}) {
    const Status refused = open.CheckBind("HTTP", Address::Parse(other).ValueOrDie());
    EXPECT_TRUE(refused.IsInvalid()) << other;
    EXPECT_THAT(refused.message(), HasSubstr("token"));
    EXPECT_TRUE(guarded.CheckBind("HTTP", Address::Parse(other).ValueOrDie()).ok());
  }
  for (const char* bad :
       {"", "localhost", "localhost:", "localhost:x", "localhost:70000", "a:-1"}) {
    EXPECT_TRUE(Address::Parse(bad).status().IsInvalid()) << bad;
  }
}

}  // namespace
}  // namespace tercet
