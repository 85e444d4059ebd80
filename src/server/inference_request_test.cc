#include "server/inference_request.h"

#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

namespace tercet {
namespace {

using ::testing::HasSubstr;

std::shared_ptr<arrow::Schema> Known() {
  return arrow::schema({arrow::field("origin", arrow::utf8()), arrow::field("n", arrow::int32()),
                        arrow::field("x", arrow::float64()), arrow::field("flag", arrow::boolean()),
                        arrow::field("at", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")),
                        arrow::field("day", arrow::date32()),
                        arrow::field("price", arrow::decimal128(8, 2)),
                        arrow::field("raw", arrow::binary()),
                        arrow::field("words", arrow::list(arrow::utf8())),
                        arrow::field("point", arrow::fixed_size_list(arrow::float32(), 2))});
}

Result<std::shared_ptr<arrow::RecordBatch>> Entities(const std::string& body,
                                                     const std::string& length = "") {
  ARROW_ASSIGN_OR_RAISE(const InferenceRequest request, ReadInferenceRequest(body, length));
  return EntitiesOf(request, "deployment 'delay'", *Known());
}

std::string Input(const std::string& name, const std::string& datatype, const std::string& shape,
                  const std::string& data) {
  return R"({"name": ")" + name + R"(", "datatype": ")" + datatype + R"(", "shape": )" + shape +
         R"(, "data": )" + data + "}";
}

TEST(InferenceRequestTest, ReadsJsonTensors) {
  const auto batch = Entities(
      R"({"id": "7", "parameters": {"event_time": "2013-01-01T00:00:00Z"}, "inputs": [)" +
      Input("origin", "BYTES", "[2, 1]", R"([["JFK"], ["é"]])") + "," +
      Input("n", "INT64", "[2]", "[1, null]") + "," + Input("x", "FP32", "[2]", "[0.5, 2]") + "," +
      Input("flag", "BOOL", "[2]", "[true, false]") + "," + Input("at", "INT64", "[2]", "[1, 2]") +
      "," + Input("day", "BYTES", "[2]", R"(["1970-01-02", "1969-12-31"])") + "," +
      Input("price", "BYTES", "[2]", R"(["1.5", "-2"])") + "]}");
  ASSERT_TRUE(batch.ok()) << batch.status();
  const auto expected = arrow::json::ArrayFromJSONString(
      arrow::struct_((*batch)->schema()->fields()),
      R"([{"origin": "JFK", "n": 1, "x": 0.5, "flag": true, "at": 1, "day": 1, "price": "1.50"},
          {"origin": "é", "n": null, "x": 2, "flag": false, "at": 2, "day": -1,
           "price": "-2.00"}])");
  EXPECT_TRUE((*batch)->ToStructArray().ValueOrDie()->Equals(*expected.ValueOrDie()))
      << (*batch)->ToString();
}

TEST(InferenceRequestTest, ReadsTheTimeAsTextOrMicroseconds) {
  const std::string rest = R"(}, "inputs": [)" + Input("n", "INT8", "[1]", "[1]") + "]}";
  EXPECT_EQ(
      ReadInferenceRequest(R"({"parameters": {"event_time": "1970-01-01T00:00:01Z")" + rest, "")
          ->event_time_us,
      1'000'000);
  EXPECT_EQ(ReadInferenceRequest(R"({"parameters": {"event_time": 5)" + rest, "")->event_time_us,
            5);
  EXPECT_TRUE(ReadInferenceRequest(R"({"parameters": {"event_time": "soon")" + rest, "")
                  .status()
                  .IsInvalid());
}

TEST(InferenceRequestTest, ReadsBinaryTensorsInOrder) {
  const std::string text =
      R"({"inputs": [{"name": "n", "datatype": "INT32", "shape": [2],
           "parameters": {"binary_data_size": 8}},
          {"name": "x", "datatype": "FP64", "shape": [2, 1], "data": [1.5, 2.5]},
          {"name": "origin", "datatype": "BYTES", "shape": [2],
           "parameters": {"binary_data_size": 11}},
          {"name": "raw", "datatype": "BYTES", "shape": [2],
           "parameters": {"binary_data_size": 9}}]})";
  std::string tail;
  for (const int32_t number : {7, -8}) tail.append(reinterpret_cast<const char*>(&number), 4);
  for (const std::string& part :
       {std::string("JFK"), std::string(""), std::string("\xff"), std::string("")}) {
    const auto size = static_cast<uint32_t>(part.size());
    tail.append(reinterpret_cast<const char*>(&size), 4);
    tail += part;
  }
  const auto batch = Entities(text + tail, std::to_string(text.size()));
  ASSERT_TRUE(batch.ok()) << batch.status();
  EXPECT_EQ((*batch)->GetColumnByName("n")->ToString(), "[\n  7,\n  -8\n]");
  EXPECT_EQ((*batch)->GetColumnByName("origin")->ToString(), "[\n  \"JFK\",\n  \"\"\n]");
  for (const std::string& broken :
       {text + tail + "x", text + tail.substr(1), text + tail.substr(0, tail.size() - 1), text}) {
    EXPECT_TRUE(Entities(broken, std::to_string(text.size())).status().IsInvalid());
  }
  for (const char* length : {"-1", "x", "99999999", "12", "0"}) {
    EXPECT_FALSE(Entities(text + tail, length).ok()) << length;
  }
}

