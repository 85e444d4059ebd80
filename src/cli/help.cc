#include "cli/help.h"

#include <string>

namespace tercet {
namespace {

struct Command {
  const char* name;
  const char* group;  ///< the heading under which it stands
  const char* examples;
};

constexpr char kFeatures[] = "Feature pipelines";
constexpr char kTraining[] = "Training";
constexpr char kInference[] = "Inference";
constexpr char kKnowing[] = "What is there";

constexpr Command kCommands[] = {
    {"groups", kFeatures,
     "tercet groups create weather --primary-key city --event-time hour --online\n"
     "tercet groups insert weather weather.parquet --idempotency-key 2024-05-01T02\n"
     "tercet groups read weather --as-of 3 --output weather.csv"},
    {"run", kFeatures,
     "tercet run hourly.py 2024-05-01T02:00Z\n"
     "tercet run daily_rain.sql"},
    {"sql", kFeatures,
     "tercet sql flights \"SELECT city, max(rain) FROM weather GROUP BY ALL\""},
    {"rebuild-online", kFeatures, "tercet rebuild-online weather --version 1"},
    {"neighbors", kFeatures,
     "tercet neighbors items \"[0.1, 0.7, 0.2]\" -k 5 --filter \"price < 30\""},
    {"views", kTraining,
     "tercet views create delay.json\n"
     "tercet views vector delay city=Oslo distance=3.5\n"
     "tercet views neighbors ranking \"[0.1, 0.7, 0.2]\" user=7 -k 50"},
    {"training-data", kTraining,
     "tercet training-data create delay --output data.parquet\n"
     "tercet training-data rebuild delay 1"},
    {"models", kTraining,
     "tercet models register delay model.json --training-data delay@1@1\n"
     "tercet models check delay@2"},
    {"runs", kTraining, "tercet runs list"},
    {"serve", kInference,
     "tercet serve flights\n"
     "tercet serve flights --http 0.0.0.0:8080 --token-file token"},
    {"deploy", kInference, "tercet deploy delay --model delay@1"},
    {"upgrade", kInference, "tercet upgrade delay --model delay@2"},
    {"rollback", kInference, "tercet rollback delay"},
    {"downgrade", kInference, "tercet downgrade delay --release 2"},
    {"predict", kInference,
     "tercet predict delay city=Oslo distance=3.5\n"
     "tercet --project tercet://127.0.0.1:8080 predict delay city=Oslo distance=3.5"},
    {"batch", kInference, "tercet batch delay --start 2024-05-01 --output predictions.parquet"},
    {"deployments", kInference,
     "tercet deployments history delay\n"
     "tercet deployments policy delay --deadline-ms 50 --log-percent 10"},
    {"canary", kInference,
     "tercet canary start delay --model delay@2 --steps 5,25,100 --dwell 10m\n"
     "tercet canary show delay"},
    {"experiment", kInference,
     "tercet experiment start delay --arm delay@2=50 --better lower\n"
     "tercet experiment show delay"},
    {"outcome", kInference, "tercet outcome delay REQUEST_ID 1"},
    {"verify", kInference, "tercet verify delay --start 2024-05-01"},
    {"completion", kKnowing,
     "eval \"$(tercet completion bash)\""},
    {"search", kKnowing, "tercet search late flights kind:feature_view"},
    {"lineage", kKnowing, "tercet lineage weather@1.rain --downstream"},
    {"impact", kKnowing, "tercet impact weather@1"},
    {"annotate", kKnowing, "tercet annotate weather --owner anna --tag team=ops"},
};

constexpr char kFooter[] = R"(Examples:
  export TERCET_PROJECT=flights
  tercet groups list
  tercet deploy delay --model delay@2
  tercet rollback delay
  tercet serve flights
  tercet --project tercet://127.0.0.1:8080 predict delay origin=JFK distance=2475

'tercet COMMAND --help' has each command's own.
Exit code: 0 done, 1 refused or failed, 2 wrong usage.)";

std::string Indented(const char* lines) {
  std::string text = "Examples:\n  ";
  for (const char* c = lines; *c != '\0'; ++c) {
    text += *c;
    if (*c == '\n') text += "  ";
  }
  return text;
}

}  // namespace

void ArrangeHelp(CLI::App* app) {
  for (CLI::App* added : app->get_subcommands([](const CLI::App*) { return true; })) {
    for (const Command& command : kCommands) {
      if (added->get_name() != command.name) continue;
      added->group(command.group);
      added->footer(Indented(command.examples));
    }
  }
  app->footer(kFooter);
}

}  // namespace tercet
