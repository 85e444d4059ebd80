#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include <arrow/api.h>

#include "base/id.h"
#include "online/online_store.h"
#include "online/owner_message.h"

namespace tercet {
namespace {

/// A card's row says its account, as a narrower integer than the key of an account's row.
class RocksChain : public ::testing::Test {
 protected:
  struct Change {
    std::string type;
    int64_t id, value;
  };

  RocksChain() {
    OnlineOptions options;
    options.row_cache_bytes = 1 << 20;
    store_ = OnlineStore::Open(directory_, &clock_, options).ValueOrDie();
    for (const char* name : {"cards", "accounts"}) {
      FeatureGroupDefinition group{.name = name};
      group.primary_key = {"id"};
      group.online = true;
      group.schema = arrow::schema(
          {arrow::field("id", arrow::int64()),
           arrow::field("value", group.name == "cards" ? arrow::int32() : arrow::int64())});
      EXPECT_TRUE(store_->Define(group).ok());
    }
  }
  ~RocksChain() override {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  void Apply(const std::string& group, const std::vector<Change>& changes) {
    arrow::Int64Builder id, value, commit;
    arrow::Int32Builder narrow;
    arrow::StringBuilder type;
    const int64_t version = ++versions_[group];
    for (const Change& change : changes) {
      EXPECT_TRUE(id.Append(change.id).ok() && value.Append(change.value).ok() &&
                  narrow.Append(static_cast<int32_t>(change.value)).ok() &&
                  type.Append(change.type).ok() && commit.Append(version).ok());
    }
    const auto values = group == "cards" ? narrow.Finish().ValueOrDie()
                                         : value.Finish().ValueOrDie();
    const auto batch = arrow::RecordBatch::Make(
        arrow::schema({arrow::field("id", arrow::int64()), arrow::field("value", values->type()),
                       arrow::field("_change_type", arrow::utf8()),
                       arrow::field("_commit_version", arrow::int64())}),
        static_cast<int64_t>(changes.size()),
        {id.Finish().ValueOrDie(), values, type.Finish().ValueOrDie(),
         commit.Finish().ValueOrDie()});
    const auto applied = store_->Apply(
        {group, 1}, arrow::RecordBatchReader::Make({batch}, batch->schema()).ValueOrDie(), version);
    ASSERT_TRUE(applied.ok()) << applied.status().ToString();
  }

  /// These cards, and of each its account.
  static std::vector<RowsRequest> Requests(const std::vector<std::optional<int64_t>>& cards) {
    arrow::Int64Builder ids;
    for (const auto& card : cards) EXPECT_TRUE(ids.AppendOrNull(card).ok());
    const auto schema = arrow::schema({arrow::field("id", arrow::int64())});
    const auto n = static_cast<int64_t>(cards.size());
    const auto nulls = arrow::MakeArrayOfNull(arrow::int64(), n).ValueOrDie();
    const std::vector<int64_t> times(cards.size(), 0);
    std::vector<RowsRequest> requests(2);
    requests[0].group = {"cards", 1};
    requests[0].keys = arrow::RecordBatch::Make(schema, n, {ids.Finish().ValueOrDie()});
    requests[1].group = {"accounts", 1};
    requests[1].keys = arrow::RecordBatch::Make(schema, n, {nulls});
    requests[1].keys_from = {{.key = 0, .request = 0, .column = "value"}};
    for (RowsRequest& request : requests) {
      request.event_times_us = times;
      request.columns = {"value"};
    }
    return requests;
  }

  ManualClock clock_{1'000'000};
  const std::string directory_ =
      (std::filesystem::temp_directory_path() / ("tercet-chain-" + NewUuid())).string();
  std::map<std::string, int64_t> versions_;
  std::unique_ptr<OnlineStore> store_;
};

TEST_F(RocksChain, FollowsKeysFromRowToRow) {
  Apply("cards", {{"insert", 1, 10}, {"insert", 2, 20}});
  Apply("accounts", {{"insert", 10, 100}});
  for (int turn = 0; turn < 2; ++turn) {  // from RocksDB, then from memory
    const auto answers = store_->Read(Requests({1, 2, 3, std::nullopt}));
    ASSERT_TRUE(answers.ok()) << answers.status().ToString();
    using enum RowStatus;
    EXPECT_EQ((*answers)[0].status, (std::vector{kPresent, kPresent, kMissing, kMissing}));
    EXPECT_EQ((*answers)[1].status, (std::vector{kPresent, kMissing, kMissing, kMissing}));
    EXPECT_EQ(static_cast<const arrow::Int64Array&>(*(*answers)[1].rows->column(0)).Value(0), 100);
  }
}

TEST_F(RocksChain, FollowsARowsOwnKeyWhereThereIsARow) {
  Apply("cards", {{"insert", 1, 10}});
  Apply("accounts", {{"insert", 1, 7}, {"insert", 2, 8}});
  auto requests = Requests({1, 2});
  requests[1].keys_from[0].column = "id";
  const auto answers = store_->Read(requests).ValueOrDie();
  EXPECT_EQ(answers[1].status, (std::vector{RowStatus::kPresent, RowStatus::kMissing}));
}

TEST_F(RocksChain, IsOfOneMomentWhateverIsWritten) {
  Apply("accounts", {{"insert", 0, 0}});
  Apply("cards", {{"insert", 1, 0}});
  std::atomic<bool> done{false};
  std::atomic<int64_t> reads{0};
  std::vector<std::thread> readers;
  for (int r = 0; r < 2; ++r) {
    readers.emplace_back([&] {
      while (!done) {
        const auto answers = store_->Read(Requests({1}));
        ASSERT_TRUE(answers.ok()) << answers.status().ToString();
        // At every moment the card's account is there.
        ASSERT_EQ((*answers)[1].status[0], RowStatus::kPresent);
        const auto& card = static_cast<const arrow::Int32Array&>(*(*answers)[0].rows->column(0));
        const auto& account =
            static_cast<const arrow::Int64Array&>(*(*answers)[1].rows->column(0));
        ASSERT_EQ(card.Value(0), account.Value(0));
        ++reads;
      }
    });
  }
  for (int64_t i = 0; (i < 300 || reads < 50) && !HasFailure(); ++i) {
    Apply("accounts", {{"insert", i + 1, i + 1}});
    Apply("cards", {{"update_preimage", 1, i}, {"update_postimage", 1, i + 1}});
    Apply("accounts", {{"delete", i, i}});
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
}

TEST_F(RocksChain, RefusesWhatCantBeFollowed) {
  Apply("cards", {{"insert", 1, 10}});
  auto later = Requests({1});
  later[1].keys_from[0].request = 1;
  EXPECT_TRUE(store_->Read(later).status().IsInvalid());
  auto unasked = Requests({1});
  unasked[1].keys_from[0].column = "limit";
  EXPECT_TRUE(store_->Read(unasked).status().IsKeyError());
}

TEST_F(RocksChain, CrossesProcesses) {
  const auto requests = Requests({1, std::nullopt});
  const auto message =
      OwnerMessage::FromBytes(ToMessage(requests).ValueOrDie().ToBytes()).ValueOrDie();
  const auto again = RequestsFromMessage(message).ValueOrDie();
  ASSERT_EQ(again.size(), 2u);
  EXPECT_TRUE(again[0].keys_from.empty());
  ASSERT_EQ(again[1].keys_from.size(), 1u);
  EXPECT_EQ(again[1].keys_from[0].request, 0u);
  EXPECT_EQ(again[1].keys_from[0].column, "value");
  EXPECT_TRUE(again[1].keys->Equals(*requests[1].keys));
}

}  // namespace
}  // namespace tercet
