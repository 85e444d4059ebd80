#include "server/model_statistics.h"

#include <fmt/format.h>

#include "client/json_rows.h"

namespace tercet {
namespace {

using Deployments = std::vector<std::pair<std::string, ServingStatistics>>;

const LatencyHistogram& StageOf(const ReleaseStatistics& release, ServingStage stage) {
  return release.stages[static_cast<size_t>(stage)];
}

json::object DurationJson(const StatisticDuration& duration) {
  return {{"count", duration.count}, {"ns", duration.ns}};
}

json::object BatchJson(int64_t rows, const std::array<int64_t, 2>& batch) {
  const StatisticDuration infer{batch[0], batch[1]};
  return {{"batch_size", rows},
          {"compute_input", DurationJson({batch[0], 0})},
          {"compute_infer", DurationJson(infer)},
          {"compute_output", DurationJson({batch[0], 0})}};
}

json::array ConfigTensors(const arrow::Schema& schema) {
  json::array tensors;
  for (const TensorDescription& tensor : DescribeTensors(schema)) {
    tensors.push_back({{"name", tensor.name},
                       {"data_type", ConfigType(tensor.datatype)},
                       {"dims", json::array{tensor.shape[1]}}});
  }
  return tensors;
}

/// Names in metrics are a deployment's, whose characters need no escape.
template <typename Value>
void AppendCounter(const char* name, const char* help, const Deployments& deployments,
                   const Value& value, std::string* out) {
  const auto end = std::back_inserter(*out);
  fmt::format_to(end, "# HELP {} {}\n# TYPE {} counter\n", name, help, name);
  for (const auto& [deployment, statistics] : deployments) {
    for (const ReleaseStatistics& release : statistics.releases) {
      fmt::format_to(end, "{}{{model=\"{}\",version=\"{}\"}} {}\n", name, deployment,
                     release.number, value(release));
    }
  }
}

void AppendHistogram(const std::string& name, const std::string& labels,
                     const LatencyHistogram& histogram, std::string* out) {
  const auto end = std::back_inserter(*out);
  int64_t count = 0;
  for (size_t i = 0; i < histogram.counts.size(); ++i) {
    count += histogram.counts[i];
    const std::string bound =
        i < LatencyHistogram::kBoundsUs.size()
            ? fmt::format("{}", static_cast<double>(LatencyHistogram::kBoundsUs[i]) / 1e6)
            : "+Inf";
    fmt::format_to(end, "{}_bucket{{{},le=\"{}\"}} {}\n", name, labels, bound, count);
  }
  fmt::format_to(end, "{}_sum{{{}}} {}\n{}_count{{{}}} {}\n", name, labels,
                 static_cast<double>(histogram.sum_ns) * 1e-9, name, labels, histogram.count);
}

LatencyHistogram Sum(const Deployments::value_type& deployment,
                     std::initializer_list<ServingStage> stages) {
  LatencyHistogram sum;
  for (const ReleaseStatistics& release : deployment.second.releases) {
    for (const ServingStage stage : stages) {
      const LatencyHistogram& one = StageOf(release, stage);
      for (size_t i = 0; i < sum.counts.size(); ++i) sum.counts[i] += one.counts[i];
      sum.count += one.count;
      sum.sum_ns += one.sum_ns;
    }
  }
  return sum;
}

/// KServe's histogram of one stage, by model.
void AppendKserve(const char* name, const char* help, const Deployments& deployments,
                  ServingStage stage, std::string* out) {
  fmt::format_to(std::back_inserter(*out), "# HELP {} {}\n# TYPE {} histogram\n", name, help,
                 name);
  for (const auto& deployment : deployments) {
    AppendHistogram(name, fmt::format("model_name=\"{}\"", deployment.first),
                    Sum(deployment, {stage}), out);
  }
}

/// What became of the rows of the prediction logs.
void AppendLogMetrics(const Deployments& deployments, std::string* out) {
  using Log = PredictionLogStatistics;
  const auto append = [&](const char* name, const char* type, const char* help,
                          int64_t Log::*value) {
    const auto end = std::back_inserter(*out);
    fmt::format_to(end, "# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
    for (const auto& [deployment, statistics] : deployments) {
      fmt::format_to(end, "{}{{deployment=\"{}\"}} {}\n", name, deployment,
                     statistics.log.*value);
    }
  };
  append("tercet_prediction_log_waiting_rows", "gauge", "Logged rows that wait to be written.",
         &Log::waiting);
  append("tercet_prediction_log_written_total", "counter", "Logged rows that were written.",
         &Log::written);
  append("tercet_prediction_log_dropped_total", "counter",
         "Rows that were not logged, since too many waited.", &Log::dropped);
  append("tercet_prediction_log_failed_total", "counter",
         "Rows that could not be logged.", &Log::failed);
}

/// And of those that went to sinks.
void AppendSinkMetrics(const Deployments& deployments, std::string* out) {
  using Sink = PredictionSinkStatistics;
  const auto append = [&](const char* name, const char* type, const char* help,
                          int64_t Sink::*value) {
    const auto end = std::back_inserter(*out);
    fmt::format_to(end, "# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
    for (const auto& [deployment, statistics] : deployments) {
      for (const Sink& sink : statistics.log.sinks) {
        // A label's text has the escapes of a JSON text.
        fmt::format_to(end, "{}{{deployment=\"{}\",sink=", name, deployment);
        AppendJsonText(sink.sink, out);
        fmt::format_to(end, "}} {}\n", sink.*value);
      }
    }
  };
  append("tercet_prediction_sink_waiting_rows", "gauge", "Rows that wait for a sink.",
         &Sink::waiting);
  append("tercet_prediction_sink_written_total", "counter", "Rows that a sink took.",
         &Sink::written);
  append("tercet_prediction_sink_dropped_total", "counter",
         "Rows that a sink did not get, since too many waited.", &Sink::dropped);
  append("tercet_prediction_sink_failed_total", "counter", "Rows that a sink refused.",
         &Sink::failed);
  append("tercet_prediction_sink_retries_total", "counter", "Times that writing was tried again.",
         &Sink::retries);
}

int64_t Micros(int64_t ns) { return ns / 1000; }

}  // namespace

TritonStatistics::TritonStatistics(const ReleaseStatistics& release) {
  const int64_t requests = release.successes;
  success = {requests, release.total.sum_ns};
  for (const auto& [reason, count] : release.failures) fail.count += count;
  fail.ns = release.failure_ns;
  queue = {requests, StageOf(release, ServingStage::kQueue).sum_ns};
  compute_input = {requests, StageOf(release, ServingStage::kLookup).sum_ns +
                                 StageOf(release, ServingStage::kOnDemand).sum_ns +
                                 StageOf(release, ServingStage::kTransform).sum_ns};
  compute_infer = {requests, StageOf(release, ServingStage::kModel).sum_ns};
  compute_output = {requests, 0};
}

json::object ModelStatisticsJson(const Deployments& deployments) {
  json::array models;
  for (const auto& [name, statistics] : deployments) {
    for (const ReleaseStatistics& release : statistics.releases) {
      const TritonStatistics triton(release);
      json::array batches;
      for (const auto& [rows, batch] : release.batches) batches.push_back(BatchJson(rows, batch));
      models.push_back(
          json::object{{"name", name},
                       {"version", std::to_string(release.number)},
                       {"last_inference", release.last_us / 1000},
                       {"inference_count", release.rows},
                       {"execution_count", release.successes},
                       {"inference_stats",
                        {{"success", DurationJson(triton.success)},
                         {"fail", DurationJson(triton.fail)},
                         {"queue", DurationJson(triton.queue)},
                         {"compute_input", DurationJson(triton.compute_input)},
                         {"compute_infer", DurationJson(triton.compute_infer)},
                         {"compute_output", DurationJson(triton.compute_output)},
                         {"cache_hit", DurationJson({})},
                         {"cache_miss", DurationJson({})}}},
                       {"batch_stats", std::move(batches)}});
    }
  }
  return {{"model_stats", std::move(models)}};
}

json::object ModelConfigJson(const std::string& name, const DeploymentContract& contract) {
  return {{"name", name},
          {"platform", "tercet"},
          {"backend", "tercet"},
          {"version_policy", {{"specific", {{"versions", {contract.release_number}}}}}},
          {"max_batch_size", kMaxInferenceRows},
          // As in the metadata, which perf_analyzer compares it with.
          {"input", ConfigTensors(*contract.entities)},
          {"output", ConfigTensors(*contract.outputs)}};
}

std::string ServingMetricsText(const Deployments& deployments) {
  std::string text;
  const auto end = std::back_inserter(text);
  AppendCounter("nv_inference_request_success", "Requests answered.", deployments,
                [](const ReleaseStatistics& release) { return release.successes; }, &text);
  text += "# HELP nv_inference_request_failure Requests that failed, by reason.\n"
          "# TYPE nv_inference_request_failure counter\n";
  for (const auto& [name, statistics] : deployments) {
    for (const ReleaseStatistics& release : statistics.releases) {
      for (const char* reason : {"REJECTED", "CANCELED", "BACKEND", "OTHER"}) {
        const auto found = release.failures.find(reason);
        fmt::format_to(end,
                       "nv_inference_request_failure{{model=\"{}\",version=\"{}\",reason=\"{}\"}} "
                       "{}\n",
                       name, release.number, reason,
                       found == release.failures.end() ? 0 : found->second);
      }
    }
  }
  AppendCounter("nv_inference_count", "Rows answered.", deployments,
                [](const ReleaseStatistics& release) { return release.rows; }, &text);
  AppendCounter("nv_inference_exec_count", "Times that the model was asked.", deployments,
                [](const ReleaseStatistics& release) { return release.successes; }, &text);
  AppendCounter(
      "nv_inference_request_duration_us", "Time of answered requests.", deployments,
      [](const ReleaseStatistics& release) { return Micros(release.total.sum_ns); }, &text);
  AppendCounter(
      "nv_inference_queue_duration_us", "Time waiting for a place.", deployments,
      [](const ReleaseStatistics& release) { return Micros(TritonStatistics(release).queue.ns); },
      &text);
  AppendCounter("nv_inference_compute_input_duration_us", "Time making the model's inputs.",
                deployments,
                [](const ReleaseStatistics& release) {
                  return Micros(TritonStatistics(release).compute_input.ns);
                },
                &text);
  AppendCounter("nv_inference_compute_infer_duration_us", "Time in the model.", deployments,
                [](const ReleaseStatistics& release) {
                  return Micros(TritonStatistics(release).compute_infer.ns);
                },
                &text);
  AppendCounter("nv_inference_compute_output_duration_us",
                "Always 0: outputs are written by the door.", deployments,
                [](const ReleaseStatistics&) { return int64_t{0}; }, &text);
  text += "# HELP nv_inference_pending_request_count Requests under way or waiting.\n"
          "# TYPE nv_inference_pending_request_count gauge\n";
  for (const auto& [name, statistics] : deployments) {
    fmt::format_to(end, "nv_inference_pending_request_count{{model=\"{}\"}} {}\n", name,
                   statistics.pending);
  }
  AppendKserve("request_preprocess_seconds", "Time transforming features.", deployments,
               ServingStage::kTransform, &text);
  AppendKserve("request_predict_seconds", "Time in the model.", deployments, ServingStage::kModel,
               &text);
  text += "# HELP tercet_inference_stage_seconds Time of a request by stage.\n"
          "# TYPE tercet_inference_stage_seconds histogram\n";
  for (const auto& [name, statistics] : deployments) {
    for (const ReleaseStatistics& release : statistics.releases) {
      for (size_t i = 0; i < kServingStages; ++i) {
        AppendHistogram("tercet_inference_stage_seconds",
                        fmt::format("deployment=\"{}\",release=\"{}\",stage=\"{}\"", name,
                                    release.number,
                                    ServingStageName(static_cast<ServingStage>(i))),
                        release.stages[i], &text);
      }
    }
  }
  AppendLogMetrics(deployments, &text);
  AppendSinkMetrics(deployments, &text);
  AppendCounter("tercet_batched_calls_total", "Calls of the model that answered requests together.",
                deployments,
                [](const ReleaseStatistics& release) { return release.batching.calls; }, &text);
  AppendCounter("tercet_batched_requests_total", "Requests that they answered.", deployments,
                [](const ReleaseStatistics& release) { return release.batching.requests; }, &text);
  AppendCounter("tercet_batched_rows_total", "Rows that they answered.", deployments,
                [](const ReleaseStatistics& release) { return release.batching.rows; }, &text);
  AppendCounter("tercet_batched_wait_seconds_total", "Time that requests waited for others.",
                deployments,
                [](const ReleaseStatistics& release) {
                  return static_cast<double>(release.batching.wait_ns) * 1e-9;
                },
                &text);
  AppendCounter(
      "tercet_batched_wait_us_total", "The same in microseconds, as it was called before.",
      deployments,
      [](const ReleaseStatistics& release) { return Micros(release.batching.wait_ns); }, &text);
  AppendCounter("tercet_shadow_requests_total", "Requests copied to a shadow.", deployments,
                [](const ReleaseStatistics& release) { return release.shadow_requests; }, &text);
  AppendCounter("tercet_shadow_different_total", "Of those, with another answer.", deployments,
                [](const ReleaseStatistics& release) { return release.shadow_different; }, &text);
  AppendCounter("tercet_shadow_dropped_total", "Requests that no shadow had time for.",
                deployments,
                [](const ReleaseStatistics& release) { return release.shadow_dropped; }, &text);
  return text;
}

}  // namespace tercet
