#pragma once

#include <memory>
#include <string>
#include <vector>

#include <arrow/api.h>
#include <gtest/gtest.h>

#include "online/redis_store.h"
#include "online/test_redis.h"

namespace tercet {

/// Stores of small groups in a Redis, and their rows: an int64 value by an id.
class RedisRowsTest : public ::testing::Test {
 protected:
  static constexpr int64_t kNow = 1'000'000;
  static inline const Ref kGroup{"weather", 1};

  static std::unique_ptr<OnlineStore> Open(const RedisAddress& address) {
    static const ManualClock* clock = new ManualClock(kNow);
    return RedisStore::Open(address, "test", clock).ValueOrDie();
  }

  static FeatureGroupDefinition Weather(const Ref& group = kGroup) {
    FeatureGroupDefinition definition;
    definition.name = group.name;
    definition.primary_key = {"id"};
    definition.online = true;
    definition.schema =
        arrow::schema({arrow::field("id", arrow::int64()), arrow::field("value", arrow::int64())});
    return definition;
  }

  static std::shared_ptr<arrow::Array> Int64s(const std::vector<int64_t>& values) {
    arrow::Int64Builder builder;
    EXPECT_TRUE(builder.AppendValues(values).ok());
    return builder.Finish().ValueOrDie();
  }

  /// Rows 0 to 9, all of one value.
  static Status Load(OnlineStore* store, int64_t value, int64_t version,
                     const Ref& group = kGroup) {
    std::vector<int64_t> ids, values(10, value);
    for (int64_t id = 0; id < 10; ++id) ids.push_back(id);
    const auto rows = arrow::RecordBatch::Make(Weather().schema, 10, {Int64s(ids), Int64s(values)});
    return store->Load(group, arrow::RecordBatchReader::Make({rows}).ValueOrDie(), version);
  }

  static Status Upsert(OnlineStore* store, int64_t id, int64_t value, int64_t version,
                       const Ref& group = kGroup) {
    const auto fields = Weather().schema->fields();
    const auto schema =
        arrow::schema({fields[0], fields[1], arrow::field("_change_type", arrow::utf8()),
                       arrow::field("_commit_version", arrow::int64())});
    arrow::StringBuilder type;
    EXPECT_TRUE(type.Append("insert").ok());
    const auto rows = arrow::RecordBatch::Make(
        schema, 1, {Int64s({id}), Int64s({value}), type.Finish().ValueOrDie(), Int64s({version})});
    return store->Apply(group, arrow::RecordBatchReader::Make({rows}).ValueOrDie(), version)
        .status();
  }

  static Result<int64_t> ReadValue(OnlineStore* store, int64_t id,
                                   const std::string& column = "value", const Ref& group = kGroup) {
    const auto keys = arrow::RecordBatch::Make(arrow::schema({arrow::field("id", arrow::int64())}),
                                               1, {Int64s({id})});
    ARROW_ASSIGN_OR_RAISE(
        const auto answers,
        store->Read(
            {{.group = group, .keys = keys, .event_times_us = {kNow}, .columns = {column}}}));
    const auto& values = static_cast<const arrow::Int64Array&>(*answers[0].rows->column(0));
    return values.IsNull(0) ? -1 : values.Value(0);
  }
};

}  // namespace tercet
