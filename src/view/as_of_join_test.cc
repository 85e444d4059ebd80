#include <limits>
#include <map>
#include <random>

#include <arrow/builder.h>
#include <arrow/table.h>
#include <arrow/util/decimal.h>
#include <gtest/gtest.h>

#include "compute/visibility.h"
#include "view/point_in_time_read.h"
#include "view/test_project.h"

namespace tercet {
namespace {

using Id = std::optional<int64_t>;

/// What a row of history holds is told by its number: a column of each kind, with nulls.
std::shared_ptr<arrow::Table> FeaturesOf(const std::vector<Id>& ids) {
  arrow::Int64Builder id;
  arrow::DoubleBuilder number;
  arrow::StringBuilder text;
  arrow::BooleanBuilder flag;
  arrow::Decimal128Builder price(arrow::decimal128(12, 2));
  auto values = std::make_shared<arrow::Int32Builder>();
  arrow::ListBuilder list(arrow::default_memory_pool(), values);
  arrow::Int8Builder small;
  for (const Id& row : ids) {
    const int64_t i = row.value_or(0);
    const auto present = [&](int64_t every) { return row.has_value() && i % every != 0; };
    EXPECT_TRUE((row ? id.Append(i) : id.AppendNull()).ok());
    EXPECT_TRUE(
        (present(5) ? number.Append(0.25 * static_cast<double>(i)) : number.AppendNull()).ok());
    EXPECT_TRUE(
        (present(7) ? text.Append(std::string(i % 4, 'x') + std::to_string(i)) : text.AppendNull())
            .ok());
    EXPECT_TRUE((present(3) ? flag.Append(i % 2 == 0) : flag.AppendNull()).ok());
    EXPECT_TRUE((present(6) ? price.Append(arrow::Decimal128(i)) : price.AppendNull()).ok());
    EXPECT_TRUE((present(4) ? list.Append() : list.AppendNull()).ok());
    for (int64_t k = 0; present(4) && k < i % 3; ++k) {
      EXPECT_TRUE((k == 1 ? values->AppendNull() : values->Append(static_cast<int32_t>(i))).ok());
    }
    EXPECT_TRUE((row ? small.Append(static_cast<int8_t>(i)) : small.AppendNull()).ok());
  }
  const auto done = [](auto& builder) { return builder.Finish().ValueOrDie(); };
  const auto list_type = arrow::list(arrow::field("element", arrow::int32()));
  const auto schema =
      arrow::schema({arrow::field("id", arrow::int64()), arrow::field("number", arrow::float64()),
                     arrow::field("text", arrow::utf8()), arrow::field("flag", arrow::boolean()),
                     arrow::field("price", arrow::decimal128(12, 2)),
                     arrow::field("list", list_type), arrow::field("small", arrow::int8())});
  const auto list_array = done(list);
  return arrow::Table::Make(schema, {done(id), done(number), done(text), done(flag), done(price),
                                     list_array->View(list_type).ValueOrDie(), done(small)});
}

struct Key {
  int64_t number;
  auto operator<=>(const Key&) const = default;
};

/// The key columns: a number, or (as `composite`) a text and a small number.
std::vector<std::shared_ptr<arrow::Array>> KeyColumns(const std::vector<Id>& keys, bool composite) {
  arrow::Int64Builder number;
  arrow::StringBuilder text;
  arrow::Int32Builder rest;
  for (const Id& key : keys) {
    EXPECT_TRUE(number.AppendOrNull(key).ok());
    EXPECT_TRUE(
        (key ? text.Append(std::string(1, static_cast<char>('a' + *key % 3))) : text.AppendNull())
            .ok());
    EXPECT_TRUE(rest.Append(static_cast<int32_t>(key.value_or(0) / 3)).ok());
  }
  if (!composite) return {number.Finish().ValueOrDie()};
  return {text.Finish().ValueOrDie(), rest.Finish().ValueOrDie()};
}

arrow::FieldVector KeyFields(bool composite) {
  if (!composite) return {arrow::field("key", arrow::int64())};
  return {arrow::field("text_key", arrow::utf8()), arrow::field("rest", arrow::int32())};
}

std::shared_ptr<arrow::Array> Times(const std::vector<Id>& times,
                                    const std::shared_ptr<arrow::DataType>& type) {
  arrow::Int64Builder builder;
  for (const Id& time : times) EXPECT_TRUE(builder.AppendOrNull(time).ok());
  return builder.Finish().ValueOrDie()->View(type).ValueOrDie();
}

std::shared_ptr<arrow::Table> Add(std::shared_ptr<arrow::Table> table, const std::string& name,
                                  const std::shared_ptr<arrow::Array>& column) {
  return table
      ->AddColumn(table->num_columns(), arrow::field(name, column->type()),
                  std::make_shared<arrow::ChunkedArray>(column))
      .ValueOrDie();
}

/// Random histories of a group, in random commits, joined and compared with the definition.
class AsOfJoinProperty : public TestProject, public testing::WithParamInterface<int> {};

TEST_P(AsOfJoinProperty, EqualsTheDefinition) {
  std::mt19937_64 random(static_cast<uint64_t>(GetParam()) + 1);
  const auto below = [&](int64_t n) {
    return static_cast<int64_t>(random() % static_cast<uint64_t>(n));
  };
  const bool composite = below(2) == 0, timed = below(4) != 0;
  const int64_t keys = 1 + below(12), span = 1 + below(40);
  FeatureGroupDefinition group{.name = "g"};
  for (const auto& field : KeyFields(composite)) group.primary_key.push_back(field->name());
  if (timed) group.event_time = "at";
  ASSERT_TRUE(tables_->Define(group).ok());

  std::map<std::pair<int64_t, int64_t>, int64_t> history;  // (key, time) → row number
  int64_t next_id = 1;
  std::shared_ptr<Table> table;
  for (int commit = 0; commit < 6; ++commit) {
    const auto mode =
        commit == 0 ? InsertMode::kUpsert : static_cast<InsertMode>(below(8) == 0 ? 2 : below(2));
    if (mode == InsertMode::kOverwrite) history.clear();
    std::vector<Id> row_keys, row_times, ids;
    std::map<std::pair<int64_t, int64_t>, bool> in_frame;
    for (int64_t i = below(60); i >= 0; --i) {
      const std::pair<int64_t, int64_t> at{below(keys), timed ? below(span) : 0};
      if (mode != InsertMode::kAppend && !in_frame.try_emplace(at).second) continue;
      row_keys.push_back(at.first);
      row_times.push_back(at.second);
      ids.push_back(next_id);
      history[at] = next_id++;
    }
    auto rows = FeaturesOf(ids);
    const auto columns = KeyColumns(row_keys, composite);
    for (size_t k = 0; k < columns.size(); ++k) {
      rows = Add(rows, group.primary_key[k], columns[k]);
    }
    if (timed) rows = Add(rows, "at", Times(row_times, Time()));
    table = tables_->GetOrCreate(group.ref(), rows->schema()).ValueOrDie();
    const auto written = table->Write(std::make_shared<arrow::TableBatchReader>(rows),
                                      {.mode = mode, .idempotency_key = ""});
    ASSERT_TRUE(written.ok()) << written.status().ToString();
    if (below(3) == 0) {
      const int64_t gone = below(keys);
      const auto deleted = arrow::RecordBatch::Make(arrow::schema(KeyFields(composite)), 1,
                                                    KeyColumns({gone}, composite));
      ASSERT_TRUE(table->Delete(arrow::RecordBatchReader::Make({deleted}).ValueOrDie()).ok());
      std::erase_if(history, [&](const auto& row) { return row.first.first == gone; });
    }
    if (below(4) == 0) {
      ASSERT_TRUE(table->Compact().ok());
    }
  }

  const auto snapshot = table->Head().ValueOrDie();
  for (int round = 0; round < 6; ++round) {
    const bool asked_times = below(5) != 0, sorted = below(3) == 0;
    std::optional<int64_t> ttl_us;
    if (below(2) == 0) ttl_us = 1 + below(span);
    std::vector<std::pair<Id, Id>> left;
    for (int64_t i = below(round == 0 ? 3 : 300); i > 0; --i) {
      const int64_t extreme = below(20);
      left.emplace_back(below(15) == 0 ? Id() : Id(below(keys + 2)),
                        below(15) == 0 ? Id()
                        : extreme == 0 ? Id(std::numeric_limits<int64_t>::max())
                        : extreme == 1 ? Id(std::numeric_limits<int64_t>::min())
                                       : Id(below(span + 4) - 2));
    }
    if (sorted) std::sort(left.begin(), left.end());
    std::vector<Id> left_keys, left_times, expected;
    for (const auto& [key, time] : left) {
      left_keys.push_back(key);
      left_times.push_back(time);
      Id seen;
      if (key && (time || !timed || !asked_times)) {
        const int64_t as_of = timed && asked_times ? *time : std::numeric_limits<int64_t>::max();
        auto row = history.upper_bound({*key, as_of});
        if (row != history.begin() && (--row)->first.first == *key &&
            (!timed || !asked_times || Visible(row->first.second, as_of, ttl_us))) {
          seen = row->second;
        }
      }
      expected.push_back(seen);
    }
    const auto wanted = FeaturesOf(expected);
    const auto keys_table = arrow::Table::Make(
        arrow::schema(KeyFields(composite)), arrow::ArrayVector(KeyColumns(left_keys, composite)));
    const auto times =
        std::static_pointer_cast<arrow::Int64Array>(Times(left_times, arrow::int64()));
    ViewReadOptions options;
    options.memory_limit_bytes = below(2) == 0 ? 1 << 16 : 1 << 30;
    if (below(2) == 0) options.memory = RecycledMemory();  // which others have written to
    const auto answer = JoinAsOf(snapshot.get(), wanted->schema()->field_names(), keys_table,
                                 asked_times ? times : nullptr, ttl_us, options);
    ASSERT_TRUE(answer.ok()) << answer.status().ToString();
    ASSERT_TRUE(answer->rows->ValidateFull().ok());
    for (size_t i = 0; i < expected.size(); ++i) {
      const auto seen = std::static_pointer_cast<arrow::Int64Scalar>(
          answer->rows->column(0)->GetScalar(static_cast<int64_t>(i)).ValueOrDie());
      ASSERT_EQ(seen->is_valid ? Id(seen->value) : Id(), expected[i])
          << "left row " << i << " of key " << left_keys[i].value_or(-1) << " at "
          << (asked_times ? left_times[i].value_or(-1) : -1) << ", round " << round;
    }
    for (int c = 0; c < wanted->num_columns(); ++c) {
      ASSERT_TRUE(answer->rows->column(c)->Equals(wanted->column(c)))
          << wanted->field(c)->name() << " of round " << round << (timed ? ", timed" : "")
          << (composite ? ", composite" : "") << "\n"
          << answer->rows->column(c)->ToString() << "\nnot\n"
          << wanted->column(c)->ToString();
    }
    for (size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ(answer->found->Value(static_cast<int64_t>(i)), expected[i].has_value());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Histories, AsOfJoinProperty, testing::Range(0, 16));

class AsOfJoin : public FlightsProject {};

TEST_F(AsOfJoin, RefusesKeysOfOtherTypes) {
  InsertWeather({1, 2});
  const auto snapshot = tables_->Get({"weather", 1}).ValueOrDie()->Head().ValueOrDie();
  const auto keys = TableOf({arrow::field("origin", arrow::int64())}, "[[1]]");
  const auto answer = JoinAsOf(snapshot.get(), {"temp"}, keys, nullptr, {}, {});
  EXPECT_TRUE(answer.status().IsTypeError()) << answer.status().ToString();
  const auto unknown =
      JoinAsOf(snapshot.get(), {"tmp"}, TableOf({arrow::field("origin", arrow::utf8())}, "[]"),
               nullptr, {}, {});
  EXPECT_TRUE(unknown.status().IsKeyError()) << unknown.status().ToString();
}

}  // namespace
}  // namespace tercet
