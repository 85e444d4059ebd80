#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/time_text.h"
#include "cli/entity_text.h"
#include "cli/output.h"
#include "cli/session.h"
#include "client/plain_json.h"
#include "platform/schedule_manifest.h"

namespace tercet {
namespace {

struct DeploymentOptions {
  std::string name, model, event_time, sticky_key;
  std::vector<std::string> entity, arms, shadows;
  int64_t release = 0, before = 0, after = 0;
  ServingPolicy policy;
  std::vector<std::string> sinks;
  bool reset = false, end_traffic = false;
};

std::string NumberOf(const Deployment& deployment) { return std::to_string(deployment.number()); }

/// "canary of release 3 at 25 percent"; empty when nothing is tried.
std::string TrialOf(const Deployment& deployment) {
  if (deployment.canary && deployment.canary->running()) {
    return fmt::format("canary of release {} at {:g} percent", deployment.canary->number,
                       deployment.canary->percent());
  }
  return deployment.experiment && deployment.experiment->running() ? "experiment" : "";
}

Status List(const Session& session, Platform* platform) {
  ARROW_ASSIGN_OR_RAISE(const auto deployments, platform->ListDeployments());
  json::array array;
  std::vector<std::vector<std::string>> rows;
  for (const Deployment& deployment : deployments) {
    array.push_back(deployment.ToJson());
    ARROW_ASSIGN_OR_RAISE(const Release release, platform->GetRelease(deployment.release_id));
    rows.push_back({deployment.name, NumberOf(deployment), deployment.release_id.substr(0, 12),
                    release.model.ToText(), release.view.ToText(), TrialOf(deployment)});
  }
  if (session.json) {
    PrintJson(array);
  } else {
    PrintTable({"deployment", "release", "id", "model", "view", "trial"}, rows);
  }
  return Status::OK();
}

void PrintDeployment(const Session& session, const Deployment& deployment) {
  if (session.json) return PrintJson(deployment.ToJson());
  std::cout << "deployment '" << deployment.name << "' serves release " << NumberOf(deployment)
            << " (" << deployment.release_id.substr(0, 12) << ")\n";
}

/// "release 2 gets 10 percent, release 3 is shadow of 100 percent"; empty when nothing is split.
std::string TrafficOf(const Deployment& deployment) {
  std::string text;
  for (const TrafficArm& arm : deployment.traffic.arms) {
    if (!text.empty()) text += ", ";
    text += fmt::format("release {} {} {:g} percent", arm.number,
                        arm.shadow ? "is shadow of" : "gets", arm.percent);
  }
  return text;
}

/// The members of a policy that are not as of a new deployment.
json::object ChangedOf(const ServingPolicy& policy) {
  const json::object usual = ServingPolicy().ToJson();
  json::object changed;
  for (const auto& member : policy.ToJson()) {
    if (usual.at(member.key()) != member.value()) changed[member.key()] = member.value();
  }
  return changed;
}

Status Show(const Session& session, Platform* platform, const std::string& name) {
  ARROW_ASSIGN_OR_RAISE(const Deployment deployment, platform->GetDeployment(name));
  ARROW_ASSIGN_OR_RAISE(Release release, platform->GetRelease(deployment.release_id));
  release.number = deployment.number();
  if (session.json) {
    PrintJson(release.ToJson());
    return Status::OK();
  }
  const json::object all = release.ToJson();
  json::object shown = {{"deployment", name}, {"release", release.number}};
  for (const char* member : {"id", "model", "view", "training_dataset", "feature_groups",
                             "signature"}) {
    shown[member] = all.at(member);
  }
  shown["policy"] = ChangedOf(deployment.policy);
  shown["traffic"] = TrafficOf(deployment);
  shown["trial"] = TrialOf(deployment);
  PrintMembers(shown);
  return Status::OK();
}

Status History(const Session& session, Platform* platform, const std::string& name) {
  ARROW_ASSIGN_OR_RAISE(const Deployment deployment, platform->GetDeployment(name));
  if (session.json) {
    PrintJson(deployment.ToJson());
    return Status::OK();
  }
  std::vector<std::vector<std::string>> rows;
  for (const Deployment::Switch& one : deployment.history) {
    rows.push_back({FormatTime(one.switched_us), one.action, std::to_string(one.number),
                    one.release_id.substr(0, 12), one.by, one.reason});
  }
  PrintTable({"time", "action", "release", "id", "by", "why"}, rows);
  return Status::OK();
}

Status Diff(const Session& session, Platform* platform, const DeploymentOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const json::array differences,
                        platform->DiffReleases(options.name, options.before, options.after));
  if (session.json) {
    PrintJson(differences);
    return Status::OK();
  }
  std::vector<std::vector<std::string>> rows;
  for (const json::value& difference : differences) {
    const json::object& one = difference.as_object();
    rows.push_back({std::string(one.at("member").as_string()), ToText(one.at("before")),
                    ToText(one.at("after"))});
  }
  PrintTable({"member", "release " + std::to_string(options.before),
              "release " + std::to_string(options.after)},
             rows);
  return Status::OK();
}

/// "delay@2=10" as an arm of ten percent.
Result<TrafficRequest::Arm> ArmOf(const std::string& text, bool shadow) {
  const size_t equals = text.rfind('=');
  TrafficRequest::Arm arm{.model = {}, .percent = 0, .shadow = shadow};
  ARROW_ASSIGN_OR_RAISE(arm.model, Ref::Parse(text.substr(0, equals)));
  const std::string percent = equals == std::string::npos ? "" : text.substr(equals + 1);
  const auto read = std::from_chars(percent.data(), percent.data() + percent.size(), arm.percent);
  if (read.ec != std::errc() || read.ptr != percent.data() + percent.size()) {
    return Status::Invalid("'", text, "' must be MODEL@VERSION=PERCENT");
  }
  return arm;
}

/// Sets the traffic where something is asked of it, and shows it.
Status ShowTraffic(const Session& session, Platform* platform, const DeploymentOptions& options) {
  const bool arms = !options.arms.empty() || !options.shadows.empty();
  if (!arms && !options.sticky_key.empty()) {
    return Status::Invalid("--sticky-key '", options.sticky_key,
                           "' chooses among arms; give --arm, too");
  }
  if (arms && options.end_traffic) {
    return Status::Invalid("--end gives all requests to one release; leave out --arm and --shadow");
  }
  TrafficRequest traffic{.arms = {}, .sticky_key = options.sticky_key};
  for (const bool shadow : {false, true}) {
    for (const std::string& text : shadow ? options.shadows : options.arms) {
      ARROW_ASSIGN_OR_RAISE(traffic.arms.emplace_back(), ArmOf(text, shadow));
    }
  }
  ARROW_ASSIGN_OR_RAISE(const Deployment deployment,
                        arms || options.end_traffic
                            ? platform->SetTraffic(options.name, traffic)
                            : platform->GetDeployment(options.name));
  if (session.json) {
    PrintJson(deployment.ToJson());
    return Status::OK();
  }
  std::vector<std::vector<std::string>> rows;
  for (const TrafficArm& arm : deployment.traffic.arms) {
    rows.push_back({std::to_string(arm.number), arm.release_id.substr(0, 12),
                    PlainJson(arm.percent), arm.shadow ? "shadow" : "answers"});
  }
  PrintTable({"release", "id", "percent", "as"}, rows);
  return Status::OK();
}

Status Statistics(const Session& session, Platform* platform, const std::string& name) {
  ARROW_ASSIGN_OR_RAISE(const auto statistics, platform->GetServingStatistics(name));
  if (session.json) {
    PrintJson(statistics.ToJson());
    return Status::OK();
  }
  std::vector<std::vector<std::string>> rows;
  for (const ReleaseStatistics& release : statistics.releases) {
    int64_t failures = 0;
    for (const auto& [reason, count] : release.failures) failures += count;
    const int64_t mean_us =
        release.total.count == 0 ? 0 : release.total.sum_ns / release.total.count / 1000;
    rows.push_back({std::to_string(release.number), std::to_string(release.successes),
                    std::to_string(failures), std::to_string(mean_us),
                    std::to_string(release.shadow_requests),
                    std::to_string(release.shadow_different)});
  }
  PrintTable({"release", "answered", "failed", "mean us", "as shadow", "different"}, rows);
  return Status::OK();
}

Status Predict(const Session& session, Platform* platform, const DeploymentOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const DeploymentContract takes, platform->Contract(options.name));
  ARROW_ASSIGN_OR_RAISE(const auto entity,
                        EntityOf(options.entity, *takes.entities, *takes.optional));
  ARROW_ASSIGN_OR_RAISE(const auto time_us, TimeOption(options.event_time));
  ARROW_ASSIGN_OR_RAISE(const PredictData data, platform->Predict(options.name, entity, time_us));
  ARROW_ASSIGN_OR_RAISE(const Frame outputs, arrow::Table::FromRecordBatches({data.outputs}));
  PrintFrame(*outputs, session.json, 1);
  for (const std::string& missing : data.missing) std::cerr << "no value: " << missing << "\n";
  return Status::OK();
}

}  // namespace

