#include "offline/action.h"

#include "offline/delta_log.h"
#include "offline/table_test_rows.h"

namespace tercet {
namespace {

TEST(Action, LinesComeBackAsTheyWere) {
  const std::vector<std::string> lines = {
      R"({"protocol":{"minReaderVersion":3,"minWriterVersion":7,)"
      R"("readerFeatures":["deletionVectors"],"writerFeatures":["deletionVectors",)"
      R"("appendOnly"]}})",
      R"({"metaData":{"id":"a","format":{"provider":"parquet","options":{}},)"
      R"("schemaString":"{}","partitionColumns":["p"],"configuration":{"k":"v"},)"
      R"("createdTime":5}})",
      R"({"txn":{"appId":"a","version":3,"lastUpdated":4}})",
      R"({"add":{"path":"p%20q.parquet","partitionValues":{"a":"1","b":null},"size":5,)"
      R"("modificationTime":6,"dataChange":true,"stats":"{}","tags":{"t":"u"},)"
      R"("deletionVector":{"storageType":"u","pathOrInlineDv":"x","offset":1,)"
      R"("sizeInBytes":2,"cardinality":3}}})",
      R"({"remove":{"path":"p","deletionTimestamp":5,"dataChange":false,)"
      R"("extendedFileMetadata":true,"partitionValues":{},"size":7}})",
      R"({"cdc":{"path":"_change_data/c","partitionValues":{},"size":7,"dataChange":false}})",
      R"({"commitInfo":{"timestamp":1,"anything":[1,2]}})",
  };
  for (const std::string& line : lines) EXPECT_EQ(ToLine(Value(ParseAction(line))), line);
}

TEST(Action, ReadsWhatOthersLeaveNull) {
  const Action action =
      Value(ParseAction(R"({"add":{"path":"p","partitionValues":{},"size":1,"modificationTime":1,)"
                        R"("dataChange":true,"stats":null,"tags":null,"deletionVector":null,)"
                        R"("baseRowId":null}})"));
  EXPECT_TRUE(std::get<AddFile>(action).tags.empty());
  EXPECT_FALSE(std::get<AddFile>(action).vector);
  const Action domain = Value(ParseAction(R"({"domainMetadata":{"domain":"d"}})"));
  EXPECT_EQ(std::get<DomainMetadata>(domain).configuration, "");
  EXPECT_TRUE(std::holds_alternative<OtherAction>(Value(ParseAction(R"({"sidecar":{}})"))));
}

TEST(Action, RefusesDamage) {
  for (const std::string line :
       {"", "{", "[]", "{}", R"({"add":5})", R"({"add":{}})", R"({"add":{"path":5,"size":1}})",
        R"({"add":{"path":"p","size":"x"}})", R"({"txn":{"appId":"a"}})",
        R"({"protocol":{"minReaderVersion":1e99,"minWriterVersion":2}})",
        R"({"add":{"path":"p","size":1,"tags":{"a":1}}})"}) {
    EXPECT_FALSE(ParseAction(line).ok()) << line;
  }
  const Status status = ParseActions("{\"commitInfo\":{}}\n\n{\"add\":").status();
  EXPECT_NE(status.message().find("line 3"), std::string::npos) << status.ToString();
}

TEST(Action, PathsStayInTheTable) {
  EXPECT_EQ(Value(DecodeLogPath("a%20b/c.parquet")), "a b/c.parquet");
  for (const std::string path :
       {"", "/etc/passwd", "../x", "a/../../x", "%2e%2e/x", "file:///etc/passwd", "a/.."}) {
    EXPECT_TRUE(DecodeLogPath(path).status().IsInvalid()) << path;
  }
}

TEST(Action, LastCheckpoint) {
  EXPECT_EQ(Value(ParseLastCheckpoint(R"({"version":20,"size":5})")).version, 20);
  EXPECT_EQ(Value(ParseLastCheckpoint(R"({"version":20,"size":5,"parts":3})")).parts, 3);
  for (const std::string text :
       {"", "{}", R"({"version":-1})", R"({"version":"1"})", R"({"version":1,"parts":0})"}) {
    EXPECT_FALSE(ParseLastCheckpoint(text).ok()) << text;
  }
}

}  // namespace
}  // namespace tercet
