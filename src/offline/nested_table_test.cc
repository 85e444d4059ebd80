// Tables of random nested columns through every change, in memory and spilled, against a map of
// rows.
#include <algorithm>
#include <map>

#include "compute/test_nested.h"
#include "offline/table_test_rows.h"

namespace tercet {
namespace {

using arrow::field;
using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

/// Rows of distinct keys below 40 in random order, with three random columns.
BatchPtr RandomRows(NestedRandom* random, const std::shared_ptr<arrow::Schema>& schema) {
  std::vector<int64_t> keys(40);
  for (size_t k = 0; k < keys.size(); ++k) keys[k] = static_cast<int64_t>(k);
  std::shuffle(keys.begin(), keys.end(), random->random());
  keys.resize(static_cast<size_t>(1 + random->Below(40)));
  arrow::Int64Builder builder;
  EXPECT_TRUE(builder.AppendValues(keys).ok());
  const auto rows = static_cast<int64_t>(keys.size());
  arrow::ArrayVector columns = {Value(builder.Finish())};
  for (int c = 1; c < schema->num_fields(); ++c) {
    // A slice, whose values begin elsewhere.
    columns.push_back(Value(random->Values(schema->field(c)->type(), rows + 3))->Slice(3));
  }
  return arrow::RecordBatch::Make(schema, rows, columns);
}

class NestedTableTest : public ::testing::TestWithParam<int64_t> {};

TEST_P(NestedTableTest, EveryChangeIsThatOfAMap) {
  InitializeArrow();
  TestFolder folder;
  const ManualClock clock(1'700'000'000'000'000);
  NestedRandom random(23);
  for (int round = 0; round < 12; ++round) {
    arrow::FieldVector fields = {field("key", arrow::int64())};
    for (int c = 0; c < 3; ++c) {
      fields.push_back(field("c" + std::to_string(c), random.Nested(2)));
    }
    const auto schema = arrow::schema(fields);
    SCOPED_TRACE(schema->ToString());
    const std::string path = folder.Join(std::to_string(round));
    Value(Table::Create(LocalFileSystem(), path, schema, {.primary_key = {"key"}}, &clock));
    SetProperties(path, {{"tercet.max_file_rows", "20"},
                         {"tercet.row_group_rows", "7"},
                         {"tercet.copy_on_write_rows", round % 2 == 0 ? "100" : "3"}});
    const auto table = Value(Table::Open(
        LocalFileSystem(), path, {}, &clock,
        {.limit_bytes = GetParam(), .scratch_folder = folder.path()}));
    std::map<int64_t, BatchPtr> expected;  // a row by its key
    for (int change = 0; change < 6; ++change) {
      const BatchPtr rows = RandomRows(&random, schema);
      const auto& keys = static_cast<const arrow::Int64Array&>(*rows->column(0));
      if (change == 3) {
        ASSERT_OK(table->Delete(Reader({Value(rows->SelectColumns({0}))})));
        for (int64_t i = 0; i < keys.length(); ++i) expected.erase(keys.Value(i));
      } else if (change == 4) {
        ASSERT_OK(table->Compact());
      } else {
        if (change == 5) expected.clear();
        ASSERT_OK(table->Write(
            Reader({rows}),
            {.mode = change == 5 ? InsertMode::kOverwrite : InsertMode::kUpsert}));
        for (int64_t i = 0; i < keys.length(); ++i) expected[keys.Value(i)] = rows->Slice(i, 1);
      }
      const BatchPtr found = ScanAll(Value(table->Head()).get());
      ASSERT_OK(found->ValidateFull());
      ASSERT_EQ(found->num_rows(), static_cast<int64_t>(expected.size()));
      int64_t at = 0;
      for (const auto& [key, row] : expected) {
        ASSERT_TRUE(found->Slice(at++, 1)->Equals(*row))
            << "change " << change << ", key " << key << ": "
            << found->Slice(at - 1, 1)->ToString() << row->ToString();
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(MemoryAndSpilled, NestedTableTest,
                         ::testing::Values(int64_t{1} << 30, int64_t{4096}));

}  // namespace
}  // namespace tercet
