// Vectors from memory beside the same rows read group by group, while these are written in all
// ways.
#include "online/row_vectors.h"

#include <filesystem>
#include <random>

#include <arrow/api.h>
#include <gtest/gtest.h>

#include "base/id.h"
#include "compute/sort_key.h"
#include "online/online_store.h"

namespace tercet {
namespace {

constexpr int64_t kKeys = 12;
constexpr int64_t kNow = 1'000'000;

/// "trips" has event times, a TTL and a string, "homes" neither; both are keyed by an integer.
class Vectors : public ::testing::TestWithParam<size_t> {
 protected:
  Vectors()
      : directory_(std::filesystem::temp_directory_path() / ("tercet-vectors-" + NewUuid())),
        store_(
            OnlineStore::Open(directory_, &clock_, {.row_cache_bytes = GetParam()}).ValueOrDie()) {
    EXPECT_TRUE(store_->Define(Trips(ttl_us_)).ok() && store_->Define(Homes()).ok());
  }
  ~Vectors() override {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  static FeatureGroupDefinition Trips(int64_t ttl_us) {
    FeatureGroupDefinition trips;
    trips.name = "trips";
    trips.primary_key = {"id"};
    trips.event_time = "time";
    trips.online = true;
    trips.ttl_us = ttl_us;
    trips.schema =
        arrow::schema({arrow::field("id", arrow::int64()),
                       arrow::field("time", arrow::timestamp(arrow::TimeUnit::MICRO)),
                       arrow::field("fare", arrow::int64()), arrow::field("to", arrow::utf8())});
    return trips;
  }
  static FeatureGroupDefinition Homes() {
    FeatureGroupDefinition homes;
    homes.name = "homes";
    homes.primary_key = {"id"};
    homes.online = true;
    homes.schema =
        arrow::schema({arrow::field("id", arrow::int64()), arrow::field("rooms", arrow::float64()),
                       arrow::field("garden", arrow::boolean())});
    return homes;
  }

  /// Some rows of a group, as a batch of its schema; of "trips" with times around now.
  std::shared_ptr<arrow::RecordBatch> Rows(const FeatureGroupDefinition& group, bool ordered) {
    std::vector<int64_t> ids;
    for (int64_t id = 0; id < kKeys; ++id) {
      if (random_() % 3 == 0) ids.push_back(id);
    }
    if (ids.empty()) ids.push_back(static_cast<int64_t>(random_() % kKeys));
    if (!ordered) std::shuffle(ids.begin(), ids.end(), random_);
    arrow::Int64Builder id, fare;
    arrow::TimestampBuilder time(arrow::timestamp(arrow::TimeUnit::MICRO),
                                 arrow::default_memory_pool());
    arrow::StringBuilder to;
    arrow::DoubleBuilder rooms;
    arrow::BooleanBuilder garden;
    for (const int64_t one : ids) {
      const int64_t number = static_cast<int64_t>(random_() % 1000);
      EXPECT_TRUE(id.Append(one).ok() && fare.Append(number).ok() &&
                  garden.Append(number % 2 == 1).ok());
      EXPECT_TRUE(time.Append(kNow - 500 + number).ok());
      EXPECT_TRUE(
          (number % 5 == 0 ? to.AppendNull() : to.Append(std::string(number % 40, 'x'))).ok());
      EXPECT_TRUE((number % 7 == 0 ? rooms.AppendNull() : rooms.Append(number / 4.0)).ok());
    }
    const auto take = [](arrow::ArrayBuilder* builder) { return builder->Finish().ValueOrDie(); };
    arrow::ArrayVector columns =
        group.name == "trips" ? arrow::ArrayVector{take(&id), take(&time), take(&fare), take(&to)}
                              : arrow::ArrayVector{take(&id), take(&rooms), take(&garden)};
    return arrow::RecordBatch::Make(group.schema, static_cast<int64_t>(ids.size()), columns);
  }

  /// Upserts, or deletes.
  void Write(const FeatureGroupDefinition& group) {
    const auto rows = Rows(group, /*ordered=*/false);
    ++version_;
    arrow::StringBuilder type;
    arrow::Int64Builder commit;
    for (int64_t i = 0; i < rows->num_rows(); ++i) {
      EXPECT_TRUE(type.Append(random_() % 4 == 0 ? "delete" : "insert").ok());
      EXPECT_TRUE(commit.Append(version_).ok());
    }
    auto fields = group.schema->fields();
    auto columns = rows->columns();
    fields.push_back(arrow::field("_change_type", arrow::utf8()));
    fields.push_back(arrow::field("_commit_version", arrow::int64()));
    columns.push_back(type.Finish().ValueOrDie());
    columns.push_back(commit.Finish().ValueOrDie());
    const auto changes = arrow::RecordBatch::Make(arrow::schema(fields), rows->num_rows(), columns);
    const auto pending = store_->Apply(
        group.ref(), arrow::RecordBatchReader::Make({changes}).ValueOrDie(), version_);
    ASSERT_TRUE(pending.ok()) << pending.status().ToString();
    // The offline table, which would have the rows that were let go, has none.
    for (const auto& keys : *pending) {
      ASSERT_TRUE(store_
                      ->Refill(group.ref(), keys,
                               arrow::RecordBatchReader::Make({}, group.schema).ValueOrDie())
                      .ok());
    }
  }

  void Load(const FeatureGroupDefinition& group) {
    const auto rows = arrow::RecordBatchReader::Make({Rows(group, /*ordered=*/true)});
    const Status loaded = store_->Load(group.ref(), *rows, ++version_);
    ASSERT_TRUE(loaded.ok()) << loaded.ToString();
  }

  /// One key's vector, in both ways, beside what Read says.
  void ReadOnce(const VectorRead& read, int64_t id, int64_t time_us) {
    arrow::Int64Builder builder;
    ASSERT_TRUE(builder.Append(id).ok());
    const auto keys =
        arrow::RecordBatch::Make(arrow::schema({arrow::field("id", arrow::int64())}), 1,
                                 arrow::ArrayVector{builder.Finish().ValueOrDie()});
    const std::string key = SortKeys::Encode(keys->columns()).ValueOrDie().ToBytes(0);
    CellsAnswer vector;
    ASSERT_TRUE(store_->ReadVectorCells(read, key, time_us, &vector).ValueOrDie());
    size_t next = 0;
    for (size_t g = 0; g < read.groups().size(); ++g) {
      const CellColumns& group = read.groups()[g];
      const auto answers = store_->Read({{.group = group.group,
                                          .keys = keys,
                                          .event_times_us = {time_us},
                                          .columns = group.columns,
                                          .ttl_us = group.ttl_us}});
      ASSERT_TRUE(answers.ok()) << answers.status().ToString();
      const RowsAnswer& wanted = answers->front();
      ASSERT_EQ(vector.status.at(g), wanted.status[0]) << "key " << id << " as of " << time_us;
      for (const auto& column : wanted.rows->columns()) {
        const Cell cell = vector.cells.at(next++);
        ASSERT_EQ(cell.null(), column->IsNull(0));
        if (!cell.null() && column->type_id() == arrow::Type::BOOL) {
          ASSERT_EQ(cell.As<uint8_t>() != 0,
                    static_cast<const arrow::BooleanArray&>(*column).Value(0));
        } else if (!cell.null()) {
          ASSERT_EQ(cell.bytes(), CellOf(*column, 0).bytes());
        }
      }
    }
    ASSERT_EQ(next, vector.cells.size());
    ReadNumbers(read, key, time_us, vector);
  }

  /// The same into targets of eight bytes, where all columns are that wide.
  void ReadNumbers(const VectorRead& read, const std::string& key, int64_t time_us,
                   const CellsAnswer& wanted) {
    const size_t count = wanted.cells.size();
    std::vector<int64_t> values(count, -1);
    std::vector<uint8_t> status(count, 0);
    std::vector<ColumnTarget> targets;
    for (size_t c = 0; c < count; ++c) {
      targets.push_back({.values = reinterpret_cast<char*>(&values[c]),
                         .status = &status[c],
                         .width = 8,
                         .null_bits = 42});
    }
    const ColumnsRead filled = store_->ReadVector(read, key, time_us, targets).ValueOrDie();
    const bool wide = read.groups()[0].columns == std::vector<std::string>{"fare"};
    ASSERT_EQ(filled == ColumnsRead::kElsewhere, !wide);
    if (!wide) return;
    bool whole = true;
    for (size_t c = 0; c < count; ++c) {
      const Cell& cell = wanted.cells[c];
      whole &= !cell.null();
      ASSERT_EQ(values[c], cell.null() ? 42 : cell.As<int64_t>());
      const RowStatus row = wanted.status[c];  // a column a group
      ASSERT_EQ(status[c], cell.null() && HasRow(row) ? kNullValue : static_cast<uint8_t>(row));
    }
    ASSERT_EQ(filled, whole ? ColumnsRead::kWhole : ColumnsRead::kWithGaps);
  }

  std::mt19937_64 random_{17};
  int64_t version_ = 0;
  int64_t ttl_us_ = 200;
  ManualClock clock_{kNow};
  const std::string directory_;
  std::unique_ptr<OnlineStore> store_;
};

TEST_P(Vectors, SayWhatTheRowsSayWhateverIsWritten) {
  // Two views on the same groups, with a TTL of its own one, and one of all columns.
  std::vector<VectorRead> reads;
  reads.emplace_back(std::vector<CellColumns>{{{"trips", 1}, {"fare"}, std::nullopt},
                                              {{"homes", 1}, {"rooms"}, std::nullopt}});
  reads.emplace_back(std::vector<CellColumns>{{{"trips", 1}, {"fare"}, 50},
                                              {{"homes", 1}, {"rooms"}, std::nullopt}});
  reads.emplace_back(std::vector<CellColumns>{{{"homes", 1}, {"garden", "rooms"}, std::nullopt},
                                              {{"trips", 1}, {"to", "fare"}, std::nullopt}});
  for (int round = 0; round < 300; ++round) {
    const FeatureGroupDefinition group = random_() % 2 == 0 ? Trips(ttl_us_) : Homes();
    switch (random_() % 24) {
      case 0:
        Load(group);
        break;
      case 1:
        ttl_us_ = 100 + static_cast<int64_t>(random_() % 300);
        ASSERT_TRUE(store_->Define(Trips(ttl_us_)).ok());
        break;
      case 2:
        ASSERT_TRUE(store_->Drop(group.ref()).ok() && store_->Define(group).ok());
        break;
      default:
        Write(group);
    }
    // A few keys and times, so that most are asked again: at the edges of TTLs as well.
    for (int ask = 0; ask < 12; ++ask) {
      const auto id = static_cast<int64_t>(random_() % kKeys);
      const auto time_us = kNow - 400 + static_cast<int64_t>(random_() % 5) * 200;
      for (const VectorRead& read : reads) ASSERT_NO_FATAL_FAILURE(ReadOnce(read, id, time_us));
    }
  }
}

TEST_P(Vectors, EndWithTheirRowsTimes) {
  Load(Homes());
  ASSERT_TRUE(
      store_
          ->Load({"trips", 1}, arrow::RecordBatchReader::Make({}, Trips(0).schema).ValueOrDie(), 1)
          .ok());
  const VectorRead read(
      {{{"trips", 1}, {"fare"}, std::nullopt}, {{"homes", 1}, {"rooms"}, std::nullopt}});
  const auto trip = [&](int64_t time_us, int64_t fare) {
    const auto schema = Trips(0).schema;
    auto fields = schema->fields();
    fields.push_back(arrow::field("_change_type", arrow::utf8()));
    fields.push_back(arrow::field("_commit_version", arrow::int64()));
    const auto rows = arrow::RecordBatch::Make(
        arrow::schema(fields), 1,
        arrow::ArrayVector{
            arrow::MakeArrayFromScalar(arrow::Int64Scalar(1), 1).ValueOrDie(),
            arrow::MakeArrayFromScalar(arrow::TimestampScalar(time_us, schema->field(1)->type()), 1)
                .ValueOrDie(),
            arrow::MakeArrayFromScalar(arrow::Int64Scalar(fare), 1).ValueOrDie(),
            arrow::MakeArrayFromScalar(arrow::StringScalar("a"), 1).ValueOrDie(),
            arrow::MakeArrayFromScalar(arrow::StringScalar("insert"), 1).ValueOrDie(),
            arrow::MakeArrayFromScalar(arrow::Int64Scalar(++version_), 1).ValueOrDie()});
    ASSERT_TRUE(
        store_->Apply({"trips", 1}, arrow::RecordBatchReader::Make({rows}).ValueOrDie(), version_)
            .ok());
  };
  version_ = 10;
  trip(kNow - 1000, 1);
  trip(kNow + 50, 2);  // ahead
  // Back and forth, each twice, over every edge: both rows' times, and the ends of their TTLs.
  for (const int64_t edge : {kNow - 1000, kNow - 1000 + ttl_us_, kNow + 50, kNow + 50 + ttl_us_}) {
    for (int twice = 0; twice < 2; ++twice) {
      for (const int64_t step : {-1, 0, 1, 0, -1}) {
        ASSERT_NO_FATAL_FAILURE(ReadOnce(read, 1, edge + step));
      }
    }
  }
  ReadOnce(read, 1, kNow - 900);
  trip(kNow - 950, 3);  // late
  ReadOnce(read, 1, kNow - 900);
}

INSTANTIATE_TEST_SUITE_P(Sizes, Vectors, ::testing::Values(0, 64 << 10, 8 << 20));

}  // namespace
}  // namespace tercet
