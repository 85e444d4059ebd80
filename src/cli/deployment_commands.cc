#include "base/time_text.h"
#include "cli/entity_text.h"
#include "cli/output.h"
#include "cli/session.h"

namespace tercet {
namespace {

struct DeploymentOptions {
  std::string name, model, event_time;
  std::vector<std::string> entity;
};

std::string NumberOf(const Deployment& deployment) {
  return deployment.history.empty() ? "" : std::to_string(deployment.history.back().number);
}

Status List(const Session& session, Platform* platform) {
  ARROW_ASSIGN_OR_RAISE(const auto deployments, platform->ListDeployments());
  json::array array;
  std::vector<std::vector<std::string>> rows;
  for (const Deployment& deployment : deployments) {
    array.push_back(deployment.ToJson());
    ARROW_ASSIGN_OR_RAISE(const Release release, platform->GetRelease(deployment.release_id));
    rows.push_back({deployment.name, NumberOf(deployment), deployment.release_id.substr(0, 12),
                    release.model.ToText(), release.view.ToText()});
  }
  if (session.json) {
    PrintJson(array);
  } else {
    PrintTable({"deployment", "release", "id", "model", "view"}, rows);
  }
  return Status::OK();
}

void PrintDeployment(const Session& session, const Deployment& deployment) {
  if (session.json) return PrintJson(deployment.ToJson());
  std::cout << "deployment '" << deployment.name << "' serves release " << NumberOf(deployment)
            << " (" << deployment.release_id.substr(0, 12) << ")\n";
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
                    one.release_id.substr(0, 12), one.by});
  }
  PrintTable({"time", "action", "release", "id", "by"}, rows);
  return Status::OK();
}

Status Predict(const Session& session, Platform* platform, const DeploymentOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const auto entity, EntityOf(options.entity));
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
  OnRun(named(deployments, "show", "A deployment's release"), session,
        [=](Platform* platform) -> Status {
          ARROW_ASSIGN_OR_RAISE(const auto deployment, platform->GetDeployment(options->name));
          ARROW_ASSIGN_OR_RAISE(const Release release,
                                platform->GetRelease(deployment.release_id));
          if (session->json) {
            PrintJson(release.ToJson());
          } else {
            PrintMembers(release.ToJson());
          }
          return Status::OK();
        });
  OnRun(named(deployments, "history", "Every switch: when, what, by whom"), session,
        [=](Platform* platform) { return History(*session, platform, options->name); });
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

  CLI::App* predict = named(app, "predict", "A deployment's prediction for one entity");
  predict->add_option("entity", options->entity, "KEY=VALUE …")->required();
  predict->add_option("--event-time", options->event_time, "As of when; by default now");
  OnRun(predict, session,
        [=](Platform* platform) { return Predict(*session, platform, *options); });
}

}  // namespace tercet
