// Log files that real writers leave only when something goes wrong, and what no golden table has:
// blocks cut off, rolled back, put together, of writes that don't count; deletes of all orders
// (tests/interop/test_hudi.py holds tables of Hudi's own to Spark's answers).
#include "source/hudi_merge.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include <arrow/array.h>
#include <arrow/scalar.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/id.h"
#include "source/hudi_log.h"
#include "source/test_avro.h"

namespace tercet {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using avro_bytes::Long;
using avro_bytes::Text;

enum Header { kInstant = 0, kTarget = 1, kSchema = 2, kCommand = 3, kCompacted = 4, kPartial = 7 };

template <typename T>
std::string Number(T value) {
  std::string bytes;
  for (int shift = 8 * (static_cast<int>(sizeof(T)) - 1); shift >= 0; shift -= 8) {
    bytes += static_cast<char>(value >> shift);
  }
  return bytes;
}

std::string Block(HudiLogBlock::Kind kind, const std::map<int, std::string>& header,
                  const std::string& content) {
  std::string body = Number<uint32_t>(1) + Number(static_cast<uint32_t>(kind)) +
                     Number(static_cast<uint32_t>(header.size()));
  for (const auto& [name, text] : header) {
    body += Number(static_cast<uint32_t>(name)) + Number(static_cast<uint32_t>(text.size())) + text;
  }
  body += Number(static_cast<uint64_t>(content.size())) + content + Number<uint32_t>(0);
  const uint64_t size = body.size() + 8;
  return "#HUDI#" + Number(size) + body + Number(size + 6);
}

constexpr char kRecord[] = R"({"type": "record", "name": "r", "fields": [
    {"name": "_hoodie_record_key", "type": ["null", "string"]}, {"name": "n", "type": "long"},
    {"name": "_hoodie_is_deleted", "type": ["null", "boolean"]}]})";

/// A block of rows: keys and what orders them; '!' before a key: flagged as deleted.
std::string Rows(const std::string& instant, const std::vector<std::pair<std::string, int>>& rows,
                 const std::map<int, std::string>& more = {}) {
  std::string content = Number<uint32_t>(3) + Number(static_cast<uint32_t>(rows.size()));
  for (const auto& [key, n] : rows) {
    const bool deleted = key.front() == '!';
    const std::string record = Long(1) + Text(deleted ? key.substr(1) : key) + Long(n) +
                               (deleted ? Long(1) + "\x01" : Long(0));
    content += Number(static_cast<uint32_t>(record.size())) + record;
  }
  std::map<int, std::string> header = more;
  header[kInstant] = instant;
  header[kSchema] = kRecord;
  return Block(HudiLogBlock::Kind::kAvro, header, content);
}

/// A block of deletes: keys, and their order in Avro.
std::string Deletes(const std::string& instant,
                    const std::vector<std::pair<std::string, std::string>>& deletes) {
  std::string list = Long(static_cast<int64_t>(deletes.size()));
  for (const auto& [key, order] : deletes) list += Long(1) + Text(key) + Long(0) + order;
  list += Long(0);
  return Block(HudiLogBlock::Kind::kDeletes, {{kInstant, instant}},
               Number<uint32_t>(3) + Number(static_cast<uint32_t>(list.size())) + list);
}

std::string Rollback(const std::string& instant, const std::string& target) {
  return Block(HudiLogBlock::Kind::kCommand,
               {{kInstant, instant}, {kTarget, target}, {kCommand, "0"}}, "");
}

class HudiMergeTest : public ::testing::Test {
 protected:
  ~HudiMergeTest() override { std::filesystem::remove_all(folder_); }

  void SetUp() override {
    std::filesystem::create_directories(folder_ + "/.hoodie");
    Put(".hoodie/hoodie.properties", "hoodie.table.version=6\n");
    for (const char* instant : {"1", "2", "3", "4", "6"}) {
      Put(".hoodie/" + std::string(instant) + ".deltacommit", "");
    }
    Put(".hoodie/5.deltacommit.requested", "");
  }

  void Put(const std::string& name, const std::string& text) {
    ASSERT_TRUE(files_->Replace(JoinPath(folder_, name), text).ok());
  }

