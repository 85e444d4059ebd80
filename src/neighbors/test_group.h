#pragma once

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_nested.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/compute/api_vector.h>
#include <arrow/datum.h>
#include <arrow/table.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/id.h"
#include "base/parallel.h"
#include "catalog/catalog.h"
#include "compute/sort_key.h"
#include "compute/visibility.h"
#include "neighbors/neighbor_search.h"
#include "offline/feature_tables.h"

namespace tercet {

/// A row of the tests' group.
struct Item {
  int64_t id;
  int64_t time_us;
  std::vector<float> vector;
  double price;
  std::optional<std::string> city;
  bool operator==(const Item&) const = default;
};

/// The rule of time, naively, over all rows of one commit of the tests' group: an online store that
/// can't be wrong.
class NaiveOnline : public OnlineRows {
 public:
  NaiveOnline(FeatureTables* tables, const Clock* clock) : tables_(tables), clock_(clock) {}

  /// From now on readers see this commit.
  void Apply(const Ref& group, int64_t version) {
    const auto definition = tables_->Definition(group).ValueOrDie();
    const auto snapshot = tables_->Get(group).ValueOrDie()->AtVersion(version).ValueOrDie();
    const auto rows = snapshot->Scan({}).ValueOrDie()->ToTable().ValueOrDie();
    const auto batch = rows->CombineChunksToBatch().ValueOrDie();
    const std::lock_guard lock(mutex_);
    version_ = version;
    definition_ = definition;
    batch_ = batch;
    rows_.clear();
    const auto& ids = static_cast<const arrow::Int64Array&>(*batch->GetColumnByName("id"));
    const auto times = EventTimeMicros(*batch->GetColumnByName("time")).ValueOrDie();
    for (int64_t i = 0; i < batch->num_rows(); ++i) rows_[ids.Value(i)][times->Value(i)] = i;
  }

  Result<std::vector<RowsAnswer>> Read(const std::vector<RowsRequest>& requests) override {
    if (fails_) return Status::IOError("the store does not answer");
    std::vector<RowsAnswer> answers;
    const std::lock_guard lock(mutex_);
    for (const RowsRequest& request : requests) {
      if (batch_ == nullptr) {
        ARROW_ASSIGN_OR_RAISE(definition_, tables_->Definition(request.group));
        ARROW_ASSIGN_OR_RAISE(batch_, arrow::RecordBatch::MakeEmpty(definition_.schema));
      }
      RowsAnswer& answer = answers.emplace_back();
      answer.version = version_;
      arrow::Int64Builder indices;
      for (int64_t i = 0; i < request.keys->num_rows(); ++i) {
        const int64_t id = static_cast<const arrow::Int64Array&>(*request.keys->column(0)).Value(i);
        const auto [row, time] = Find(id, request.event_times_us[static_cast<size_t>(i)]);
        answer.status.push_back(row < 0       ? RowStatus::kMissing
                                : Fresh(time) ? RowStatus::kPresent
                                              : RowStatus::kExpired);
        answer.event_times_us.push_back(time);
        const bool present = answer.status.back() == RowStatus::kPresent;
        ARROW_RETURN_NOT_OK(present ? indices.Append(row) : indices.AppendNull());
      }
      ARROW_ASSIGN_OR_RAISE(const auto taken, indices.Finish());
      arrow::FieldVector fields;
      arrow::ArrayVector arrays;
      for (const std::string& name : request.columns) {
        fields.push_back(definition_.schema->GetFieldByName(name));
        const auto column = batch_->GetColumnByName(name);
        if (column == nullptr) return Status::KeyError("no column '", name, "'");
        ARROW_ASSIGN_OR_RAISE(const arrow::Datum values, arrow::compute::Take(column, taken));
        arrays.push_back(values.make_array());
      }
      answer.rows = arrow::RecordBatch::Make(arrow::schema(fields), request.keys->num_rows(),
                                             std::move(arrays));
    }
    return answers;
  }

  /// Whether reads fail, as those of a store that can't be reached.
  void Fail(bool fails) { fails_ = fails; }

  /// What is seen now.
  std::vector<Item> Visible() {
    const std::lock_guard lock(mutex_);
    std::vector<Item> items;
    for (const auto& [id, rows] : rows_) {
      const auto [row, time] = Find(id, clock_->NowMicros());
      if (row >= 0 && Fresh(time)) items.push_back(ItemAt(row, id, time));
    }
    return items;
  }

