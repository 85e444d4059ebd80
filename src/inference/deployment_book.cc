#include "inference/deployment_book.h"

#include <cmath>

#include "base/overload.h"

namespace tercet {
namespace {

/// Sizes of batches that are told apart; rarer ones would only fill memory.
constexpr size_t kBatchSizes = 64;
constexpr int64_t kSecondUs = 1'000'000;

/// By the reasons that Triton's metrics have.
const char* ReasonOf(const Status& why) {
  if (RetryAfterSeconds(why)) return "REJECTED";
  if (IsTooLate(why)) return "CANCELED";
  if (why.IsInvalid() || why.IsTypeError() || why.IsKeyError()) return "OTHER";
  return "BACKEND";
}

}  // namespace

ReleaseStatistics& DeploymentBook::Of(int64_t number) {
  ReleaseStatistics& release = releases_[number];
  release.number = number;
  return release;
}

void DeploymentBook::Answered(int64_t number, int64_t rows, const StageTimes& times,
                              int64_t total_ns, int64_t now_us) {
  const std::lock_guard lock(mutex_);
  if (trial_ != nullptr) trial_->Answered(number, total_ns);
  ReleaseStatistics& release = Of(number);
  ++release.successes;
  release.rows += rows;
  release.last_us = now_us;
  release.total.Add(total_ns);
  for (size_t i = 0; i < kServingStages; ++i) release.stages[i].Add(times[i]);
  const auto batch = release.batches.find(rows);
  if (batch != release.batches.end()) {
    ++batch->second[0];
    batch->second[1] += times[static_cast<size_t>(ServingStage::kModel)];
  } else if (release.batches.size() < kBatchSizes) {
    release.batches[rows] = {1, times[static_cast<size_t>(ServingStage::kModel)]};
  }
}

void DeploymentBook::Failed(int64_t number, const Status& why, int64_t total_ns, int64_t now_us) {
  const std::string_view reason = ReasonOf(why);
  const std::lock_guard lock(mutex_);
  // Neither a faulty request nor a full queue is a fault of the release.
  if (trial_ != nullptr && (reason == "BACKEND" || reason == "CANCELED")) trial_->Failed(number);
  ReleaseStatistics& release = Of(number);
  ++release.failures[std::string(reason)];
  release.failure_ns += total_ns;
  release.last_us = now_us;
}

void DeploymentBook::Gave(int64_t number, const arrow::RecordBatch& outputs) const {
  if (!followed()) return;
  std::shared_ptr<ArmBook> trial;
  {
    const std::lock_guard lock(mutex_);
    trial = trial_;
  }
  if (trial != nullptr) trial->Gave(number, outputs);
}

void DeploymentBook::Follow(std::shared_ptr<ArmBook> trial) {
  const std::lock_guard lock(mutex_);
  followed_.store(trial != nullptr, std::memory_order_relaxed);
  trial_ = std::move(trial);
}

void DeploymentBook::Batched(int64_t number, int64_t requests, int64_t rows, int64_t wait_ns) {
  const std::lock_guard lock(mutex_);
  BatchingStatistics& batching = Of(number).batching;
  ++batching.calls;
  batching.requests += requests;
  batching.rows += rows;
  batching.wait_ns += wait_ns;
}

void DeploymentBook::Shadowed(int64_t number, bool different) {
  const std::lock_guard lock(mutex_);
  ++Of(number).shadow_requests;
  if (different) ++Of(number).shadow_different;
}

void DeploymentBook::ShadowDropped(int64_t number) {
  const std::lock_guard lock(mutex_);
  ++Of(number).shadow_dropped;
}

ServingStatistics DeploymentBook::Read() const {
  ServingStatistics statistics{
      .pending = admission.pending(), .log = log.Read(), .releases = {}};
  const std::lock_guard lock(mutex_);
  for (const auto& [number, release] : releases_) statistics.releases.push_back(release);
  return statistics;
}

double DeploymentBook::NextTurn() {
  // Multiples of the golden ratio modulo one: the most evenly spread sequence there is (Weyl).
  constexpr double kGoldenRatio = 0.6180339887498949;
  // Modulo 2^20, so that the product keeps its precision.
  const uint64_t turn = turn_.fetch_add(1, std::memory_order_relaxed) & ((1 << 20) - 1);
  const double spread = static_cast<double>(turn) * kGoldenRatio;
  return (spread - std::floor(spread)) * 100;
}

bool DeploymentBook::MayLogSlow(int64_t now_us) {
  int64_t last_us = slow_logged_us_.load(std::memory_order_relaxed);
  return now_us - last_us >= kSecondUs && slow_logged_us_.compare_exchange_strong(last_us, now_us);
}

}  // namespace tercet
