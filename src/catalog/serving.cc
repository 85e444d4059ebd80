#include "catalog/serving.h"

#include <algorithm>

#include "catalog/definition_json.h"

namespace tercet {
namespace {

constexpr size_t kMaxArms = 8;
constexpr size_t kMaxSinks = 8;

/// Reads a count into `*number`, which keeps its value when the member is missing.
Status ReadCount(const json::object& object, std::string_view key, int64_t least, int64_t most,
                 int64_t* number) {
  ARROW_ASSIGN_OR_RAISE(const auto found, FindInt(object, key));
  if (!found) return Status::OK();
  if (*found < least || *found > most) {
    return Status::Invalid("'", key, "' is ", *found, ", which must be between ", least, " and ",
                           most);
  }
  *number = *found;
  return Status::OK();
}

json::object HistogramToJson(const LatencyHistogram& histogram) {
  json::array counts;
  for (const int64_t count : histogram.counts) counts.push_back(count);
  return {{"count", histogram.count}, {"sum_ns", histogram.sum_ns}, {"counts", std::move(counts)}};
}

Result<LatencyHistogram> HistogramFromJson(const json::object& object) {
  LatencyHistogram histogram;
  ARROW_ASSIGN_OR_RAISE(histogram.count, GetInt(object, "count"));
  ARROW_ASSIGN_OR_RAISE(histogram.sum_ns, GetInt(object, "sum_ns"));
  ARROW_ASSIGN_OR_RAISE(const json::array counts, FindArray(object, "counts"));
  if (counts.size() != histogram.counts.size()) return Status::Invalid("a histogram of others");
  for (size_t i = 0; i < counts.size(); ++i) {
    if (!counts[i].is_int64()) return Status::Invalid("a histogram's counts must be integers");
    histogram.counts[i] = counts[i].as_int64();
  }
  return histogram;
}

}  // namespace

json::object ServingPolicy::ToJson() const {
  json::array sink_list;
  for (const PredictionSink& sink : sinks) sink_list.push_back(sink.ToJson());
  return {{"deadline_ms", deadline_ms},
          {"concurrency", concurrency},
          {"queue", queue},
          {"slow_ms", slow_ms},
          {"workers", workers},
          {"worker_timeout_ms", worker_timeout_ms},
          {"worker_memory_mb", worker_memory_mb},
          {"worker_requests", worker_requests},
          {"gpus", gpus},
          {"batch_rows", batch_rows},
          {"batch_wait_us", batch_wait_us},
          {"log_percent", log_percent},
          {"sinks", std::move(sink_list)}};
}

Result<ServingPolicy> ServingPolicy::FromJson(const json::object& object) {
  ARROW_RETURN_NOT_OK(CheckMembers("serving policy", object,
                                   {"deadline_ms", "concurrency", "queue", "slow_ms", "workers",
                                    "worker_timeout_ms", "worker_memory_mb", "worker_requests",
                                    "gpus", "batch_rows", "batch_wait_us", "log_percent",
                                    "sinks"}));
  constexpr int64_t kDayMs = 86'400'000;
  ServingPolicy policy;
  ARROW_RETURN_NOT_OK(ReadCount(object, "deadline_ms", 0, kDayMs, &policy.deadline_ms));
  ARROW_RETURN_NOT_OK(ReadCount(object, "concurrency", 0, 1000, &policy.concurrency));
  ARROW_RETURN_NOT_OK(ReadCount(object, "queue", 0, 100'000, &policy.queue));
  ARROW_RETURN_NOT_OK(ReadCount(object, "slow_ms", 0, kDayMs, &policy.slow_ms));
  ARROW_RETURN_NOT_OK(ReadCount(object, "workers", 1, 64, &policy.workers));
  ARROW_RETURN_NOT_OK(
      ReadCount(object, "worker_timeout_ms", 1, kDayMs, &policy.worker_timeout_ms));
  ARROW_RETURN_NOT_OK(
      ReadCount(object, "worker_memory_mb", 256, 1 << 20, &policy.worker_memory_mb));
  ARROW_RETURN_NOT_OK(
      ReadCount(object, "worker_requests", 0, 1LL << 40, &policy.worker_requests));
  ARROW_RETURN_NOT_OK(ReadCount(object, "gpus", 0, 64, &policy.gpus));
  ARROW_RETURN_NOT_OK(ReadCount(object, "batch_rows", 0, 1 << 16, &policy.batch_rows));
  ARROW_RETURN_NOT_OK(ReadCount(object, "batch_wait_us", 0, 1'000'000, &policy.batch_wait_us));
  ARROW_ASSIGN_OR_RAISE(const auto log_percent, FindDouble(object, "log_percent"));
  policy.log_percent = log_percent.value_or(0);
  if (!(policy.log_percent >= 0 && policy.log_percent <= 100)) {
    return Status::Invalid("'log_percent' is ", policy.log_percent,
                           ", which must be between 0 and 100");
  }
  ARROW_ASSIGN_OR_RAISE(const auto sinks, FindObjects(object, "sinks"));
  if (sinks.size() > kMaxSinks) {
    return Status::Invalid("there are ", sinks.size(), " sinks; at most ", kMaxSinks);
  }
  for (const json::object& sink : sinks) {
    ARROW_ASSIGN_OR_RAISE(policy.sinks.emplace_back(), PredictionSink::FromJson(sink));
  }
  return policy;
}

json::object Traffic::ToJson() const {
  json::array list;
  for (const TrafficArm& arm : arms) {
    list.push_back(json::object{{"release_id", arm.release_id},
                                {"number", arm.number},
                                {"percent", arm.percent},
                                {"shadow", arm.shadow}});
  }
  return {{"arms", std::move(list)}, {"sticky_key", sticky_key}};
}

Result<Traffic> Traffic::FromJson(const json::object& object) {
  ARROW_RETURN_NOT_OK(CheckMembers("traffic", object, {"arms", "sticky_key"}));
  Traffic traffic;
  ARROW_ASSIGN_OR_RAISE(const auto key, FindString(object, "sticky_key"));
  traffic.sticky_key = key.value_or("");
  ARROW_ASSIGN_OR_RAISE(const auto arms, FindObjects(object, "arms"));
  for (const json::object& item : arms) {
    ARROW_RETURN_NOT_OK(
        CheckMembers("a traffic arm", item, {"release_id", "number", "percent", "shadow"}));
    TrafficArm arm;
    ARROW_ASSIGN_OR_RAISE(const auto id, FindString(item, "release_id"));
    arm.release_id = id.value_or("");
    ARROW_ASSIGN_OR_RAISE(const auto number, FindInt(item, "number"));
    arm.number = number.value_or(0);
    ARROW_ASSIGN_OR_RAISE(const auto percent, FindDouble(item, "percent"));
    arm.percent = percent.value_or(0);
    ARROW_ASSIGN_OR_RAISE(const auto shadow, FindBool(item, "shadow"));
    arm.shadow = shadow.value_or(false);
    traffic.arms.push_back(std::move(arm));
  }
  ARROW_RETURN_NOT_OK(traffic.Check());
  return traffic;
}

Status Traffic::Check() const {
  if (arms.size() > kMaxArms) {
    return Status::Invalid("traffic has ", arms.size(), " arms; at most ", kMaxArms);
  }
  double sum = 0;
  for (const TrafficArm& arm : arms) {
    if (!(arm.percent >= 0 && arm.percent <= 100)) {
      return Status::Invalid("release ", arm.number, " gets ", arm.percent,
                             " percent; it must be between 0 and 100");
    }
    if (!arm.shadow) sum += arm.percent;
  }
  if (sum > 100) return Status::Invalid("the arms get ", sum, " percent together; at most 100");
  return Status::OK();
}

json::object PreflightCheck::ToJson() const {
  return {{"name", name}, {"passed", passed}, {"blocking", blocking}, {"detail", detail}};
}

Result<PreflightCheck> PreflightCheck::FromJson(const json::object& object) {
  PreflightCheck check;
  ARROW_ASSIGN_OR_RAISE(check.name, GetString(object, "name"));
  ARROW_ASSIGN_OR_RAISE(const auto passed, FindBool(object, "passed"));
  check.passed = passed.value_or(false);
  ARROW_ASSIGN_OR_RAISE(const auto blocking, FindBool(object, "blocking"));
  check.blocking = blocking.value_or(true);
  ARROW_ASSIGN_OR_RAISE(check.detail, GetString(object, "detail"));
  return check;
}

std::string_view ServingStageName(ServingStage stage) {
  switch (stage) {
    case ServingStage::kQueue:
      return "queue";
    case ServingStage::kLookup:
      return "lookup";
    case ServingStage::kOnDemand:
      return "on_demand";
    case ServingStage::kTransform:
      return "transform";
    case ServingStage::kModel:
      break;
  }
  return "model";
}

void LatencyHistogram::Add(int64_t ns) {
  const int64_t us = (ns + 999) / 1000;
  ++counts[std::lower_bound(kBoundsUs.begin(), kBoundsUs.end(), us) - kBoundsUs.begin()];
  ++count;
  sum_ns += ns;
}

json::object ReleaseStatistics::ToJson() const {
  json::object stage_objects;
  for (size_t i = 0; i < kServingStages; ++i) {
    stage_objects[ServingStageName(static_cast<ServingStage>(i))] = HistogramToJson(stages[i]);
  }
  json::array batch_list;
  for (const auto& [batch_rows, counted] : batches) {
    batch_list.push_back(
        json::object{{"rows", batch_rows}, {"requests", counted[0]}, {"model_ns", counted[1]}});
  }
  return {{"number", number},
          {"successes", successes},
          {"rows", rows},
          {"last_us", last_us},
          {"failures", ToJsonObject(failures)},
          {"failure_ns", failure_ns},
          {"total", HistogramToJson(total)},
          {"stages", std::move(stage_objects)},
          {"batches", std::move(batch_list)},
          {"shadow_requests", shadow_requests},
          {"shadow_different", shadow_different},
          {"shadow_dropped", shadow_dropped},
          {"batching",
           {{"calls", batching.calls},
            {"requests", batching.requests},
            {"rows", batching.rows},
            {"wait_ns", batching.wait_ns}}}};
}

Result<ReleaseStatistics> ReleaseStatistics::FromJson(const json::object& object) {
  ReleaseStatistics release;
  ARROW_ASSIGN_OR_RAISE(release.number, GetInt(object, "number"));
  ARROW_ASSIGN_OR_RAISE(release.successes, GetInt(object, "successes"));
  ARROW_ASSIGN_OR_RAISE(release.rows, GetInt(object, "rows"));
  ARROW_ASSIGN_OR_RAISE(release.last_us, GetInt(object, "last_us"));
  ARROW_ASSIGN_OR_RAISE(release.failures, FindIntMap(object, "failures"));
  ARROW_ASSIGN_OR_RAISE(release.failure_ns, GetInt(object, "failure_ns"));
  ARROW_ASSIGN_OR_RAISE(const json::object total, FindObject(object, "total"));
  ARROW_ASSIGN_OR_RAISE(release.total, HistogramFromJson(total));
  ARROW_ASSIGN_OR_RAISE(const json::object stages, FindObject(object, "stages"));
  for (size_t i = 0; i < kServingStages; ++i) {
    ARROW_ASSIGN_OR_RAISE(const json::object stage,
                          FindObject(stages, ServingStageName(static_cast<ServingStage>(i))));
    ARROW_ASSIGN_OR_RAISE(release.stages[i], HistogramFromJson(stage));
  }
  ARROW_ASSIGN_OR_RAISE(const auto batches, FindObjects(object, "batches"));
  for (const json::object& batch : batches) {
    ARROW_ASSIGN_OR_RAISE(const int64_t batch_rows, GetInt(batch, "rows"));
    ARROW_ASSIGN_OR_RAISE(release.batches[batch_rows][0], GetInt(batch, "requests"));
    ARROW_ASSIGN_OR_RAISE(release.batches[batch_rows][1], GetInt(batch, "model_ns"));
  }
  ARROW_ASSIGN_OR_RAISE(release.shadow_requests, GetInt(object, "shadow_requests"));
  ARROW_ASSIGN_OR_RAISE(release.shadow_different, GetInt(object, "shadow_different"));
  ARROW_ASSIGN_OR_RAISE(release.shadow_dropped, GetInt(object, "shadow_dropped"));
  ARROW_ASSIGN_OR_RAISE(const json::object batching, FindObject(object, "batching"));
  ARROW_ASSIGN_OR_RAISE(release.batching.calls, GetInt(batching, "calls"));
  ARROW_ASSIGN_OR_RAISE(release.batching.requests, GetInt(batching, "requests"));
  ARROW_ASSIGN_OR_RAISE(release.batching.rows, GetInt(batching, "rows"));
  ARROW_ASSIGN_OR_RAISE(release.batching.wait_ns, GetInt(batching, "wait_ns"));
  return release;
}

json::object PredictionLogStatistics::ToJson() const {
  json::array sink_list;
  for (const PredictionSinkStatistics& sink : sinks) sink_list.push_back(sink.ToJson());
  return {{"waiting", waiting},
          {"written", written},
          {"dropped", dropped},
          {"failed", failed},
          {"last_error", last_error},
          {"sinks", std::move(sink_list)}};
}

Result<PredictionLogStatistics> PredictionLogStatistics::FromJson(const json::object& object) {
  PredictionLogStatistics log;
  ARROW_ASSIGN_OR_RAISE(log.waiting, GetInt(object, "waiting"));
  ARROW_ASSIGN_OR_RAISE(log.written, GetInt(object, "written"));
  ARROW_ASSIGN_OR_RAISE(log.dropped, GetInt(object, "dropped"));
  ARROW_ASSIGN_OR_RAISE(log.failed, GetInt(object, "failed"));
  ARROW_ASSIGN_OR_RAISE(log.last_error, GetString(object, "last_error"));
  ARROW_ASSIGN_OR_RAISE(const auto sinks, FindObjects(object, "sinks"));
  for (const json::object& sink : sinks) {
    ARROW_ASSIGN_OR_RAISE(log.sinks.emplace_back(), PredictionSinkStatistics::FromJson(sink));
  }
  return log;
}

json::object ServingStatistics::ToJson() const {
  json::array list;
  for (const ReleaseStatistics& release : releases) list.push_back(release.ToJson());
  return {{"pending", pending}, {"log", log.ToJson()}, {"releases", std::move(list)}};
}

Result<ServingStatistics> ServingStatistics::FromJson(const json::object& object) {
  ServingStatistics statistics;
  ARROW_ASSIGN_OR_RAISE(statistics.pending, GetInt(object, "pending"));
  ARROW_ASSIGN_OR_RAISE(const json::object log, FindObject(object, "log"));
  ARROW_ASSIGN_OR_RAISE(statistics.log, PredictionLogStatistics::FromJson(log));
  ARROW_ASSIGN_OR_RAISE(const auto releases, FindObjects(object, "releases"));
  for (const json::object& release : releases) {
    ARROW_ASSIGN_OR_RAISE(statistics.releases.emplace_back(),
                          ReleaseStatistics::FromJson(release));
  }
  return statistics;
}

}  // namespace tercet
