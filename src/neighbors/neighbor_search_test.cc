#include "neighbors/neighbor_search.h"

#include <atomic>
#include <set>
#include <thread>

#include <gmock/gmock.h>

#include "neighbors/test_group.h"

namespace tercet {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const auto kAnything = [](const Item&) { return true; };

class NeighborSearchTest : public ItemsTest {
 protected:
  NeighborsAnswer Find(const NeighborsRequest& request) {
    auto answer = search_->Find({"items", 1}, request);
    EXPECT_TRUE(answer.ok()) << answer.status();
    return *answer;
  }
  std::string ErrorOf(const NeighborsRequest& request) {
    return search_->Find({"items", 1}, request).status().ToString();
  }
};

TEST_F(NeighborSearchTest, FindsTheNearestByEachMetric) {
  for (const VectorMetric metric :
       {VectorMetric::kCosine, VectorMetric::kL2, VectorMetric::kInnerProduct}) {
    TearDown();
    SetUp();
    Define(19, metric);
    std::vector<Item> items;
    for (int64_t id = 0; id < 300; ++id) items.push_back(RandomItem(id));
    Insert(items);
    for (int i = 0; i < 10; ++i) {
      const NeighborsRequest request = RequestOf(RandomVector(), 7);
      ExpectSame(Found(Find(request)), Nearest(request, kAnything));
    }
  }
}

TEST_F(NeighborSearchTest, AnswersColumnsOfEachVectorInOrder) {
  Define(2, VectorMetric::kL2);
  Insert({{.id = 1, .time_us = 5, .vector = {0, 0}, .price = 3, .city = "Oslo"},
          {.id = 2, .time_us = 6, .vector = {3, 4}, .price = 4, .city = std::nullopt}});
  NeighborsRequest request;
  request.vectors = {{3, 4}, {0, 0}};
  request.columns = {"city", "id", "time"};
  const NeighborsAnswer answer = Find(request);
  EXPECT_EQ(answer.rows->schema()->field_names(),
            (std::vector<std::string>{"_query", "_distance", "city", "id", "time"}));
  EXPECT_EQ(answer.rows->GetColumnByName("_query")->ToString(), "[\n  0,\n  0,\n  1,\n  1\n]");
  EXPECT_EQ(Found(answer),
            (std::vector<std::pair<double, int64_t>>{{0, 2}, {5, 1}, {0, 1}, {5, 2}}));
  EXPECT_EQ(answer.commit, 1);
  EXPECT_TRUE(answer.rows->schema()->field(4)->type()->Equals(
      arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")));
}

TEST_F(NeighborSearchTest, FollowsTheGroupUnderAnyChanges) {
  for (const unsigned seed : {1U, 2U, 3U}) {
    TearDown();
    SetUp();
    random_.seed(seed);
    Define(5, seed == 2 ? VectorMetric::kCosine : VectorMetric::kL2,
           seed == 3 ? std::nullopt : std::optional<int64_t>(4 * kHour));
    for (int step = 0; step < 40; ++step) {
      std::set<int64_t> ids;
      while (ids.size() < 1 + random_() % 12) ids.insert(static_cast<int64_t>(random_() % 40));
      int64_t version;
      if (random_() % 5 == 0) {
        version = Delete({ids.begin(), ids.end()});
      } else {
        std::vector<Item> items;
        for (const int64_t id : ids) {
          Item item = RandomItem(id);
          // Late, old, and dated ahead.
          item.time_us += static_cast<int64_t>(random_() % 6) * kHour - 3 * kHour;
          if (random_() % 8 == 0) item.vector.clear();
          if (random_() % 10 == 0) item.vector.assign(5, 0.0F);
          items.push_back(item);
        }
        version = Write(items, random_() % 12 == 0 ? InsertMode::kOverwrite : InsertMode::kUpsert);
      }
      if (random_() % 3 != 0) Apply(version);
      if (random_() % 4 == 0) clock_.Advance(kHour / 2);
      NeighborsRequest request = RequestOf(RandomVector(), 1 + static_cast<int64_t>(random_() % 9));
      ExpectSame(Found(Find(request)), Nearest(request, kAnything));
      request.filter = "price < 50 and city = 'Oslo'";
      ExpectSame(Found(Find(request)), Nearest(request, [](const Item& item) {
                   return item.price < 50 && item.city == "Oslo";
                 }));
      request.filter = "id % 2 = 0 or price > 90";
      ExpectSame(Found(Find(request)), Nearest(request, [](const Item& item) {
                   return item.id % 2 == 0 || item.price > 90;
                 }));
      if (HasFailure()) FAIL() << "seed " << seed << ", step " << step;
    }
  }
}

TEST_F(NeighborSearchTest, SaysWhatIsWrong) {
  Define(3, VectorMetric::kCosine);
  Insert({RandomItem(1)});
  NeighborsRequest request = RequestOf({1, 2, 3}, 1);
  request.k = 0;
  EXPECT_THAT(ErrorOf(request), HasSubstr("k must be from 1 to 10000, not 0"));
  request.k = 100'000;
  EXPECT_THAT(ErrorOf(request), HasSubstr("not 100000"));
  request.k = 1;
  request.vectors = {{1, 2}};
  EXPECT_THAT(ErrorOf(request), HasSubstr("vector 0 has 2 elements; embedding 'vector' has 3"));
  request.vectors = {{1, 2, 3}, {1, NAN, 3}};
  EXPECT_THAT(ErrorOf(request), HasSubstr("vector 1: element 1 is nan"));
  request.vectors = {{0, 0, 0}};
  EXPECT_THAT(ErrorOf(request), HasSubstr("no direction"));
  request.vectors.clear();
  EXPECT_THAT(ErrorOf(request), HasSubstr("no vector"));
  request.vectors = {{1, 2, 3}};
  request.column = "vectr";
  EXPECT_THAT(ErrorOf(request), AllOf(HasSubstr("Key error"), HasSubstr("did you mean 'vector'")));
  request.column = "";
  request.columns = {"prices"};
  EXPECT_THAT(ErrorOf(request), AllOf(HasSubstr("Key error"), HasSubstr("did you mean 'price'")));
  request.columns.clear();
  request.filter = "prize < 3";
  EXPECT_THAT(ErrorOf(request), AllOf(HasSubstr("filter 'prize < 3'"), HasSubstr("'price'")));
  request.filter = "price + 1";
  EXPECT_THAT(ErrorOf(request), AllOf(HasSubstr("Type error"), HasSubstr("not a condition")));
  request.filter = "price <";
  EXPECT_THAT(ErrorOf(request), HasSubstr("Invalid: filter 'price <'"));
}

TEST_F(NeighborSearchTest, AnEmptyGroupHasNoNeighbors) {
  Define(3, VectorMetric::kL2);
  Apply(0);
  EXPECT_EQ(Find(RequestOf({1, 2, 3}, 5)).rows->num_rows(), 0);
}

TEST_F(NeighborSearchTest, ARowDatedAheadIsFoundThoughTheStoreFailedWhenItsTimeCame) {
  Define(2, VectorMetric::kL2);
  Insert({{.id = 1, .time_us = clock_.NowMicros(), .vector = {9, 9}, .price = 0},
          {.id = 2, .time_us = clock_.NowMicros() + kHour, .vector = {1, 1}, .price = 0}});
  const auto found = [&] { return search_->Find(group_.ref(), RequestOf({1, 1}, 5)); };
  ASSERT_EQ(found().ValueOrDie().rows->num_rows(), 1);
  clock_.Advance(2 * kHour);
  online_->Fail(true);
  EXPECT_FALSE(found().ok());
  EXPECT_FALSE(found().ok());
  online_->Fail(false);
  const auto answer = found();
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->rows->num_rows(), 2);
}

TEST_F(NeighborSearchTest, MemoryIsBounded) {
  Define(64, VectorMetric::kL2, std::nullopt, {.index_bytes = 100'000});
  std::vector<Item> items;
  for (int64_t id = 0; id < 1000; ++id) items.push_back(RandomItem(id));
  Insert(items);
  EXPECT_THAT(ErrorOf(RequestOf(RandomVector(), 5)),
              AllOf(HasSubstr("Capacity error: embedding 'vector' of feature group 'items@1'"),
                    HasSubstr("100000 bytes"), HasSubstr("TERCET_INDEX_BYTES")));
  EXPECT_EQ(search_->used_bytes(), 0U);
}

TEST_F(NeighborSearchTest, MemoryComesBackWithTheGroup) {
  Define(4, VectorMetric::kL2);
  Insert({RandomItem(1)});
  Find(RequestOf(RandomVector(), 1));
  ASSERT_EQ(search_->Indexes().size(), 1U);
  EXPECT_EQ(search_->Indexes()[0].rows, 1);
  EXPECT_GT(search_->used_bytes(), 0U);
  EXPECT_TRUE(search_->Forget({"items", 1}).ok());
  EXPECT_EQ(search_->used_bytes(), 0U);
}

/// While writers write and a graph is built and extended, a search finds nothing that was deleted
/// before it began, and no row at a distance that is not its own.
TEST_F(NeighborSearchTest, SearchesBesideWritersSeeNothingOld) {
  Define(8, VectorMetric::kL2);
  constexpr int64_t kIds = 2500;
  std::vector<Item> items;
  for (int64_t id = 0; id < kIds; ++id) {
    items.push_back(RandomItem(id));
    items.back().time_us = 1;
  }
  Insert(items);
  const std::vector<float> query = RandomVector();
  std::atomic<bool> done{false};
  std::atomic<int64_t> deleted{0};  // ids below are gone
  std::atomic<int> wrong{0}, searches{0};
  std::vector<std::thread> searchers;
  for (int s = 0; s < 2; ++s) {
    searchers.emplace_back([&] {
      while (!done) {
        const int64_t gone = deleted;
        const auto answer = search_->Find({"items", 1}, RequestOf(query, 20));
        if (!answer.ok() || answer->rows->num_rows() != 20) {
          ++wrong;
          continue;
        }
        const auto& lists =
            static_cast<const arrow::FixedSizeListArray&>(*answer->rows->GetColumnByName("vector"));
        const auto& floats = static_cast<const arrow::FloatArray&>(*lists.values());
        int64_t row = 0;
        for (const auto& [distance, id] : Found(*answer)) {
          double squares = 0;
          for (int64_t i = 0; i < 8; ++i) {
            const double d = floats.Value(lists.value_offset(row) + i) -
                             static_cast<double>(query[static_cast<size_t>(i)]);
            squares += d * d;
          }
          if (id < gone || std::abs(std::sqrt(squares) - distance) > 1e-9) ++wrong;
          ++row;
        }
        ++searches;
      }
    });
  }
  for (int step = 0; step < 12; ++step) {
    std::vector<Item> some;
    for (int64_t id = kIds - 200; id < kIds; ++id) {
      some.push_back(RandomItem(id));
      some.back().time_us = 1;
    }
    Insert(some);
    std::vector<int64_t> keys;
    for (int64_t id = deleted; id < deleted + 20; ++id) keys.push_back(id);
    Apply(Delete(keys));
    deleted += 20;
    const int seen = searches;
    while (searches < seen + 2) std::this_thread::yield();
  }
  done = true;
  for (std::thread& thread : searchers) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace tercet
