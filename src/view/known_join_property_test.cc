#include <map>
#include <random>

#include <arrow/builder.h>
#include <gtest/gtest.h>

#include "view/entity_rows.h"
#include "view/point_in_time_read.h"
#include "view/test_project.h"
#include "view/view_snapshots.h"

namespace tercet {
namespace {

constexpr int kProjects = 3;
constexpr int kCommits = 40;
constexpr int64_t kKeys = 12;

/// A group's rows as they were at each commit, and labels at any time between commits.
class KnownAt : public TestProject, public testing::WithParamInterface<int> {
 protected:
  using Position = std::pair<int64_t, int64_t>;  ///< key, event time
  struct Version {
    int64_t commit_time_us;
    std::map<Position, int64_t> rows;  ///< position → value, of appended duplicates the last
  };

  void SetUp() override {
    TestProject::SetUp();
    group_.primary_key = {"key"};
    group_.event_time = "at";
    group_.history = true;
    ASSERT_TRUE(tables_->Define(group_).ok());
    schema_ = arrow::schema({arrow::field("key", arrow::int64()), arrow::field("at", Time()),
                             arrow::field("x", arrow::int64())});
    table_ = tables_->GetOrCreate(group_.ref(), schema_).ValueOrDie();
  }

  int64_t Below(int64_t n) {
    return static_cast<int64_t>(random_() % static_cast<uint64_t>(n));
  }

  static std::string Json(const std::vector<std::vector<int64_t>>& rows) {
    std::string text = "[";
    for (const auto& row : rows) {
      text += text.size() == 1 ? "[" : ", [";
      for (size_t i = 0; i < row.size(); ++i) {
        text += (i == 0 ? "" : ", ") + std::to_string(row[i]);
      }
      text += "]";
    }
    return text + "]";
  }

