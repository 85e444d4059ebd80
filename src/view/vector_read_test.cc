#include "view/vector_read.h"

#include <map>

#include <gtest/gtest.h>

#include "catalog/given_keys.h"
#include "compute/visibility.h"
#include "view/test_project.h"
#include "view/vector_lookup.h"

namespace tercet {
namespace {

/// Online rows straight from the definition: the newest visible row of a key, found by looking at
/// all rows.
class NaiveRows : public OnlineRows {
 public:
  struct Row {
    std::string key;
    int64_t time_us;
    double value;
  };
  std::map<std::string, std::vector<Row>> rows;
  int reads = 0;
  bool unavailable = false;

  Result<std::vector<RowsAnswer>> Read(const std::vector<RowsRequest>& requests) override {
    ++reads;
    std::vector<RowsAnswer> answers;
    std::vector<RowsRequest> known = requests;
    for (size_t r = 0; r < requests.size(); ++r) {
      ARROW_ASSIGN_OR_RAISE(known[r], WithKeysGiven(known, answers, r));
      const RowsRequest& request = known[r];
      RowsAnswer answer;
      arrow::DoubleBuilder values;
      const auto& keys = static_cast<const arrow::StringArray&>(*request.keys->column(0));
      for (int64_t i = 0; i < keys.length(); ++i) {
        const int64_t time_us = request.event_times_us[static_cast<size_t>(i)];
        const Row* best = nullptr;
        for (const Row& row : rows[request.group.name]) {
          if (keys.IsValid(i) && row.key == keys.GetView(i) && NotLater(row.time_us, time_us) &&
              (best == nullptr || row.time_us >= best->time_us)) {
            best = &row;
          }
        }
        RowStatus status = best == nullptr ? RowStatus::kMissing : RowStatus::kPresent;
        if (best != nullptr && !WithinTtl(best->time_us, time_us, request.ttl_us)) {
          status = RowStatus::kExpired;
        }
        if (unavailable) status = RowStatus::kUnavailable;
        ARROW_RETURN_NOT_OK(status == RowStatus::kPresent ? values.Append(best->value)
                                                          : values.AppendNull());
        answer.status.push_back(status);
        answer.event_times_us.push_back(best == nullptr ? INT64_MIN : best->time_us);
      }
      ARROW_ASSIGN_OR_RAISE(const auto array, values.Finish());
      answer.rows = arrow::RecordBatch::Make(
          arrow::schema({arrow::field(request.columns.at(0), arrow::float64())}), keys.length(),
          {array});
      answers.push_back(std::move(answer));
    }
    return answers;
  }
};

class VectorRead : public FlightsProject {
 protected:
  void SetUp() override {
    FlightsProject::SetUp();
    InsertFlights(1);
    InsertWeather({1});
    rows_.rows["weather"] = {{"JFK", 1 * kHour, 1.5}, {"JFK", 2 * kHour, 2.5}};
    auto view = DelayView();
    view.transformations.clear();
    view.on_demand = {{"warm", "origin_temp > 2.0"}};
    plan_ = views_->Resolve(view).ValueOrDie();
  }
  Result<VectorAnswer> Ask(const arrow::FieldVector& fields, const std::string& rows,
                           const std::vector<int64_t>& times_us) {
    return ReadVectors(*plan_, &rows_, BatchOf(fields, rows), times_us);
  }
  const arrow::FieldVector entities_ = {arrow::field("origin", arrow::utf8()),
                                        arrow::field("carrier", arrow::utf8()),
                                        arrow::field("distance", arrow::float64())};
  NaiveRows rows_;
  std::shared_ptr<const ViewPlan> plan_;
};

TEST_F(VectorRead, EntitiesAreKeysAndWhatTheRootCannotLookUp) {
  EXPECT_EQ(plan_->entity_schema()->field_names(),
            (std::vector<std::string>{"origin", "carrier", "distance"}));
  EXPECT_EQ(plan_->feature_schema()->field_names(),
            (std::vector<std::string>{"carrier", "distance", "origin_temp", "warm"}));
}

TEST_F(VectorRead, SeesEachRowAsOfItsTime) {
  const auto answer = Ask(entities_, R"([["JFK", "AA", 1], ["JFK", "AA", 2], ["LGA", "AA", 3]])",
                          {1 * kHour, 6 * kHour, 2 * kHour});
  ASSERT_TRUE(answer.ok()) << answer.status().ToString();
  const auto expected = BatchOf(plan_->feature_schema()->fields(), R"([
      ["AA", 1, 1.5, false], ["AA", 2, null, null], ["AA", 3, null, null]])");
  EXPECT_TRUE(answer->features->Equals(*expected)) << answer->features->ToString();
  EXPECT_EQ(answer->status[2], (std::vector<RowStatus>{RowStatus::kPresent, RowStatus::kExpired,
                                                       RowStatus::kMissing}));
  EXPECT_EQ(rows_.reads, 1) << "all groups are read at once";
}

TEST_F(VectorRead, WhatIsPassedInIsNotLookedUp) {
  auto fields = entities_;
  fields.erase(fields.begin());
  fields.push_back(arrow::field("origin_temp", arrow::int64()));
  const auto answer = Ask(fields, R"([["AA", 1, 3]])", {0});
  ASSERT_TRUE(answer.ok()) << answer.status().ToString();
  EXPECT_EQ(rows_.reads, 0);
  const auto expected = BatchOf(plan_->feature_schema()->fields(), R"([["AA", 1, 3, true]])");
  EXPECT_TRUE(answer->features->Equals(*expected)) << answer->features->ToString();
  EXPECT_EQ(answer->status[2][0], RowStatus::kPresent);
}

TEST_F(VectorRead, SaysWhatIsUnavailable) {
  rows_.unavailable = true;
  const auto answer = Ask(entities_, R"([["JFK", "AA", 1]])", {1 * kHour});
  ASSERT_TRUE(answer.ok()) << answer.status().ToString();
  EXPECT_EQ(answer->status[2][0], RowStatus::kUnavailable);
  EXPECT_TRUE(answer->features->column(2)->IsNull(0));
}

TEST_F(VectorRead, RefusesWhatDoesNotFit) {
  const auto missing = Ask({entities_[1], entities_[2]}, R"([["AA", 1]])", {0});
  EXPECT_TRUE(missing.status().IsInvalid());
  EXPECT_NE(missing.status().ToString().find("the request has no 'origin'"), std::string::npos)
      << missing.status().ToString();
  const auto wrong = Ask({entities_[0], entities_[1], arrow::field("distance", arrow::utf8())},
                         R"([["JFK", "AA", "far"]])", {0});
  EXPECT_TRUE(wrong.status().IsTypeError()) << wrong.status().ToString();
  EXPECT_TRUE(Ask(entities_, R"([["JFK", "AA", 1]])", {}).status().IsInvalid());
}

TEST_F(VectorRead, OnlyViewsOfCellsAreLookedUpInPlace) {
  EXPECT_NE(VectorLookup::Make(plan_), nullptr) << "a computed feature is no obstacle";
  auto view = DelayView();
  view.transformations.clear();
  view.on_demand.clear();
  const auto plain = views_->Resolve(view).ValueOrDie();
  const auto lookup = VectorLookup::Make(plain);
  ASSERT_NE(lookup, nullptr);
  EXPECT_TRUE(lookup->entities()->Equals(*plain->entity_schema()));
  VectorCells vector;
  const std::vector<Cell> entity(static_cast<size_t>(lookup->entities()->num_fields()));
  EXPECT_FALSE(lookup->Read(&rows_, entity, 0, &vector).ValueOrDie())
      << "rows that have no cells are for ReadVectors";
}

TEST_F(VectorRead, AnAnswerKeepsNothingOfTheRequest) {
  auto view = DelayView();
  view.transformations.clear();
  view.on_demand.clear();
  view.root.features = {"departure", "late"};
  plan_ = views_->Resolve(view).ValueOrDie();
  std::vector<int64_t> times_us = {5 * kHour};
  const auto answer = Ask({entities_[0]}, R"([["JFK"]])", times_us);
  ASSERT_TRUE(answer.ok()) << answer.status().ToString();
  times_us[0] = 0;  // as whoever has the memory next may do
  const auto& departure =
      static_cast<const arrow::TimestampArray&>(*answer->features->GetColumnByName("departure"));
  EXPECT_EQ(departure.Value(0), 5 * kHour);
}

TEST_F(VectorRead, NoRowsAreNoRows) {
  const auto answer = Ask(entities_, "[]", {});
  ASSERT_TRUE(answer.ok()) << answer.status().ToString();
  EXPECT_EQ(answer->features->num_rows(), 0);
}

}  // namespace
}  // namespace tercet