  /// What is left of these log files, as "key=n", "-key" for deletes, with a '*' for what is so
  /// whatever the base file has; or the error.
  std::vector<std::string> Merged(const std::vector<std::string>& logs,
                                  const std::string& order_by = "n",
                                  const std::string& as_of = "6", bool old = false) {
    HudiSlice slice;
    for (size_t i = 0; i < logs.size(); ++i) {
      Put("log" + std::to_string(i), logs[i]);
      slice.logs.push_back(folder_ + "/log" + std::to_string(i));
    }
    HudiMergeRule rule;
    rule.order_by = order_by;
    rule.deletes_are_unordered = old;
    const auto timeline = HudiTimeline::Read(files_.get(), folder_).ValueOrDie();
    const auto schema =
        HudiLogSchema(rule, *arrow::schema({arrow::field("n", arrow::int64())})).ValueOrDie();
    const HudiMerge how{.rule = rule, .as_of = as_of, .memory_bytes = memory_bytes_};
    const auto table = MergeHudiLogs(files_.get(), timeline, {HudiSlice(), slice}, how, *schema,
                                     schema->field_names());
    if (!table.ok()) return {table.status().message()};
    std::vector<std::string> rows;
    const auto merged = (*table)->CombineChunksToBatch();
    if (!merged.ok()) return {merged.status().message()};
    EXPECT_TRUE((*merged)->ValidateFull().ok());
    const auto text = [&](const char* column, int64_t i) {
      return (*merged)->GetColumnByName(column)->GetScalar(i).ValueOrDie()->ToString();
    };
    for (int64_t i = 0; i < (*merged)->num_rows(); ++i) {
      EXPECT_EQ(text(kHudiSlice, i), "1");
      const bool deleted = text(kHudiDeleted, i) == "true";
      rows.push_back((deleted ? "-" : "") + text(kHudiKey, i) +
                     (deleted ? "" : "=" + text("n", i)) +
                     (text(kHudiAlways, i) == "true" ? "*" : ""));
      if (!order_by.empty() && !deleted) {
        EXPECT_EQ(text(kHudiOrder, i), text("n", i));
      }
    }
    std::sort(rows.begin(), rows.end());
    return rows;
  }

  int64_t memory_bytes_ = 1 << 20;
  const std::shared_ptr<FileSystem> files_ = LocalFileSystem();
  const std::string folder_ =
      (std::filesystem::temp_directory_path() / ("tercet-" + NewUuid())).string();
};

TEST_F(HudiMergeTest, TheLaterRecordIsTheRow) {
  const std::vector<std::string> logs = {Rows("1", {{"a", 5}, {"b", 5}, {"c", 5}, {"!d", 5}}),
                                         Rows("2", {{"a", 4}, {"b", 5}, {"!c", 4}, {"d", 4}}) +
                                             Rows("2", {{"c", 6}})};
  EXPECT_THAT(Merged(logs), ElementsAre("-d", "a=5", "b=5", "c=6"));
  EXPECT_THAT(Merged(logs, ""), ElementsAre("a=4*", "b=5*", "c=6*", "d=4*"));
  EXPECT_THAT(Merged(logs, "n", "1"), ElementsAre("-d", "a=5", "b=5", "c=5"));
}

TEST_F(HudiMergeTest, DeletesAreOrderedWhereTheySaySo) {
  const std::string rows = Rows("1", {{"a", 5}, {"b", 5}, {"c", 5}, {"d", 5}, {"e", 5}});
  const std::string none = Long(0), zero = Long(2) + Long(0), text = Long(7) + Text("1");
  const std::string deletes = Deletes(
      "2", {{"a", none}, {"b", zero}, {"c", Long(3) + Long(4)}, {"d", Long(3) + Long(5)},
            {"e", text}});
  EXPECT_THAT(Merged({rows, deletes}), ElementsAre("-a*", "-b*", "-d", "-e", "c=5"));
  // What was deleted without an order comes back by any record; else by a later one.
  EXPECT_THAT(Merged({rows + deletes + Rows("3", {{"a", 1}, {"c", 1}, {"d", 1}})}),
              ElementsAre("-b*", "-d", "-e", "a=1", "c=5"));
  // In Hudi 0.x by any.
  EXPECT_THAT(Merged({rows + deletes + Rows("3", {{"a", 1}, {"c", 1}, {"d", 1}})}, "n", "6", true),
              ElementsAre("-b*", "-e*", "a=1", "c=5", "d=1"));
  EXPECT_THAT(Merged({rows + deletes}, ""), ElementsAre("-a*", "-b*", "-c*", "-d*", "-e*"));
  EXPECT_THAT(Merged({Deletes("1", {{"a", Long(9) + Text("x")}})}),
              ElementsAre(HasSubstr("block at byte 0: deletes that are ordered by bytes")));
}

