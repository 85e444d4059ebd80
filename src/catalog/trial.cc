#include "catalog/trial.h"

#include <cmath>

#include "base/short_text.h"
#include "catalog/definition_json.h"

namespace tercet {
namespace {

constexpr size_t kMaxSteps = 20;
constexpr int64_t kMonthMs = 31LL * 86'400'000;

/// Reads a number into `*number`, which keeps its value when the member is missing.
Status ReadNumber(const json::object& object, std::string_view key, double least, double most,
                  double* number) {
  ARROW_ASSIGN_OR_RAISE(const auto found, FindDouble(object, key));
  if (!found) return Status::OK();
  if (!(*found >= least && *found <= most)) {
    return Status::Invalid("'", key, "' is ", *found, ", which must be between ", least, " and ",
                           most);
  }
  *number = *found;
  return Status::OK();
}

Status ReadInteger(const json::object& object, std::string_view key, int64_t least, int64_t most,
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

Status ReadText(const json::object& object, std::string_view key, std::string* text) {
  ARROW_ASSIGN_OR_RAISE(const auto found, FindString(object, key));
  if (found) *text = *found;
  return Status::OK();
}

Status CheckBetter(const std::string& better, bool may_be_empty) {
  if (better == "higher" || better == "lower" || (may_be_empty && better.empty())) {
    return Status::OK();
  }
  return Status::Invalid("'better' is '", ShortText(better, 40),
                         "'; say whether \"higher\" or \"lower\" outcomes are");
}

Result<std::vector<double>> ReadSteps(const json::array& items) {
  std::vector<double> steps;
  for (const json::value& item : items) {
    if (!item.is_number()) return Status::Invalid("'steps' must be a list of percents");
    const double percent = item.to_number<double>();
    if (!(percent > (steps.empty() ? 0 : steps.back()) && percent <= 100)) {
      return Status::Invalid("step ", percent, " of 'steps': percents must rise, from above 0 to ",
                             "at most 100");
    }
    steps.push_back(percent);
  }
  if (steps.empty() || steps.size() > kMaxSteps) {
    return Status::Invalid("'steps' has ", steps.size(), " percents; it must have 1 to ",
                           kMaxSteps);
  }
  return steps;
}

json::array FiguresToJson(const std::vector<ArmFigures>& arms) {
  json::array list;
  for (const ArmFigures& arm : arms) list.push_back(arm.ToJson());
  return list;
}

}  // namespace

json::object ArmFigures::ToJson() const {
  return {{"number", number},
          {"requests", requests},
          {"failures", failures},
          {"p50_us", p50_us},
          {"p99_us", p99_us},
          {"outcomes", outcomes},
          {"outcome_mean", outcome_mean},
          {"outcome_deviation", outcome_deviation}};
}

Result<ArmFigures> ArmFigures::FromJson(const json::object& object) {
  ArmFigures arm;
  ARROW_ASSIGN_OR_RAISE(arm.number, GetInt(object, "number"));
  ARROW_ASSIGN_OR_RAISE(arm.requests, GetInt(object, "requests"));
  ARROW_ASSIGN_OR_RAISE(arm.failures, GetInt(object, "failures"));
  ARROW_ASSIGN_OR_RAISE(arm.outcomes, GetInt(object, "outcomes"));
  const std::initializer_list<std::pair<const char*, double*>> numbers = {
      {"p50_us", &arm.p50_us},
      {"p99_us", &arm.p99_us},
      {"outcome_mean", &arm.outcome_mean},
      {"outcome_deviation", &arm.outcome_deviation}};
  for (const auto& [key, number] : numbers) {
    ARROW_ASSIGN_OR_RAISE(const auto found, FindDouble(object, key));
    *number = found.value_or(0);
  }
  return arm;
}

json::object CanaryPlan::ToJson() const {
  return {{"steps", json::array(steps.begin(), steps.end())},
          {"dwell_ms", dwell_ms},
          {"min_requests", min_requests},
          {"max_failure_rate", max_failure_rate},
          {"max_latency_ratio", max_latency_ratio},
          {"max_drift", max_drift},
          {"better", better},
          {"max_outcome_loss", max_outcome_loss},
          {"min_outcomes", min_outcomes},
          {"sticky_key", sticky_key}};
}

Result<CanaryPlan> CanaryPlan::FromJson(const json::object& object) {
  ARROW_RETURN_NOT_OK(CheckMembers(
      "canary plan", object, {"steps", "dwell_ms", "min_requests", "max_failure_rate",
                              "max_latency_ratio", "max_drift", "better", "max_outcome_loss",
                              "min_outcomes", "sticky_key"}));
  CanaryPlan plan;
  if (object.contains("steps")) {
    ARROW_ASSIGN_OR_RAISE(const json::array steps, FindArray(object, "steps"));
    ARROW_ASSIGN_OR_RAISE(plan.steps, ReadSteps(steps));
  }
  ARROW_RETURN_NOT_OK(ReadInteger(object, "dwell_ms", 0, kMonthMs, &plan.dwell_ms));
  ARROW_RETURN_NOT_OK(ReadInteger(object, "min_requests", 1, 1LL << 40, &plan.min_requests));
  ARROW_RETURN_NOT_OK(ReadNumber(object, "max_failure_rate", 0, 1, &plan.max_failure_rate));
  ARROW_RETURN_NOT_OK(ReadNumber(object, "max_latency_ratio", 0, 1e6, &plan.max_latency_ratio));
  ARROW_RETURN_NOT_OK(ReadNumber(object, "max_drift", 0, 1e6, &plan.max_drift));
  ARROW_RETURN_NOT_OK(ReadText(object, "better", &plan.better));
  ARROW_RETURN_NOT_OK(CheckBetter(plan.better, true));
  ARROW_RETURN_NOT_OK(ReadNumber(object, "max_outcome_loss", 0, 1e300, &plan.max_outcome_loss));
  ARROW_RETURN_NOT_OK(ReadInteger(object, "min_outcomes", 2, 1LL << 40, &plan.min_outcomes));
  ARROW_RETURN_NOT_OK(ReadText(object, "sticky_key", &plan.sticky_key));
  return plan;
}

json::object Canary::ToJson() const {
  return {{"id", id},
          {"plan", plan.ToJson()},
          {"release_id", release_id},
          {"number", number},
          {"served", served},
          {"state", state},
          {"step", step},
          {"percent", percent()},
          {"started_us", started_us},
          {"step_us", step_us},
          {"why", why},
          {"arms", FiguresToJson(arms)}};
}

Result<Canary> Canary::FromJson(const json::object& object) {
  ARROW_RETURN_NOT_OK(CheckMembers("canary", object,
                                   {"id", "plan", "release_id", "number", "served", "state",
                                    "step", "percent", "started_us", "step_us", "why", "arms"}));
  Canary canary;
  ARROW_ASSIGN_OR_RAISE(canary.id, GetString(object, "id"));
  ARROW_ASSIGN_OR_RAISE(const json::object plan, FindObject(object, "plan"));
  ARROW_ASSIGN_OR_RAISE(canary.plan, CanaryPlan::FromJson(plan));
  ARROW_ASSIGN_OR_RAISE(canary.release_id, GetString(object, "release_id"));
  ARROW_ASSIGN_OR_RAISE(canary.number, GetInt(object, "number"));
  ARROW_ASSIGN_OR_RAISE(canary.served, GetInt(object, "served"));
  ARROW_ASSIGN_OR_RAISE(canary.state, GetString(object, "state"));
  ARROW_ASSIGN_OR_RAISE(canary.step, GetInt(object, "step"));
  if (canary.step < 0 || canary.step >= static_cast<int64_t>(canary.plan.steps.size())) {
    return Status::Invalid("a canary of ", canary.plan.steps.size(), " steps has no step ",
                           canary.step);
  }
  ARROW_ASSIGN_OR_RAISE(canary.started_us, GetInt(object, "started_us"));
  ARROW_ASSIGN_OR_RAISE(canary.step_us, GetInt(object, "step_us"));
  ARROW_ASSIGN_OR_RAISE(canary.why, GetString(object, "why"));
  ARROW_ASSIGN_OR_RAISE(const auto arms, FindObjects(object, "arms"));
  for (const json::object& arm : arms) {
    ARROW_ASSIGN_OR_RAISE(canary.arms.emplace_back(), ArmFigures::FromJson(arm));
  }
  return canary;
}

json::object ExperimentPlan::ToJson() const {
  return {{"better", better}, {"alpha", alpha}, {"planned_outcomes", planned_outcomes}};
}

Result<ExperimentPlan> ExperimentPlan::FromJson(const json::object& object) {
  ARROW_RETURN_NOT_OK(
      CheckMembers("experiment plan", object, {"better", "alpha", "planned_outcomes"}));
  ExperimentPlan plan;
  ARROW_RETURN_NOT_OK(ReadText(object, "better", &plan.better));
  ARROW_RETURN_NOT_OK(CheckBetter(plan.better, false));
  ARROW_RETURN_NOT_OK(ReadNumber(object, "alpha", 1e-6, 0.5, &plan.alpha));
  ARROW_RETURN_NOT_OK(
      ReadInteger(object, "planned_outcomes", 10, 1LL << 40, &plan.planned_outcomes));
  return plan;
}

json::object Experiment::ToJson() const {
  return {{"id", id},
          {"plan", plan.ToJson()},
          {"numbers", json::array(numbers.begin(), numbers.end())},
          {"state", state},
          {"started_us", started_us},
          {"stopped_us", stopped_us},
          {"why", why}};
}

Result<Experiment> Experiment::FromJson(const json::object& object) {
  ARROW_RETURN_NOT_OK(CheckMembers(
      "experiment", object,
      {"id", "plan", "numbers", "state", "started_us", "stopped_us", "why"}));
  Experiment experiment;
  ARROW_ASSIGN_OR_RAISE(experiment.id, GetString(object, "id"));
  ARROW_ASSIGN_OR_RAISE(const json::object plan, FindObject(object, "plan"));
  ARROW_ASSIGN_OR_RAISE(experiment.plan, ExperimentPlan::FromJson(plan));
  ARROW_ASSIGN_OR_RAISE(const json::array numbers, FindArray(object, "numbers"));
  for (const json::value& number : numbers) {
    if (!number.is_int64()) return Status::Invalid("an experiment's 'numbers' must be integers");
    experiment.numbers.push_back(number.as_int64());
  }
  ARROW_ASSIGN_OR_RAISE(experiment.state, GetString(object, "state"));
  ARROW_ASSIGN_OR_RAISE(experiment.started_us, GetInt(object, "started_us"));
  ARROW_ASSIGN_OR_RAISE(experiment.stopped_us, GetInt(object, "stopped_us"));
  ARROW_ASSIGN_OR_RAISE(experiment.why, GetString(object, "why"));
  return experiment;
}

json::object Outcome::ToJson() const {
  return {{"request_id", request_id}, {"value", value}, {"release_number", number}};
}

Result<Outcome> Outcome::FromJson(const json::object& object) {
  ARROW_RETURN_NOT_OK(
      CheckMembers("outcome", object, {"request_id", "value", "release_number"}));
  Outcome outcome;
  ARROW_ASSIGN_OR_RAISE(outcome.request_id, GetString(object, "request_id"));
  ARROW_ASSIGN_OR_RAISE(const auto value, FindDouble(object, "value"));
  if (!value || !std::isfinite(*value)) {
    return Status::Invalid("the outcome of request '", ShortText(outcome.request_id),
                           "' must be a finite number");
  }
  outcome.value = *value;
  ARROW_RETURN_NOT_OK(ReadInteger(object, "release_number", 0, 1LL << 40, &outcome.number));
  return outcome;
}

}  // namespace tercet
