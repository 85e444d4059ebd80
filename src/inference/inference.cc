#include "inference/inference.h"

#include <chrono>

#include <fmt/format.h>

#include "base/log.h"
#include "base/overload.h"
#include "inference/batch.h"
#include "inference/release_fit.h"
#include "inference/served_releases.h"
#include "inference/shadow.h"
#include "view/vector_read.h"

namespace tercet {
namespace {

using SteadyClock = std::chrono::steady_clock;
using Served = ServedReleases::Served;

/// Tells the time between calls.
class Laps {
 public:
  /// Nanoseconds since the last call, or since this was made.
  int64_t Next() {
    const SteadyClock::time_point now = SteadyClock::now();
    return std::chrono::duration_cast<std::chrono::nanoseconds>(now - std::exchange(last_, now))
        .count();
  }

 private:
  SteadyClock::time_point last_ = SteadyClock::now();
};

int64_t& StageOf(StageTimes* times, ServingStage stage) {
  return (*times)[static_cast<size_t>(stage)];
}

/// The online rows of one request, with the time that reading them takes.
class TimedRows : public OnlineRows {
 public:
  explicit TimedRows(OnlineRows* rows) : rows_(rows) {}
  Result<std::vector<RowsAnswer>> Read(const std::vector<RowsRequest>& requests) override {
    Laps laps;
    auto answers = rows_->Read(requests);
    spent_ns_ += laps.Next();
    return answers;
  }
  int64_t spent_ns() const { return spent_ns_; }

 private:
  OnlineRows* const rows_;
  int64_t spent_ns_ = 0;
};

/// Messages about values that were not there; more than this many help nobody.
constexpr size_t kMissingListed = 1000;

std::vector<std::string> Missing(const arrow::Schema& features, const VectorAnswer& answer) {
  std::vector<std::string> missing;
  size_t unlisted = 0;
  for (size_t f = 0; f < answer.status.size(); ++f) {
    for (size_t row = 0; row < answer.status[f].size(); ++row) {
      const RowStatus status = answer.status[f][row];
      if (status == RowStatus::kPresent) continue;
      if (missing.size() == kMissingListed) {
        ++unlisted;
        continue;
      }
      missing.push_back(features.field(static_cast<int>(f))->name() + ": " +
                        std::string(RowStatusName(status)) + " (row " + std::to_string(row) + ")");
    }
  }
  if (unlisted > 0) missing.push_back("and " + std::to_string(unlisted) + " more");
  return missing;
}

}  // namespace

class Inference::Impl {
 public:
  Impl(Catalog* catalog, FeatureTables* tables, Registry* registry, OnlineRows* online,
       const Clock* clock, const PredictorOptions& options)
      : catalog_(catalog),
        tables_(tables),
        registry_(registry),
        online_(online),
        clock_(clock),
        views_(catalog, tables),
        releases_(catalog, &views_, registry, options) {}

  Result<Release> MakeRelease(const Ref& model) {
    ARROW_ASSIGN_OR_RAISE(const ModelDefinition definition, registry_->GetModel(model));
    return ReleaseOf(catalog_, &views_, definition);
  }

  Result<std::shared_ptr<arrow::Table>> Batch(const Ref& model, const BatchOptions& options) {
    ARROW_ASSIGN_OR_RAISE(const Release release, MakeRelease(model));
    ARROW_ASSIGN_OR_RAISE(const auto loaded, releases_.Load(release));
    return PredictBatch(*loaded, tables_, options);
  }

  Result<Prediction> Predict(const std::string& deployment,
                             const std::shared_ptr<arrow::RecordBatch>& entities,
                             std::optional<int64_t> event_time_us) {
    const SteadyClock::time_point begun = SteadyClock::now();
    ARROW_ASSIGN_OR_RAISE(const auto served, releases_.Of(deployment));
    const ServedReleases::Arm& arm = served->Choose(deployment, *entities);
    const int64_t now_us = clock_->NowMicros();
    const int64_t as_of_us = event_time_us.value_or(now_us);
    StageTimes times{};
    Result<Prediction> prediction = [&]() -> Result<Prediction> {
      std::optional<SteadyClock::time_point> deadline;
      if (served->policy.deadline_ms > 0) {
        deadline = begun + std::chrono::milliseconds(served->policy.deadline_ms);
      }
      Laps laps;
      ARROW_ASSIGN_OR_RAISE(const auto place,
                            served->book->admission.Enter(served->policy, deadline));
      StageOf(&times, ServingStage::kQueue) = laps.Next();
      return Answer(*arm.loaded, entities, as_of_us, deadline, &times);
    }();
    const int64_t total_ns =
        std::chrono::duration_cast<std::chrono::nanoseconds>(SteadyClock::now() - begun).count();
    if (!prediction.ok()) {
      served->book->Failed(arm.number, prediction.status(), total_ns, now_us);
      const bool refused = RetryAfterSeconds(prediction.status()) || IsTooLate(prediction.status());
      return refused ? Explain(prediction.status(), "deployment '" + deployment + "' refused")
                     : prediction.status();
    }
    prediction->release_number = arm.number;
    served->book->Answered(arm.number, entities->num_rows(), times, total_ns, now_us);
    LogIfSlow(deployment, *served, arm.number, entities->num_rows(), times, total_ns, now_us);
    AskShadows(*served, entities, as_of_us, prediction->outputs);
    return prediction;
  }

