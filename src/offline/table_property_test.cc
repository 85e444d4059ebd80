// Random changes against a naive oracle, read back at every commit.
#include <map>
#include <random>

#include <arrow/builder.h>

#include "offline/table_test_rows.h"

namespace tercet {
namespace {

using arrow::field;

/// The rows that should be visible: position as text → value.
using Oracle = std::map<std::pair<int64_t, int64_t>, int64_t>;

struct Kind {
  const char* name;
  std::shared_ptr<arrow::DataType> key;
  bool event_time;
  bool deletion_vectors;
};

std::string KeyText(int64_t key) { return "k" + std::to_string(1000 + key * 7); }

class Model {
 public:
  Model(const Kind& kind, uint32_t seed) : kind_(kind), random_(seed) {
    schema_ = arrow::schema({field("key", kind.key), field("value", arrow::int64()),
                             field("at", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"))});
  }

  const std::shared_ptr<arrow::Schema>& schema() const { return schema_; }
  TableOptions options() const {
    return {.primary_key = {"key"},
            .event_time = kind_.event_time ? "at" : "",
            .deletion_vectors = kind_.deletion_vectors};
  }
  int64_t Random(int64_t below) { return static_cast<int64_t>(random_() % below); }

  using Row = std::tuple<int64_t, int64_t, int64_t>;  // key, time, value

  std::vector<Row> RandomRows(bool unique) {
    std::vector<Row> rows;
    Oracle seen;
    const int64_t count = Random(40);
    for (int64_t i = 0; i < count; ++i) {
      const Row row{Random(20), kind_.event_time ? Random(8) : 0, ++value_};
      if (unique && !seen.insert({{std::get<0>(row), std::get<1>(row)}, 0}).second) continue;
      rows.push_back(row);
    }
    return rows;
  }

  std::shared_ptr<arrow::RecordBatch> Batch(const std::vector<Row>& rows) const {
    arrow::Int64Builder values;
    arrow::TimestampBuilder times(schema_->field(2)->type(), arrow::default_memory_pool());
    std::vector<int64_t> keys;
    for (const auto& [key, time, value] : rows) {
      keys.push_back(key);
      EXPECT_TRUE(values.Append(value).ok());
      EXPECT_TRUE(times.Append(time).ok());
    }
    return arrow::RecordBatch::Make(schema_, static_cast<int64_t>(rows.size()),
                                    {Keys(keys), Value(values.Finish()), Value(times.Finish())});
  }

  std::shared_ptr<arrow::Array> Keys(const std::vector<int64_t>& keys) const {
    if (kind_.key->id() == arrow::Type::STRING) {
      arrow::StringBuilder builder;
      for (const int64_t key : keys) EXPECT_TRUE(builder.Append(KeyText(key)).ok());
      return Value(builder.Finish());
    }
    arrow::Int64Builder builder;
    for (const int64_t key : keys) EXPECT_TRUE(builder.Append(key).ok());
    return Value(builder.Finish());
  }

  Row RowAt(const arrow::RecordBatch& rows, int64_t i) const {
    const auto& key = *rows.GetColumnByName("key");
    int64_t number = 0;
    if (key.type_id() == arrow::Type::STRING) {
      number =
          (std::stoll(static_cast<const arrow::StringArray&>(key).GetString(i).substr(1)) - 1000) /
          7;
    } else {
      number = static_cast<const arrow::Int64Array&>(key).Value(i);
    }
    const auto& at = static_cast<const arrow::TimestampArray&>(*rows.GetColumnByName("at"));
    const auto& value = static_cast<const arrow::Int64Array&>(*rows.GetColumnByName("value"));
    return {number, at.Value(i), value.Value(i)};
  }

  std::vector<Row> RowsOf(const Oracle& oracle) const {
    std::vector<Row> rows;
    for (const auto& [position, value] : oracle) {
      rows.emplace_back(position.first, position.second, value);
    }
    return rows;
  }
  std::vector<Row> RowsOf(const arrow::RecordBatch& batch) const {
    std::vector<Row> rows;
    for (int64_t i = 0; i < batch.num_rows(); ++i) rows.push_back(RowAt(batch, i));
    return rows;
  }

 private:
  const Kind kind_;
  std::mt19937 random_;
  std::shared_ptr<arrow::Schema> schema_;
  int64_t value_ = 0;
};

class TableProperty : public ::testing::TestWithParam<std::tuple<int, int>> {
 protected:
  static const Kind& KindAt(int index) {
    static const std::vector<Kind> kinds = {
        {"integers", arrow::int64(), true, true},
        {"integers_copied", arrow::int64(), true, false},
        {"texts", arrow::utf8(), true, true},
        {"keys_alone", arrow::utf8(), false, true},
    };
    return kinds.at(index);
  }
};

TEST_P(TableProperty, EqualsAnOracle) {
  const Kind& kind = KindAt(std::get<0>(GetParam()));
  Model model(kind, 100 + std::get<1>(GetParam()));
  TestFolder folder;
  ManualClock clock(1'700'000'000'000'000);
  const auto table = Value(
      Table::Create(LocalFileSystem(), folder.Join("t"), model.schema(), model.options(), &clock));
  // Small enough that files, row groups, vectors and checkpoints are all many.
  SetProperties(folder.Join("t"), {{"tercet.max_file_rows", "15"},
                                   {"tercet.row_group_rows", "4"},
                                   {"tercet.copy_on_write_rows", "6"},
                                   {"delta.checkpointInterval", "5"}});
  std::map<int64_t, Oracle> at_version;
  Oracle oracle;
  at_version[1] = oracle;
  for (int step = 0; step < 30; ++step) {
    clock.Advance(1 + model.Random(3));
    SCOPED_TRACE("step " + std::to_string(step));
    Commit commit;
    const int64_t what = model.Random(20);
    if (what < 14) {
      const InsertMode mode = what < 8    ? InsertMode::kUpsert
                              : what < 13 ? InsertMode::kAppend
                                          : InsertMode::kOverwrite;
      const auto rows = model.RandomRows(mode == InsertMode::kUpsert);
      commit =
          Value(table->Write(Reader({model.Batch(rows)}), {.mode = mode, .idempotency_key = ""}));
      const size_t before = oracle.size();
      if (mode == InsertMode::kOverwrite) oracle.clear();
      for (const auto& [key, time, value] : rows) oracle[{key, time}] = value;
      if (mode == InsertMode::kUpsert) {
        EXPECT_EQ(commit.rows_inserted, static_cast<int64_t>(oracle.size() - before));
        EXPECT_EQ(commit.rows_inserted + commit.rows_updated, static_cast<int64_t>(rows.size()));
      }
    } else if (what < 18) {
      auto batch = model.Batch(model.RandomRows(false));
      const bool by_time = kind.event_time && model.Random(2) == 0;
      const size_t before = oracle.size();
      for (const auto& [key, time, value] : model.RowsOf(*batch)) {
        std::erase_if(oracle, [&, k = key, t = time](const auto& entry) {
          return entry.first.first == k && (!by_time || entry.first.second == t);
        });
      }
      const auto keys = by_time ? batch->SelectColumns({0, 2}) : batch->SelectColumns({0});
      commit = Value(table->Delete(Reader({Value(keys)})));
      EXPECT_EQ(commit.rows_deleted, static_cast<int64_t>(before - oracle.size()));
    } else {
      commit = Value(table->Compact());
    }
    at_version[commit.version] = oracle;
    const auto head = Value(table->Head());
    ASSERT_EQ(head->version(), commit.version);
    ASSERT_EQ(model.RowsOf(*ScanAll(head.get())), model.RowsOf(oracle));
  }

  const auto again = Value(Table::Open(LocalFileSystem(), folder.Join("t"), {}, &clock));
  const auto commits = Value(again->Commits());
  for (const auto& [version, expected] : at_version) {
    SCOPED_TRACE("version " + std::to_string(version));
    const auto snapshot = Value(again->AtVersion(version));
    ASSERT_EQ(model.RowsOf(*ScanAll(snapshot.get())), model.RowsOf(expected));
    EXPECT_EQ(snapshot->commit_time_us(), commits.at(version).commit_time_us);
    EXPECT_EQ(Value(again->AtTime(snapshot->commit_time_us()))->version(), version);
    if (version > 0) {
      EXPECT_GT(commits[version].commit_time_us, commits[version - 1].commit_time_us);
    }
  }

  // From any commit, its changes lead to any later one.
  std::vector<int64_t> versions;
  for (const auto& [version, expected] : at_version) versions.push_back(version);
  for (int round = 0; round < 10; ++round) {
    int64_t since = versions[model.Random(versions.size())];
    int64_t until = versions[model.Random(versions.size())];
    if (since > until) std::swap(since, until);
    SCOPED_TRACE(std::to_string(since) + " to " + std::to_string(until));
    Oracle state = at_version[since];
    const auto changes = Collect(Value(again->Changes(since, until)));
    const auto& types =
        static_cast<const arrow::StringArray&>(*changes->GetColumnByName("_change_type"));
    for (int64_t i = 0; i < changes->num_rows(); ++i) {
      const auto [key, time, value] = model.RowAt(*changes, i);
      const auto position = std::pair(key, kind.event_time ? time : 0);
      const std::string type = types.GetString(i);
      if (type == "update_preimage") {
        EXPECT_EQ(state.at(position), value);
      } else if (type == "delete") {
        state.erase(position);
      } else {
        EXPECT_TRUE(type == "insert" || type == "update_postimage");
        state[position] = value;
      }
    }
    EXPECT_EQ(model.RowsOf(state), model.RowsOf(at_version[until]));
  }

  // Ranges and lookups see what a scan sees.
  const auto head = Value(again->Head());
  std::vector<Model::Row> in_ranges;
  for (const KeyRange& range : Value(head->Partition(4))) {
    const auto rows = model.RowsOf(*Collect(Value(head->ScanRange({}, range))));
    in_ranges.insert(in_ranges.end(), rows.begin(), rows.end());
  }
  EXPECT_EQ(in_ranges, model.RowsOf(oracle));
  for (int64_t key = 0; key < 20; key += 3) {
    Oracle expected = oracle;
    std::erase_if(expected, [&](const auto& entry) { return entry.first.first != key; });
    const auto keys =
        arrow::RecordBatch::Make(arrow::schema({model.schema()->field(0)}), 1, {model.Keys({key})});
    EXPECT_EQ(model.RowsOf(*Collect(Value(head->Lookup(keys, {})))), model.RowsOf(expected));
  }
  if (kind.event_time) {
    Oracle expected = oracle;
    std::erase_if(expected, [](const auto& entry) {
      return entry.first.second < 2 || entry.first.second >= 5;
    });
    EXPECT_EQ(model.RowsOf(*ScanAll(head.get(), {.columns = {}, .start_us = 2, .end_us = 5})),
              model.RowsOf(expected));
  }
}

INSTANTIATE_TEST_SUITE_P(Random, TableProperty,
                         ::testing::Combine(::testing::Range(0, 4), ::testing::Range(0, 1)));

}  // namespace
}  // namespace tercet
