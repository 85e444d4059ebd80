#include "offline/row_gather.h"

#include <random>

#include <arrow/compute/api_vector.h>

#include "offline/table_test_rows.h"

namespace tercet {
namespace {

TEST(RowGather, EqualsArrowsTake) {
  const auto schema = arrow::schema(
      {arrow::field("long", arrow::int64()), arrow::field("float", arrow::float32()),
       arrow::field("time", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")),
       arrow::field("text", arrow::utf8()), arrow::field("flag", arrow::boolean()),
       arrow::field("money", arrow::decimal128(9, 2)), arrow::field("full", arrow::int32())});
  std::string text = "[";
  for (int i = 0; i < 200; ++i) {
    const std::string n = std::to_string(i);
    const std::string some = i % 3 == 0 ? "null" : n;
    text += (i == 0 ? "[" : ",[") + some + "," + (i % 5 == 0 ? "null" : n) + "," + some + ",\"" +
            n + "\"," + (i % 2 == 0 ? "true" : "null") + ",\"" + n + ".25\"," + n + "]";
  }
  // A slice, so that the buffers don't begin with the first row.
  const auto rows = Rows(schema, text + "]")->Slice(3, 180);
  std::mt19937 random(5);
  for (const size_t count : {0, 1, 7, 24, 25, 100, 1000}) {
    std::vector<uint32_t> numbers(count);
    for (uint32_t& number : numbers) number = random() % 180;
    const arrow::UInt32Array indices(static_cast<int64_t>(count),
                                     arrow::Buffer::Wrap(numbers.data(), count));
    const auto expected = Value(arrow::compute::Take(rows, indices.Slice(0)));
    const auto actual = Value(GatherRows(*rows, numbers));
    ASSERT_OK(actual->ValidateFull());
    ExpectEqual(*actual, *expected.record_batch());
  }
}

}  // namespace
}  // namespace tercet
