#include "inference/inference.h"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "base/cell_row.h"
#include "base/deadline.h"
#include "base/log.h"
#include "base/overload.h"
#include "base/request_trace.h"
#include "base/time_text.h"
#include "inference/batch.h"
#include "inference/missing_values.h"
#include "inference/model_loading.h"
#include "inference/online_groups.h"
#include "inference/prediction_log.h"
#include "inference/release_contract.h"
#include "inference/release_fit.h"
#include "inference/request_id.h"
#include "inference/served_releases.h"
#include "inference/shadow.h"
#include "inference/slow_log.h"
#include "inference/timed_rows.h"
#include "inference/verify.h"
#include "runtime/prediction_columns.h"
#include "view/vector_read.h"

namespace tercet {
namespace {

using SteadyClock = std::chrono::steady_clock;
using Served = ServedReleases::Served;

int64_t& StageOf(StageTimes* times, ServingStage stage) {
  return (*times)[static_cast<size_t>(stage)];
}

}  // namespace

class Inference::Impl {
 public:
  Impl(Catalog* catalog, FeatureTables* tables, Registry* registry, VectorRows* online,
       const Clock* clock, const PredictorOptions& options, Referee* referee,
       std::optional<std::vector<std::string>> allowed_sinks, PythonFunctions* python)
      : catalog_(catalog),
        tables_(tables),
        registry_(registry),
        online_(online),
        clock_(clock),
        views_(catalog, tables, python),
        releases_(catalog, &views_, registry, options, referee),
        log_(tables, std::move(allowed_sinks)) {}

  Result<Release> MakeRelease(const Ref& model) {
    ARROW_ASSIGN_OR_RAISE(ModelDefinition definition, registry_->GetModel(model));
    ARROW_ASSIGN_OR_RAISE(definition.files, AllFilesOf(definition, registry_));
    return ReleaseOf(catalog_, &views_, definition);
  }

  Result<std::unique_ptr<BatchStream>> Stream(const Ref& model, const BatchOptions& options) {
    ARROW_ASSIGN_OR_RAISE(const Release release, MakeRelease(model));
    ARROW_ASSIGN_OR_RAISE(const auto loaded, releases_.Load(release));
    return BatchStream::Open(loaded, tables_, options);
  }

  Result<Prediction> Predict(const std::string& deployment,
                             const std::shared_ptr<arrow::RecordBatch>& entities,
                             std::optional<int64_t> event_time_us,
                             const std::string& request_id) {
    const SteadyClock::time_point begun = SteadyClock::now();
    ARROW_ASSIGN_OR_RAISE(const auto served, releases_.Of(deployment));
    const ServedReleases::Arm& arm = served->Choose(deployment, *entities);
    const int64_t now_us = clock_->NowMicros();
    const int64_t as_of_us = event_time_us.value_or(now_us);
    std::optional<AnsweredRequest> log;
    if (served->book->log.Take(served->policy.log_percent)) log.emplace();
    Prediction prediction;
    const Asked asked{deployment, *served, arm.number, entities->num_rows(), begun, now_us};
    ARROW_RETURN_NOT_OK(Serve(asked, [&](const Deadline& deadline, Laps* laps, StageTimes* times) {
      auto answer = Answer(*arm.loaded, arm.batch.get(), entities, as_of_us, deadline, laps, times,
                           log ? &*log : nullptr);
      if (answer.ok()) prediction = *std::move(answer);
      prediction.stages = *times;
      return answer.ok() ? Result<bool>(true) : answer.status();
    }));
    prediction.release_number = arm.number;
    prediction.request_id =
        request_id.empty() ? RequestId::Make(deployment, arm.number, now_us) : request_id;
    served->book->Gave(arm.number, *prediction.outputs);
    if (log) {
      log->deployment = deployment;
      log->request_id = prediction.request_id;
      log->loaded = arm.loaded;
      log->release_number = arm.number;
      log->main = &arm == &served->main;
      log->event_time_us = as_of_us;
      log->request_time_us = now_us;
      log->latency_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(
                            SteadyClock::now() - begun)
                            .count();
      log->entities = entities;
      log->outputs = prediction.outputs;
      log->book = std::shared_ptr<PredictionLogBook>(served->book, &served->book->log);
      log->sinks = {served, &served->policy.sinks};
      log_.Offer(*std::move(log));
    }
    AskShadows(*served, as_of_us, [&]() -> Result<ShadowedAnswer> {
      return ShadowedAnswer{entities, prediction.outputs};
    });
    return prediction;
  }

