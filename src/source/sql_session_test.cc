#include "source/sql_session.h"

#include <atomic>
#include <fstream>
#include <mutex>
#include <set>

#include <arrow/api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tercet {
namespace {

using ::testing::HasSubstr;

/// Numbers 0 … rows − 1 with their text, whether they are even, and none where they divide by 7;
/// and the first two once more in a struct of a struct.
class NumberTable : public SqlTable {
 public:
  explicit NumberTable(int64_t rows) : rows_(rows) {}

  const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }
  std::optional<int64_t> row_count() const override { return rows_; }

  Result<std::vector<SqlPart>> Parts(const std::vector<std::string>& columns,
                                     int count) override {
    {
      const std::lock_guard lock(mutex_);
      read_.insert(columns.begin(), columns.end());
    }
    std::vector<SqlPart> parts;
    for (int p = 0; p < count; ++p) {
      parts.push_back([columns, first = rows_ * p / count, end = rows_ * (p + 1) / count] {
        return Read(columns, first, end);
      });
    }
    return parts;
  }

  std::set<std::string> read() {
    const std::lock_guard lock(mutex_);
    return read_;
  }

 private:
  static Result<std::shared_ptr<arrow::RecordBatchReader>> Read(
      const std::vector<std::string>& columns, int64_t first, int64_t end) {
    arrow::BooleanBuilder even;
    arrow::Int64Builder number;
    arrow::DoubleBuilder sevenless;
    arrow::StringBuilder text;
    for (int64_t i = first; i < end; ++i) {
      ARROW_RETURN_NOT_OK(even.Append(i % 2 == 0));
      ARROW_RETURN_NOT_OK(number.Append(i));
      ARROW_RETURN_NOT_OK(i % 7 == 0 ? sevenless.AppendNull() : sevenless.Append(0.5 * i));
      ARROW_RETURN_NOT_OK(text.Append("the number " + std::to_string(i)));
    }
    ARROW_ASSIGN_OR_RAISE(const auto evens, even.Finish());
    ARROW_ASSIGN_OR_RAISE(const auto numbers, number.Finish());
    ARROW_ASSIGN_OR_RAISE(const auto halves, sevenless.Finish());
    ARROW_ASSIGN_OR_RAISE(const auto texts, text.Finish());
    const arrow::FieldVector outside = schema_->field(4)->type()->fields();
    ARROW_ASSIGN_OR_RAISE(const auto inner,
                          arrow::StructArray::Make({numbers, texts}, outside[0]->type()->fields()));
    ARROW_ASSIGN_OR_RAISE(const auto outer, arrow::StructArray::Make({inner}, outside));
    const auto all =
        arrow::RecordBatch::Make(schema_, end - first, {evens, numbers, halves, texts, outer});
    arrow::FieldVector fields;
    arrow::ArrayVector arrays;
    for (const std::string& column : columns) {
      fields.push_back(schema_->GetFieldByName(column));
      arrays.push_back(all->GetColumnByName(column));
    }
    return arrow::RecordBatchReader::Make(
        {arrow::RecordBatch::Make(arrow::schema(fields), all->num_rows(), arrays)},
        arrow::schema(fields));
  }

  inline static const std::shared_ptr<arrow::Schema> schema_ =
      arrow::schema({arrow::field("even", arrow::boolean()), arrow::field("n", arrow::int64()),
                     arrow::field("half", arrow::float64()), arrow::field("text", arrow::utf8()),
                     arrow::field("whole", arrow::struct_({arrow::field(
                                               "part", arrow::struct_({
                                                   arrow::field("n", arrow::int64()),
                                                   arrow::field("text", arrow::utf8())}))}))});
  const int64_t rows_;
  std::mutex mutex_;
  std::set<std::string> read_;  // guarded by mutex_
};

/// Throws when its rows are read.
class ThrowingTable : public SqlTable {
 public:
  const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }
  std::optional<int64_t> row_count() const override { return std::nullopt; }
  Result<std::vector<SqlPart>> Parts(const std::vector<std::string>&, int) override {
    return std::vector<SqlPart>{[]() -> Result<std::shared_ptr<arrow::RecordBatchReader>> {
      throw std::runtime_error("no memory for rows");
    }};
  }

 private:
  const std::shared_ptr<arrow::Schema> schema_ =
      arrow::schema({arrow::field("n", arrow::int64())});
};

