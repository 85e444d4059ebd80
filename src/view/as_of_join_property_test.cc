#include <limits>
#include <random>

#include <arrow/builder.h>
#include <arrow/table.h>
#include <gtest/gtest.h>

#include "compute/visibility.h"
#include "view/point_in_time_read.h"
#include "view/test_project.h"

namespace tercet {
namespace {

// Many small cases in one join: each has a few keys of its own, so that the answer of one does not
// depend on another, and the fixed cost of a table and a join is paid once for all.
constexpr int64_t kCasesPerJoin = 110'000;
constexpr int kJoins = 10;  // together more than a million cases
constexpr int64_t kKeysPerCase = 2;
constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
constexpr int64_t kYear1 = -62'135'596'800'000'000, kYear9999 = 253'402'300'799'999'999;

struct HistoryRow {
  int64_t key, time_us, id;
  int commit;
};

struct LeftRow {
  std::optional<int64_t> key, time_us;
  int64_t seen = -1;  ///< by the definition
};

class SmallCases : public TestProject, public testing::WithParamInterface<int> {
 protected:
  static std::shared_ptr<arrow::Array> Finish(arrow::ArrayBuilder* builder) {
    return builder->Finish().ValueOrDie();
  }

  /// Keys as numbers or, with `text`, as texts of the same order or another: it does not matter.
  static std::shared_ptr<arrow::Array> Keys(const std::vector<std::optional<int64_t>>& keys,
                                            bool text) {
    arrow::Int64Builder numbers;
    arrow::StringBuilder texts;
    for (const auto& key : keys) {
      if (!text) {
        EXPECT_TRUE(numbers.AppendOrNull(key).ok());
      } else {
        EXPECT_TRUE((key ? texts.Append(std::to_string(*key)) : texts.AppendNull()).ok());
      }
    }
    return text ? Finish(&texts) : Finish(&numbers);
  }

  static std::shared_ptr<arrow::Array> Micros(const std::vector<std::optional<int64_t>>& times) {
    arrow::Int64Builder builder;
    for (const auto& time : times) EXPECT_TRUE(builder.AppendOrNull(time).ok());
    return Finish(&builder);
  }

