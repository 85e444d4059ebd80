#include "server/trace.h"

#include <gtest/gtest.h>

namespace tercet {
namespace {

TEST(TraceContext, ReadsWhatTheStandardHas) {
  const std::string text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  const auto context = TraceContext::Parse(text);
  ASSERT_TRUE(context);
  EXPECT_EQ(context->trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(context->span_id, "00f067aa0ba902b7");
  EXPECT_TRUE(context->sampled);
  EXPECT_EQ(context->ToText(), text);
  EXPECT_FALSE(TraceContext::Parse(text.substr(0, 53) + "02")->sampled);
  // A later version may say more, behind a dash.
  EXPECT_TRUE(TraceContext::Parse("01" + text.substr(2) + "-more"));
  EXPECT_TRUE(TraceContext::Parse("cc" + text.substr(2)));
}

TEST(TraceContext, BeginsAnewWhereItIsMalformed) {
  for (const char* text :
       {"", "00", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
        "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.more"}) {
    EXPECT_FALSE(TraceContext::Parse(text)) << text;
  }
}

TEST(TraceExporter, TakesAPlainAddress) {
  for (const char* endpoint : {"", "127.0.0.1:4318", "https://collector/v1/traces", "http://",
                               "http:///v1/traces", "http://host:/v1/traces"}) {
    EXPECT_TRUE(TraceExporter::Make({.endpoint = endpoint}).status().IsInvalid()) << endpoint;
  }
  EXPECT_TRUE(
      TraceExporter::Make({.endpoint = "http://host:1", .percent = 101}).status().IsInvalid());
}

TEST(TraceExporter, ListensToSampledRequestsAlone) {
  // Nobody listens there: what can't be delivered is counted, and nothing waits for it.
  const auto exporter =
      TraceExporter::Make({.endpoint = "http://127.0.0.1:1", .percent = 50}).ValueOrDie();
  int listened = 0;
  for (int i = 0; i < 100; ++i) {
    TraceExporter::Span span(exporter.get(), "request", "");
    listened += CurrentTrace() != nullptr;
    span.End(200);
    EXPECT_EQ(CurrentTrace(), nullptr);
  }
  EXPECT_NEAR(listened, 50, 2);
  TraceExporter::Span none(nullptr, "request",
                           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  EXPECT_EQ(CurrentTrace(), nullptr);
  none.End(200);
}

}  // namespace
}  // namespace tercet
