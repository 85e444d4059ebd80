#include "server/http_message.h"

#include <gtest/gtest.h>

namespace tercet {
namespace {

TEST(HttpAnswer, WritesNumbersAsClientsReadThem) {
  EXPECT_EQ(HttpAnswer::Json(json::object{{"auc", 0.81}, {"whole", 200.0}, {"count", 7}}).body,
            R"({"auc":0.81,"whole":200.0,"count":7})");
}

}  // namespace
}  // namespace tercet
