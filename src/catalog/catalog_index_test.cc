#include "catalog/catalog_index.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include "base/clock.h"
#include "base/id.h"
#include "catalog/feature_group.h"
#include "catalog/feature_view.h"
#include "catalog/run.h"

namespace tercet {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class CatalogIndexTest : public ::testing::Test {
 protected:
  void SetUp() override { Open(); }
  void TearDown() override {
    Close();
    for (const char* end : {"", "-wal", "-shm"}) std::filesystem::remove(path_ + end);
  }
  void Open() {
    catalog_ = Catalog::Open(path_, &clock_).ValueOrDie();
    index_ = CatalogIndex::Open(path_).ValueOrDie();
  }
  void Close() {
    index_.reset();
    catalog_.reset();
  }

  CatalogEntry PutGroup(const std::string& name, const std::string& description,
                        const std::vector<std::string>& features) {
    FeatureGroupDefinition group{.name = name};
    group.primary_key = {features[0]};
    group.description = description;
    arrow::FieldVector fields;
    for (const std::string& feature : features) {
      fields.push_back(arrow::field(feature, arrow::int64()));
    }
    group.schema = arrow::schema(fields);
    return catalog_->Put(Kind::kFeatureGroup, group.ref(), group.ToJson(), {}).ValueOrDie();
  }

  CatalogEntry PutView(const std::string& name, const std::string& on_demand) {
    FeatureViewDefinition view{.name = name};
    view.root = {.group = {"flights", 1}, .features = {"carrier"}};
    view.on_demand = {{on_demand, "1"}};
    return catalog_->Put(Kind::kFeatureView, view.ref(), view.ToJson(), {}).ValueOrDie();
  }

  /// "weather@1.temp" a hit, best first.
  std::vector<std::string> Found(const std::string& query) {
    const auto hits = index_->Search(query, 100);
    if (!hits.ok()) return {hits.status().ToString()};
    std::vector<std::string> names;
    for (const SearchHit& hit : *hits) {
      names.push_back(hit.name + (hit.feature.empty() ? "" : "." + hit.feature));
    }
    return names;
  }

  void Run(const std::string& sql) {
    sqlite3* connection = nullptr;
    ASSERT_EQ(sqlite3_open(path_.c_str(), &connection), SQLITE_OK);
    char* message = nullptr;
    EXPECT_EQ(sqlite3_exec(connection, sql.c_str(), nullptr, nullptr, &message), SQLITE_OK)
        << message;
    sqlite3_close(connection);
  }