  Result<std::shared_ptr<const RowPredictor>> PredictorOf(const std::string& deployment) {
    ARROW_ASSIGN_OR_RAISE(auto served, releases_.Of(deployment));
    if (!served->in_place) return nullptr;
    return std::make_shared<ServedRows>(this, deployment, std::move(served));
  }

  Result<Contract> ContractOf(const std::string& deployment) {
    ARROW_ASSIGN_OR_RAISE(const auto served, releases_.Of(deployment));
    return ContractOfRelease(*served->main.loaded, served->main.number);
  }

  Result<std::vector<PreflightCheck>> Preflight(const Ref& model) {
    ARROW_ASSIGN_OR_RAISE(const Release release, MakeRelease(model));
    std::vector<PreflightCheck> checks;
    const auto add = [&](std::string name, bool blocking, const Status& status, std::string good) {
      checks.push_back({.name = std::move(name),
                        .passed = status.ok(),
                        .blocking = blocking,
                        .detail = status.ok() ? std::move(good) : std::string(status.message())});
    };
    const auto loaded = releases_.Load(release);
    add("files", true, loaded.status(), "loaded");
    if (!loaded.ok()) return checks;
    add("warm_up", (*loaded)->must_repeat(), (*loaded)->WarmUp(),
        (*loaded)->has_warm_up() ? "it answers as when it was registered"
                                 : "no answers were recorded when it was registered");
    // Features can be passed in, so a group without rows is told, not refused.
    add("groups", false, CheckOnlineGroups((*loaded)->plan(), tables_, online_),
        "online, with rows");
    return checks;
  }

  Status WarmUp(const Release& release) { return releases_.Load(release).status(); }

  Status FlushLog(const std::string& deployment) {
    ARROW_RETURN_NOT_OK(registry_->GetDeployment(deployment).status());
    return log_.Flush();
  }

  Result<Verification> Verify(const std::string& deployment, const VerifyRequest& request) {
    ARROW_RETURN_NOT_OK(FlushLog(deployment));
    return VerifyPredictions(tables_, registry_, &releases_, deployment, request);
  }

  void LogSlowRequestsTo(std::string path) {
    slow_log_ = std::make_unique<SlowLog>(std::move(path));
  }

  Result<ServingStatistics> Statistics(const std::string& deployment) {
    ARROW_RETURN_NOT_OK(registry_->GetDeployment(deployment).status());
    ServingStatistics statistics = releases_.Book(deployment)->Read();
    statistics.log.sinks = log_.SinkStatistics(deployment);
    return statistics;
  }

 private:

  /// One request, as it is written in the deployment's book.
  struct Asked {
    const std::string& deployment;
    const Served& served;
    int64_t release_number;
    int64_t rows;
    SteadyClock::time_point begun;
    int64_t now_us;
  };

  /// The short way of one deployment, as it was when it was asked for.
  class ServedRows : public RowPredictor {
   public:
    ServedRows(Impl* impl, std::string deployment, std::shared_ptr<const Served> served)
        : impl_(impl), deployment_(std::move(deployment)), served_(std::move(served)) {}

    const std::shared_ptr<arrow::Schema>& entities() const override {
      return loaded().row_schema();
    }
    const std::shared_ptr<arrow::Schema>& outputs() const override {
      return loaded().signature().outputs;
    }
    bool may_wait() const override { return served_->policy.concurrency > 0; }

    Result<bool> Predict(std::span<const Cell> rows, std::optional<int64_t> event_time_us,
                         RowPrediction* prediction) const override {
      if (prediction->request_id.size() > kRequestIdBytes) return false;
      const size_t count = loaded().rows()->RowsOf(rows);
      if (count == 0 || count > kMostRows) return false;
      // The log keeps each row that was read with its time and commit, which cells don't have.
      if (served_->book->log.PutOff(served_->policy.log_percent)) return false;
      const SteadyClock::time_point begun = SteadyClock::now();
      const int64_t now_us = impl_->clock_->NowMicros();
      const int64_t as_of_us = event_time_us.value_or(now_us);
      const ServedReleases::Arm& arm = served_->Choose(deployment_, rows);
      const Asked asked{deployment_, *served_, arm.number, static_cast<int64_t>(count), begun,
                        now_us};
      const auto answered =
          impl_->Serve(asked, [&](const Deadline& deadline, Laps* laps, StageTimes* times) {
            auto rows_answered =
                impl_->AnswerRows(*arm.loaded, rows, as_of_us, deadline, laps, times, prediction);
            prediction->stages = *times;
            return rows_answered;
          });
      if (!answered.ok() || !*answered) return answered;
      prediction->release_id = arm.loaded->release().id;
      prediction->release_number = arm.number;
      if (prediction->request_id.empty()) {
        prediction->request_id = RequestId::Make(deployment_, arm.number, now_us);
      }
      ARROW_RETURN_NOT_OK(Watched(arm, rows, as_of_us, *prediction));
      return true;
    }

