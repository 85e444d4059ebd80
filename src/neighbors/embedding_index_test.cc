#include "neighbors/embedding_index.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <set>
#include <thread>

#include "neighbors/test_group.h"
#include "neighbors/vector_column.h"

namespace tercet {
namespace {

class EmbeddingIndexTest : public ItemsTest {
 protected:
  static constexpr size_t kNear = 10;

  LabelSearch SearchOf(const std::string& filter = "") {
    LabelSearch search{.count = kNear, .candidates = 96, .filter_text = filter, .filter = nullptr};
    if (!filter.empty()) {
      search.filter = RowFilter::Make(filter, *group_.schema).ValueOrDie();
    }
    return search;
  }

  static std::vector<int64_t> IdsOf(const NearKeys& near) {
    const auto& ids = static_cast<const arrow::Int64Array&>(*near.keys->column(0));
    return {ids.raw_values(), ids.raw_values() + ids.length()};
  }

  /// The part of the nearest rows that the index finds, over some vectors.
  template <typename Fits>
  double RecallOf(EmbeddingIndex* index, const LabelSearch& search, const Fits& fits,
                  const std::vector<std::vector<float>>& queries) {
    size_t hits = 0, wanted = 0;
    for (const std::vector<float>& query : queries) {
      std::vector<float> floats(PaddedFloats(query.size()));
      const std::vector<double> doubles(query.begin(), query.end());
      EXPECT_TRUE(ToFloats(group_.embeddings.at("vector").metric, doubles, floats.data()));
      const std::vector<int64_t> ids =
          IdsOf(index->Search(std::span(&floats, 1), search).ValueOrDie());
      const std::set<int64_t> found(ids.begin(), ids.end());
      for (const auto& [distance, id] : Nearest(RequestOf(query, kNear), fits)) {
        hits += found.contains(id);
        ++wanted;
      }
    }
    return static_cast<double>(hits) / static_cast<double>(wanted);
  }

  /// Random rows of short vectors, compared by their distance.
  std::vector<Item> InsertSome(int64_t count) {
    Define(4, VectorMetric::kL2);
    std::vector<Item> items;
    for (int64_t id = 0; id < count; ++id) items.push_back(RandomItem(id));
    Insert(items);
    return items;
  }

