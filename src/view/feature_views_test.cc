#include "view/feature_views.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "view/test_project.h"

namespace tercet {
namespace {

using ::testing::HasSubstr;

class FeatureViewsTest : public FlightsProject {
 protected:
  void SetUp() override {
    FlightsProject::SetUp();
    InsertFlights(3);
    InsertWeather({10});
  }
};

TEST_F(FeatureViewsTest, DefiningAgainIsWithoutEffect) {
  ASSERT_TRUE(views_->Define(DelayView()).ok());
  ASSERT_TRUE(views_->Define(DelayView()).ok());
  const auto views = views_->List().ValueOrDie();
  ASSERT_EQ(views.size(), 1);
  EXPECT_EQ(ToText(views[0].ToJson()), ToText(DelayView().ToJson()));
}

TEST_F(FeatureViewsTest, AnotherDefinitionIsRefusedAndTheDifferenceShown) {
  ASSERT_TRUE(views_->Define(DelayView()).ok());
  FeatureViewDefinition other = DelayView();
  other.labels = {};
  const Status refused = views_->Define(other).status();
  EXPECT_TRUE(refused.IsAlreadyExists()) << refused;
  EXPECT_THAT(refused.message(), HasSubstr("labels: [], not [\"late\"]"));
  other = DelayView();
  other.joins[0].prefix = "there_";
  EXPECT_THAT(views_->Define(other).status().message(),
              HasSubstr("\njoins[0].prefix: \"there_\", not \""));
  other.version = 2;
  EXPECT_TRUE(views_->Define(other).ok());
}

TEST_F(FeatureViewsTest, AGroupWithoutVersionIsTheNewestThenAndStaysIt) {
  FeatureViewDefinition view = DelayView();
  view.joins[0].group.version = 0;
  EXPECT_EQ(views_->Define(view).ValueOrDie().joins[0].group.version, 1);
  FeatureGroupDefinition newer = tables_->Definition({"weather", 1}).ValueOrDie();
  newer.version = 2;
  ASSERT_TRUE(tables_->Define(newer).ok());
  EXPECT_EQ(views_->Define(view).ValueOrDie().joins[0].group.version, 1);
}

TEST_F(FeatureViewsTest, AViewThatDoesNotFitItsGroupsIsNotStored) {
  FeatureViewDefinition view = DelayView();
  view.joins[0].features = {"tmp"};
  const Status refused = views_->Define(view).status();
  EXPECT_TRUE(refused.IsKeyError()) << refused;
  EXPECT_THAT(refused.message(), HasSubstr("did you mean 'temp'?"));
  EXPECT_TRUE(views_->List().ValueOrDie().empty());
  view = DelayView();
  view.name = "../delay";
  EXPECT_TRUE(views_->Define(view).status().IsInvalid());
}

TEST_F(FeatureViewsTest, GroupsOfAViewCannotBeDropped) {
  ASSERT_TRUE(views_->Define(DelayView()).ok());
  const Status refused = tables_->Drop({"weather", 1});
  EXPECT_TRUE(refused.IsInvalid()) << refused;
  EXPECT_THAT(refused.message(), HasSubstr("feature view 'delay@1'"));
  ASSERT_TRUE(views_->Drop({"delay", 1}).ok());
  EXPECT_TRUE(tables_->Drop({"weather", 1}).ok());
}

TEST_F(FeatureViewsTest, APlanIsKeptUntilTheCatalogChanges) {
  ASSERT_TRUE(views_->Define(DelayView()).ok());
  const auto plan = views_->Plan({"delay", 0}).ValueOrDie();
  EXPECT_EQ(views_->Plan({"delay", 0}).ValueOrDie(), plan);
  FeatureViewDefinition newer = DelayView();
  newer.version = 2;
  ASSERT_TRUE(views_->Define(newer).ok());
  EXPECT_EQ(views_->Plan({"delay", 0}).ValueOrDie()->definition().version, 2);
  EXPECT_TRUE(views_->Plan({"dely", 0}).status().IsKeyError());
}

}  // namespace
}  // namespace tercet
