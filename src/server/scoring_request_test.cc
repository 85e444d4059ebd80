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
  return RowsOfInvocation("deployment 'delay'", body, *kNeeded, *kKnown);
}

TEST(ScoringRequestTest, NumPyArraysThatAreNoneAreRefused) {
  const auto read = [](const std::string& header, size_t bytes, char version = 1) {
    const size_t size = header.size();
    std::string text = "\x93NUMPY";
    text += {version, 0, static_cast<char>(size & 0xff), static_cast<char>(size >> 8)};
    if (version > 1) text += {0, 0};
    return RowsOfNpy("deployment 'delay'", text + header + std::string(bytes, '\0'),
                     arrow::Schema({kKnown->field(1), kKnown->field(2)}), *kKnown);
  };
  const auto dict = [](const std::string& descr, const std::string& shape) {
    return "{'descr': '" + descr + "', 'fortran_order': True, 'shape': (" + shape + "), }\n";
  };
  for (const char version : {1, 2}) {
    EXPECT_EQ(read(dict("<f8", "3, 2"), 48, version).ValueOrDie()->num_rows(), 3);
  }
  EXPECT_EQ(read(dict("<f8", "2,"), 16).ValueOrDie()->num_rows(), 1);
  for (const char* shape : {"", "3", "0, 2", "-3, 2", "3, 2", "4294967296, 4294967296", "x", "1"}) {
    EXPECT_TRUE(read(dict("<f8", shape), 40).status().IsInvalid()) << shape;
  }
  EXPECT_TRUE(read(dict("<f8", "1, 3"), 24).status().IsInvalid());  // Two columns are needed.
  for (const char* descr : {">f8", "<U5", "|O", "<c8", "<f8x", ""}) {
    EXPECT_TRUE(read(dict(descr, "1, 2"), 16).status().IsNotImplemented()) << descr;
  }
  EXPECT_TRUE(read("{'descr': '<f8'}", 16).status().IsInvalid());
  EXPECT_TRUE(read(dict("<f8", "1, 2"), 16, 4).status().IsInvalid());
  EXPECT_TRUE(RowsOfNpy("", "\x93NUMPY\x01", *kNeeded, *kKnown).status().IsInvalid());
  const std::string cut("\x93NUMPY\x01\0\xff\xff", 10);
  EXPECT_TRUE(RowsOfNpy("", cut, *kNeeded, *kKnown).status().IsInvalid());
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
        R"({"dataframe_split": {"columns": [0, 1], "data": [["Oslo", 1.5], ["Rome", null]]}})",
        R"({"dataframe_split": {"data": [["Oslo", 1.5], ["Rome", null]]}})",
        R"({"instances": [["Oslo", 1.5], ["Rome", null]], "parameters": {"k": 1}})",
        R"({"instances": [{"city": "Oslo", "distance": 1.5}, {"city": "Rome"}]})",
        R"({"inputs": {"city": ["Oslo", "Rome"], "distance": [1.5, null]}})",
        R"({"inputs": [["Oslo", 1.5], ["Rome", null]], "params": {}})",
        R"( [["Oslo", 1.5], {"city": "Rome"}])"}) {
    const auto rows = Invoke(body);
    ASSERT_TRUE(rows.ok()) << body << rows.status();
    EXPECT_TRUE((*rows)->Equals(*expected)) << body << (*rows)->ToString();
  }
  for (const char* text :
       {"city,distance\nOslo,1.5\nRome,\n", "Oslo,1.5\r\n\"Rome\",\r\n", "Oslo,1.5\nRome,"}) {
    const auto csv = RowsOfCsv("deployment 'delay'", text, *kNeeded, *kKnown);
    ASSERT_TRUE(csv.ok()) << text << csv.status();
    EXPECT_TRUE((*csv)->Equals(*expected)) << text << (*csv)->ToString();
  }
  const auto lines = RowsOfJsonLines(
      "deployment 'delay'", "{\"city\": \"Oslo\", \"distance\": 1.5}\r\n\n"
      "{\"features\": [\"Rome\", null]}\n", *kNeeded, *kKnown);
  ASSERT_TRUE(lines.ok()) << lines.status();
  EXPECT_TRUE((*lines)->Equals(*expected)) << (*lines)->ToString();
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
    return RowsOfCsv("deployment 'delay'", text, *kNeeded, *kKnown).status().message();
  };
  EXPECT_THAT(csv("ctiy\na\n"), HasSubstr("did you mean 'city'"));
  EXPECT_THAT(csv("distance\nfar\n"), HasSubstr("malformed CSV"));
  EXPECT_THAT(csv("ctiy,distance\na,1\n"), HasSubstr("did you mean 'city'"));
  EXPECT_THAT(csv("Oslo,1.5,7\n"), HasSubstr("no column 'Oslo'"));
  EXPECT_THAT(csv("Oslo,1.5\nRome,far\n"), HasSubstr("malformed CSV"));
  for (const char* text : {"", "\n", "city\n", ",", "\"", "\"\n"}) {
    EXPECT_FALSE(RowsOfCsv("d", text, *kNeeded, *kKnown).ok()) << text;
  }
  const auto lines = [](const std::string& text) {
    return RowsOfJsonLines("deployment 'delay'", text, *kNeeded, *kKnown).status().message();
  };
  EXPECT_THAT(lines("\n"), HasSubstr("at least one row"));
  EXPECT_THAT(lines("[\"a\", 1]\n\n{"), HasSubstr("line 3: malformed JSON"));
  EXPECT_THAT(lines("{\"features\": 3}\n"), HasSubstr("a list of 2 values"));
}

}  // namespace
}  // namespace tercet