 private:
  std::pair<int64_t, int64_t> Find(int64_t id, int64_t as_of_us) const {
    const auto rows = rows_.find(id);
    if (rows == rows_.end()) return {-1, 0};
    auto after = rows->second.upper_bound(as_of_us);
    if (after == rows->second.begin()) return {-1, 0};
    --after;
    return {after->second, after->first};
  }
  bool Fresh(int64_t time_us) const {
    return WithinTtl(time_us, clock_->NowMicros(), definition_.ttl_us);
  }
  Item ItemAt(int64_t row, int64_t id, int64_t time_us) const {
    const auto& lists =
        static_cast<const arrow::FixedSizeListArray&>(*batch_->GetColumnByName("vector"));
    const auto& floats = static_cast<const arrow::FloatArray&>(*lists.values());
    const auto& cities = static_cast<const arrow::StringArray&>(*batch_->GetColumnByName("city"));
    Item item{.id = id, .time_us = time_us, .vector = {}, .price = 0, .city = std::nullopt};
    for (int64_t i = 0; lists.IsValid(row) && i < lists.value_length(); ++i) {
      item.vector.push_back(floats.Value(lists.value_offset(row) + i));
    }
    item.price =
        static_cast<const arrow::DoubleArray&>(*batch_->GetColumnByName("price")).Value(row);
    if (cities.IsValid(row)) item.city = cities.GetString(row);
    return item;
  }

  FeatureTables* const tables_;
  const Clock* const clock_;
  std::atomic<bool> fails_ = false;
  std::mutex mutex_;
  int64_t version_ = -1;
  FeatureGroupDefinition definition_;
  std::shared_ptr<arrow::RecordBatch> batch_;
  std::map<int64_t, std::map<int64_t, int64_t>> rows_;  // id → event time → row
};

/// A project with one group of items, whose online store is naive.
class ItemsTest : public ::testing::Test {
 protected:
  static constexpr int64_t kHour = 3'600'000'000;

  void SetUp() override {
    InitializeArrow();
    std::filesystem::create_directories(root_);
    catalog_ = Catalog::Open(JoinPath(root_, "catalog.sqlite"), &clock_).ValueOrDie();
    tables_ = std::make_unique<FeatureTables>(catalog_.get(), LocalFileSystem(), root_, &clock_);
    online_ = std::make_unique<NaiveOnline>(tables_.get(), &clock_);
  }

  void TearDown() override {
    search_.reset();
    online_.reset();
    tables_.reset();
    catalog_.reset();
    std::filesystem::remove_all(root_);
  }

  void Define(int dimension, VectorMetric metric, std::optional<int64_t> ttl_us = std::nullopt,
              const NeighborOptions& options = {}) {
    FeatureGroupDefinition group{.name = "items"};
    group.primary_key = {"id"};
    group.event_time = "time";
    group.ttl_us = ttl_us;
    group.online = true;
    group.embeddings["vector"] = {.metric = metric, .dimension = std::nullopt};
    group.schema = arrow::schema(
        {arrow::field("id", arrow::int64()),
         arrow::field("time", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")),
         arrow::field("vector", arrow::fixed_size_list(arrow::float32(), dimension)),
         arrow::field("price", arrow::float64()), arrow::field("city", arrow::utf8())});
    const auto defined = tables_->Define(group);
    ASSERT_TRUE(defined.ok()) << defined.status();
    group_ = *defined;
    dimension_ = dimension;
    search_ = std::make_unique<NeighborSearch>(catalog_.get(), tables_.get(), online_.get(),
                                               &clock_, options);
  }

  std::shared_ptr<arrow::RecordBatchReader> ReaderOf(const std::vector<Item>& items) const {
    const auto pool = arrow::default_memory_pool();
    arrow::Int64Builder ids;
    arrow::TimestampBuilder times(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), pool);
    auto floats = std::make_shared<arrow::FloatBuilder>();
    arrow::FixedSizeListBuilder vectors(pool, floats, dimension_);
    arrow::DoubleBuilder prices;
    arrow::StringBuilder cities;
    for (const Item& item : items) {
      EXPECT_TRUE(ids.Append(item.id).ok() && times.Append(item.time_us).ok());
      if (item.vector.empty()) {
        EXPECT_TRUE(vectors.AppendNull().ok());
      } else {
        EXPECT_TRUE(vectors.Append().ok() && floats->AppendValues(item.vector).ok());
      }
      EXPECT_TRUE(prices.Append(item.price).ok());
      EXPECT_TRUE((item.city ? cities.Append(*item.city) : cities.AppendNull()).ok());
    }
    arrow::ArrayVector arrays = {ids.Finish().ValueOrDie(), times.Finish().ValueOrDie(),
                                 vectors.Finish().ValueOrDie(), prices.Finish().ValueOrDie(),
                                 cities.Finish().ValueOrDie()};
    return std::make_shared<arrow::TableBatchReader>(
        arrow::Table::Make(group_.schema, std::move(arrays)));
  }

  int64_t Write(const std::vector<Item>& items, InsertMode mode = InsertMode::kUpsert) {
    clock_.Advance(1000);
    const auto table = tables_->Get(group_.ref()).ValueOrDie();
    return table->Write(ReaderOf(items), {.mode = mode, .idempotency_key = {}})
        .ValueOrDie()
        .version;
  }
  int64_t Delete(const std::vector<int64_t>& keys) {
    arrow::Int64Builder ids;
    EXPECT_TRUE(ids.AppendValues(keys).ok());
    clock_.Advance(1000);
    const auto batch =
        arrow::RecordBatch::Make(arrow::schema({group_.schema->field(0)}),
                                 static_cast<int64_t>(keys.size()), {ids.Finish().ValueOrDie()});
    return tables_->Get(group_.ref())
        .ValueOrDie()
        ->Delete(arrow::RecordBatchReader::Make({batch}).ValueOrDie())
        .ValueOrDie()
        .version;
  }
  void Apply(int64_t version) { online_->Apply(group_.ref(), version); }
  /// Rows that online readers see when it returns.
  void Insert(const std::vector<Item>& items) { Apply(Write(items)); }