   private:
    static constexpr size_t kRequestIdBytes = 200;  // beyond, the long way refuses
    /// Of the release that the deployment points at; what it takes and gives, all arms do.
    const LoadedRelease& loaded() const { return *served_->main.loaded; }

    /// Shows an answer to the trial that counts it and the shadows that repeat it, if any do.
    Status Watched(const ServedReleases::Arm& arm, std::span<const Cell> rows, int64_t as_of_us,
                   const RowPrediction& prediction) const {
      if (served_->book->followed()) {
        ARROW_ASSIGN_OR_RAISE(const auto given, BatchOfCells(outputs(), prediction.outputs));
        served_->book->Gave(arm.number, *given);
      }
      impl_->AskShadows(*served_, as_of_us, [&]() -> Result<ShadowedAnswer> {
        ARROW_ASSIGN_OR_RAISE(auto asked, BatchOfCells(entities(), rows));
        ARROW_ASSIGN_OR_RAISE(auto given, BatchOfCells(outputs(), prediction.outputs));
        return ShadowedAnswer{std::move(asked), std::move(given)};
      });
      return Status::OK();
    }

    Impl* const impl_;
    const std::string deployment_;
    const std::shared_ptr<const Served> served_;
  };

  /// Has a request answered under the deployment's policy, and writes down how it went.
  /// `answer(deadline, laps, times)`; its false is an answer that was not given here.
  template <typename AnswerIt>
  Result<bool> Serve(const Asked& asked, const AnswerIt& answer) {
    const Served& served = asked.served;
    StageTimes times{};
    const Result<bool> answered = [&]() -> Result<bool> {
      Deadline deadline;
      if (served.policy.deadline_ms > 0) {
        deadline = asked.begun + std::chrono::milliseconds(served.policy.deadline_ms);
      }
      Laps laps(asked.begun);
      ARROW_ASSIGN_OR_RAISE(const auto place,
                            served.book->admission.Enter(served.policy, deadline));
      StageOf(&times, ServingStage::kQueue) = laps.Next();
      const DeadlineScope scope(deadline);
      return answer(deadline, &laps, &times);
    }();
    const int64_t total_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(
                                 SteadyClock::now() - asked.begun)
                                 .count();
    if (RequestTrace* trace = CurrentTrace()) Tell(asked, times, trace);
    if (!answered.ok() || *answered) LogIfSlow(asked, times, total_ns, answered.status());
    if (!answered.ok()) {
      const Status& why = answered.status();
      served.book->Failed(asked.release_number, why, total_ns, asked.now_us);
      const bool refused = RetryAfterSeconds(why) || IsTooLate(why);
      return refused ? Explain(why, "deployment '" + asked.deployment + "' refused") : why;
    }
    if (!*answered) return false;
    served.book->Answered(asked.release_number, asked.rows, times, total_ns, asked.now_us);
    return true;
  }

  static void Tell(const Asked& asked, const StageTimes& times, RequestTrace* trace) {
    trace->deployment = asked.deployment;
    trace->release_number = asked.release_number;
    trace->rows = asked.rows;
    trace->begun = asked.begun;
    for (size_t i = 0; i < kServingStages; ++i) {
      trace->stages[i] = {ServingStageName(static_cast<ServingStage>(i)), times[i]};
    }
  }

