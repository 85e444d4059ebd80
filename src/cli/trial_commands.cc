#include <charconv>

#include <fmt/format.h>

#include "base/time_text.h"
#include "cli/output.h"
#include "cli/session.h"
#include "platform/trials.h"

namespace tercet {
namespace {

struct TrialOptions {
  std::string name, model, dwell, sticky_key, request_id;
  std::vector<std::string> arms;
  double value = 0;
  int64_t number = 0;
  bool promote = false;
  CanaryPlan canary;
  ExperimentPlan experiment;
};

std::string Figure(double number) { return fmt::format("{:.4g}", number); }

/// A member of a report that may be null: no number is known yet.
std::string FigureOf(const json::object& object, const char* key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_number() ? Figure(value->to_number<double>()) : "-";
}

void PrintArms(const std::vector<ArmFigures>& arms) {
  std::vector<std::vector<std::string>> rows;
  for (const ArmFigures& arm : arms) {
    rows.push_back({std::to_string(arm.number), std::to_string(arm.requests),
                    std::to_string(arm.failures), Figure(arm.p50_us), Figure(arm.p99_us),
                    std::to_string(arm.outcomes), Figure(arm.outcome_mean)});
  }
  PrintTable({"release", "requests", "failed", "p50 us", "p99 us", "outcomes", "mean"}, rows);
}

void PrintCanary(const Session& session, const Canary& canary) {
  if (session.json) return PrintJson(canary.ToJson());
  std::cout << "canary of release " << canary.number << " against release " << canary.served
            << ": " << canary.state;
  if (canary.running()) {
    std::cout << " at " << canary.percent() << " percent (step " << canary.step + 1 << " of "
              << canary.plan.steps.size() << ")";
  }
  std::cout << "\n" << canary.why << "\n";
  PrintArms(canary.arms);
}

Status ShowCanary(const Session& session, Platform* platform, const std::string& name) {
  ARROW_ASSIGN_OR_RAISE(const Canary canary, platform->trials()->GetCanary(name));
  PrintCanary(session, canary);
  return Status::OK();
}

Status StartCanary(const Session& session, Platform* platform, TrialOptions options) {
  ARROW_ASSIGN_OR_RAISE(const Ref model, Ref::Parse(options.model));
  if (!options.dwell.empty()) {
    ARROW_ASSIGN_OR_RAISE(const int64_t dwell_us, ParseDuration(options.dwell));
    options.canary.dwell_ms = dwell_us / 1000;
  }
  options.canary.sticky_key = options.sticky_key;
  // Through JSON, whose reader knows the ranges.
  ARROW_ASSIGN_OR_RAISE(const CanaryPlan plan, CanaryPlan::FromJson(options.canary.ToJson()));
  ARROW_ASSIGN_OR_RAISE(const Deployment deployment,
                        platform->trials()->StartCanary(options.name, model, plan));
  PrintCanary(session, *deployment.canary);
  return Status::OK();
}

Status PrintExperiment(const Session& session, const json::object& report) {
  if (session.json) {
    PrintJson(report);
    return Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(const json::object described, FindObject(report, "experiment"));
  ARROW_ASSIGN_OR_RAISE(const Experiment experiment, Experiment::FromJson(described));
  std::cout << "experiment " << experiment.state << "; " << experiment.plan.better
            << " outcomes are better\n";
  std::vector<ArmFigures> arms;
  ARROW_ASSIGN_OR_RAISE(const json::array arm_list, FindArray(report, "arms"));
  for (const json::value& arm : arm_list) {
    ARROW_ASSIGN_OR_RAISE(arms.emplace_back(), ArmFigures::FromJson(arm.as_object()));
  }
  PrintArms(arms);
  std::vector<std::vector<std::string>> rows;
  ARROW_ASSIGN_OR_RAISE(const json::array differences, FindArray(report, "differences"));
  for (const json::value& value : differences) {
    const json::object& one = value.as_object();
    ARROW_ASSIGN_OR_RAISE(const int64_t number, GetInt(one, "number"));
    ARROW_ASSIGN_OR_RAISE(const std::string verdict, GetString(one, "verdict"));
    rows.push_back({std::to_string(number) + " - " + std::to_string(experiment.numbers[0]),
                    FigureOf(one, "difference"), FigureOf(one, "low"), FigureOf(one, "high"),
                    FigureOf(one, "p_value"), verdict});
  }
  PrintTable({"releases", "difference", "low", "high", "p", "verdict"}, rows);
  return Status::OK();
}

/// "late@2=50" as an arm of fifty percent.
Result<TrafficRequest::Arm> ArmOf(const std::string& text) {
  const size_t equals = text.rfind('=');
  const std::string percent = equals == std::string::npos ? "" : text.substr(equals + 1);
  TrafficRequest::Arm arm;
  const auto read = std::from_chars(percent.data(), percent.data() + percent.size(), arm.percent);
  if (read.ec != std::errc() || read.ptr != percent.data() + percent.size()) {
    return Status::Invalid("'", text, "' must be MODEL@VERSION=PERCENT");
  }
  ARROW_ASSIGN_OR_RAISE(arm.model, Ref::Parse(text.substr(0, equals)));
  return arm;
}

Status StartExperiment(const Session& session, Platform* platform, const TrialOptions& options) {
  TrafficRequest traffic{.arms = {}, .sticky_key = options.sticky_key};
  for (const std::string& text : options.arms) {
    ARROW_ASSIGN_OR_RAISE(traffic.arms.emplace_back(), ArmOf(text));
  }
  ARROW_ASSIGN_OR_RAISE(const auto plan,
                        ExperimentPlan::FromJson(options.experiment.ToJson()));
  ARROW_RETURN_NOT_OK(platform->trials()->StartExperiment(options.name, traffic, plan).status());
  ARROW_ASSIGN_OR_RAISE(const json::object report, platform->trials()->GetExperiment(options.name));
  return PrintExperiment(session, report);
}

}  // namespace

void AddTrialCommands(CLI::App* app, Session* session) {
  auto options = std::make_shared<TrialOptions>();
  const auto named = [=](CLI::App* parent, const char* name, const char* description) {
    CLI::App* command = parent->add_subcommand(name, description);
    command->add_option("deployment", options->name, "The deployment's name")->required();
    return command;
  };

  CLI::App* canary = app->add_subcommand(
      "canary", "A release that takes over step by step, or goes back by itself");
  canary->require_subcommand(1);
  CLI::App* start = named(canary, "start", "Gives a model the first part of the requests");
  CanaryPlan* plan = &options->canary;
  start->add_option("--model", options->model, "NAME or NAME@VERSION")->required();
  start->add_option("--steps", plan->steps, "Percents of the requests, rising")->delimiter(',');
  start->add_option("--dwell", options->dwell, "Time that a step lasts at least; by default 5m");
  start->add_option("--min-requests", plan->min_requests, "That a step needs of the canary")
      ->capture_default_str();
  start->add_option("--max-failure-rate", plan->max_failure_rate,
                    "Share that may fail beyond the served release's")
      ->capture_default_str();
  start->add_option("--max-latency-ratio", plan->max_latency_ratio,
                    "Of its p99 to the served release's; 0: not judged")
      ->capture_default_str();
  start->add_option("--max-drift", plan->max_drift,
                    "Population stability index of its outputs; 0: not judged")
      ->capture_default_str();
  start->add_option("--better", plan->better, "'higher' or 'lower': judges outcomes");
  start->add_option("--max-outcome-loss", plan->max_outcome_loss,
                    "By which its mean outcome may be worse");
  start->add_option("--min-outcomes", plan->min_outcomes, "Of each arm before a step ends")
      ->capture_default_str();
  start->add_option("--sticky-key", options->sticky_key,
                    "Entity column whose value chooses the arm; by default at random");
  OnRun(start, session,
        [=](Platform* platform) { return StartCanary(*session, platform, *options); });
  OnRun(named(canary, "show", "The last canary, its figures, and what it waits for"), session,
        [=](Platform* platform) { return ShowCanary(*session, platform, options->name); });
  CLI::App* end = named(canary, "end", "Goes back to the served release now");
  end->add_flag("--promote", options->promote, "Serves the canary's release instead");
  OnRun(end, session, [=](Platform* platform) -> Status {
    ARROW_ASSIGN_OR_RAISE(const Deployment deployment,
                          platform->trials()->EndCanary(options->name, options->promote));
    PrintCanary(*session, *deployment.canary);
    return Status::OK();
  });

  CLI::App* experiment =
      app->add_subcommand("experiment", "Compares models by what becomes of their answers");
  experiment->require_subcommand(1);
  CLI::App* begin = named(experiment, "start", "Splits the requests between models");
  begin->add_option("--arm", options->arms, "MODEL@VERSION=PERCENT")->required();
  begin->add_option("--better", options->experiment.better, "'higher' or 'lower' outcomes")
      ->capture_default_str();
  begin->add_option("--alpha", options->experiment.alpha,
                    "Chance of ever telling a difference where there is none")
      ->capture_default_str();
  begin->add_option("--planned-outcomes", options->experiment.planned_outcomes,
                    "Of each arm, where the interval is to be narrowest")
      ->capture_default_str();
  begin->add_option("--sticky-key", options->sticky_key,
                    "Entity column whose value chooses the arm; by default at random");
  OnRun(begin, session,
        [=](Platform* platform) { return StartExperiment(*session, platform, *options); });
  const auto reports = [=](const char* name, const char* description,
                           Result<json::object> (Trials::*verb)(const std::string&)) {
    OnRun(named(experiment, name, description), session, [=](Platform* platform) -> Status {
      ARROW_ASSIGN_OR_RAISE(const json::object report,
                            (platform->trials()->*verb)(options->name));
      return PrintExperiment(*session, report);
    });
  };
  reports("show", "Arms, outcomes, and differences that may be looked at any time",
          &Trials::GetExperiment);
  reports("stop", "Ends the split; its figures stay", &Trials::StopExperiment);

  CLI::App* outcome = named(app, "outcome", "Records what became of a request");
  outcome->add_option("request", options->request_id, "The id that its answer had")->required();
  outcome->add_option("value", options->value, "Its label, loss or profit")->required();
  outcome->add_option("--release", options->number,
                      "The release that answered, for ids that are not Tercet's own");
  OnRun(outcome, session, [=](Platform* platform) -> Status {
    ARROW_ASSIGN_OR_RAISE(const int64_t recorded,
                          platform->trials()->RecordOutcomes(
                              options->name, {{options->request_id, options->value,
                                               options->number}}));
    if (session->json) {
      PrintJson(json::object{{"recorded", recorded}});
    } else {
      std::cout << (recorded == 1 ? "recorded\n"
                                  : "not recorded: it has an outcome already, or no arm of the "
                                    "trial that runs answered it\n");
    }
    return Status::OK();
  });
}

}  // namespace tercet