  std::vector<float> RandomVector() {
    std::normal_distribution<float> normal;
    std::vector<float> vector(static_cast<size_t>(dimension_));
    for (float& element : vector) element = normal(random_);
    return vector;
  }
  Item RandomItem(int64_t id) {
    static const char* const kCities[] = {"Oslo", "Bergen", "Turku"};
    Item item{.id = id,
              .time_us = clock_.NowMicros() - kHour,
              .vector = RandomVector(),
              .price = static_cast<double>(random_() % 100),
              .city = std::nullopt};
    if (random_() % 5 != 0) item.city = kCities[random_() % 3];
    return item;
  }

  static NeighborsRequest RequestOf(const std::vector<float>& vector, int64_t k) {
    NeighborsRequest request;
    request.vectors = {{vector.begin(), vector.end()}};
    request.k = k;
    return request;
  }

  /// What a search should find, by looking at everything.
  template <typename Fits>
  std::vector<std::pair<double, int64_t>> Nearest(const NeighborsRequest& request,
                                                  const Fits& fits) {
    const VectorMetric metric = group_.embeddings.at("vector").metric;
    std::vector<std::pair<double, int64_t>> all;
    for (const Item& item : online_->Visible()) {
      if (item.vector.empty() || !fits(item)) continue;
      double squares = 0, product = 0, own = 0, theirs = 0;
      for (size_t i = 0; i < item.vector.size(); ++i) {
        const double a = request.vectors[0][i], b = item.vector[i];
        squares += (a - b) * (a - b);
        product += a * b;
        own += a * a;
        theirs += b * b;
      }
      const double distance = metric == VectorMetric::kL2 ? std::sqrt(squares)
                              : metric == VectorMetric::kCosine
                                  ? 1 - product / std::sqrt(own) / std::sqrt(theirs)
                                  : -product;
      if (std::isfinite(distance)) all.emplace_back(distance, item.id);
    }
    std::sort(all.begin(), all.end());
    all.resize(std::min(all.size(), static_cast<size_t>(request.k)));
    return all;
  }

  static std::vector<std::pair<double, int64_t>> Found(const NeighborsAnswer& answer) {
    const auto& distances =
        static_cast<const arrow::DoubleArray&>(*answer.rows->GetColumnByName("_distance"));
    const auto& ids = static_cast<const arrow::Int64Array&>(*answer.rows->GetColumnByName("id"));
    std::vector<std::pair<double, int64_t>> found;
    for (int64_t i = 0; i < ids.length(); ++i) {
      found.emplace_back(distances.Value(i), ids.Value(i));
    }
    return found;
  }

  static void ExpectSame(const std::vector<std::pair<double, int64_t>>& found,
                         const std::vector<std::pair<double, int64_t>>& wanted) {
    ASSERT_EQ(found.size(), wanted.size());
    for (size_t i = 0; i < found.size(); ++i) {
      EXPECT_NEAR(found[i].first, wanted[i].first, 1e-9 * (1 + std::abs(wanted[i].first)));
      EXPECT_EQ(found[i].second, wanted[i].second) << "at " << i;
    }
  }

  /// An index that no thread in the background builds.
  std::shared_ptr<EmbeddingIndex> LoadIndex() {
    return EmbeddingIndex::Load(SourceOfIndex()).ValueOrDie();
  }
  IndexSource SourceOfIndex() {
    return IndexSource{.group = tables_->Definition(group_.ref()).ValueOrDie(),
                       .column = "vector",
                       .embedding = group_.embeddings.at("vector"),
                       .dimension = dimension_,
                       .table = tables_->Get(group_.ref()).ValueOrDie(),
                       .online = online_.get(),
                       .clock = &clock_,
                       .memory = &memory_,
                       .files = files_.get(),
                       .file = JoinPath(root_, "neighbors/items.index")};
  }

  const std::shared_ptr<FileSystem> files_ = LocalFileSystem();
  ManualClock clock_{100 * kHour};
  std::mt19937 random_{1};
  const std::string root_ =
      (std::filesystem::temp_directory_path() / ("tercet-test-" + NewUuid())).string();
  IndexMemory memory_{size_t{1} << 30};
  std::unique_ptr<Catalog> catalog_;
  std::unique_ptr<FeatureTables> tables_;
  std::unique_ptr<NaiveOnline> online_;
  FeatureGroupDefinition group_;
  int dimension_ = 0;
  std::unique_ptr<NeighborSearch> search_;
};

}  // namespace tercet
