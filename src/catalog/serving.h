#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "catalog/prediction_sink.h"

namespace tercet {

/// The service level of a deployment. Changed by compare-and-swap like its pointer, so every
/// process on the project follows it from its next request on.
struct ServingPolicy {
  int64_t deadline_ms = 0;  ///< an answer that would come later is refused (504); 0: none
  int64_t concurrency = 0;  ///< requests answered at once by one process; 0: any number
  int64_t queue = 0;        ///< requests that may wait for that; others are refused at once (429)
  int64_t slow_ms = 1000;   ///< slower requests are logged with their stages; 0: none
  int64_t workers = 1;      ///< processes of a predictor class, and of each Python function
  int64_t worker_timeout_ms = 30'000;  ///< of one call into a worker, which is then replaced
  int64_t worker_memory_mb = 4096;     ///< of a worker; one that comes near it is replaced
  int64_t worker_requests = 0;  ///< calls after which a worker is replaced; 0: any number
  int64_t gpus = 0;             ///< that a scheduler is asked for; nothing here uses the number
  int64_t batch_rows = 0;       ///< requests at once are put together up to so many rows; 0: never
  int64_t batch_wait_us = 1000; ///< that a request waits for others to be put together with
  double log_percent = 0;   ///< of the requests that the prediction log keeps
  std::vector<PredictionSink> sinks;  ///< that get the log's rows besides; at most eight
  json::object ToJson() const;
  /// Members that are missing keep their defaults. Invalid for numbers out of range.
  static Result<ServingPolicy> FromJson(const json::object& object);
  bool operator==(const ServingPolicy&) const = default;
};

/// A release that gets a part of a deployment's requests, beside the one that it serves.
struct TrafficArm {
  std::string release_id;
  int64_t number = 0;   ///< of the release within the deployment
  double percent = 0;   ///< of the requests; for a shadow, of those that are copied to it
  bool shadow = false;  ///< its answers are compared and counted, never given
  bool operator==(const TrafficArm&) const = default;
};

/// Where a deployment's requests go. A request is answered wholly by one arm.
struct Traffic {
  std::vector<TrafficArm> arms;  ///< at most eight; what they leave goes to the served release
  /// The entity column whose value (in the request's first row) chooses the arm, so that one
  /// customer always meets the same; empty: at random.
  std::string sticky_key;
  json::object ToJson() const;
  /// Invalid unless percents are in [0, 100] and those that are no shadows sum to at most 100.
  static Result<Traffic> FromJson(const json::object& object);
  Status Check() const;
  bool operator==(const Traffic&) const = default;
};

/// One thing that must hold before a model gets traffic.
struct PreflightCheck {
  std::string name;      ///< "files", "warm_up" or "groups"
  bool passed = false;
  bool blocking = true;  ///< a deployment is refused while it fails
  std::string detail;    ///< what was found
  json::object ToJson() const;
  static Result<PreflightCheck> FromJson(const json::object& object);
};

/// The stages of a prediction, in their order.
enum class ServingStage { kQueue, kLookup, kOnDemand, kTransform, kModel };
inline constexpr size_t kServingStages = 5;
std::string_view ServingStageName(ServingStage stage);  ///< "queue", "lookup", "on_demand", …

/// How many calls into a model answered how many requests together.
struct BatchingStatistics {
  int64_t calls = 0;     ///< of the model
  int64_t requests = 0;  ///< that they answered
  int64_t rows = 0;
  int64_t wait_ns = 0;   ///< that requests waited for others, together
};

/// Where a request's time went, nanoseconds by stage.
using StageTimes = std::array<int64_t, kServingStages>;

/// A latency histogram: counts at or below each bound, then those above all.
struct LatencyHistogram {
  static constexpr std::array<int64_t, 16> kBoundsUs = {
      1,    2,     5,     10,    25,     50,      100,       250,
      500,  1'000, 2'500, 5'000, 10'000, 100'000, 1'000'000, 10'000'000};
  std::array<int64_t, kBoundsUs.size() + 1> counts{};
  int64_t count = 0;
  int64_t sum_ns = 0;
  void Add(int64_t ns);
};

/// What one release of a deployment has answered since this process began.
struct ReleaseStatistics {
  int64_t number = 0;
  int64_t successes = 0;  ///< requests
  int64_t rows = 0;       ///< of those
  int64_t last_us = 0;    ///< when the last request ended; 0: none did
  std::map<std::string, int64_t> failures;  ///< by reason: REJECTED (shed), CANCELED
                                            ///< (late), BACKEND (the model), OTHER (the request)
  int64_t failure_ns = 0;                   ///< time that they took
  LatencyHistogram total;                   ///< of successes
  std::array<LatencyHistogram, kServingStages> stages;
  std::map<int64_t, std::array<int64_t, 2>> batches;  ///< rows → {requests, ns in the model}
  int64_t shadow_requests = 0;   ///< answered as a shadow
  int64_t shadow_different = 0;  ///< of those, with another answer than the one given
  int64_t shadow_dropped = 0;    ///< not tried, since too many waited
  BatchingStatistics batching;   ///< all zero unless the policy asks for it
  json::object ToJson() const;
  static Result<ReleaseStatistics> FromJson(const json::object& object);
};

/// What became of the rows that a deployment's prediction log took.
struct PredictionLogStatistics {
  int64_t waiting = 0;     ///< to be written
  int64_t written = 0;
  int64_t dropped = 0;     ///< since too many waited
  int64_t failed = 0;      ///< could not be written, or have no entity to be keyed by
  std::string last_error;  ///< why the last of those failed; empty: none did
  std::vector<PredictionSinkStatistics> sinks;
  json::object ToJson() const;
  static Result<PredictionLogStatistics> FromJson(const json::object& object);
};

/// Of a deployment, its releases by number.
struct ServingStatistics {
  int64_t pending = 0;  ///< requests under way or waiting now
  PredictionLogStatistics log;
  std::vector<ReleaseStatistics> releases;
  json::object ToJson() const;
  static Result<ServingStatistics> FromJson(const json::object& object);
};

}  // namespace tercet