TEST(InferenceRequestTest, ReadsHalvesAndRowsOfSeveralValues) {
  const std::string text =
      R"({"inputs": [{"name": "x", "datatype": "FP16", "shape": [2, 1],
           "parameters": {"binary_data_size": 4}},
          {"name": "point", "datatype": "FP16", "shape": [2, 2],
           "parameters": {"binary_data_size": 8}},
          {"name": "words", "datatype": "BYTES", "shape": [2, 2],
           "data": [["a", "b"], ["c", "d"]]}]})";
  // One half and minus two as IEEE 754 half precision.
  const uint16_t halves[] = {0x3800, 0xc000, 0x3800, 0x3800, 0xc000, 0xc000};
  const std::string tail(reinterpret_cast<const char*>(halves), sizeof(halves));
  const auto batch = Entities(text + tail, std::to_string(text.size()));
  ASSERT_TRUE(batch.ok()) << batch.status();
  ASSERT_TRUE((*batch)->ValidateFull().ok());
  const auto expected = arrow::json::ArrayFromJSONString(
      arrow::struct_((*batch)->schema()->fields()),
      R"([{"x": 0.5, "point": [0.5, 0.5], "words": ["a", "b"]},
          {"x": -2, "point": [-2, -2], "words": ["c", "d"]}])");
  EXPECT_TRUE((*batch)->ToStructArray().ValueOrDie()->Equals(*expected.ValueOrDie()))
      << (*batch)->ToString();
  EXPECT_THAT(Entities("{\"inputs\": [" + Input("point", "FP32", "[1, 3]", "[1, 2, 3]") + "]}")
                  .status()
                  .message(),
              HasSubstr("lists of 2"));
}

TEST(InferenceRequestTest, ReadsAMatrixAsTheColumnsThatAreNeeded) {
  const auto needed = arrow::schema({Known()->field(2), Known()->field(1)});
  const auto entities = [&](const std::string& inputs, const std::string& tail) {
    const std::string text = "{\"inputs\": [" + inputs + "]}";
    return ReadInferenceRequest(text + tail, std::to_string(text.size()))
        .Map([&](const InferenceRequest& request) {
          return EntitiesOf(request, "deployment 'delay'", *needed, *Known());
        });
  };
  const auto expected = arrow::json::ArrayFromJSONString(
      arrow::struct_(needed->fields()), R"([{"x": 0.5, "n": 1}, {"x": 2.5, "n": -3}])");
  const float numbers[] = {0.5F, 1, 2.5F, -3};
  const std::string tail(reinterpret_cast<const char*>(numbers), sizeof(numbers));
  for (const auto& batch :
       {entities(Input("input-0", "FP32", "[2, 2]", "[[0.5, 1], [2.5, -3]]"), ""),
        entities(Input("input-0", "FP64", "[2, 2]", "[0.5, 1, 2.5, -3]"), ""),
        entities(R"({"name": "input-0", "datatype": "FP32", "shape": [2, 2],
                     "parameters": {"binary_data_size": 16}})", tail)}) {
    ASSERT_TRUE(batch.ok()) << batch.status();
    ASSERT_TRUE((*batch)->ValidateFull().ok());
    EXPECT_TRUE((*batch)->ToStructArray().ValueOrDie()->Equals(*expected.ValueOrDie()))
        << (*batch)->ToString();
  }
  EXPECT_THAT(entities(Input("input-0", "FP32", "[1, 2]", "[1, 0.5]"), "").status().message(),
              HasSubstr("column 'n': "));
  // What a name says comes first, and another number of values fits no columns.
  EXPECT_TRUE(entities(Input("point", "FP32", "[1, 2]", "[1, 2]"), "").ok());
  for (const char* shape : {"[2, 1]", "[1, 3]", "[2]"}) {
    EXPECT_TRUE(entities(Input("input-0", "FP32", shape, "[1, 2]"), "").status().IsInvalid())
        << shape;
  }
}