  Result<Contract> ContractOf(const std::string& deployment) {
    ARROW_ASSIGN_OR_RAISE(const auto served, releases_.Of(deployment));
    const LoadedRelease& loaded = *served->main.loaded;
    Contract contract{.entities = loaded.signature().inputs,
                      .optional = arrow::schema({}),
                      .outputs = loaded.signature().outputs,
                      .release_id = loaded.release().id,
                      .release_number = served->main.number};
    if (loaded.plan() == nullptr) return contract;
    contract.entities = loaded.plan()->entity_schema();
    const arrow::Schema& labels = *loaded.plan()->label_schema();
    arrow::FieldVector optional;
    for (const ViewColumn& column : loaded.plan()->columns()) {
      if (labels.GetFieldIndex(column.name) < 0 &&
          contract.entities->GetFieldIndex(column.name) < 0) {
        optional.push_back(arrow::field(column.name, column.type));
      }
    }
    // What the root group has and this release does not use may come along, so that a client can
    // ask releases of different views alike: an upgrade must not make its requests fail.
    const ViewGroup& root = loaded.plan()->groups().front();
    for (const auto& field : root.definition.schema->fields()) {
      const arrow::Schema so_far(optional);
      if (labels.GetFieldIndex(field->name()) < 0 && so_far.GetFieldIndex(field->name()) < 0 &&
          contract.entities->GetFieldIndex(field->name()) < 0) {
        optional.push_back(field);
      }
    }
    contract.optional = arrow::schema(std::move(optional));
    return contract;
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
    add("groups", false, CheckGroups((*loaded)->plan()), "online, with rows");
    return checks;
  }

  Status WarmUp(const Release& release) { return releases_.Load(release).status(); }

  Result<ServingStatistics> Statistics(const std::string& deployment) {
    ARROW_RETURN_NOT_OK(registry_->GetDeployment(deployment).status());
    return releases_.Book(deployment)->Read();
  }

 private:
  /// Features, transformed, into the model: one release's answer, with the time of each stage.
  Result<Prediction> Answer(const LoadedRelease& loaded,
                            const std::shared_ptr<arrow::RecordBatch>& entities, int64_t as_of_us,
                            std::optional<SteadyClock::time_point> deadline, StageTimes* times) {
    Laps laps;
    Prediction prediction;
    prediction.release_id = loaded.release().id;
    if (loaded.plan() == nullptr) {
      ARROW_ASSIGN_OR_RAISE(prediction.features, loaded.InputsFrom(*entities));
    } else {
      TimedRows rows(online_);
      const std::vector<int64_t> event_times(entities->num_rows(), as_of_us);
      ARROW_ASSIGN_OR_RAISE(const VectorAnswer answer,
                            ReadVectors(*loaded.plan(), &rows, entities, event_times));
      StageOf(times, ServingStage::kLookup) = rows.spent_ns();
      StageOf(times, ServingStage::kOnDemand) = laps.Next() - rows.spent_ns();
      ARROW_ASSIGN_OR_RAISE(prediction.features, loaded.InputsOf(answer.features));
      prediction.missing = Missing(*answer.features->schema(), answer);
    }
    StageOf(times, ServingStage::kTransform) = laps.Next();
    ARROW_RETURN_NOT_OK(CheckDeadline(deadline, "before the model was asked"));
    ARROW_ASSIGN_OR_RAISE(prediction.outputs, loaded.Predict(*prediction.features));
    StageOf(times, ServingStage::kModel) = laps.Next();
    ARROW_RETURN_NOT_OK(CheckDeadline(deadline, "when the model had answered"));
    return prediction;
  }

  static Status CheckDeadline(const std::optional<SteadyClock::time_point>& deadline,
                              std::string_view when) {
    if (!deadline || SteadyClock::now() <= *deadline) return Status::OK();
    return TooLate("its deadline had passed " + std::string(when));
  }

