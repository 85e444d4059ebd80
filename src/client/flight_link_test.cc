#include "client/flight_link.h"

#include <arrow/buffer.h>
#include <arrow/flight/server.h>
#include <gtest/gtest.h>

namespace tercet {
namespace {

namespace flight = arrow::flight;

/// Answers an exchange with messages without end, or nearly.
class TalkativeServer : public flight::FlightServerBase {
 public:
  static constexpr int64_t kMost = 1'000'000;

  Status DoExchange(const flight::ServerCallContext& context,
                    std::unique_ptr<flight::FlightMessageReader>,
                    std::unique_ptr<flight::FlightMessageWriter> writer) override {
    while (sent < kMost && !context.is_cancelled()) {
      ARROW_RETURN_NOT_OK(writer->WriteMetadata(arrow::Buffer::FromString("{}")));
      ++sent;
    }
    return Status::OK();
  }

  std::atomic<int64_t> sent = 0;
};

TEST(FlightLink, WhatFailsHereEndsTheExchangeThere) {
  TalkativeServer server;
  const auto location = flight::Location::ForGrpcTcp("127.0.0.1", 0).ValueOrDie();
  ASSERT_TRUE(server.Init(flight::FlightServerOptions(location)).ok());
  FlightLink link("127.0.0.1", server.port(), "");
  int chunks = 0;
  const Status status = link.Exchange({}, Frame(), nullptr, [&](const auto&, json::object) {
    return ++chunks < 3 ? Status::OK() : Status::IOError("the disk is full");
  });
  EXPECT_TRUE(status.IsIOError());
  EXPECT_EQ(status.message(), "the disk is full");
  EXPECT_EQ(chunks, 3);
  ASSERT_TRUE(server.Shutdown().ok());
  EXPECT_LT(server.sent, TalkativeServer::kMost) << "all was sent to nobody";
}

}  // namespace
}  // namespace tercet