  /// A few rows the short way; false where the online rows are not to be had in place.
  Result<bool> AnswerRows(const LoadedRelease& loaded, std::span<const Cell> rows,
                          int64_t as_of_us, const Deadline& deadline, Laps* laps,
                          StageTimes* times, RowPrediction* prediction) {
    TimedRows online(online_, nullptr);
    ARROW_ASSIGN_OR_RAISE(const bool read,
                          loaded.rows()->Features(&online, rows, as_of_us, prediction));
    if (!read) return false;
    StageOf(times, ServingStage::kLookup) = online.spent_ns();
    StageOf(times, ServingStage::kOnDemand) = laps->Next() - online.spent_ns();
    ARROW_ASSIGN_OR_RAISE(const auto inputs, loaded.rows()->Inputs(rows, prediction));
    if (loaded.plan() != nullptr) {
      AddMissingValues(*loaded.plan()->feature_schema(), prediction->vector.status,
                       &prediction->missing);
    }
    StageOf(times, ServingStage::kTransform) = laps->Next();
    ARROW_RETURN_NOT_OK(CheckDeadline(deadline, "before the model was asked"));
    loaded.rows()->Predict(inputs, loaded.rows()->RowsOf(rows),
                           static_cast<size_t>(loaded.signature().outputs->num_fields()),
                           prediction);
    StageOf(times, ServingStage::kModel) = laps->Next();
    ARROW_RETURN_NOT_OK(CheckDeadline(deadline, "when the model had answered"));
    return true;
  }

  /// Features, transformed, into the model: one release's answer, with the time of each stage.
  /// `batch` may be null: then the model is asked for this request alone.
  Result<Prediction> Answer(const LoadedRelease& loaded, AdaptiveBatch* batch,
                            const std::shared_ptr<arrow::RecordBatch>& entities, int64_t as_of_us,
                            std::optional<SteadyClock::time_point> deadline, Laps* laps,
                            StageTimes* times, AnsweredRequest* log) {
    Prediction prediction;
    prediction.release_id = loaded.release().id;
    if (loaded.plan() == nullptr) {
      ARROW_ASSIGN_OR_RAISE(prediction.features, loaded.InputsFrom(*entities));
      if (log != nullptr) log->features = prediction.features;
    } else {
      TimedRows rows(online_, log);
      const std::vector<int64_t> event_times(entities->num_rows(), as_of_us);
      ARROW_ASSIGN_OR_RAISE(const VectorAnswer answer,
                            ReadVectors(*loaded.plan(), &rows, entities, event_times));
      StageOf(times, ServingStage::kLookup) = rows.spent_ns();
      StageOf(times, ServingStage::kOnDemand) = laps->Next() - rows.spent_ns();
      ARROW_ASSIGN_OR_RAISE(prediction.features, loaded.InputsOf(answer.features));
      if (log != nullptr) log->features = answer.features;
      prediction.missing = MissingValues(*answer.features->schema(), answer);
    }
    StageOf(times, ServingStage::kTransform) = laps->Next();
    ARROW_RETURN_NOT_OK(CheckDeadline(deadline, "before the model was asked"));
    ARROW_ASSIGN_OR_RAISE(prediction.outputs,
                          batch == nullptr ? loaded.PredictWithRaw(*prediction.features, deadline)
                                           : batch->Predict(prediction.features, deadline));
    StageOf(times, ServingStage::kModel) = laps->Next();
    const int outputs = loaded.signature().outputs->num_fields();
    if (prediction.outputs->num_columns() > outputs) {
      if (log != nullptr) log->raw_outputs = LastColumns(*prediction.outputs, outputs);
      prediction.outputs = FirstColumns(*prediction.outputs, outputs);
    }
    ARROW_RETURN_NOT_OK(CheckDeadline(deadline, "when the model had answered"));
    return prediction;
  }

  static Status CheckDeadline(const Deadline& deadline, std::string_view when) {
    if (!deadline || SteadyClock::now() <= *deadline) return Status::OK();
    return TooLate("its deadline had passed " + std::string(when));
  }

  void LogIfSlow(const Asked& asked, const StageTimes& times, int64_t total_ns,
                 const Status& status) {
    const int64_t slow_ns = asked.served.policy.slow_ms * 1'000'000;
    if (slow_ns == 0 || total_ns < slow_ns) return;
    json::object stages;
    for (size_t i = 0; i < kServingStages; ++i) {
      stages[ServingStageName(static_cast<ServingStage>(i))] = times[i] / 1000;
    }
    json::object line = {{"time", FormatTime(asked.now_us)},
                         {"deployment", asked.deployment},
                         {"release", asked.release_number},
                         {"rows", asked.rows},
                         {"total_us", total_ns / 1000},
                         {"stages_us", std::move(stages)}};
    if (!status.ok()) line["error"] = status.message();
    if (const RequestTrace* trace = CurrentTrace()) line["traceparent"] = trace->traceparent;
    if (asked.served.book->MayLogSlow(asked.now_us)) {
      LogWarn("slow request: " + ToText(line));
    }
    if (slow_log_ == nullptr) return;
    const Status logged = slow_log_->Append(std::move(line), asked.now_us);
    if (!logged.ok()) LogWarn("slow requests are not logged: " + logged.ToString());
  }