TEST(InferenceRequestTest, TheOnlyColumnNeedsNoName) {
  const auto only = arrow::schema({Known()->field(0)});
  const std::string body = "{\"inputs\": [" + Input("input-0", "BYTES", "[2, 1]", R"(["a", "b"])") +
                           "]}";
  const InferenceRequest request = ReadInferenceRequest(body, "").ValueOrDie();
  const auto batch = EntitiesOf(request, "deployment 'delay'", *only, *only);
  ASSERT_TRUE(batch.ok()) << batch.status();
  EXPECT_EQ((*batch)->schema()->field(0)->name(), "origin");
  EXPECT_EQ((*batch)->num_rows(), 2);
  // Where a feature may be passed in, too, the name has to say which is meant.
  EXPECT_TRUE(EntitiesOf(request, "deployment 'delay'", *only, *Known()).status().IsInvalid());
}

TEST(InferenceRequestTest, ReadsABodyThatIsOneBinaryTensor) {
  const auto x = Known()->field(2), point = Known()->field(9), origin = Known()->field(0);
  const auto rows = [](std::string_view body, const arrow::FieldVector& needed) {
    const arrow::Schema schema(needed);
    return ReadRawRequest(body, schema).Map([&](const InferenceRequest& request) {
      EXPECT_TRUE(request.binary_output);
      return EntitiesOf(request, "deployment 'delay'", schema, schema);
    });
  };
  const double numbers[] = {0.5, 1, 2.5, -3};
  const std::string_view bytes(reinterpret_cast<const char*>(numbers), sizeof(numbers));
  EXPECT_EQ(rows(bytes, {x}).ValueOrDie()->num_rows(), 4);
  const auto matrix = rows(bytes, {x, x->WithName("y")}).ValueOrDie();
  EXPECT_EQ(matrix->column(1)->ToString(), "[\n  1,\n  -3\n]");
  EXPECT_EQ(rows(bytes, {point}).ValueOrDie()->num_rows(), 4);
  EXPECT_EQ(rows("427", {origin}).ValueOrDie()->column(0)->ToString(), "[\n  \"427\"\n]");
  for (const auto& refused :
       {rows(bytes.substr(1), {x}), rows("", {x}), rows(bytes, {}), rows(bytes, {x, origin}),
        rows(bytes, {point, point}), rows("\xff", {origin}), rows("1", {Known()->field(8)})}) {
    EXPECT_TRUE(refused.status().IsInvalid()) << refused.status();
  }
}

TEST(InferenceRequestTest, RefusesWhatIsAskedTwiceOrInAnotherWay) {
  const auto refused = [](const std::string& outputs) {
    return ReadInferenceRequest("{\"inputs\": [" + Input("x", "FP64", "[1]", "[1]") +
                                    "], \"outputs\": [" + outputs + "]}", "").status();
  };
  EXPECT_TRUE(refused(R"({"name": "a"}, {"name": "b"})").ok());
  EXPECT_THAT(refused(R"({"name": "a"}, {"name": "b"}, {"name": "a"})").message(),
              HasSubstr("output 'a' is given twice"));
  EXPECT_TRUE(ReadInferenceRequest(R"({"inputs": [{"name": "origin", "datatype": "BYTES",
                  "shape": [1], "data": ["aGV5"], "parameters": {"content_type": "base64"}}]})", "")
                  .status().IsNotImplemented());
  for (const char* parameter : {"classification", "shared_memory_region"}) {
    const Status status =
        refused(R"({"name": "a", "parameters": {")" + std::string(parameter) + R"(": 2}})");
    EXPECT_TRUE(status.IsNotImplemented()) << status;
    EXPECT_THAT(status.message(), HasSubstr(parameter));
  }
}