  void Write(Table* table, const std::vector<HistoryRow>& rows, int commit, bool text) {
    std::vector<std::optional<int64_t>> keys, times;
    arrow::Int64Builder ids;
    arrow::DoubleBuilder values;
    for (const HistoryRow& row : rows) {
      if (row.commit != commit) continue;
      keys.emplace_back(row.key);
      times.emplace_back(row.time_us);
      EXPECT_TRUE(ids.Append(row.id).ok());
      EXPECT_TRUE(
          (row.id % 5 == 0 ? values.AppendNull() : values.Append(0.5 * static_cast<double>(row.id)))
              .ok());
    }
    const auto key_array = Keys(keys, text);
    const auto frame = arrow::Table::Make(
        arrow::schema({arrow::field("key", key_array->type()), arrow::field("at", Time()),
                       arrow::field("id", arrow::int64()), arrow::field("x", arrow::float64())}),
        {key_array, Micros(times)->View(Time()).ValueOrDie(), Finish(&ids), Finish(&values)});
    const auto written = table->Write(std::make_shared<arrow::TableBatchReader>(frame),
                                      {.mode = InsertMode::kAppend, .idempotency_key = ""});
    ASSERT_TRUE(written.ok()) << written.status().ToString();
  }
};

/// Of the rows of the label's key that are visible to it the latest; of equal times the later
/// commit, then the later row.
int64_t Seen(const std::vector<HistoryRow>& rows, size_t begin, size_t end, const LeftRow& left,
             std::optional<int64_t> ttl_us) {
  if (!left.key || !left.time_us) return -1;
  const HistoryRow* best = nullptr;
  for (size_t i = begin; i < end; ++i) {
    const HistoryRow& row = rows[i];
    if (row.key != *left.key || !NotLater(row.time_us, *left.time_us)) continue;
    if (best == nullptr ||
        std::tie(row.time_us, row.commit) >= std::tie(best->time_us, best->commit)) {
      best = &row;
    }
  }
  return best != nullptr && WithinTtl(best->time_us, *left.time_us, ttl_us) ? best->id : -1;
}

TEST_P(SmallCases, EqualTheDefinition) {
  const auto number = static_cast<uint64_t>(GetParam());
  std::mt19937_64 random(number + 1);
  const auto below = [&](int64_t n) {
    return static_cast<int64_t>(random() % static_cast<uint64_t>(n));
  };
  const bool text = number % 5 == 4, sorted = number % 3 == 0;
  const int commits = number % 4 == 3 ? 3 : 1;
  const std::optional<int64_t> ttl_us = number % 2 == 0   ? std::nullopt
                                        : number % 4 == 1 ? std::optional<int64_t>(2)
                                                          : std::optional<int64_t>(kMax);
  // Few times, so that there are ties, and the ends of what there can be.
  const auto history_time = [&] {
    const int64_t kind = below(24);
    return kind == 0 ? kYear1 : kind == 1 ? kYear9999 : below(5) - 2;
  };
  const auto left_time = [&]() -> std::optional<int64_t> {
    switch (below(32)) {
      case 0:
        return kMin;
      case 1:
        return kMax;
      case 2:
        return kYear1;
      case 3:
        return kYear9999 + below(3) - 1;
      case 4:
        return std::nullopt;
      default:
        return below(8) - 3;
    }
  };

  std::vector<HistoryRow> history;
  std::vector<LeftRow> left;
  for (int64_t c = 0; c < kCasesPerJoin; ++c) {
    const size_t begin = history.size();
    const int64_t first_key = (c - kCasesPerJoin / 2) * kKeysPerCase;
    for (int64_t i = below(6); i > 0; --i) {
      history.push_back({first_key + below(kKeysPerCase), history_time(),
                         static_cast<int64_t>(history.size()), static_cast<int>(below(commits))});
    }
    for (int64_t i = below(4); i > 0; --i) {
      LeftRow row{.key = first_key + below(kKeysPerCase), .time_us = left_time()};
      if (below(20) == 0) row.key = std::nullopt;
      row.seen = Seen(history, begin, history.size(), row, ttl_us);
      left.push_back(row);
    }
  }
  if (sorted && !text) {
    std::erase_if(left, [](const LeftRow& row) { return !row.key || !row.time_us; });
    std::stable_sort(left.begin(), left.end(), [](const LeftRow& a, const LeftRow& b) {
      return std::tie(a.key, a.time_us) < std::tie(b.key, b.time_us);
    });
  } else {
    std::shuffle(left.begin(), left.end(), random);
  }

  FeatureGroupDefinition group{.name = "g"};
  group.primary_key = {"key"};
  group.event_time = "at";
  ASSERT_TRUE(tables_->Define(group).ok());
  const auto table =
      tables_
          ->GetOrCreate(
              group.ref(),
              arrow::schema({arrow::field("key", text ? arrow::utf8() : arrow::int64()),
                             arrow::field("at", Time()), arrow::field("id", arrow::int64()),
                             arrow::field("x", arrow::float64())}))
          .ValueOrDie();
  for (int commit = 0; commit < commits; ++commit) Write(table.get(), history, commit, text);

  std::vector<std::optional<int64_t>> keys, times;
  for (const LeftRow& row : left) {
    keys.push_back(row.key);
    times.push_back(row.time_us);
  }
  const auto key_array = Keys(keys, text);
  const auto snapshot = table->Head().ValueOrDie();
  ViewReadOptions options;
  if (random() % 2 == 0) options.memory = RecycledMemory();  // which others have written to
  const auto answer = JoinAsOf(
      snapshot.get(), {"id", "x"},
      arrow::Table::Make(arrow::schema({arrow::field("key", key_array->type())}), {key_array}),
      std::static_pointer_cast<arrow::Int64Array>(Micros(times)), ttl_us, options);
  ASSERT_TRUE(answer.ok()) << answer.status().ToString();
  ASSERT_TRUE(answer->rows->ValidateFull().ok());
  const auto ids = std::static_pointer_cast<arrow::Int64Array>(answer->rows->column(0)->chunk(0));
  const auto values =
      std::static_pointer_cast<arrow::DoubleArray>(answer->rows->column(1)->chunk(0));
  for (size_t i = 0; i < left.size(); ++i) {
    const auto row = static_cast<int64_t>(i);
    const int64_t seen = ids->IsValid(row) ? ids->Value(row) : -1;
    ASSERT_EQ(seen, left[i].seen) << "left row " << i << " of key " << left[i].key.value_or(-1)
                                  << " at " << left[i].time_us.value_or(-1);
    ASSERT_EQ(answer->found->Value(row), seen >= 0);
    ASSERT_EQ(values->IsValid(row), seen >= 0 && seen % 5 != 0);
    ASSERT_EQ(values->Value(row), values->IsValid(row) ? 0.5 * static_cast<double>(seen) : 0.0);
  }
}

INSTANTIATE_TEST_SUITE_P(Joins, SmallCases, testing::Range(0, kJoins));

}  // namespace
}  // namespace tercet