  struct ShadowedAnswer {
    std::shared_ptr<arrow::RecordBatch> entities;
    std::shared_ptr<arrow::RecordBatch> given;
  };

  /// `answer_of()`: what was asked and given, a Result<ShadowedAnswer>; called where a shadow asks.
  template <typename AnswerOf>
  void AskShadows(const Served& served, int64_t as_of_us, const AnswerOf& answer_of) {
    for (const ServedReleases::Arm& arm : served.arms) {
      if (!arm.shadow || served.book->NextTurn() >= arm.percent) continue;
      const Result<ShadowedAnswer> answer = answer_of();
      if (!answer.ok()) {
        served.book->ShadowDropped(arm.number);
        continue;
      }
      shadows_.Offer({.loaded = arm.loaded,
                      .number = arm.number,
                      .book = served.book,
                      .entities = answer->entities,
                      .event_time_us = as_of_us,
                      .given = answer->given});
    }
  }

  Catalog* const catalog_;
  FeatureTables* const tables_;
  Registry* const registry_;
  VectorRows* const online_;
  const Clock* const clock_;
  FeatureViews views_;
  ServedReleases releases_;
  PredictionLog log_;
  std::unique_ptr<SlowLog> slow_log_;
  // Last: its thread uses the others.
  ShadowRunner shadows_{[this](const ShadowRunner::Question& question)
                            -> Result<std::shared_ptr<arrow::RecordBatch>> {
    Laps laps;
    StageTimes times{};
    ARROW_ASSIGN_OR_RAISE(Prediction prediction,
                          Answer(*question.loaded, nullptr, question.entities,
                                 question.event_time_us, std::nullopt, &laps, &times, nullptr));
    return std::move(prediction.outputs);
  }};
};

Inference::Inference(Catalog* catalog, FeatureTables* tables, Registry* registry,
                     VectorRows* online, const Clock* clock,
                     const PredictorOptions& predictor_options, Referee* referee,
                     std::optional<std::vector<std::string>> allowed_sinks,
                     PythonFunctions* python)
    : impl_(std::make_unique<Impl>(catalog, tables, registry, online, clock, predictor_options,
                                   referee, std::move(allowed_sinks), python)) {}

Inference::~Inference() = default;

Result<std::shared_ptr<arrow::Table>> Inference::Batch(const Ref& model,
                                                       const BatchOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const auto stream, impl_->Stream(model, options));
  std::vector<std::shared_ptr<arrow::Table>> answers;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(auto answer, stream->Next());
    if (answer == nullptr) return arrow::ConcatenateTables(answers);
    answers.push_back(std::move(answer));
  }
}

Result<std::unique_ptr<BatchStream>> Inference::Stream(const Ref& model,
                                                       const BatchOptions& options) {
  return impl_->Stream(model, options);
}

Result<Release> Inference::MakeRelease(const Ref& model) { return impl_->MakeRelease(model); }

Result<Prediction> Inference::Predict(const std::string& deployment,
                                      const std::shared_ptr<arrow::RecordBatch>& entities,
                                      std::optional<int64_t> event_time_us,
                                      const std::string& request_id) {
  return impl_->Predict(deployment, entities, event_time_us, request_id);
}

Result<std::shared_ptr<const RowPredictor>> Inference::PredictorOf(const std::string& deployment) {
  return impl_->PredictorOf(deployment);
}

Result<Inference::Contract> Inference::ContractOf(const std::string& deployment) {
  return impl_->ContractOf(deployment);
}

Result<std::vector<PreflightCheck>> Inference::Preflight(const Ref& model) {
  return impl_->Preflight(model);
}

Status Inference::WarmUp(const Release& release) { return impl_->WarmUp(release); }

Status Inference::FlushLog(const std::string& deployment) { return impl_->FlushLog(deployment); }

Result<Verification> Inference::Verify(const std::string& deployment,
                                       const VerifyRequest& request) {
  return impl_->Verify(deployment, request);
}

void Inference::LogSlowRequestsTo(std::string path) {
  impl_->LogSlowRequestsTo(std::move(path));
}

Result<ServingStatistics> Inference::Statistics(const std::string& deployment) {
  return impl_->Statistics(deployment);
}

}  // namespace tercet
