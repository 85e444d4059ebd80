#include "inference/inference.h"

#include <fstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "inference/model_registration.h"
#include "inference/test_inference.h"

namespace tercet {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(InferenceTest, ADeploymentAnswersFromKeysAndPassedInValues) {
  Deploy(RegisterUsual());
  const Prediction prediction =
      inference_->Predict("delay", Entities(R"([["JFK", "AA", 300]])"), 16 * kHour).ValueOrDie();
  // (300 - 150) / std is above 0.5; 15 degrees; carrier AA.
  EXPECT_EQ(OutputOf(prediction), 0.25 + 1 + 4);
  EXPECT_EQ(prediction.release_number, 1);
  EXPECT_TRUE(prediction.missing.empty());
  EXPECT_EQ(prediction.features->schema()->field_names(), kInputs);
}

TEST_F(InferenceTest, WhatIsMissingIsSaid) {
  Deploy(RegisterUsual());
  const Prediction prediction =
      inference_
          ->Predict("delay", Entities(R"([["JFK", "AA", 0], ["EWR", "AA", 0]])"), 16 * kHour)
          .ValueOrDie();
  EXPECT_THAT(prediction.missing, ElementsAre("origin_temp: missing (row 1)"));
  const Prediction late =
      inference_->Predict("delay", Entities(R"([["JFK", "AA", 0]])"), 99 * kHour).ValueOrDie();
  EXPECT_THAT(late.missing, ElementsAre("origin_temp: expired (row 0)"));
}

TEST_F(InferenceTest, BatchInPiecesIsTheSame) {
  const Ref model = RegisterUsual();
  const char* carriers[] = {"AA", "B6", "UA"};
  std::string rows = "[";
  for (int64_t i = 0; i < 10'000; ++i) {  // more than two pieces of the least size
    rows += std::string(i == 0 ? "[" : ", [") + (i % 2 == 0 ? "\"JFK\"" : "\"LGA\"") + ", \"" +
            carriers[i % 3] + "\", " + std::to_string(i % 700) + ", " +
            std::to_string((10 + i % 20) * kHour) + "]";
  }
  const auto spine = TableOf({arrow::field("origin", arrow::utf8()),
                              arrow::field("carrier", arrow::utf8()),
                              arrow::field("distance", arrow::float64()),
                              arrow::field("event_time", arrow::timestamp(arrow::TimeUnit::MICRO,
                                                                          "UTC"))},
                             rows + "]");
  const auto whole = inference_->Batch(model, {.spine = spine}).ValueOrDie();
  const auto pieces =
      inference_->Batch(model, {.spine = spine, .memory_limit_bytes = 1}).ValueOrDie();
  ASSERT_EQ(whole->num_rows(), 10'000);
  EXPECT_TRUE(pieces->Equals(*whole));
}

TEST_F(InferenceTest, BatchAndOnlineAgreeBitForBit) {
  const Ref model = RegisterUsual();
  Deploy(model);
  const auto batch = inference_->Batch(model, {.start_us = 26 * kHour}).ValueOrDie();
  ASSERT_EQ(batch->num_rows(), 4);
  EXPECT_EQ(batch->schema()->field_names().back(), "score");
  const char* carriers[] = {"AA", "B6", "UA"};
  const auto combined = batch->CombineChunksToBatch().ValueOrDie();
  for (int64_t row = 0; row < 4; ++row) {
    const int64_t number =
        static_cast<const arrow::Int64Array&>(*combined->GetColumnByName("flight")).Value(row);
    const std::string entity = "[[\"" + std::string(number % 2 == 0 ? "JFK" : "LGA") + "\", \"" +
                               carriers[number % 3] + "\", " + std::to_string(100 * number) +
                               "]]";
    const Prediction online =
        inference_->Predict("delay", Entities(entity), (10 + number) * kHour).ValueOrDie();
    EXPECT_EQ(
        static_cast<const arrow::DoubleArray&>(*combined->GetColumnByName("score")).Value(row),
        OutputOf(online))
        << "flight " << number;
  }
}

TEST_F(InferenceTest, ASwitchIsSeenByTheNextRequestAndARollbackAnswersAsBefore) {
  const auto entities = Entities(R"([["JFK", "AA", 300], ["EWR", "B6", 10]])");
  const auto ask = [&](Inference* inference) {
    return inference->Predict("delay", entities, 16 * kHour).ValueOrDie();
  };
  Deploy(RegisterUsual());
  // Stands for another process: its own connection to the catalog, its own caches.
  const auto catalog = Catalog::Open(JoinPath(root_, "catalog.sqlite"), &clock_).ValueOrDie();
  const auto elsewhere = NewInference(catalog.get());
  const Prediction before = ask(inference_.get());
  EXPECT_TRUE(ask(elsewhere.get()).outputs->Equals(*before.outputs));

  Deploy(Register(kInputs, {{2, 0, 7, 8}}));
  const Prediction upgraded = ask(inference_.get());
  EXPECT_EQ(upgraded.release_number, 2);
  EXPECT_NE(upgraded.release_id, before.release_id);
  EXPECT_EQ(OutputOf(upgraded), 8);
  EXPECT_EQ(ask(elsewhere.get()).release_number, 2);

  ASSERT_TRUE(registry_->Rollback("delay", "test").ok());
  for (Inference* inference : {inference_.get(), elsewhere.get()}) {
    const Prediction after = ask(inference);
    EXPECT_EQ(after.release_id, before.release_id);
    EXPECT_EQ(after.release_number, 1);
    EXPECT_TRUE(after.outputs->Equals(*before.outputs));
    EXPECT_TRUE(after.features->Equals(*before.features));
  }
}

TEST_F(InferenceTest, AnAnswerIsMadeWhollyByOneRelease) {
  const Release one = inference_->MakeRelease(Register(kInputs, {{2, 0, 1, 1}})).ValueOrDie();
  const Release two = inference_->MakeRelease(Register(kInputs, {{2, 0, 2, 2}})).ValueOrDie();
  ASSERT_TRUE(registry_->Deploy("delay", one, "test").ok());
  std::atomic<bool> stop = false;
  std::atomic<int64_t> answered = 0;
  std::vector<std::thread> askers;
  for (int i = 0; i < 3; ++i) {
    askers.emplace_back([&] {
      while (!stop) {
        const auto answer =
            inference_->Predict("delay", Entities(R"([["JFK", "AA", 300]])"), 16 * kHour);
        ASSERT_TRUE(answer.ok()) << answer.status();
        ASSERT_EQ(OutputOf(*answer), static_cast<double>(answer->release_number));
        ++answered;
      }
    });
  }
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(registry_->Upgrade("delay", i % 2 == 0 ? two : one, "test").ok());
  }
  while (answered < 10) std::this_thread::yield();
  stop = true;
  for (std::thread& asker : askers) asker.join();
}

TEST_F(InferenceTest, AModelThatDoesNotFitItsViewIsRefused) {
  const Status absent =
      inference_->MakeRelease(Register({"carrier_AA", "carrier_B6", "distance", "origin_tmp"}, {}))
          .status();
  EXPECT_TRUE(absent.IsInvalid()) << absent;
  EXPECT_THAT(absent.message(), HasSubstr("'origin_tmp' (did you mean 'origin_temp'?)"));
  EXPECT_THAT(absent.message(), HasSubstr("no input takes 'origin_temp'"));
  EXPECT_THAT(absent.message(), HasSubstr("takes 4 inputs, and the view gives 4 features"));
  // Some of the features are enough.
  EXPECT_TRUE(inference_->MakeRelease(Register({"distance"}, {})).ok());

  ModelDefinition texts{.name = "delay", .format = ModelFormat::kXgboost};
  texts.signature = SignatureOf(kInputs);
  texts.signature.inputs =
      texts.signature.inputs->SetField(2, arrow::field("distance", arrow::utf8())).ValueOrDie();
  texts.training_dataset = Ref{"delay@1", 1};
  const Ref ref =
      registry_->RegisterModel(texts, {{"model.json", StumpModel(kInputs, {})}}).ValueOrDie().ref();
  const Status type = inference_->MakeRelease(ref).status();
  EXPECT_TRUE(type.IsInvalid()) << type;
  EXPECT_THAT(type.message(), HasSubstr("input 'distance' is string, but the feature is double"));
}

TEST_F(InferenceTest, TransformationsNeedTheDatasetTheyWereFittedOn) {
  ModelDefinition model{.name = "delay", .format = ModelFormat::kXgboost};
  model.signature = SignatureOf(kInputs);
  model.view = Ref{"delay", 1};
  const Ref ref =
      registry_->RegisterModel(model, {{"model.json", StumpModel(kInputs, {})}}).ValueOrDie().ref();
  const Status refused = inference_->MakeRelease(ref).status();
  EXPECT_TRUE(refused.IsInvalid()) << refused;
  EXPECT_THAT(refused.message(), HasSubstr("names no training dataset"));
}

TEST_F(InferenceTest, AModelIsNotReleasedWithTheDatasetOfAnotherView) {
  FeatureViewDefinition other = DelayView();
  other.name = "other";
  ASSERT_TRUE(views_->Define(other).ok());
  ModelDefinition model{.name = "delay", .format = ModelFormat::kXgboost};
  model.signature = SignatureOf(kInputs);
  model.view = Ref{"other", 1};
  model.training_dataset = Ref{"delay@1", 1};
  const Ref ref =
      registry_->RegisterModel(model, {{"model.json", StumpModel(kInputs, {})}}).ValueOrDie().ref();
  const Status refused = inference_->MakeRelease(ref).status();
  EXPECT_TRUE(refused.IsInvalid()) << refused;
  EXPECT_THAT(refused.message(), HasSubstr("is of view 'delay@1'"));
}

TEST_F(InferenceTest, AModelWithoutAViewTakesItsInputsFromTheRequest) {
  const Ref model = Register({"a", "b"}, {{0, 1, 10, 20}, {1, 1, 1, 2}}, std::nullopt);
  Deploy(model);
  const auto contract = inference_->ContractOf("delay").ValueOrDie();
  EXPECT_THAT(contract.entities->field_names(), ElementsAre("a", "b"));
  EXPECT_EQ(contract.optional->num_fields(), 0);
  const auto number = [](const char* name) { return arrow::field(name, arrow::float64()); };
  const auto ask = [&](const arrow::FieldVector& fields, const std::string& rows) {
    return inference_->Predict("delay", BatchOf(fields, rows), std::nullopt);
  };
  EXPECT_EQ(OutputOf(ask({number("b"), number("a")}, "[[0, 5]]").ValueOrDie()), 21);
  const Status absent = ask({number("a")}, "[[0]]").status();
  EXPECT_TRUE(absent.IsInvalid());
  EXPECT_THAT(absent.message(), HasSubstr("needs input 'b'"));
  const Status unknown = ask({number("a"), number("b"), number("c")}, "[[0, 1, 2]]").status();
  EXPECT_TRUE(unknown.IsInvalid());
  EXPECT_THAT(unknown.message(), HasSubstr("has no input 'c'"));
  const Status text = ask({number("a"), arrow::field("b", arrow::utf8())}, "[[0, \"x\"]]").status();
  EXPECT_TRUE(text.IsTypeError()) << text;

  const auto spine = TableOf({arrow::field("id", arrow::utf8()), number("b"), number("a")},
                             R"([["x", 0, 0], ["y", 5, 5]])");
  const auto scored = inference_->Batch(model, {.spine = spine}).ValueOrDie();
  EXPECT_THAT(scored->schema()->field_names(), ElementsAre("id", "score"));
  EXPECT_EQ(scored->column(1)->GetScalar(1).ValueOrDie()->ToString(), "22");
  EXPECT_TRUE(inference_->Batch(model, {}).status().IsInvalid());
}

TEST_F(InferenceTest, TheContractSaysWhatARequestTakes) {
  Deploy(RegisterUsual());
  const auto contract = inference_->ContractOf("delay").ValueOrDie();
  for (const auto& field : contract.entities->fields()) {
    EXPECT_LT(contract.optional->GetFieldIndex(field->name()), 0) << field->name();
  }
  EXPECT_GE(contract.entities->GetFieldIndex("origin"), 0);
  EXPECT_GE(contract.optional->GetFieldIndex("origin_temp"), 0);
  EXPECT_LT(contract.optional->GetFieldIndex("late"), 0);
  // A column of the root group that this release does not use may come along.
  EXPECT_GE(contract.optional->GetFieldIndex("flight"), 0);
  EXPECT_THAT(contract.outputs->field_names(), ElementsAre("score"));
  EXPECT_TRUE(inference_->ContractOf("delay").ok());
}

TEST_F(InferenceTest, UnknownNamesAreKeyErrors) {
  Deploy(RegisterUsual());
  const Status unknown =
      inference_->Predict("dely", Entities(R"([["JFK", "AA", 0]])"), std::nullopt).status();
  EXPECT_TRUE(unknown.IsKeyError()) << unknown;
  EXPECT_THAT(unknown.message(), HasSubstr("did you mean 'delay'?"));
  EXPECT_TRUE(inference_->Batch({"dely", 0}, {}).status().IsKeyError());
  ASSERT_TRUE(registry_->DropDeployment("delay").ok());
  EXPECT_TRUE(inference_->ContractOf("delay").status().IsKeyError());
}

TEST_F(InferenceTest, ACorruptModelFileIsNotServed) {
  const Ref model = RegisterUsual();
  Deploy(model);
  const std::string file = registry_->ModelDirectory(model).ValueOrDie() + "/model.json";
  std::ofstream(file, std::ios::app) << " ";
  const Status refused = inference_->ContractOf("delay").status();
  EXPECT_TRUE(refused.IsIOError()) << refused;
  EXPECT_THAT(refused.message(), HasSubstr("model.json"));
}

TEST_F(InferenceTest, AnOutputNamedLikeAKeyIsRefusedInBatch) {
  ModelDefinition model{.name = "delay", .format = ModelFormat::kXgboost};
  model.signature = SignatureOf(kInputs);
  model.signature.outputs = arrow::schema({arrow::field("flight", arrow::float64())});
  model.training_dataset = Ref{"delay@1", 1};
  const Ref ref =
      registry_->RegisterModel(model, {{"model.json", StumpModel(kInputs, {{2, 0, 1, 2}})}})
          .ValueOrDie()
          .ref();
  const Status refused = inference_->Batch(ref, {}).status();
  EXPECT_TRUE(refused.IsInvalid()) << refused;
  EXPECT_THAT(refused.message(), HasSubstr("output 'flight'"));
}

TEST_F(InferenceTest, NoRowsGiveNoPredictions) {
  const Ref model = RegisterUsual();
  Deploy(model);
  EXPECT_EQ(inference_->Predict("delay", Entities("[]"), 0).ValueOrDie().outputs->num_rows(), 0);
  const auto none = inference_->Batch(model, {.end_us = 0}).ValueOrDie();
  EXPECT_EQ(none->num_rows(), 0);
  EXPECT_GE(none->schema()->GetFieldIndex("score"), 0);
}

TEST_F(InferenceTest, PreflightTellsWhatWasFound) {
  const auto checks = inference_->Preflight(RegisterUsual()).ValueOrDie();
  ASSERT_EQ(checks.size(), 3);
  for (const PreflightCheck& check : checks) EXPECT_TRUE(check.passed) << check.detail;
}

TEST_F(InferenceTest, AWarmUpIsProvedBitForBit) {
  const std::string file = StumpModel(kInputs, {{2, 0.5, 0.125, 0.25}});
  ModelDefinition model{.name = "warm", .format = ModelFormat::kXgboost};
  model.signature = SignatureOf(kInputs);
  model.training_dataset = Ref{"delay@1", 1};
  model = RegisterModel(registry_.get(), catalog_.get(), model, {{"model.json", file}}, {})
              .ValueOrDie();
  ASSERT_FALSE(model.warm_up.empty());
  const auto proved = inference_->Preflight(model.ref()).ValueOrDie();
  EXPECT_TRUE(proved[1].passed) << proved[1].detail;

  // Another model under the recorded answers of this one.
  ModelDefinition other = model;
  other.version = 0;
  const Ref wrong = registry_
                        ->RegisterModel(other, {{"model.json",
                                                 StumpModel(kInputs, {{2, 0.5, 0.125, 0.75}})}})
                        ->ref();
  const auto refused = inference_->Preflight(wrong).ValueOrDie();
  EXPECT_EQ(refused[1].name, "warm_up");
  EXPECT_FALSE(refused[1].passed);
  EXPECT_TRUE(refused[1].blocking);
}

}  // namespace
}  // namespace tercet
