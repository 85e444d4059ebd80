#include <arrow/compare.h>
#include <arrow/record_batch.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "base/cell_row.h"
#include "server/inference_request.h"

namespace tercet {
namespace {

constexpr size_t kMost = 4;

const std::shared_ptr<arrow::Schema>& Needed() {
  static const auto schema = arrow::schema(
      {arrow::field("id", arrow::int64()), arrow::field("x", arrow::float64()),
       arrow::field("name", arrow::utf8())});
  return schema;
}

std::string Tensor(const std::string& name, const std::string& datatype, const std::string& shape,
                   const std::string& values) {
  return R"({"name": ")" + name + R"(", "datatype": ")" + datatype + R"(", "shape": )" + shape +
         R"(, )" + values + "}";
}

std::string Data(const std::string& values) { return R"("data": )" + values; }

std::string Binary(size_t bytes) {
  return R"("parameters": {"binary_data_size": )" + std::to_string(bytes) + "}";
}

struct Body {
  std::string json, tail;
  Result<InferenceRequest> Read() const {
    whole = json + tail;
    return ReadInferenceRequest(whole, std::to_string(json.size()));
  }
  mutable std::string whole;
};

Body Inputs(std::initializer_list<std::string> tensors, std::string tail = "") {
  std::string list;
  for (const std::string& tensor : tensors) list += (list.empty() ? "" : ", ") + tensor;
  return {R"({"inputs": [)" + list + "]}", std::move(tail), {}};
}

template <typename... Numbers>
std::string BytesOf(Numbers... numbers) {
  std::string bytes;
  (bytes.append(reinterpret_cast<const char*>(&numbers), sizeof(numbers)), ...);
  return bytes;
}

/// Whether the short way reads the request; what it reads must be what the long one does.
bool Short(const Body& body, const std::shared_ptr<arrow::Schema>& needed = Needed()) {
  const InferenceRequest request = body.Read().ValueOrDie();
  std::vector<Cell> cells;
  std::vector<uint64_t> numbers;
  if (!CellsOf(request, *needed, *needed, kMost, &cells, &numbers)) return false;
  const auto read = BatchOfCells(needed, cells).ValueOrDie();
  const auto expected = EntitiesOf(request, "it", *needed, *needed).ValueOrDie();
  for (const auto& field : needed->fields()) {
    EXPECT_TRUE(read->GetColumnByName(field->name())
                    ->Equals(*expected->GetColumnByName(field->name()),
                             arrow::EqualOptions::Defaults().nans_equal(true)))
        << read->ToString() << expected->ToString();
  }
  return true;
}

const std::string kId = Tensor("id", "INT64", "[2]", Data("[7, -9007199254740993]"));
const std::string kX = Tensor("x", "FP64", "[2, 1]", Data("[[0.1], [null]]"));
const std::string kName = Tensor("name", "BYTES", "[2]", Data(R"(["é", ""])"));

TEST(InputCells, OfJsonAreThoseOfColumns) {
  EXPECT_TRUE(Short(Inputs({kId, kX, kName})));
  EXPECT_TRUE(Short(Inputs({kName, kId, kX})));
  EXPECT_TRUE(Short(Inputs({Tensor("id", "INT32", "[2]", Data("[7, -8]")),
                            Tensor("x", "FP32", "[2]", Data("[0.1, 1e300]")), kName})));
}

TEST(InputCells, OfBytesAreThoseOfColumns) {
  const std::string names = BytesOf(3u) + "abc" + BytesOf(0u);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(Short(Inputs({Tensor("id", "INT64", "[2]", Binary(16)),
                            Tensor("x", "FP64", "[2]", Binary(16)),
                            Tensor("name", "BYTES", "[2]", Binary(names.size()))},
                           BytesOf(int64_t{1}, int64_t{-2}, nan, 0.1) + names)));
  EXPECT_TRUE(Short(Inputs({Tensor("id", "INT32", "[2]", Binary(8)),
                            Tensor("x", "FP32", "[2]", Binary(8)), kName},
                           BytesOf(1, -2, 0.1F, -0.0F))));
}

TEST(InputCells, OfOneMatrixAreItsRows) {
  const auto two = arrow::schema(
      {arrow::field("x", arrow::float64()), arrow::field("y", arrow::float32())});
  EXPECT_TRUE(Short(Inputs({Tensor("input-0", "FP32", "[2, 2]", Data("[[1, 2.5], [3, 0.1]]"))}),
                    two));
  EXPECT_TRUE(Short(Inputs({Tensor("input-0", "FP32", "[2, 2]", Binary(16))},
                           BytesOf(1.0F, 2.5F, 3.0F, 0.1F)),
                    two));
  // Of the wrong width, and of the name of a column.
  EXPECT_FALSE(Short(Inputs({Tensor("input-0", "FP32", "[1, 3]", Data("[1, 2, 3]"))}), two));
  EXPECT_FALSE(Short(Inputs({Tensor("x", "FP32", "[1, 2]", Data("[1, 2]"))}), two));
}

TEST(InputCells, LeaveTheRestToColumns) {
  // A column that is missing, or another; a datatype to be converted; values that do not fit, are
  // too few or no text; and more rows than are answered so.
  EXPECT_FALSE(Short(Inputs({kId, kX})));
  EXPECT_FALSE(Short(Inputs({kId, kX, Tensor("other", "BYTES", "[2]", Data(R"(["", ""])"))})));
  EXPECT_FALSE(Short(Inputs({kId, Tensor("x", "INT64", "[2]", Data("[1, 2]")), kName})));
  EXPECT_FALSE(Short(Inputs({Tensor("id", "INT32", "[2]", Data("[1, 3000000000]")), kX, kName})));
  EXPECT_FALSE(Short(Inputs({Tensor("id", "INT64", "[2]", Data("[1]")), kX, kName})));
  EXPECT_FALSE(Short(Inputs({Tensor("id", "INT64", "[2]", Binary(8)), kX, kName}, BytesOf(1, 2))));
  EXPECT_FALSE(Short(Inputs({kId, kX, Tensor("name", "BYTES", "[2]", Binary(9))},
                            BytesOf(1u) + "\xff" + BytesOf(0u))));
  EXPECT_FALSE(Short(Inputs({kId, kX, Tensor("name", "BYTES", "[2]", Binary(5))},
                            BytesOf(2u) + "a")));
  const auto id = arrow::schema({Needed()->field(0)});
  EXPECT_TRUE(Short(Inputs({Tensor("id", "INT64", "[4]", Data("[1, 2, 3, 4]"))}), id));
  EXPECT_FALSE(Short(Inputs({Tensor("id", "INT64", "[5]", Data("[1, 2, 3, 4, 5]"))}), id));
}

}  // namespace
}  // namespace tercet