  static bool Never() { return false; }
  static bool Anything(const Item&) { return true; }
};

TEST_F(EmbeddingIndexTest, TheGraphFindsNearlyAllOfTheNearest) {
  for (const bool clustered : {false, true}) {
    TearDown();
    SetUp();
    Define(16, clustered ? VectorMetric::kL2 : VectorMetric::kCosine);
    std::vector<std::vector<float>> centers;
    for (int i = 0; i < 40; ++i) centers.push_back(RandomVector());
    const auto vector = [&] {
      std::vector<float> one = RandomVector();
      if (!clustered) return one;
      const std::vector<float>& center = centers[random_() % centers.size()];
      for (size_t i = 0; i < one.size(); ++i) one[i] = 5 * center[i] + one[i] / 5;
      return one;
    };
    std::vector<Item> items;
    for (int64_t id = 0; id < 7000; ++id) {
      items.push_back(RandomItem(id));
      items.back().vector = vector();
    }
    Insert(items);
    const auto index = LoadIndex();
    EXPECT_TRUE(index->HasWork());
    ASSERT_TRUE(index->Work(Never).ok());
    EXPECT_FALSE(index->HasWork());
    std::vector<std::vector<float>> queries;
    for (int i = 0; i < 30; ++i) queries.push_back(vector());
    EXPECT_GE(RecallOf(index.get(), SearchOf(), Anything, queries), 0.95);
    EXPECT_EQ(index->Info().exact, 0) << "the graph was not asked";
    EXPECT_EQ(index->Info().in_graph, 7000);

    // Where most rows fit the filter the graph is asked, too; where few do, all of them.
    EXPECT_GE(RecallOf(
                  index.get(), SearchOf("price < 95"),
                  [](const Item& item) { return item.price < 95; }, queries),
              0.95);
    EXPECT_EQ(index->Info().exact, 0);
    EXPECT_EQ(RecallOf(
                  index.get(), SearchOf("price < 3 and city = 'Oslo'"),
                  [](const Item& item) { return item.price < 3 && item.city == "Oslo"; }, queries),
              1.0);
    EXPECT_EQ(index->Info().exact, 30);

    // What comes later is found before it is in the graph, and what has gone, no more.
    std::vector<Item> more;
    for (int64_t id = 0; id < 300; ++id) {
      more.push_back(RandomItem(id * 7));
      more.back().time_us += 1;
      more.back().vector = vector();
    }
    Insert(more);
    Apply(Delete({1, 2, 3, 4, 5}));
    ASSERT_TRUE(index->CatchUp().ValueOrDie());
    EXPECT_GE(RecallOf(index.get(), SearchOf(), Anything, queries), 0.95);
    ASSERT_TRUE(index->Work(Never).ok());
    EXPECT_GE(RecallOf(index.get(), SearchOf(), Anything, queries), 0.95);
    EXPECT_EQ(index->Info().in_graph, 7300);
    EXPECT_EQ(index->Info().rows, 6995);
  }
}

TEST_F(EmbeddingIndexTest, AGraphThatIsBrokenOffIsBuiltLater) {
  InsertSome(3000);
  const auto index = LoadIndex();
  int asked = 0;
  ASSERT_TRUE(index->Work([&] { return ++asked > 1; }).ok());
  EXPECT_EQ(index->Info().in_graph, 0);
  ASSERT_TRUE(index->Work(Never).ok());
  EXPECT_EQ(index->Info().in_graph, 3000);
}

TEST_F(EmbeddingIndexTest, AGraphThatHasNoMemoryIsNotAskedForAgain) {
  InsertSome(3000);
  const auto index = LoadIndex();
  const auto bytes = static_cast<size_t>(index->Info().bytes);
  MemoryShare others(&memory_);
  ASSERT_TRUE(others.Set(memory_.limit_bytes() - bytes - 100'000).ok());
  EXPECT_TRUE(index->Work(Never).IsCapacityError());
  EXPECT_FALSE(index->HasWork());
  EXPECT_EQ(memory_.used_bytes(), memory_.limit_bytes() - 100'000);
  EXPECT_EQ(RecallOf(index.get(), SearchOf(), Anything, {RandomVector()}), 1.0);
}

TEST_F(EmbeddingIndexTest, RowsThatAreWrittenAlikeKeepTheirPlace) {
  std::vector<Item> items = InsertSome(2100);
  const auto index = LoadIndex();
  ASSERT_TRUE(index->Work(Never).ok());
  for (Item& item : items) item.price += 1;
  Insert(items);
  ASSERT_TRUE(index->CatchUp().ValueOrDie());
  EXPECT_FALSE(index->HasWork());
}

TEST_F(EmbeddingIndexTest, AWornIndexIsRenewedInTheBackground) {
  std::vector<Item> items = InsertSome(2500);
  const auto place = std::make_shared<IndexPlace>();
  const auto worn = place->Get(SourceOfIndex()).ValueOrDie();
  while (!worn->IsWorn()) {
    for (Item& item : items) item.vector = RandomVector();
    Insert(items);
    ASSERT_TRUE(worn->CatchUp().ValueOrDie());
  }
  IndexBuilder builder;
  builder.Ask(place);
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (place->Here() == worn && std::chrono::steady_clock::now() < until) {
    std::this_thread::yield();
  }
  ASSERT_NE(place->Here(), worn);
  EXPECT_FALSE(place->Here()->IsWorn());
  EXPECT_EQ(place->Here()->Info().in_graph, 2500);
  EXPECT_EQ(RecallOf(place->Here().get(), SearchOf(), Anything, {RandomVector()}), 1.0);
}

/// Threads that add at once leave no vector out, and nearly as good a graph as one alone.
TEST(HnswGraph, TakesVectorsOfSeveralThreads) {
  constexpr size_t kDimension = 16, kVectors = 4000, kNearest = 10;
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  VectorStore store(kDimension);
  std::vector<uint32_t> labels;
  std::vector<float> vector(kDimension);
  for (uint32_t label = 0; label < kVectors; ++label) {
    for (float& element : vector) element = normal(random);
    ASSERT_TRUE(store.Put(label, vector.data()).ok());
    labels.push_back(label);
  }
  const FloatDistance distance = FloatDistanceOf(VectorMetric::kL2);
  const auto graph = HnswGraph::Make(&store, distance).ValueOrDie();
  const std::span<const uint32_t> all = labels;
  ASSERT_TRUE(graph->Add(all.first(kVectors / 2), /*threads=*/4).ok());
  ASSERT_TRUE(graph->Add(all.subspan(kVectors / 2), /*threads=*/4).ok());
  ASSERT_EQ(graph->size(), kVectors);
  size_t hits = 0, themselves = 0;
  for (uint32_t query = 0; query < kVectors; query += 10) {
    std::vector<NearLabel> nearest;
    for (const uint32_t label : labels) {
      nearest.push_back({distance(store.at(query), store.at(label), store.floats()), label});
    }
    std::partial_sort(nearest.begin(), nearest.begin() + kNearest, nearest.end());
    const auto found = graph->Search(store.at(query), kNearest, /*candidates=*/96, nullptr)
                           .ValueOrDie();
    ASSERT_EQ(found.size(), kNearest);
    themselves += found[0].label == query;
    for (size_t i = 0; i < kNearest; ++i) {
      hits += std::any_of(found.begin(), found.end(), [&](const NearLabel& near) {
        return near.label == nearest[i].label;
      });
    }
  }
  EXPECT_GE(static_cast<double>(hits), 0.95 * kNearest * kVectors / 10);
  EXPECT_GE(static_cast<double>(themselves), 0.99 * kVectors / 10);
}

/// A graph comes back from its bytes; others are refused, or can be searched and added to.
TEST(HnswGraph, ReadsItsBytesAndSurvivesOthers) {
  constexpr size_t kVectors = 300;
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  VectorStore store(4);
  std::vector<uint32_t> labels;
  for (uint32_t label = 0; label <= kVectors; ++label) {
    const float vector[] = {normal(random), normal(random), normal(random), normal(random)};
    ASSERT_TRUE(store.Put(label, vector).ok());
    if (label < kVectors) labels.push_back(label);
  }
  const FloatDistance distance = FloatDistanceOf(VectorMetric::kL2);
  const auto graph = HnswGraph::Make(&store, distance).ValueOrDie();
  ASSERT_TRUE(graph->Add(labels, /*threads=*/2).ok());
  std::string bytes;
  ASSERT_TRUE(graph
                  ->Save([&](std::string_view more) {
                    bytes += more;
                    return Status::OK();
                  })
                  .ok());
  EXPECT_EQ(bytes.size(), graph->saved_bytes());
  const auto load = [&](std::string_view from) {
    return HnswGraph::Load(&store, distance, kVectors, from);
  };
  const auto nearest = [&](const HnswGraph& of) {
    return of.Search(store.at(kVectors), 1, 64, nullptr).ValueOrDie()[0].distance;
  };
  const auto again = load(bytes).ValueOrDie();
  EXPECT_EQ(again->size(), kVectors);
  EXPECT_EQ(nearest(*again), nearest(*graph));
  EXPECT_TRUE(load("").status().IsInvalid());
  EXPECT_TRUE(load(bytes + "x").status().IsInvalid());
  EXPECT_TRUE(load(bytes.substr(0, bytes.size() - 1)).status().IsInvalid());
  EXPECT_TRUE(HnswGraph::Load(&store, distance, kVectors - 1, bytes).status().IsInvalid());
  size_t refused = 0;
  for (int i = 0; i < 300; ++i) {
    std::string other = bytes;
    other[random() % (i % 2 == 0 ? other.size() : 1000)] ^= static_cast<char>(1 << random() % 8);
    const auto loaded = load(other);
    refused += !loaded.ok();
    if (!loaded.ok()) continue;
    EXPECT_LE((*loaded)->Search(store.at(kVectors), 5, 64, nullptr).ValueOrDie().size(), 5U);
    const uint32_t next = kVectors;
    EXPECT_TRUE((*loaded)->Add({&next, 1}, /*threads=*/1).ok());
  }
  EXPECT_GT(refused, 50U);
}

TEST(FloatDistance, IsNearTheExactOne) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (const size_t dimension : {1U, 15U, 16U, 17U, 40U, 48U, 100U, 768U}) {
    std::vector<float> a(PaddedFloats(dimension)), b(PaddedFloats(dimension));
    for (size_t i = 0; i < dimension; ++i) {
      a[i] = normal(random);
      b[i] = normal(random);
    }
    const auto count = static_cast<int64_t>(dimension);
    const double l2 = L2Distance(a.data(), b.data(), count);
    EXPECT_NEAR(FloatDistanceOf(VectorMetric::kL2)(a.data(), b.data(), a.size()), l2 * l2,
                1e-5 * l2 * l2);
    EXPECT_NEAR(FloatDistanceOf(VectorMetric::kInnerProduct)(a.data(), b.data(), a.size()),
                -DotProduct(a.data(), b.data(), count), 1e-4 * std::sqrt(dimension));
  }
}

}  // namespace
}  // namespace tercet