TEST(InferenceRequestTest, RefusesWhatDoesNotFitAndSaysWhy) {
  const auto refused = [](const std::string& input) {
    return Entities("{\"inputs\": [" + input + "]}").status();
  };
  EXPECT_THAT(refused(Input("orign", "BYTES", "[1]", "[\"a\"]")).message(),
              HasSubstr("no input 'orign' (did you mean 'origin'?)"));
  EXPECT_TRUE(refused(Input("orign", "BYTES", "[1]", "[\"a\"]")).IsInvalid());
  EXPECT_THAT(refused(Input("x", "FP65", "[1]", "[1]")).message(), HasSubstr("FP64"));
  EXPECT_THAT(refused(Input("x", "FP64", "[2]", "[1]")).message(), HasSubstr("1 values"));
  EXPECT_THAT(refused(Input("x", "FP64", "[1, 2]", "[1, 2]")).message(), HasSubstr("[n, 1]"));
  // A row may be a tensor of its own, as long as it has values.
  EXPECT_TRUE(refused(Input("x", "FP64", "[1, 1, 1]", "[1]")).ok());
  for (const char* shape : {"[]", "[0]", "[-1]", "[1.5]", "[1, 0, 1]", "[1, 1, -1]",
                            "[1, 4294967296, 4294967296]", "[99999999999]", "3", "[\"1\"]"}) {
    EXPECT_FALSE(refused(Input("x", "FP64", shape, "[1]")).ok()) << shape;
  }
  EXPECT_TRUE(refused(Input("x", "FP64", "[1]", "[\"1\"]")).IsTypeError());
  EXPECT_TRUE(refused(Input("x", "BYTES", "[1]", "[\"1\"]")).IsTypeError());
  EXPECT_TRUE(refused(Input("origin", "INT64", "[1]", "[1]")).IsTypeError());
  EXPECT_TRUE(refused(Input("n", "INT64", "[1]", "[3000000000]")).IsTypeError());
  EXPECT_TRUE(refused(Input("n", "INT8", "[1]", "[300]")).IsTypeError());
  EXPECT_TRUE(refused(Input("n", "FP64", "[1]", "[1.5]")).IsTypeError());
  EXPECT_TRUE(refused(Input("flag", "FP64", "[1]", "[1]")).IsTypeError());
  EXPECT_TRUE(refused(Input("at", "BYTES", "[1]", "[\"noon\"]")).IsInvalid());
  EXPECT_THAT(refused(Input("x", "FP64", "[1]", "[1]") + "," + Input("n", "INT8", "[2]", "[1, 2]"))
                  .message(),
              HasSubstr("has 2 rows"));
  EXPECT_THAT(
      refused(Input("x", "FP64", "[1]", "[1]") + "," + Input("x", "FP64", "[1]", "[1]")).message(),
      HasSubstr("twice"));
  for (const char* body :
       {"", "{}", "[]", "{\"inputs\": []}", "{\"inputs\": [1]}", "{\"inputs\": 3}",
        "{\"inputs\": [{}]}", "{\"inputs\": [{\"name\": \"x\"}]}"}) {
    EXPECT_FALSE(Entities(body).ok()) << body;
  }
}

TEST(OutputTensorTest, WritesColumnsAsTensors) {
  const auto column = [](const std::shared_ptr<arrow::DataType>& type, const std::string& text) {
    return arrow::json::ArrayFromJSONString(type, text).ValueOrDie();
  };
  const auto text = [&](const std::shared_ptr<arrow::Array>& array) {
    std::string out;
    AppendTensorJson(TensorOf("y", array).ValueOrDie(), &out);
    return out;
  };
  EXPECT_EQ(text(column(arrow::float64(), "[0.1, null, 1e300]")), "[0.1,null,1e+300]");
  EXPECT_EQ(text(column(arrow::utf8(), R"(["a\"b"])")), R"(["a\"b"])");
  const auto lists = TensorOf("y", column(arrow::list(arrow::float32()), "[[0.25, 0.75], [1, 0]]"));
  ASSERT_TRUE(lists.ok());
  EXPECT_EQ(lists->shape, (std::vector<int64_t>{2, 2}));
  EXPECT_EQ(lists->datatype, "FP32");
  EXPECT_FALSE(TensorOf("y", column(arrow::list(arrow::float32()), "[[1], [1, 0]]")).ok());
  std::string halves;
  const auto half = TensorOf("y", column(arrow::float16(), "[0.5, null]"));
  EXPECT_EQ(half->datatype, "FP16");
  ASSERT_TRUE(AppendTensorBytes(*half, &halves).ok());
  EXPECT_EQ(halves, std::string("\x00\x38\x00\x7e", 4));
  std::string bytes;
  ASSERT_TRUE(
      AppendTensorBytes(*TensorOf("y", column(arrow::utf8(), R"(["ab", ""])")), &bytes).ok());
  EXPECT_EQ(bytes, std::string("\2\0\0\0ab\0\0\0\0", 10));
  EXPECT_TRUE(
      AppendTensorBytes(*TensorOf("y", column(arrow::int64(), "[null]")), &bytes).IsInvalid());
}

}  // namespace
}  // namespace tercet