  const std::string path_ =
      (std::filesystem::temp_directory_path() / ("tercet-index-" + NewUuid())).string();
  ManualClock clock_{1};
  std::unique_ptr<Catalog> catalog_;
  std::unique_ptr<CatalogIndex> index_;
};

TEST_F(CatalogIndexTest, FindsByNamesDescriptionsAndFeatures) {
  PutGroup("late_flights", "Departures behind schedule", {"flight", "delay_minutes"});
  PutGroup("weather", "What the sky over an airport does to flights", {"origin", "temp"});
  PutView("delay", "how_late");
  EXPECT_THAT(Found("late flights"), ElementsAre("late_flights@1"));
  EXPECT_THAT(Found("FLIGHT").front(), "late_flights@1.flight");
  EXPECT_THAT(Found("schedul*"), ElementsAre("late_flights@1"));
  EXPECT_THAT(Found("airpo"), ElementsAre("weather@1"));
  EXPECT_THAT(Found("\"minutes delay\""), IsEmpty());
  EXPECT_THAT(Found("\"delay minutes\""),
              UnorderedElementsAre("late_flights@1", "late_flights@1.delay_minutes"));
  EXPECT_THAT(Found("flights -sky kind:feature_group"), ElementsAre("late_flights@1"));
  EXPECT_THAT(Found("late kind:feature"), ElementsAre("delay@1.how_late"));
  EXPECT_THAT(Found("kind:feature_view"), ElementsAre("delay@1"));
  EXPECT_THAT(Found("temp").front(), "weather@1.temp");
  EXPECT_EQ(index_->Search("schedule", 10).ValueOrDie()[0].snippet,
            "Departures behind [schedule]");
}

TEST_F(CatalogIndexTest, AnnotationsAreFoundAndMakeNoVersion) {
  const CatalogEntry view = PutView("delay", "how_late");
  AnnotationChange change;
  change.description = "Predicts arrival";
  change.owner = "Anna@example.com";
  change.tags = std::map<std::string, std::string>{{"team", "ops"}, {"pii", ""}};
  change.features = {{"how_late", "hours behind plan"}};
  const auto said = index_->Change(view, change, {"carrier", "how_late"});
  ASSERT_TRUE(said.ok()) << said.status();
  EXPECT_EQ(said->owner, "Anna@example.com");
  EXPECT_EQ(said->features.at("how_late").description, "hours behind plan");
  EXPECT_THAT(Found("arrival"), ElementsAre("delay@1"));
  EXPECT_THAT(Found("owner:anna@example.com"), ElementsAre("delay@1"));
  EXPECT_THAT(Found("tag:team"), ElementsAre("delay@1"));
  EXPECT_THAT(Found("tag:team=ops tag:pii"), ElementsAre("delay@1"));
  EXPECT_THAT(Found("tag:team=sales"), IsEmpty());
  EXPECT_THAT(Found("behind plan"), ElementsAre("delay@1.how_late"));
  EXPECT_EQ(catalog_->NextVersion(Kind::kFeatureView, "delay").ValueOrDie(), 2);

  AnnotationChange less;
  less.owner = "";
  less.features = {{"how_late", ""}};
  EXPECT_EQ(index_->Change(view, less, {"how_late"}).ValueOrDie().description,
            "Predicts arrival");
  EXPECT_THAT(Found("owner:anna@example.com"), IsEmpty());
  EXPECT_THAT(Found("behind plan"), IsEmpty());

  AnnotationChange wrong;
  wrong.features = {{"how_lat", "x"}};
  EXPECT_THAT(index_->Change(view, wrong, {"how_late"}).status().ToString(),
              HasSubstr("has no feature 'how_lat' (did you mean 'how_late'?)"));
}

TEST_F(CatalogIndexTest, TheLastWriterOfADescriptionWins) {
  const CatalogEntry entry = PutGroup("weather", "first", {"origin"});
  AnnotationChange change;
  change.description = "second";
  ASSERT_TRUE(index_->Change(entry, change, {}).ok());
  EXPECT_THAT(Found("first"), IsEmpty());
  json::object definition = entry.definition;
  definition["description"] = "third";
  ASSERT_TRUE(catalog_->Update(entry.kind, entry.ref, entry.revision, definition).ok());
  EXPECT_THAT(Found("second"), IsEmpty());
  EXPECT_THAT(Found("third"), ElementsAre("weather@1"));
  EXPECT_EQ(index_->Get(catalog_->Get(entry.kind, entry.ref).ValueOrDie())
                .ValueOrDie().description, "third");
}

TEST_F(CatalogIndexTest, WhatIsDroppedIsNotFound) {
  const CatalogEntry entry = PutGroup("weather", "sky", {"origin"});
  EXPECT_THAT(Found("sky"), ElementsAre("weather@1"));
  ASSERT_TRUE(catalog_->Drop(entry.kind, entry.ref).ok());
  EXPECT_THAT(Found("sky"), IsEmpty());
  EXPECT_TRUE(index_->Change(entry, {}, {}).status().IsKeyError());
}

TEST_F(CatalogIndexTest, ColumnsThatAnInsertMadeAreFound) {
  FeatureGroupDefinition group{.name = "weather"};
  group.primary_key = {"origin"};
  const auto entry =
      catalog_->Put(Kind::kFeatureGroup, group.ref(), group.ToJson(), {}).ValueOrDie();
  EXPECT_THAT(Found("humidity"), IsEmpty());
  ASSERT_TRUE(index_->FollowColumns(entry, {"origin", "humidity"}).ok());
  EXPECT_THAT(Found("humidity"), ElementsAre("weather@1.humidity", "weather@1"));
}

TEST_F(CatalogIndexTest, RunsAreFoundByParametersAndNotByLogs) {
  struct Run run{.id = "run-1", .name = "train_delay"};
  run.parameters = {{"learning_rate", 0.25}, {"booster", "dart"}};
  const auto entry =
      catalog_->Put(Kind::kRun, {run.id, 1}, run.ToJson(), {}).ValueOrDie();
  run.log = "secretword";
  ASSERT_TRUE(catalog_->Update(Kind::kRun, {run.id, 1}, entry.revision, run.ToJson()).ok());
  EXPECT_THAT(Found("dart"), ElementsAre("run-1"));
  EXPECT_THAT(Found("train delay"), ElementsAre("run-1"));
  EXPECT_THAT(Found("secretword"), IsEmpty());
}

TEST_F(CatalogIndexTest, OldCatalogsAreIndexedWhenTheyAreOpened) {
  PutGroup("weather", "sky", {"origin", "temp"});
  Close();
  // As the version before this one left it.
  Run("DROP TRIGGER document_gone; DROP TABLE words; DROP TABLE documents; "
      "DROP TABLE steps; DROP TABLE annotations; PRAGMA user_version = 1;");
  Open();
  EXPECT_THAT(Found("sky"), ElementsAre("weather@1"));
  EXPECT_THAT(Found("temp"), ElementsAre("weather@1.temp", "weather@1"));
  Close();
  Open();
  EXPECT_THAT(Found("sky"), ElementsAre("weather@1"));
}

TEST_F(CatalogIndexTest, QueriesAreWordsAndNoLanguageOfAnother) {
  PutGroup("weather", "it's \"odd\" AND NEAR here; DROP TABLE words", {"origin"});
  for (const char* query :
       {"it's", "\"odd\"", "NEAR", "AND", "here; DROP TABLE words", "TABLE* words*",
        "weather@1", "-zebra weather", "(weather)", "{weather}", "^weather", "weather+"}) {
    EXPECT_THAT(Found(query), ElementsAre("weather@1")) << query;
  }
  EXPECT_THAT(Found("name : weather").front(), HasSubstr("there is no filter ''"));
  EXPECT_THAT(Found("—"), IsEmpty());
}

TEST_F(CatalogIndexTest, BadQueriesSayWhatIsWrong) {
  EXPECT_THAT(Found("").front(), HasSubstr("the search is empty"));
  EXPECT_THAT(Found("  ").front(), HasSubstr("the search is empty"));
  EXPECT_THAT(Found("late \"flights").front(),
              HasSubstr("at '\"flights': the quote is not closed"));
  EXPECT_THAT(Found("knd:model").front(), HasSubstr("no filter 'knd' (did you mean 'kind'?)"));
  EXPECT_THAT(Found("kind:modle").front(), HasSubstr("did you mean 'model'?"));
  EXPECT_THAT(Found("kind:").front(), HasSubstr("'kind' has no value"));
  EXPECT_THAT(Found("-late").front(), HasSubstr("only what not to find"));
  EXPECT_THAT(Found("-kind:model x").front(), HasSubstr("can't be turned round"));
  EXPECT_THAT(Found("***").front(), HasSubstr("no letters or digits"));
  EXPECT_TRUE(index_->Search(std::string(2000, 'x'), 10).status().IsCapacityError());
  EXPECT_TRUE(index_->Search("x", 0).status().IsInvalid());
}

}  // namespace
}  // namespace tercet