TEST_F(HudiMergeTest, BlocksThatDontCountAreLeftOut) {
  const std::string first = Rows("1", {{"a", 1}}), second = Rows("2", {{"b", 2}});
  // Of a writer at work, and of one that nobody knows.
  EXPECT_THAT(Merged({first + Rows("5", {{"a", 9}}), Rows("7", {{"a", 9}}) + second}, "n", "8"),
              ElementsAre("a=1", "b=2"));
  EXPECT_THAT(Merged({first + second, Rollback("3", "2")}), ElementsAre("a=1"));
  // A block that is cut off, in the middle or at the end.
  for (const size_t size : {size_t{8}, size_t{20}, second.size() - 3}) {
    EXPECT_THAT(Merged({first + second.substr(0, size) + Rows("3", {{"c", 3}})}),
                ElementsAre("a=1", "c=3"))
        << size;
  }
  for (size_t size = 0; size < second.size(); ++size) {
    EXPECT_THAT(Merged({first + second.substr(0, size)}), ElementsAre("a=1")) << size;
  }
}

TEST_F(HudiMergeTest, ABlockStandsInForThoseThatItWasMadeOf) {
  // 4 has what 1 and 2 wrote, so 3 is later than it.
  const std::string made_of = Rows("4", {{"a", 2}, {"b", 1}}, {{kCompacted, "1,2"}});
  EXPECT_THAT(Merged({Rows("1", {{"a", 1}, {"b", 1}}) + Rows("2", {{"a", 2}}) +
                      Rows("3", {{"a", 3}}) + made_of},
                     ""),
              ElementsAre("a=3*", "b=1*"));
}

TEST_F(HudiMergeTest, SaysWhatIsNotRead) {
  const auto refused = [&](const std::string& log) { return Merged({log}).front(); };
  const std::string at = Rows("1", {{"a", 1}});
  EXPECT_THAT(refused(at + Block(HudiLogBlock::Kind::kHFile, {{kInstant, "1"}}, "")),
              HasSubstr("log0', block at byte " + std::to_string(at.size()) + ": blocks of the"));
  EXPECT_THAT(refused(Block(HudiLogBlock::Kind::kAvro, {{kInstant, "1"}, {kPartial, "true"},
                                                        {kSchema, "{\"fields\": [1]}"}}, "")),
              HasSubstr("block at byte 0: a field is no object"));
  EXPECT_THAT(refused("#HUDI!" + at), HasSubstr("no block begins at byte 0"));
  EXPECT_THAT(refused(Block(HudiLogBlock::Kind::kParquet, {{kInstant, "1"}}, "PAR1")),
              HasSubstr("block at byte 0: Parquet file size"));
  EXPECT_THAT(refused(Block(HudiLogBlock::Kind::kAvro, {{kInstant, "1"}}, "")),
              HasSubstr("block at byte 0"));
  EXPECT_THAT(refused(Block(HudiLogBlock::Kind::kCommand, {{kCommand, "7"}}, "")),
              HasSubstr("the command 7"));
  EXPECT_THAT(refused(Block(HudiLogBlock::Kind::kDeletes, {{kInstant, "1"}}, Number<uint32_t>(2))),
              HasSubstr("until 0.13"));
  EXPECT_THAT(refused(Block(static_cast<HudiLogBlock::Kind>(9), {}, "")),
              HasSubstr("blocks of the kind 9"));
}

TEST_F(HudiMergeTest, HoldsNoMoreThanItMay) {
  std::vector<std::pair<std::string, int>> rows;
  for (int i = 0; i < 100; ++i) rows.emplace_back("k" + std::to_string(i), i);
  const std::vector<std::string> logs(50, Rows("1", rows));
  memory_bytes_ = 1 << 15;
  EXPECT_THAT(Merged(logs), ElementsAre(HasSubstr("log files take more than the 0 MiB")));
  memory_bytes_ = 1 << 22;
  EXPECT_EQ(Merged(logs).size(), 100);
}

TEST_F(HudiMergeTest, KnowsWhatOrders) {
  HudiMergeRule rule;
  rule.order_by = "n";
  const auto schema = [&](const std::shared_ptr<arrow::DataType>& type) {
    return HudiLogSchema(rule, *arrow::schema({arrow::field("n", type)}));
  };
  const auto order = [&](const std::shared_ptr<arrow::DataType>& type) {
    return schema(type).ValueOrDie()->GetFieldByName(kHudiOrder)->type()->ToString();
  };
  EXPECT_EQ(order(arrow::utf8()), "string");
  EXPECT_EQ(order(arrow::date32()), "int64");
  EXPECT_EQ(order(arrow::float32()), "double");
  EXPECT_THAT(schema(arrow::decimal128(5, 1)).status().message(), HasSubstr("of the type decimal"));
  rule.order_by = "m";
  EXPECT_THAT(schema(arrow::utf8()).status().message(), HasSubstr("no column 'm'"));
}

}  // namespace
}  // namespace tercet
