#include "compute/asof_match.h"

#include <limits>
#include <numeric>
#include <random>

#include <arrow/builder.h>
#include <gtest/gtest.h>

#include "compute/visibility.h"

namespace tercet {
namespace {

using Times = std::vector<std::optional<int64_t>>;

std::shared_ptr<arrow::Int64Array> Int64s(const Times& values) {
  arrow::Int64Builder builder;
  for (const auto& value : values) EXPECT_TRUE(builder.AppendOrNull(value).ok());
  return std::static_pointer_cast<arrow::Int64Array>(builder.Finish().ValueOrDie());
}

/// A key is a small number, shown to the matcher as an integer or as text.
std::shared_ptr<arrow::Array> KeyColumn(const Times& keys, bool text) {
  if (!text) return Int64s(keys);
  arrow::StringBuilder builder;
  for (const auto& key : keys) {
    EXPECT_TRUE((key ? builder.Append(std::string(1, static_cast<char>('m' + *key % 10)))
                     : builder.AppendNull())
                    .ok());
  }
  return builder.Finish().ValueOrDie();
}

struct Side {
  Times keys, times;
};

/// The definition, row by row: of the right rows of the key that are visible, the one with the
/// latest time, and of those the last.
std::vector<int64_t> Oracle(const Side& left, const Side& right, bool timed,
                            std::optional<int64_t> ttl_us) {
  std::vector<int64_t> answer(left.keys.size(), -1);
  for (size_t l = 0; l < left.keys.size(); ++l) {
    if (!left.keys[l] || (timed && !left.times[l])) continue;
    for (size_t r = 0; r < right.keys.size(); ++r) {
      if (right.keys[r] != left.keys[l]) continue;
      if (timed && !NotLater(*right.times[r], *left.times[l])) continue;
      answer[l] = static_cast<int64_t>(r);  // sorted, so a later row has a later or equal time
    }
    if (timed && answer[l] >= 0 &&
        !WithinTtl(*right.times[static_cast<size_t>(answer[l])], *left.times[l], ttl_us)) {
      answer[l] = -1;
    }
  }
  return answer;
}

Side SortedSide(const Side& side) {
  std::vector<size_t> order(side.keys.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::pair(side.keys[a], side.times[a]) < std::pair(side.keys[b], side.times[b]);
  });
  Side sorted;
  for (size_t i : order) {
    sorted.keys.push_back(side.keys[i]);
    sorted.times.push_back(side.times[i]);
  }
  return sorted;
}

Times Slice(const Times& values, size_t begin, size_t end) {
  return Times(values.begin() + static_cast<int64_t>(begin),
               values.begin() + static_cast<int64_t>(end));
}

/// The matcher's answer by left row; also checks the contract of its blocks.
std::vector<int64_t> Match(const Side& left, const Side& right, bool text, bool timed,
                           std::optional<int64_t> ttl_us, const std::vector<size_t>& cuts) {
  auto keys = SortKeys::Encode({KeyColumn(left.keys, text)}).ValueOrDie();
  const AsOfLeft sorted =
      AsOfLeft::Make(std::move(keys), timed ? Int64s(left.times) : nullptr).ValueOrDie();
  std::vector<int64_t> answer(left.keys.size(), -1);
  AsOfMatcher matcher(&sorted, 0, sorted.size(), timed, ttl_us);
  int64_t expected = 0, chunk_begin = 0;
  const AsOfMatcher::Emit emit = [&](const AsOfBlock& block) {
    EXPECT_EQ(block.left_begin, expected);
    EXPECT_LE(block.size, AsOfMatcher::kBlockRows);
    bool old_rows = false, new_rows = false;
    for (int64_t i = 0; i < block.size; ++i) {
      const int64_t position = block.left_begin + i;
      const int64_t row = sorted.rows() == nullptr ? position : sorted.rows()[position];
      answer[static_cast<size_t>(row)] = block.right[i];
      if (block.right[i] >= chunk_begin) new_rows = true;
      if (block.right[i] >= 0 && block.right[i] < chunk_begin) {
        old_rows = true;
        EXPECT_EQ(block.right[i], chunk_begin - 1);
      }
    }
    EXPECT_FALSE(old_rows && new_rows);
    expected += block.size;
    return Status::OK();
  };
  size_t begin = 0;
  for (size_t i = 0; i <= cuts.size(); ++i) {
    const size_t end = i < cuts.size() ? cuts[i] : right.keys.size();
    const auto chunk =
        SortKeys::Encode({KeyColumn(Slice(right.keys, begin, end), text)}).ValueOrDie();
    const auto times = Int64s(Slice(right.times, begin, end));
    chunk_begin = static_cast<int64_t>(begin);
    EXPECT_TRUE(matcher.Feed(chunk, timed ? times->raw_values() : nullptr, emit).ok());
    begin = end;
  }
  chunk_begin = static_cast<int64_t>(right.keys.size());
  EXPECT_TRUE(matcher.Finish(emit).ok());
  EXPECT_EQ(expected, sorted.size());
  EXPECT_TRUE(matcher.done());
  return answer;
}

class AsOfMatchProperty : public testing::TestWithParam<int> {};

TEST_P(AsOfMatchProperty, EqualsTheDefinition) {
  constexpr int kCases = 130'000;  // eight parts: more than a million cases
  std::mt19937_64 random(static_cast<uint64_t>(GetParam()) * 7919 + 1);
  const int64_t extremes[] = {std::numeric_limits<int64_t>::min(),
                              std::numeric_limits<int64_t>::min() + 1, -1, 0, 1,
                              std::numeric_limits<int64_t>::max() - 1,
                              std::numeric_limits<int64_t>::max()};
  const auto below = [&](uint64_t n) { return static_cast<int64_t>(random() % n); };
  for (int i = 0; i < kCases; ++i) {
    const bool text = below(3) == 0, timed = below(5) != 0, extreme = below(4) == 0;
    const auto time = [&] { return extreme ? extremes[below(7)] : below(8); };
    const int64_t key_count = 1 + below(4);
    Side left, right;
    for (int64_t k = below(8); k > 0; --k) {
      left.keys.push_back(below(12) == 0 ? std::nullopt : std::optional(below(key_count)));
      left.times.push_back(below(12) == 0 ? std::nullopt : std::optional(time()));
    }
    for (int64_t k = below(9); k > 0; --k) {
      right.keys.push_back(below(key_count));
      right.times.push_back(time());
    }
    right = SortedSide(right);
    if (below(2) == 0) left = SortedSide(left);
    std::optional<int64_t> ttl_us;
    if (below(2) == 0) ttl_us = extreme ? extremes[3 + below(4)] : below(5);
    std::vector<size_t> cuts;
    for (size_t cut = 0; cut < right.keys.size(); ++cut) {
      if (below(3) == 0) cuts.push_back(cut);
    }
    ASSERT_EQ(Match(left, right, text, timed, ttl_us, cuts), Oracle(left, right, timed, ttl_us))
        << "case " << i << " of part " << GetParam();
  }
}

INSTANTIATE_TEST_SUITE_P(Parts, AsOfMatchProperty, testing::Range(0, 8));

TEST(AsOfMatch, GallopsOverSparseSides) {
  // Larger than a block, than the steps before a gallop, and both ways sparse.
  std::mt19937_64 random(3);
  for (const auto& [left_rows, right_rows] : std::vector<std::pair<int, int>>{
           {5000, 7000}, {7, 20'000}, {20'000, 7}, {1, 1}, {4097, 0}, {0, 10}}) {
    Side left, right;
    for (int i = 0; i < left_rows; ++i) {
      left.keys.push_back(static_cast<int64_t>(random() % 9));
      left.times.push_back(static_cast<int64_t>(random() % 100'000));
    }
    for (int i = 0; i < right_rows; ++i) {
      right.keys.push_back(static_cast<int64_t>(random() % 9));
      right.times.push_back(static_cast<int64_t>(random() % 100'000));
    }
    right = SortedSide(right);
    std::vector<size_t> cuts;
    for (size_t cut = 1500; cut < right.keys.size(); cut += 1500) cuts.push_back(cut);
    for (const bool text : {false, true}) {
      const auto answer = Match(left, right, text, true, 700, cuts);
      for (size_t l = 0; l < left.keys.size(); l += 97) {
        Side one{{left.keys[l]}, {left.times[l]}};
        ASSERT_EQ(answer[l], Oracle(one, right, true, 700)[0]) << "left row " << l;
      }
    }
  }
}

TEST(AsOfLeft, FindsKeysByTheirBytes) {
  const auto left = [](bool text) {
    auto keys = SortKeys::Encode({KeyColumn({3, 1, 3, 7, 1}, text)}).ValueOrDie();
    return AsOfLeft::Make(std::move(keys), Int64s({1, 2, 3, 4, 5})).ValueOrDie();
  };
  for (const bool text : {false, true}) {
    const AsOfLeft sorted = left(text);
    EXPECT_FALSE(sorted.in_order());
    EXPECT_EQ(sorted.LowerBound(""), 0);
    EXPECT_EQ(sorted.LowerBound(sorted.KeyAt(0)), 0);
    EXPECT_EQ(sorted.LowerBound(sorted.KeyAt(2)), 2);
    EXPECT_EQ(sorted.LowerBound(sorted.KeyAt(4)), 4);
    EXPECT_EQ(sorted.LowerBound(sorted.KeyAt(2) + '\0'), 4) << "a longer text comes after";
    EXPECT_EQ(sorted.LowerBound(std::string(20, '\xFF')), 5);
  }
}

TEST(AsOfLeft, SortedRowsAreUsedAsTheyAre) {
  auto keys = SortKeys::Encode({KeyColumn({1, 1, 2}, false)}).ValueOrDie();
  const AsOfLeft sorted = AsOfLeft::Make(std::move(keys), Int64s({5, 5, 1})).ValueOrDie();
  EXPECT_TRUE(sorted.in_order());
  EXPECT_EQ(sorted.rows(), nullptr);
}

}  // namespace
}  // namespace tercet
