#include "client/plain_json.h"

#include <gtest/gtest.h>

namespace tercet {
namespace {

TEST(PlainJson, NumbersAreAsPeopleWriteThem) {
  const json::value value = {{"auc", 0.81}, {"text 8E1 \"\\", "1E5\\\""}, {"whole", 200.0},
                             {"tiny", -1.5e-20}, {"huge", 1e300}, {"zero", 0.0}, {"count", 7},
                             {"flags", {true, false, nullptr}}};
  const std::string plain = PlainJson(value);
  EXPECT_EQ(plain,
            R"({"auc":0.81,"text 8E1 \"\\":"1E5\\\"","whole":200.0,"tiny":-1.5e-20,)"
            R"("huge":1e+300,"zero":0.0,"count":7,"flags":[true,false,null]})");
  EXPECT_EQ(*ParseJson(plain), *ParseJson(ToText(value)));
}

}  // namespace
}  // namespace tercet
