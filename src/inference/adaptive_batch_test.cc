#include "inference/adaptive_batch.h"

#include <atomic>
#include <thread>

#include <arrow/array/builder_primitive.h>
#include <gtest/gtest.h>

#include "base/overload.h"

namespace tercet {
namespace {

using Batch = AdaptiveBatch::Batch;
using TimePoint = AdaptiveBatch::TimePoint;

Batch Rows(const std::vector<double>& values) {
  arrow::DoubleBuilder builder;
  EXPECT_TRUE(builder.AppendValues(values).ok());
  return arrow::RecordBatch::Make(arrow::schema({arrow::field("x", arrow::float64())}),
                                  static_cast<int64_t>(values.size()),
                                  {builder.Finish().ValueOrDie()});
}

/// Answers each row with itself, when it may; a row of −1 fails its call.
class AdaptiveBatchTest : public ::testing::Test {
 protected:
  Result<Batch> Answer(const arrow::RecordBatch& inputs) {
    ++calls_;
    while (held_) std::this_thread::yield();
    const auto& x = static_cast<const arrow::DoubleArray&>(*inputs.column(0));
    most_rows_ = std::max<int64_t>(most_rows_, inputs.num_rows());
    for (int64_t i = 0; i < x.length(); ++i) {
      if (x.Value(i) == -1) return Status::ExecutionError("minus one");
    }
    return inputs.Slice(0);
  }
  /// `count` requests of two rows behind one that holds the model up, so that they gather.
  std::vector<Result<Batch>> AskAtOnce(AdaptiveBatch* batch, int count, int bad = -1) {
    held_ = true;
    std::vector<Result<Batch>> answers(count, Status::UnknownError("none"));
    std::vector<std::thread> threads;
    threads.emplace_back([&] { EXPECT_TRUE(batch->Predict(Rows({0}), std::nullopt).ok()); });
    while (calls_ == 0) std::this_thread::yield();
    std::atomic<int> begun = 0;
    for (int i = 0; i < count; ++i) {
      threads.emplace_back([&, i] {
        ++begun;
        answers[i] = batch->Predict(Rows({i == bad ? -1.0 : i, 100.0 + i}), std::nullopt);
      });
    }
    while (begun < count) std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    held_ = false;
    for (std::thread& thread : threads) thread.join();
    return answers;
  }
  static void ExpectOwn(const Result<Batch>& answer, int i) {
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_TRUE((*answer)->Equals(*Rows({static_cast<double>(i), 100.0 + i})));
  }

  std::atomic<bool> held_ = false;
  std::atomic<int64_t> calls_ = 0, most_rows_ = 0, counted_ = 0;
  const AdaptiveBatch::Call call_ = [this](const arrow::RecordBatch& inputs,
                                           const std::optional<TimePoint>&) {
    return Answer(inputs);
  };
  const AdaptiveBatch::Count count_ = [this](int64_t requests, int64_t, int64_t) {
    counted_ += requests;
  };
};

TEST_F(AdaptiveBatchTest, GathersWhileTheModelIsBusyAndGivesEachItsRows) {
  AdaptiveBatch batch(call_, count_, {.rows = 64, .wait_us = 10'000'000});
  const auto answers = AskAtOnce(&batch, 8);
  for (int i = 0; i < 8; ++i) ExpectOwn(answers[i], i);
  EXPECT_EQ(calls_, 2);
  EXPECT_EQ(most_rows_, 16);
  EXPECT_EQ(counted_, 9);
}

TEST_F(AdaptiveBatchTest, ALoneRequestDoesNotWait) {
  AdaptiveBatch batch(call_, count_, {.rows = 64, .wait_us = 1'000'000'000});
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(batch.Predict(Rows({1}), std::nullopt).ok());
  EXPECT_EQ(calls_, 3);
}

TEST_F(AdaptiveBatchTest, NoCallHasMoreRowsThanAllowed) {
  AdaptiveBatch batch(call_, count_, {.rows = 6, .wait_us = 10'000'000});
  const auto answers = AskAtOnce(&batch, 10);
  for (int i = 0; i < 10; ++i) ExpectOwn(answers[i], i);
  EXPECT_LE(most_rows_, 6);
  // A request with more goes alone.
  EXPECT_EQ(batch.Predict(Rows(std::vector<double>(9, 1)), std::nullopt).ValueOrDie()->num_rows(),
            9);
}

TEST_F(AdaptiveBatchTest, OneRequestDoesNotSpoilTheOthers) {
  AdaptiveBatch batch(call_, count_, {.rows = 64, .wait_us = 10'000'000});
  const auto answers = AskAtOnce(&batch, 5, /*bad=*/2);
  for (int i = 0; i < 5; ++i) {
    if (i == 2) {
      EXPECT_TRUE(answers[i].status().IsExecutionError());
    } else {
      ExpectOwn(answers[i], i);
    }
  }
}

TEST_F(AdaptiveBatchTest, TheWaitIsBounded) {
  AdaptiveBatch batch(call_, count_, {.rows = 64, .wait_us = 20'000});
  held_ = true;
  std::thread first([&] { EXPECT_TRUE(batch.Predict(Rows({0}), std::nullopt).ok()); });
  while (calls_ == 0) std::this_thread::yield();
  std::thread second([&] { EXPECT_TRUE(batch.Predict(Rows({1}), std::nullopt).ok()); });
  // The model is held up all the while, and still the second call begins.
  while (calls_ < 2) std::this_thread::yield();
  held_ = false;
  first.join();
  second.join();
}

TEST_F(AdaptiveBatchTest, AFollowerLeavesAtItsDeadline) {
  AdaptiveBatch batch(call_, count_, {.rows = 64, .wait_us = 60'000'000});
  held_ = true;
  std::thread first([&] { EXPECT_TRUE(batch.Predict(Rows({0}), std::nullopt).ok()); });
  while (calls_ == 0) std::this_thread::yield();
  std::thread leader([&] { EXPECT_TRUE(batch.Predict(Rows({1}), std::nullopt).ok()); });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const auto late = batch.Predict(
      Rows({2}), std::chrono::steady_clock::now() + std::chrono::milliseconds(20));
  EXPECT_TRUE(IsTooLate(late.status())) << late.status();
  held_ = false;
  first.join();
  leader.join();
}

TEST_F(AdaptiveBatchTest, AllAnswersUnderLoadAreTheirOwn) {
  AdaptiveBatch batch(call_, count_, {.rows = 32, .wait_us = 500});
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 300; ++i) {
        const double x = t * 1000 + i;
        const auto answer = batch.Predict(Rows({x}), std::nullopt);
        ASSERT_TRUE(answer.ok());
        ASSERT_EQ(static_cast<const arrow::DoubleArray&>(*(*answer)->column(0)).Value(0), x);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counted_, 1800);
}

}  // namespace
}  // namespace tercet
