#include <limits>
#include <random>

#include <arrow/builder.h>
#include <gtest/gtest.h>

#include "view/point_in_time_read.h"
#include "view/test_project.h"

namespace tercet {
namespace {

// As in as_of_join_property_test.cc many small cases stand in one read, each with keys of its own.
constexpr int64_t kCases = 12'000;
constexpr int kReads = 8;
constexpr int64_t kKeysPerCase = 2;
constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
constexpr int64_t kYear1 = -62'135'596'800'000'000, kYear9999 = 253'402'300'799'999'999;

struct Row {
  int64_t key, time_us, id;
  int commit;
  std::optional<int64_t> next;  ///< the key of the next hop
};

struct Left {
  int64_t id;
  std::optional<int64_t> key;
  int64_t time_us;
};

/// A join's rule of time.
struct Rule {
  int64_t lag_us = 0;
  std::optional<int64_t> ttl_us, horizon_us;
};

using Wide = __int128;

/// By the definition: of the key's rows that count at the left row's time, the newest; of equal
/// times the later commit, then the later row; if it is not older than the TTL.
const Row* Seen(const std::vector<Row>& rows, size_t begin, size_t end, std::optional<int64_t> key,
                int64_t time_us, const Rule& rule, Wide newest_us) {
  if (!key) return nullptr;
  const Wide now = Wide{time_us} + rule.horizon_us.value_or(0);
  if (rule.horizon_us && now > newest_us) return nullptr;  // nobody knows yet
  const Row* best = nullptr;
  for (size_t i = begin; i < end; ++i) {
    const Row& row = rows[i];
    if (row.key != *key || Wide{row.time_us} + rule.lag_us > now) continue;
    if (best == nullptr ||
        std::tie(row.time_us, row.commit) >= std::tie(best->time_us, best->commit)) {
      best = &row;
    }
  }
  const bool fresh = best != nullptr && (!rule.ttl_us || now - best->time_us <= *rule.ttl_us);
  return fresh ? best : nullptr;
}

class Paths : public TestProject, public testing::WithParamInterface<int> {
 protected:
  template <typename Builder, typename Values>
  static std::shared_ptr<arrow::Array> ArrayOf(const Values& values) {
    Builder builder;
    for (const auto& value : values) EXPECT_TRUE(builder.AppendOrNull(value).ok());
    return builder.Finish().ValueOrDie();
  }

  static std::shared_ptr<arrow::Array> Times(const std::vector<std::optional<int64_t>>& times) {
    return ArrayOf<arrow::Int64Builder>(times)->View(Time()).ValueOrDie();
  }

