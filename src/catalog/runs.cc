#include "catalog/runs.h"

#include <algorithm>

#include "base/id.h"
#include "base/name.h"
#include "base/short_text.h"

namespace tercet {
namespace {

/// Writers of one run race rarely; each try sees the newest revision.
constexpr int kTries = 100;

void AddOnce(const std::vector<std::string>& from, std::vector<std::string>* to) {
  for (const std::string& item : from) {
    if (std::find(to->begin(), to->end(), item) == to->end()) to->push_back(item);
  }
}

void Merge(const json::object& from, json::object* to) {
  for (const auto& member : from) (*to)[member.key()] = member.value();
}

Status CheckMetrics(const json::object& metrics) {
  for (const auto& member : metrics) {
    if (!member.value().is_number()) {
      return Status::Invalid("metric '", std::string_view(member.key()),
                             "' must be a number, not ", ShortText(ToText(member.value())));
    }
  }
  return Status::OK();
}

/// Whether all that is added is the end that the run has.
bool TellsTheEnd(const Run& additions, const Run& run) {
  return additions.status == run.status && additions.error == run.error &&
         additions.parameters.empty() && additions.metrics.empty() && additions.inputs.empty() &&
         additions.outputs.empty() && additions.log.empty();
}

}  // namespace

Result<Run> Runs::Start(const Run& run) {
  ARROW_RETURN_NOT_OK(CheckName("run", run.name));
  ARROW_RETURN_NOT_OK(CheckMetrics(run.metrics));
  Run started = run;
  started.id = "run-" + NewUuid();
  started.status = "running";
  started.started_us = clock_->NowMicros();
  started.ended_us.reset();
  ARROW_RETURN_NOT_OK(catalog_->Put(Kind::kRun, {started.id, 1}, started.ToJson(), {}).status());
  return started;
}

Result<Run> Runs::Log(const std::string& id, const Run& additions) {
  ARROW_RETURN_NOT_OK(CheckMetrics(additions.metrics));
  for (int tries = 0; tries < kTries; ++tries) {
    ARROW_ASSIGN_OR_RAISE(const CatalogEntry entry, catalog_->Get(Kind::kRun, {id, 1}));
    ARROW_ASSIGN_OR_RAISE(Run run, Run::FromJson(entry.definition));
    if (run.status != "running") {
      if (TellsTheEnd(additions, run)) return run;
      return Status::Invalid("run '", run.name, "' (", id, ") has ", run.status,
                             "; nothing can be added to it");
    }
    Merge(additions.parameters, &run.parameters);
    Merge(additions.metrics, &run.metrics);
    AddOnce(additions.inputs, &run.inputs);
    AddOnce(additions.outputs, &run.outputs);
    if (!additions.code_version.empty()) run.code_version = additions.code_version;
    run.log += additions.log;
    if (run.log.size() > kLogBytes) run.log.erase(0, run.log.size() - kLogBytes);
    if (additions.status != "running") {
      if (additions.status != "finished" && additions.status != "failed") {
        return Status::Invalid("run status '", additions.status,
                               "' must be running, finished or failed");
      }
      run.status = additions.status;
      run.error = additions.error;
      run.ended_us = clock_->NowMicros();
    }
    const Result<CatalogEntry> updated =
        catalog_->Update(Kind::kRun, {id, 1}, entry.revision, run.ToJson());
    if (updated.ok()) return run;
    if (!updated.status().IsCancelled()) return updated.status();
  }
  return Status::Cancelled("run ", id, " is being written by too many at once; nothing was added");
}

Result<Run> Runs::Get(const std::string& id) {
  ARROW_ASSIGN_OR_RAISE(const CatalogEntry entry, catalog_->Get(Kind::kRun, {id, 1}));
  return Run::FromJson(entry.definition);
}

Result<std::vector<Run>> Runs::List() {
  ARROW_ASSIGN_OR_RAISE(const std::vector<CatalogEntry> entries, catalog_->List(Kind::kRun));
  std::vector<Run> runs;
  for (const CatalogEntry& entry : entries) {
    ARROW_ASSIGN_OR_RAISE(runs.emplace_back(), Run::FromJson(entry.definition));
  }
  std::sort(runs.begin(), runs.end(), [](const Run& a, const Run& b) {
    return std::tie(b.started_us, b.id) < std::tie(a.started_us, a.id);
  });
  return runs;
}

Status Runs::Drop(const std::string& id) { return catalog_->Drop(Kind::kRun, {id, 1}); }

}  // namespace tercet