void AddDeploymentCommands(CLI::App* app, Session* session) {
  auto options = std::make_shared<DeploymentOptions>();
  CLI::App* deployments =
      app->add_subcommand("deployments", "Deployments: names that serve releases");
  deployments->require_subcommand(1);
  OnRun(deployments->add_subcommand("list", "All deployments"), session,
        [=](Platform* platform) { return List(*session, platform); });

  const auto named = [=](CLI::App* parent, const char* name, const char* description) {
    CLI::App* command = parent->add_subcommand(name, description);
    command->add_option("deployment", options->name, "The deployment's name")->required();
    return command;
  };
  OnRun(named(deployments, "show", "The release that it serves, its policy and traffic"), session,
        [=](Platform* platform) { return Show(*session, platform, options->name); });
  OnRun(named(deployments, "history", "Every switch: when, what, by whom"), session,
        [=](Platform* platform) { return History(*session, platform, options->name); });
  CLI::App* diff = named(deployments, "diff", "What differs between two of its releases");
  diff->add_option("before", options->before, "A release's number")->required();
  diff->add_option("after", options->after, "Another's")->required();
  OnRun(diff, session, [=](Platform* platform) { return Diff(*session, platform, *options); });
  OnRun(named(deployments, "statistics", "What a server answered, by release"), session,
        [=](Platform* platform) { return Statistics(*session, platform, options->name); });
  CLI::App* policy = named(deployments, "policy",
                           "Shows or changes the service level; what is not given stays");
  policy->add_option("--deadline-ms", options->policy.deadline_ms, "Later answers are refused");
  policy->add_option("--concurrency", options->policy.concurrency, "Requests answered at once");
  policy->add_option("--queue", options->policy.queue, "Requests that may wait for that");
  policy->add_option("--slow-ms", options->policy.slow_ms, "Slower requests are logged")
      ->capture_default_str();
  policy->add_option("--workers", options->policy.workers, "Processes of a predictor class")
      ->capture_default_str();
  policy->add_option("--log-percent", options->policy.log_percent,
                     "Of the requests that the prediction log keeps");
  policy->add_option("--sink", options->sinks,
                     "Where the log's rows go, too: file:/FOLDER, parquet:/FOLDER, "
                     "'postgres:host=… dbname=…#TABLE' or kafka:HOST:PORT#TOPIC; several times "
                     "for several");
  policy->add_option("--worker-timeout-ms", options->policy.worker_timeout_ms,
                     "Of one call into a worker, which is then replaced")
      ->capture_default_str();
  policy->add_option("--worker-memory-mb", options->policy.worker_memory_mb,
                     "Of a worker; one that comes near it is replaced")
      ->capture_default_str();
  policy->add_option("--worker-requests", options->policy.worker_requests,
                     "Calls after which a worker is replaced; 0: any number");
  policy->add_option("--gpus", options->policy.gpus,
                     "That a scheduler is asked for: see 'deployments manifest'");
  policy->add_option("--batch-rows", options->policy.batch_rows,
                     "Requests at once are answered together up to so many rows; 0: never");
  policy->add_option("--batch-wait-us", options->policy.batch_wait_us,
                     "That a request waits for others at most")
      ->capture_default_str();
  policy->add_flag("--reset", options->reset, "What is not given is as of a new deployment");
  OnRun(policy, session, [=](Platform* platform) -> Status {
    for (const std::string& sink : options->sinks) {
      const size_t colon = sink.find(':');
      const size_t sharp = std::min(sink.rfind('#'), sink.size());
      if (colon == std::string::npos || sharp < colon) {
        return Status::Invalid("a sink is KIND:LOCATION, as file:/srv/predictions, not '", sink,
                               "'");
      }
      const std::string kind = sink.substr(0, colon);
      const bool parquet = kind == "parquet";
      options->policy.sinks.push_back(
          {.kind = parquet ? "file" : kind,
           .location = sink.substr(colon + 1, sharp - colon - 1),
           .target = sharp < sink.size() ? sink.substr(sharp + 1) : std::string(),
           .format = parquet ? kind : std::string()});
    }
    json::object changes;
    for (const auto& member : options->policy.ToJson()) {
      std::string option = member.key() == "sinks" ? "--sink" : "--" + std::string(member.key());
      std::replace(option.begin(), option.end(), '_', '-');
      if (policy->get_option(option)->count() > 0) changes[member.key()] = member.value();
    }
    const auto change = [&]() -> Result<Deployment> {
      if (!options->reset && changes.empty()) return platform->GetDeployment(options->name);
      if (!options->reset) return platform->ChangeServingPolicy(options->name, changes);
      // Through JSON, whose reader knows the ranges.
      ARROW_ASSIGN_OR_RAISE(const auto checked, ServingPolicy::FromJson(changes));
      return platform->SetServingPolicy(options->name, checked);
    };
    ARROW_ASSIGN_OR_RAISE(const Deployment deployment, change());
    if (session->json) {
      PrintJson(deployment.ToJson());
    } else {
      PrintMembers(deployment.policy.ToJson());
    }
    return Status::OK();
  });
  CLI::App* traffic =
      named(deployments, "traffic", "Shows or sets which parts of the requests other models get");
  traffic->add_option("--arm", options->arms, "MODEL@VERSION=PERCENT, of the answers");
  traffic->add_option("--shadow", options->shadows, "MODEL@VERSION=PERCENT, only compared");
  traffic->add_option("--sticky-key", options->sticky_key,
                      "Entity column whose value chooses the arm; by default at random");
  traffic->add_flag("--end", options->end_traffic, "No other model gets any, from now on");
  OnRun(traffic, session,
        [=](Platform* platform) { return ShowTraffic(*session, platform, *options); });
  CLI::App* manifest = named(
      deployments, "manifest", "Its KServe service, with the GPUs of its policy, for kubectl");
  OnRun(manifest, session, [=](Platform* platform) -> Status {
    ARROW_ASSIGN_OR_RAISE(const auto deployment, platform->GetDeployment(options->name));
    ARROW_ASSIGN_OR_RAISE(const json::object service, DeploymentManifest(deployment));
    PrintJson(service);
    return Status::OK();
  });
  OnRun(named(deployments, "drop", "Removes a deployment"), session,
        [=](Platform* platform) { return platform->DropDeployment(options->name); });

  const auto switches = [=](const char* name, const char* description,
                            Result<Deployment> (Platform::*verb)(const std::string&, const Ref&)) {
    CLI::App* command = named(app, name, description);
    command->add_option("--model", options->model, "NAME or NAME@VERSION")->required();
    OnRun(command, session, [=](Platform* platform) -> Status {
      ARROW_ASSIGN_OR_RAISE(const Ref model, Ref::Parse(options->model));
      ARROW_ASSIGN_OR_RAISE(const auto deployment, (platform->*verb)(options->name, model));
      PrintDeployment(*session, deployment);
      return Status::OK();
    });
  };
  switches("deploy", "Serves a model under a name", &Platform::Deploy);
  switches("upgrade", "Switches a deployment to another model's release", &Platform::Upgrade);
  OnRun(named(app, "rollback", "Back to the release that was served before"), session,
        [=](Platform* platform) -> Status {
          ARROW_ASSIGN_OR_RAISE(const auto deployment, platform->Rollback(options->name));
          PrintDeployment(*session, deployment);
          return Status::OK();
        });

  CLI::App* downgrade = named(app, "downgrade", "Back to a release by its number");
  downgrade->add_option("--release", options->release, "The release's number")->required();
  OnRun(downgrade, session, [=](Platform* platform) -> Status {
    ARROW_ASSIGN_OR_RAISE(const auto deployment,
                          platform->Downgrade(options->name, options->release));
    PrintDeployment(*session, deployment);
    return Status::OK();
  });

  CLI::App* predict = named(app, "predict", "A deployment's prediction for one entity");
  predict->add_option("entity", options->entity, "KEY=VALUE …")->required();
  predict->add_option("--event-time", options->event_time, "As of when; by default now");
  OnRun(predict, session,
        [=](Platform* platform) { return Predict(*session, platform, *options); });
}

}  // namespace tercet