  /// A group of these rows, in as many commits; with a TTL of its own, which views override.
  void Make(const std::string& name, const std::vector<Row>& rows, int commits, bool compact) {
    FeatureGroupDefinition group{.name = name};
    group.primary_key = {"key"};
    group.event_time = "at";
    group.ttl_us = 1;
    ASSERT_TRUE(tables_->Define(group).ok());
    const auto schema =
        arrow::schema({arrow::field("key", arrow::int64()), arrow::field("at", Time()),
                       arrow::field("id", arrow::int64()), arrow::field("next", arrow::int64())});
    const auto table = tables_->GetOrCreate(group.ref(), schema).ValueOrDie();
    for (int commit = 0; commit < commits; ++commit) {
      std::vector<std::optional<int64_t>> keys, times, ids, nexts;
      for (const Row& row : rows) {
        if (row.commit != commit) continue;
        keys.emplace_back(row.key);
        times.emplace_back(row.time_us);
        ids.emplace_back(row.id);
        nexts.push_back(row.next);
      }
      const auto frame = arrow::Table::Make(
          schema, {ArrayOf<arrow::Int64Builder>(keys), Times(times),
                   ArrayOf<arrow::Int64Builder>(ids), ArrayOf<arrow::Int64Builder>(nexts)});
      const auto written = table->Write(std::make_shared<arrow::TableBatchReader>(frame),
                                        {.mode = InsertMode::kAppend, .idempotency_key = ""});
      ASSERT_TRUE(written.ok()) << written.status().ToString();
    }
    if (compact) {
      ASSERT_TRUE(table->Compact().ok());
    }
  }
};

TEST_P(Paths, EqualTheDefinition) {
  const auto number = static_cast<uint64_t>(GetParam());
  std::mt19937_64 random(number + 1);
  const auto below = [&](int64_t n) {
    return static_cast<int64_t>(random() % static_cast<uint64_t>(n));
  };
  const auto rule = [&](bool label) {
    Rule made;
    // The group's own TTL is 1, so that an override in both directions is seen.
    made.ttl_us = below(3) == 0 ? kMax : below(5);
    if (label) {
      made.horizon_us = below(8) == 0 ? kMax : 1 + below(4);
    } else {
      made.lag_us = std::min(*made.ttl_us, below(8) == 0 ? kMax : below(4));
    }
    return made;
  };
  const int commits = number % 4 == 3 ? 3 : 1;
  const auto time = [&] {
    const int64_t kind = below(24);
    return kind == 0 ? kYear1 : kind == 1 && number % 2 == 0 ? kYear9999 : below(7) - 2;
  };

  // Two hops from the left row, and a label: a → b → c (by b's own key), and h.
  std::vector<Row> a, b, c, h;
  std::vector<Left> left;
  std::vector<size_t> ends[4];
  std::vector<size_t> left_case;
  for (int64_t i = 0; i < kCases; ++i) {
    const int64_t first_key = (i - kCases / 2) * kKeysPerCase;
    const auto fill = [&](std::vector<Row>* rows, int64_t most) {
      for (int64_t n = below(most); n > 0; --n) {
        Row row{first_key + below(kKeysPerCase), time(), static_cast<int64_t>(rows->size()),
                static_cast<int>(below(commits)), first_key + below(kKeysPerCase)};
        if (below(8) == 0) row.next = std::nullopt;
        rows->push_back(row);
      }
    };
    fill(&a, 6), fill(&b, 5), fill(&c, 4), fill(&h, 5);
    ends[0].push_back(a.size()), ends[1].push_back(b.size());
    ends[2].push_back(c.size()), ends[3].push_back(h.size());
    for (int64_t n = 1 + below(3); n > 0; --n) {
      const int64_t kind = below(32);
      const int64_t at = kind == 0   ? kMin
                         : kind == 1 ? kMax
                         : kind == 2 ? kYear1
                         : kind == 3 ? kYear9999
                                     : below(10) - 3;
      std::optional<int64_t> key = first_key + below(kKeysPerCase);
      if (below(16) == 0) key = std::nullopt;
      left.push_back({static_cast<int64_t>(left.size()), key, at});
      left_case.push_back(static_cast<size_t>(i));
    }
  }
  const Rule rule_a = rule(false), rule_b = rule(false), rule_c = rule(false), rule_h = rule(true);
  Wide newest_us = kMin;
  for (const Row& row : h) newest_us = std::max(newest_us, Wide{row.time_us});

  Make("a", a, commits, number % 3 == 0);
  Make("b", b, commits, number % 3 == 1);
  Make("c", c, commits, false);
  Make("h", h, commits, false);
  FeatureGroupDefinition root{.name = "root"};
  root.primary_key = {"ask"};
  root.event_time = "at";
  root.schema = arrow::schema({arrow::field("ask", arrow::int64()), arrow::field("at", Time()),
                               arrow::field("key", arrow::int64())});
  ASSERT_TRUE(tables_->Define(root).ok());
  FeatureViewDefinition view{.name = "path"};
  view.root = {.group = {"root", 1}};
  const auto join = [&](const std::string& group, const Rule& of, const std::string& from,
                        const std::string& key) {
    GroupSelection selection{.group = {group, 1}};
    selection.features = {"id"};
    selection.on = {{key, "key"}};
    selection.prefix = group + "_";
    selection.ttl_us = of.ttl_us;
    selection.lag_us = of.lag_us;
    selection.horizon_us = of.horizon_us;
    selection.from = from;
    view.joins.push_back(selection);
  };
  join("a", rule_a, "", "key");
  join("b", rule_b, "a_a", "next");
  join("c", rule_c, "b_b", "key");
  join("h", rule_h, "", "key");
  view.labels = {"h_id"};

  std::vector<std::optional<int64_t>> ids, keys, times;
  for (const Left& row : left) {
    ids.emplace_back(row.id);
    keys.push_back(row.key);
    times.emplace_back(row.time_us);
  }
  ViewReadOptions options;
  options.spine = arrow::Table::Make(
      root.schema, {ArrayOf<arrow::Int64Builder>(ids), Times(times),
                    ArrayOf<arrow::Int64Builder>(keys)});
  const auto plan = views_->Resolve(view);
  ASSERT_TRUE(plan.ok()) << plan.status().ToString();
  const auto read = ReadView(**plan, tables_.get(), options);
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  ASSERT_TRUE(read->columns->ValidateFull().ok());
  const auto answers = read->columns->CombineChunksToBatch().ValueOrDie();
  options.labels_to_come = false;
  const auto unlabeled = ReadView(**plan, tables_.get(), options).ValueOrDie();
  EXPECT_EQ(unlabeled.columns->GetColumnByName("h_id")->null_count(), answers->num_rows());
  EXPECT_TRUE(unlabeled.columns->GetColumnByName("c_id")->Equals(
      *read->columns->GetColumnByName("c_id")));

  int64_t seen[4] = {};
  for (size_t i = 0; i < left.size(); ++i) {
    const size_t at = left_case[i];
    const auto find = [&](int g, const std::vector<Row>& rows, std::optional<int64_t> key,
                          const Rule& of) {
      return Seen(rows, at == 0 ? 0 : ends[g][at - 1], ends[g][at], key, left[i].time_us, of,
                  newest_us);
    };
    const Row* of_a = find(0, a, left[i].key, rule_a);
    const Row* of_b = find(1, b, of_a == nullptr ? std::nullopt : of_a->next, rule_b);
    const Row* of_c =
        find(2, c, of_b == nullptr ? std::nullopt : std::optional(of_b->key), rule_c);
    const Row* of_h = find(3, h, left[i].key, rule_h);
    int g = 0;
    for (const Row* expected : {of_a, of_b, of_c, of_h}) {
      const char* names[] = {"a_id", "b_id", "c_id", "h_id"};
      const auto& column =
          static_cast<const arrow::Int64Array&>(*answers->GetColumnByName(names[g]));
      const auto row = static_cast<int64_t>(i);
      ASSERT_EQ(column.IsValid(row) ? column.Value(row) : -1,
                expected == nullptr ? -1 : expected->id)
          << names[g] << " of left row " << i << " at " << left[i].time_us;
      seen[g++] += expected != nullptr;
    }
  }
  // Where a lag or horizon is at its most nothing is to be seen behind it.
  const bool extreme = rule_a.lag_us == kMax || rule_b.lag_us == kMax || rule_c.lag_us == kMax ||
                       rule_h.horizon_us == kMax;
  for (const int64_t count : seen) EXPECT_TRUE(extreme || count > 0);
}

INSTANTIATE_TEST_SUITE_P(Reads, Paths, testing::Range(0, kReads));

}  // namespace
}  // namespace tercet