  /// One random commit, in the table and in what is expected of it.
  void Change() {
    clock_.Advance(1000);
    Version next = versions_.empty() ? Version{} : versions_.back();
    const int64_t kind = Below(12);
    Result<Commit> commit = Status::UnknownError("no change was made");
    if (kind < 9) {
      std::map<Position, int64_t> rows;
      for (int64_t n = 1 + Below(6); n > 0; --n) {
        rows[{Below(kKeys), clock_.NowMicros() - Below(30'000)}] = Below(1'000'000);
      }
      std::vector<std::vector<int64_t>> list;
      for (const auto& [position, value] : rows) {
        list.push_back({position.first, position.second, value});
        next.rows[position] = value;
      }
      const auto frame = TableOf(schema_->fields(), Json(list));
      commit = table_->Write(
          std::make_shared<arrow::TableBatchReader>(frame),
          {.mode = kind < 6 ? InsertMode::kUpsert : InsertMode::kAppend, .idempotency_key = ""});
    } else if (kind < 11) {
      const int64_t key = Below(kKeys);
      std::erase_if(next.rows, [&](const auto& row) { return row.first.first == key; });
      const auto frame = TableOf({schema_->field(0)}, Json({{key}}));
      commit = table_->Delete(std::make_shared<arrow::TableBatchReader>(frame));
    } else {
      commit = table_->Compact();
    }
    ASSERT_TRUE(commit.ok()) << commit.status().ToString();
    // Nothing to compact or to delete is no commit.
    if (!versions_.empty() && commit->commit_time_us == versions_.back().commit_time_us) return;
    next.commit_time_us = commit->commit_time_us;
    versions_.push_back(next);
  }

  /// By the definition.
  std::optional<int64_t> Seen(int64_t key, int64_t time_us, int64_t lag_us, int64_t ttl_us) const {
    const Version* known = nullptr;
    for (const Version& version : versions_) {
      if (version.commit_time_us <= time_us) known = &version;
    }
    if (known == nullptr) return std::nullopt;
    std::optional<int64_t> value, newest_us;
    for (const auto& [position, x] : known->rows) {
      if (position.first != key || position.second + lag_us > time_us) continue;
      value = x;
      newest_us = position.second;
    }
    if (newest_us && time_us - *newest_us > ttl_us) return std::nullopt;
    return value;
  }

  void ExpectTheDefinition(const ViewPlan& plan, const std::string& when) {
    std::vector<std::vector<int64_t>> asks;
    const int64_t first_us = versions_.front().commit_time_us;
    const int64_t span_us = versions_.back().commit_time_us - first_us;
    for (int64_t i = 0; i < 3000; ++i) {
      const Version& near = versions_[static_cast<size_t>(Below(versions_.size()))];
      const int64_t time_us = i % 3 == 0 ? near.commit_time_us + Below(3) - 1
                                         : first_us - 2000 + Below(span_us + 50'000);
      asks.push_back({i, time_us, Below(kKeys + 1)});
    }
    ViewReadOptions options;
    options.spine = TableOf(root_.schema->fields(), Json(asks));
    options.known_at = true;
    const auto read = ReadView(plan, tables_.get(), options);
    ASSERT_TRUE(read.ok()) << read.status().ToString();
    options.known_at = false;
    const auto plain = ReadView(plan, tables_.get(), options).ValueOrDie();
    const auto answers = read->columns->CombineChunksToBatch().ValueOrDie();
    const auto others = plain.columns->CombineChunksToBatch().ValueOrDie();
    const auto& x = static_cast<const arrow::Int64Array&>(*answers->GetColumnByName("x"));
    const auto& late = static_cast<const arrow::Int64Array&>(*answers->GetColumnByName("late_x"));
    const auto& leaky = static_cast<const arrow::Int64Array&>(*others->GetColumnByName("x"));
    int64_t found = 0, leaks = 0;
    for (size_t i = 0; i < asks.size(); ++i) {
      const auto row = static_cast<int64_t>(i);
      const auto value = [&](const arrow::Int64Array& array) {
        return array.IsValid(row) ? std::optional(array.Value(row)) : std::nullopt;
      };
      ASSERT_EQ(value(x), Seen(asks[i][2], asks[i][1], 0, 15'000)) << when << ", row " << i;
      ASSERT_EQ(value(late), Seen(asks[i][2], asks[i][1], 4000, 15'000)) << when << ", row " << i;
      found += x.IsValid(row);
      leaks += value(x) != value(leaky);
    }
    EXPECT_GT(found, 100);
    EXPECT_GT(leaks, 100) << "late rows did not matter, so nothing was tested";
  }

  FeatureGroupDefinition group_{.name = "g"}, root_{.name = "root"};
  std::shared_ptr<arrow::Schema> schema_;
  std::shared_ptr<Table> table_;
  std::vector<Version> versions_;
  std::mt19937_64 random_{static_cast<uint64_t>(GetParam()) + 1};
};

TEST_P(KnownAt, EqualsTheDefinitionAfterCompactionAndVacuumToo) {
  while (versions_.size() < kCommits) ASSERT_NO_FATAL_FAILURE(Change());
  root_.primary_key = {"ask"};
  root_.event_time = "at";
  root_.schema = arrow::schema({arrow::field("ask", arrow::int64()), arrow::field("at", Time()),
                                arrow::field("key", arrow::int64())});
  ASSERT_TRUE(tables_->Define(root_).ok());
  FeatureViewDefinition view{.name = "known"};
  view.root = {.group = {"root", 1}};
  view.joins = {{.group = {"g", 1}}, {.group = {"g", 1}}};
  for (GroupSelection& join : view.joins) {
    join.features = {"x"};
    join.on = {{"key", "key"}};
    join.ttl_us = 15'000;
  }
  view.joins[1].prefix = "late_";
  view.joins[1].lag_us = 4000;
  const auto plan = views_->Resolve(view).ValueOrDie();
  ExpectTheDefinition(*plan, "as written");

  ASSERT_TRUE(table_->Compact().ok());
  clock_.Advance(400LL * 24 * kHour);
  const auto vacuum = tables_->Vacuum(group_.ref(), {.retention_us = 0});
  ASSERT_TRUE(vacuum.ok()) << vacuum.status().ToString();
  ExpectTheDefinition(*plan, "after compaction and vacuum");
}

INSTANTIATE_TEST_SUITE_P(Projects, KnownAt, testing::Range(0, kProjects));

class KnownAtErrors : public FlightsProject {};

TEST_F(KnownAtErrors, AGroupWithoutHistoryIsRefused) {
  InsertFlights(3);
  InsertWeather({1});
  const auto plan = views_->Resolve(DelayView()).ValueOrDie();
  const auto read = ReadView(*plan, tables_.get(), {.known_at = true});
  ASSERT_TRUE(read.status().IsInvalid()) << read.status().ToString();
  EXPECT_NE(read.status().ToString().find("'weather@1' keeps no history"), std::string::npos);
}

class Entities : public FlightsProject {};

TEST_F(Entities, AreThoseWithAVisibleRowAtEachTime) {
  InsertFlights(3);  // 0, 1, 2 at hours 10, 11, 12
  Insert({"flights", 1},
         TableOf(FlightFields(), "[" + Flight(1, 13 * kHour, "JFK", "AA", 1, 0) + "]"));
  const auto plan = views_->Resolve([] {
    FeatureViewDefinition view{.name = "v"};
    view.root = {.group = {"flights", 1}};
    view.root.ttl_us = 2 * kHour;
    return view;
  }()).ValueOrDie();
  const auto entities =
      EntitiesAt(*plan, tables_.get(), {9 * kHour, 13 * kHour, 11 * kHour}, {}).ValueOrDie();
  EXPECT_TRUE(entities->CombineChunksToBatch().ValueOrDie()->Equals(
      *BatchOf({arrow::field("flight", arrow::int64()), arrow::field("event_time", Time())},
               "[[1, 46800000000], [2, 46800000000], [0, 39600000000], [1, 39600000000]]")))
      << entities->ToString();
  EXPECT_EQ(EntitiesAt(*plan, tables_.get(), {}, {}).ValueOrDie()->num_rows(), 0);
}

}  // namespace
}  // namespace tercet