class Numbers : public SqlTables {
 public:
  Result<std::shared_ptr<SqlTable>> Find(const std::string& name) override {
    if (name == "numbers") return table;
    if (name == "thrown") throw std::runtime_error("no memory for tables");
    if (name == "throwing") return std::make_shared<ThrowingTable>();
    if (name == "broken") return Status::IOError("the disk of 'broken' is gone");
    if (name.ends_with(".csv")) return nullptr;
    return Status::KeyError("there is no table '", name, "'");
  }
  Result<std::shared_ptr<SqlTable>> FindAsOf(const std::string&,
                                             const std::string& as_of) override {
    return std::make_shared<NumberTable>(std::stoll(as_of));
  }
  const std::shared_ptr<NumberTable> table = std::make_shared<NumberTable>(100'000);
};

class SqlSessionTest : public ::testing::Test {
 protected:
  Result<std::shared_ptr<arrow::Table>> Run(const std::string& query) {
    ARROW_ASSIGN_OR_RAISE(const auto session, SqlSession::Open(tables_, limits_));
    ARROW_ASSIGN_OR_RAISE(const auto rows, session->Run(query, times_));
    return rows->ToTable();
  }
  std::string One(const std::string& query) {
    const auto table = Run(query);
    if (!table.ok()) return table.status().ToString();
    return (*table)->column(0)->GetScalar(0).ValueOrDie()->ToString();
  }

