#include "server/scoring_request.h"

#include <arrow/type.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tercet {
namespace {

using ::testing::HasSubstr;

const auto kNeeded = arrow::schema({arrow::field("city", arrow::utf8()),
                                    arrow::field("distance", arrow::float64())});
const auto kKnown = arrow::schema({arrow::field("city", arrow::utf8()),
                                   arrow::field("distance", arrow::float64()),
                                   arrow::field("seats", arrow::int64())});

Result<std::shared_ptr<arrow::RecordBatch>> Invoke(const std::string& body) {
  ARROW_ASSIGN_OR_RAISE(const json::object object, ParseJsonObject(body));
  return RowsOfInvocation("deployment 'delay'", object, *kNeeded, *kKnown);
}

TEST(ScoringRequestTest, EveryFormGivesTheSameRows) {
  const auto expected =
      Invoke(R"({"dataframe_records": [{"city": "Oslo", "distance": 1.5},
                                       {"city": "Rome", "distance": null}]})")
          .ValueOrDie();
  ASSERT_EQ(expected->num_rows(), 2);
  for (const char* body :
       {R"({"dataframe_split": {"columns": ["city", "distance"],
                                "data": [["Oslo", 1.5], ["Rome", null]], "index": [0, 1]}})",
        R"({"instances": [["Oslo", 1.5], ["Rome", null]]})",
        R"({"instances": [{"city": "Oslo", "distance": 1.5}, {"city": "Rome"}]})",
        R"({"inputs": {"city": ["Oslo", "Rome"], "distance": [1.5, null]}})",
        R"({"inputs": [["Oslo", 1.5], ["Rome", null]], "params": {}})"}) {
    const auto rows = Invoke(body);
    ASSERT_TRUE(rows.ok()) << body << rows.status();
    EXPECT_TRUE((*rows)->Equals(*expected)) << body << (*rows)->ToString();
  }
  const auto csv = RowsOfCsv("deployment 'delay'", "city,distance\nOslo,1.5\nRome,\n", *kKnown);
  ASSERT_TRUE(csv.ok()) << csv.status();
  EXPECT_TRUE((*csv)->Equals(*expected)) << (*csv)->ToString();
}

TEST(ScoringRequestTest, RefusesWhatItCannotRead) {
  const auto why = [](const std::string& body) { return Invoke(body).status().message(); };
  EXPECT_THAT(why("{}"), HasSubstr("this one has none"));
  EXPECT_THAT(why(R"({"instances": [], "inputs": []})"), HasSubstr("'inputs' is unexpected"));
  EXPECT_THAT(why(R"({"instances": [["Oslo"]]})"), HasSubstr("a list of 2 values"));
  EXPECT_THAT(why(R"({"instances": [1]})"), HasSubstr("a list of 2 values"));
  EXPECT_THAT(why(R"({"inputs": {"city": ["a"], "distance": []}})"), HasSubstr("'distance'"));
  EXPECT_THAT(why(R"({"inputs": {"city": "a"}})"), HasSubstr("lists of equal length"));
  EXPECT_THAT(why(R"({"dataframe_records": [{"ctiy": "a"}]})"), HasSubstr("did you mean 'city'"));
  EXPECT_THAT(why(R"({"dataframe_records": []})"), HasSubstr("a list of 1 to"));
  const auto csv = [](const std::string& text) {
    return RowsOfCsv("deployment 'delay'", text, *kKnown).status().message();
  };
  EXPECT_THAT(csv("ctiy\na\n"), HasSubstr("did you mean 'city'"));
  EXPECT_THAT(csv("distance\nfar\n"), HasSubstr("malformed CSV"));
  EXPECT_FALSE(RowsOfCsv("d", "", *kKnown).ok());
  EXPECT_FALSE(RowsOfCsv("d", "city\n", *kKnown).ok());
}

}  // namespace
}  // namespace tercet
