#include "source/iceberg_schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tercet {
namespace {

using ::testing::HasSubstr;

/// The columns of schema 1 of a table that has had these (each a list of fields), or the error.
std::string Read(const std::vector<std::string>& fields) {
  std::string schemas;
  for (size_t i = 0; i < fields.size(); ++i) {
    schemas += (i == 0 ? "" : ", ") + ("{\"schema-id\": " + std::to_string(i + 1)) +
               ", \"fields\": [" + fields[i] + "]}";
  }
  const auto metadata = ParseJsonObject("{\"schemas\": [" + schemas + "]}").ValueOrDie();
  const auto read = ReadIcebergSchemas(metadata);
  if (!read.ok()) return read.status().message();
  std::string text;
  for (const IcebergColumn& column : read->at(1)) {
    text += (text.empty() ? "" : ", ") + std::to_string(column.id) + " " + column.name + " " +
            column.type + (column.initial_value == "NULL" ? "" : " = " + column.initial_value);
  }
  return text;
}

std::string Field(int id, const std::string& name, const std::string& type,
                  const std::string& more = "") {
  return "{\"id\": " + std::to_string(id) + ", \"name\": \"" + name + "\", \"type\": " + type +
         more + "}";
}

TEST(IcebergSchema, IsTypedAsDuckDbHasIt) {
  EXPECT_EQ(Read({Field(1, "a", R"("long")") + ", " + Field(2, "b", R"("timestamptz")")}),
            "1 a BIGINT, 2 b TIMESTAMP WITH TIME ZONE");
  EXPECT_EQ(Read({Field(1, "a", "\"decimal(10, 2)\"") + ", " + Field(2, "b", R"("fixed[3]")")}),
            "1 a DECIMAL(10, 2), 2 b BLOB");
  EXPECT_EQ(Read({Field(1, "a", R"({"type": "list", "element-id": 2, "element": {"type": "map",
                     "key-id": 3, "key": "string", "value-id": 4, "value": {"type": "struct",
                     "fields": [)" + Field(5, "x\\\"y", R"("int")") + "]}}}")}),
            R"(1 a MAP(VARCHAR, STRUCT("x""y" INTEGER))[])");
  EXPECT_THAT(Read({Field(1, "a", R"("variant")")}), HasSubstr("column 'a': the type 'variant'"));
  EXPECT_THAT(Read({Field(1, "a", "\"decimal(1); DROP\"")}), HasSubstr("is not read"));
  EXPECT_THAT(Read({Field(1, "a", "7")}), HasSubstr("a type is no type"));
}

TEST(IcebergSchema, HasValuesForOldRows) {
  const auto with = [](const std::string& type, const std::string& value) {
    return Read({Field(1, "a", "\"" + type + "\"", ", \"initial-default\": " + value)});
  };
  EXPECT_EQ(with("int", "34"), "1 a INTEGER = '34'");
  EXPECT_EQ(with("string", R"("it's")"), "1 a VARCHAR = 'it''s'");
  EXPECT_EQ(with("binary", R"("00fF")"), R"(1 a BLOB = '\x00\xfF')");
  EXPECT_EQ(with("date", "null"), "1 a DATE");
  EXPECT_THAT(with("binary", R"("0'")"), HasSubstr("no hexadecimal text"));
  EXPECT_THAT(with("int", "[1]"), HasSubstr("a default value of the type INTEGER"));
}

TEST(IcebergSchema, RefusesNestedFieldsThatNamesDontTellApart) {
  const auto nested = [](const std::string& fields) {
    return Field(1, "a", "{\"type\": \"struct\", \"fields\": [" + fields + "]}");
  };
  const std::string x = Field(2, "x", R"("int")"), y = Field(3, "y", R"("int")");
  // Columns may be renamed, and fields come and go.
  EXPECT_EQ(Read({nested(x), Field(1, "b", R"({"type": "struct", "fields": []})"),
                  nested(x + ", " + y)}),
            R"(1 a STRUCT("x" INTEGER))");
  EXPECT_THAT(Read({nested(x), nested(Field(2, "z", R"("int")"))}), HasSubstr("was renamed"));
  EXPECT_THAT(Read({nested(x), nested(Field(4, "x", R"("int")"))}),
              HasSubstr("'1.x' was renamed, or has a name that another one had"));
  EXPECT_THAT(Read({nested(Field(2, "x", R"("int")", ", \"initial-default\": 1"))}),
              HasSubstr("'x' has a default value"));
}

}  // namespace
}  // namespace tercet