  static void LogIfSlow(const std::string& deployment, const Served& served, int64_t number,
                        int64_t rows, const StageTimes& times, int64_t total_ns, int64_t now_us) {
    const int64_t slow_ns = served.policy.slow_ms * 1'000'000;
    if (slow_ns == 0 || total_ns < slow_ns || !served.book->MayLogSlow(now_us)) return;
    std::string stages;
    for (size_t i = 0; i < kServingStages; ++i) {
      stages += fmt::format("{} {} {:.1f} ms", i == 0 ? "" : ",",
                            ServingStageName(static_cast<ServingStage>(i)),
                            static_cast<double>(times[i]) * 1e-6);
    }
    LogWarn(fmt::format("slow request to deployment '{}', release {}, {} rows: {:.1f} ms:{}",
                        deployment, number, rows, static_cast<double>(total_ns) * 1e-6, stages));
  }

  void AskShadows(const Served& served, const std::shared_ptr<arrow::RecordBatch>& entities,
                  int64_t as_of_us, const std::shared_ptr<arrow::RecordBatch>& given) {
    for (const ServedReleases::Arm& arm : served.arms) {
      if (!arm.shadow || served.book->NextTurn() >= arm.percent) continue;
      shadows_.Offer({.loaded = arm.loaded,
                      .number = arm.number,
                      .book = served.book,
                      .entities = entities,
                      .event_time_us = as_of_us,
                      .given = given});
    }
  }

  /// The groups that a request reads are online and have rows.
  Status CheckGroups(const ViewPlan* plan) {
    if (plan == nullptr) return Status::OK();
    for (size_t g = 0; g < plan->groups().size(); ++g) {
      if (!plan->online_group(static_cast<int>(g))) continue;
      const Ref group = plan->groups()[g].definition.ref();
      const std::string what = "feature group '" + group.ToText() + "'";
      const auto table = tables_->Get(group);
      if (!table.ok()) return Explain(table.status(), what);
      ARROW_ASSIGN_OR_RAISE(const auto head, (*table)->Head());
      if (head->row_count() == 0) return Status::Invalid(what, " has no rows");
      const auto& keys = plan->groups()[g].key_schema;
      ARROW_ASSIGN_OR_RAISE(const auto none, arrow::RecordBatch::MakeEmpty(keys));
      const Status read = online_
                              ->Read({{.group = group,
                                       .keys = none,
                                       .event_times_us = {},
                                       .columns = {},
                                       .ttl_us = std::nullopt}})
                              .status();
      if (!read.ok()) return Explain(read, what + " can't be read online");
    }
    return Status::OK();
  }

  Catalog* const catalog_;
  FeatureTables* const tables_;
  Registry* const registry_;
  OnlineRows* const online_;
  const Clock* const clock_;
  FeatureViews views_;
  ServedReleases releases_;
  // Last: its thread uses the others.
  ShadowRunner shadows_{[this](const ShadowRunner::Question& question)
                            -> Result<std::shared_ptr<arrow::RecordBatch>> {
    StageTimes times{};
    ARROW_ASSIGN_OR_RAISE(Prediction prediction,
                          Answer(*question.loaded, question.entities, question.event_time_us,
                                 std::nullopt, &times));
    return std::move(prediction.outputs);
  }};
};

Inference::Inference(Catalog* catalog, FeatureTables* tables, Registry* registry,
                     OnlineRows* online, const Clock* clock,
                     const PredictorOptions& predictor_options)
    : impl_(std::make_unique<Impl>(catalog, tables, registry, online, clock, predictor_options)) {}

Inference::~Inference() = default;

Result<std::shared_ptr<arrow::Table>> Inference::Batch(const Ref& model,
                                                       const BatchOptions& options) {
  return impl_->Batch(model, options);
}

Result<Release> Inference::MakeRelease(const Ref& model) { return impl_->MakeRelease(model); }

Result<Prediction> Inference::Predict(const std::string& deployment,
                                      const std::shared_ptr<arrow::RecordBatch>& entities,
                                      std::optional<int64_t> event_time_us) {
  return impl_->Predict(deployment, entities, event_time_us);
}

Result<Inference::Contract> Inference::ContractOf(const std::string& deployment) {
  return impl_->ContractOf(deployment);
}

Result<std::vector<PreflightCheck>> Inference::Preflight(const Ref& model) {
  return impl_->Preflight(model);
}

Status Inference::WarmUp(const Release& release) { return impl_->WarmUp(release); }

Result<ServingStatistics> Inference::Statistics(const std::string& deployment) {
  return impl_->Statistics(deployment);
}

}  // namespace tercet