  const std::shared_ptr<Numbers> tables_ = std::make_shared<Numbers>();
  SqlLimits limits_;
  std::map<std::string, int64_t> times_;
};

TEST_F(SqlSessionTest, ReadsEveryRowOnceOnManyThreads) {
  EXPECT_EQ(One("select count(*) from numbers"), "100000");
  EXPECT_EQ(One("select sum(n) from numbers where even"), "2499950000");
  EXPECT_EQ(One("select count(half) from numbers"), "85714");
  EXPECT_EQ(One("select count(distinct text) from numbers"), "100000");
  EXPECT_EQ(One("select max(text) from numbers a join numbers b using (n, even, half, text)"),
            "the number 99999");
}

TEST_F(SqlSessionTest, KeepsTheOrderOfATable) {
  const auto table = Run("select n, text from numbers where n >= 10").ValueOrDie();
  ASSERT_EQ(table->num_rows(), 99'990);
  const auto batch = table->CombineChunksToBatch().ValueOrDie();
  const auto& n = static_cast<const arrow::Int64Array&>(*batch->column(0));
  const auto& text = static_cast<const arrow::StringArray&>(*batch->column(1));
  for (int64_t i = 0; i < n.length(); ++i) {
    ASSERT_EQ(n.Value(i), i + 10);
    ASSERT_EQ(text.GetView(i), "the number " + std::to_string(i + 10));
  }
}

TEST_F(SqlSessionTest, ReadsStructsOfStructs) {
  // Of more rows than DuckDB takes at once.
  EXPECT_EQ(One("select count(*) from numbers where whole.part.n is distinct from n or "
                "whole.part.text is distinct from text"),
            "0");
}

TEST_F(SqlSessionTest, WhatIsThrownBelowTheEngineIsAnError) {
  EXPECT_THAT(Run("select * from thrown").status().message(), HasSubstr("memory for tables"));
  EXPECT_THAT(Run("select sum(n) from throwing").status().message(), HasSubstr("memory for rows"));
  const std::string as_of = "select * from feature_group('numbers', as_of := 'soon')";  // stoll
  EXPECT_TRUE(Run(as_of).status().IsUnknownError()) << Run(as_of).status();
}

TEST_F(SqlSessionTest, ReadsOnlyTheColumnsOfTheQuery) {
  ASSERT_EQ(One("select sum(n) from numbers where even"), "2499950000");
  EXPECT_THAT(tables_->table->read(), ::testing::UnorderedElementsAre("even", "n"));
}

TEST_F(SqlSessionTest, SumsOfIntegersAreInt64OrRefused) {
  EXPECT_EQ(Run("select sum(n) s from numbers").ValueOrDie()->schema()->ToString(), "s: int64");
  const Status status = Run("select sum(n * 10000000000000) s from numbers").status();
  EXPECT_TRUE(status.IsInvalid()) << status.ToString();
  EXPECT_THAT(status.message(), HasSubstr("column 's' has a sum beyond int64"));
}

TEST_F(SqlSessionTest, ReachesNoFileUnlessAllowed) {
  const std::string folder = ::testing::TempDir();
  const std::string file = folder + "/sql_session_test.csv";
  std::ofstream(file) << "a,b\n1,2\n3,4\n";
  for (const std::string& query : {"select * from '" + file + "'",
                                   "select * from read_csv('" + file + "')",
                                   "select * from read_text('" + file + "')",
                                   "select * from glob('" + folder + "/*')"}) {
    EXPECT_FALSE(Run(query).ok()) << query;
  }
  limits_.files = {file};
  EXPECT_EQ(One("select sum(b) from '" + file + "'"), "6");
  limits_.files = {folder + "/"};
  EXPECT_EQ(One("select sum(a) from read_csv('" + file + "')"), "4");
}

TEST_F(SqlSessionTest, OnlyReads) {
  for (const std::string query :
       {"create table t as select 1", "copy (select 1) to '/tmp/x.csv'", "install httpfs",
        "load httpfs", "attach 'x.duckdb'", "set threads = 1", "pragma memory_limit = '1GB'",
        "select 1; select 2", "", "-- nothing", "reset enable_external_access"}) {
    const Status status = Run(query).status();
    EXPECT_FALSE(status.ok()) << query;
    EXPECT_FALSE(status.IsUnknownError()) << status.ToString();
  }
}

TEST_F(SqlSessionTest, ErrorsSayWhatAndWhere) {
  Status status = Run("select nn from numbers").status();
  EXPECT_TRUE(status.IsInvalid());
  EXPECT_THAT(status.message(), HasSubstr("LINE 1: select nn from numbers"));
  status = Run("select * from numbrs").status();
  EXPECT_TRUE(status.IsKeyError()) << status.ToString();
  EXPECT_THAT(status.message(), HasSubstr("there is no table 'numbrs'\nin: select * from numbrs"));
  status = Run("select * from broken").status();
  EXPECT_TRUE(status.IsIOError()) << status.ToString();
  EXPECT_THAT(status.message(), HasSubstr("the disk of 'broken' is gone"));
  status = Run("pivot numbers on n using count(*)").status();
  EXPECT_TRUE(status.IsInvalid());
  EXPECT_THAT(status.message(), HasSubstr("a PIVOT must name its values"));
  status = Run("select * from numbers where n > $when").status();
  EXPECT_THAT(status.message(), HasSubstr("the parameter $when has no value"));
}

TEST_F(SqlSessionTest, BindsTimesInUtc) {
  times_["watermark"] = 1'357'016'400'000'000;  // 2013-01-01T05:00:00Z
  EXPECT_EQ(One("select $watermark = '2013-01-01 05:00:00'::timestamptz"), "true");
  EXPECT_EQ(One("select strftime($watermark, '%H:%M')"), "05:00");
}

TEST_F(SqlSessionTest, EndsAtItsLimits) {
  limits_.time_us = 200'000;
  Status status =
      Run("select count(*) from numbers a, numbers b where a.n * b.n % 11 = 3").status();
  EXPECT_TRUE(status.IsCancelled()) << status.ToString();
  EXPECT_THAT(status.message(), HasSubstr("longer than its limit of 200 ms"));
  limits_.time_us = std::nullopt;
  limits_.memory_bytes = 16 << 20;
  status = Run("select list(text || a.n) from numbers a, range(50)").status();
  EXPECT_TRUE(status.IsCapacityError()) << status.ToString();
}

TEST_F(SqlSessionTest, AReaderMayBeDroppedHalfway) {
  const auto session = SqlSession::Open(tables_, limits_).ValueOrDie();
  const auto rows = session->Run("select a.n, b.text from numbers a, numbers b", {}).ValueOrDie();
  std::shared_ptr<arrow::RecordBatch> batch;
  ASSERT_TRUE(rows->ReadNext(&batch).ok());
  EXPECT_GT(batch->num_rows(), 0);
}

TEST_F(SqlSessionTest, TellsTheTree) {
  const auto session = SqlSession::Open(tables_, limits_).ValueOrDie();
  const auto tree = session->Tree("select n from numbers where text = 'it''s'").ValueOrDie();
  ASSERT_TRUE(tree.has_value());
  EXPECT_THAT(*tree, HasSubstr("\"table_name\":\"numbers\""));
  EXPECT_EQ(QuoteSqlText("it's"), "'it''s'");
  EXPECT_EQ(QuoteSqlName("weather@1"), "\"weather@1\"");
}

TEST(QuoteSqlFile, MakesOfANameThePatternOfItAlone) {
  EXPECT_EQ(QuoteSqlFile("/it's/day[1]*?.csv"), "'/it''s/day[[]1][*][?].csv'");
}

}  // namespace
}  // namespace tercet
