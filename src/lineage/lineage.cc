#include "lineage/lineage.h"

#include <algorithm>
#include <set>

#include "base/name.h"
#include "catalog/model.h"
#include "catalog/object_name.h"
#include "catalog/run.h"
#include "catalog/training_dataset.h"

namespace tercet {
namespace {

constexpr std::string_view kSource = "source", kGroup = "feature_group", kView = "feature_view",
                           kDataset = "training_dataset", kModel = "model", kRelease = "release",
                           kDeployment = "deployment", kRun = "run",
                           kStep = "sql_step";

/// "feature_group weather@1 commit 7" → its kind and name; nullopt for what is no noun's.
std::optional<std::pair<std::string, std::string>> NounOfRecord(const std::string& record) {
  const size_t space = record.find(' ');
  if (space == std::string::npos || !KindFromName(record.substr(0, space)).ok()) {
    return std::nullopt;
  }
  const size_t end = record.find(' ', space + 1);
  return std::pair(record.substr(0, space), record.substr(space + 1, end - space - 1));
}

}  // namespace

Result<std::shared_ptr<const ProjectGraph>> Lineage::Whole() {
  ARROW_ASSIGN_OR_RAISE(const int64_t counter, catalog_->ChangeCounter());
  {
    const std::lock_guard lock(mutex_);
    if (whole_ != nullptr && counter_ == counter) return whole_;
  }
  auto graph = std::make_shared<ProjectGraph>();
  bool all_resolve = true;
  ARROW_RETURN_NOT_OK(AddGroups(graph.get()));
  ARROW_RETURN_NOT_OK(AddViews(graph.get(), &all_resolve));
  ARROW_RETURN_NOT_OK(AddDatasets(graph.get()));
  ARROW_RETURN_NOT_OK(AddModels(graph.get()));
  ARROW_RETURN_NOT_OK(AddServing(graph.get()));
  ARROW_RETURN_NOT_OK(AddSteps(graph.get()));
  ARROW_RETURN_NOT_OK(AddRuns(graph.get()));
  const std::lock_guard lock(mutex_);
  // A source that could not be reached comes back without a word in the catalog.
  whole_ = all_resolve ? graph : nullptr;
  counter_ = counter;
  return graph;
}

Status Lineage::AddGroups(ProjectGraph* graph) {
  ARROW_ASSIGN_OR_RAISE(const auto groups, tables_->List());
  for (const FeatureGroupDefinition& group : groups) {
    const std::string name = group.ref().ToText();
    const size_t noun = graph->AddNode(kGroup, name, {}, group.source ? "external" : "");
    std::optional<size_t> source;
    if (group.source) {
      source = graph->AddNode(kSource, group.source->ToText());
      graph->AddEdge(*source, noun, "read", /*whole=*/true);
    }
    if (group.schema == nullptr) continue;
    for (const auto& field : group.schema->fields()) {
      const size_t column = graph->AddNode(kGroup, name, field->name(), field->type()->ToString());
      if (!source) continue;
      graph->AddEdge(graph->AddNode(kSource, group.source->ToText(), field->name()), column,
                     "read");
    }
  }
  return Status::OK();
}

Status Lineage::AddViews(ProjectGraph* graph, bool* all_resolve) {
  ARROW_ASSIGN_OR_RAISE(const auto views, views_->List());
  for (const FeatureViewDefinition& view : views) {
    const auto plan = views_->Plan(view.ref());
    if (plan.ok()) {
      AddViewLineage(**plan, graph);
      continue;
    }
    // An external group's source may be gone: the groups are still known, the columns are not.
    *all_resolve = false;
    const size_t noun = graph->AddNode(kView, view.ref().ToText(), {},
                                       "does not resolve: " + plan.status().message());
    ARROW_ASSIGN_OR_RAISE(const auto needed,
                          catalog_->Dependencies(Kind::kFeatureView, view.ref()));
    for (const NounRef& one : needed) {
      graph->AddEdge(graph->AddNode(KindName(one.kind), NounName(one.kind, one.ref)), noun, "join",
                     /*whole=*/true);
    }
  }
  return Status::OK();
}

Status Lineage::AddDatasets(ProjectGraph* graph) {
  ARROW_ASSIGN_OR_RAISE(const auto entries, catalog_->List(Kind::kTrainingDataset));
  for (const CatalogEntry& entry : entries) {
    ARROW_ASSIGN_OR_RAISE(auto dataset, TrainingDatasetDefinition::FromJson(entry.definition));
    dataset.version = entry.ref.version;
    const auto plan = views_->Plan(dataset.view);
    ARROW_RETURN_NOT_OK(Explain(
        AddDatasetLineage(dataset, plan.ok() ? plan->get() : nullptr, graph),
        "lineage of training dataset '" + dataset.ref().ToText() + "'"));
  }
  return Status::OK();
}

Status Lineage::AddModels(ProjectGraph* graph) {
  ARROW_ASSIGN_OR_RAISE(const auto entries, catalog_->List(Kind::kModel));
  for (const CatalogEntry& entry : entries) {
    ARROW_ASSIGN_OR_RAISE(const auto model, ModelDefinition::FromJson(entry.definition));
    const size_t noun =
        graph->AddNode(kModel, entry.ref.ToText(), {}, ModelFormatName(model.format));
    const bool of_dataset = model.training_dataset.has_value();
    if (!of_dataset && !model.view) continue;
    const std::string_view kind = of_dataset ? kDataset : kView;
    const size_t from = graph->AddNode(
        kind, of_dataset ? model.training_dataset->ToText() : model.view->ToText());
    graph->AddEdge(from, noun, of_dataset ? "training" : "inputs", /*whole=*/true);
    for (const size_t column : graph->ColumnsOf(from)) {
      const LineageNode node = graph->nodes()[column];
      const bool label = node.note.ends_with(", label");
      if (label && !of_dataset) continue;
      const bool input = model.signature.inputs == nullptr ||
                         model.signature.inputs->GetFieldByName(node.column) != nullptr;
      if (label || input) graph->AddEdge(column, noun, label ? "label" : "input");
    }
  }
  return Status::OK();
}

Status Lineage::AddServing(ProjectGraph* graph) {
  ARROW_ASSIGN_OR_RAISE(const auto releases, catalog_->List(Kind::kRelease));
  for (const CatalogEntry& entry : releases) {
    ARROW_ASSIGN_OR_RAISE(const Release release, Release::FromJson(entry.definition));
    graph->AddEdge(graph->AddNode(kModel, release.model.ToText()),
                   graph->AddNode(kRelease, entry.ref.name), "release");
  }
  ARROW_ASSIGN_OR_RAISE(const auto deployments, catalog_->List(Kind::kDeployment));
  for (const CatalogEntry& entry : deployments) {
    ARROW_ASSIGN_OR_RAISE(const Deployment deployment, Deployment::FromJson(entry.definition));
    const size_t noun =
        graph->AddNode(kDeployment, entry.ref.name, {},
                       "serves release " + std::to_string(deployment.number()));
    std::set<std::string> now = {deployment.release_id};
    graph->AddEdge(graph->AddNode(kRelease, deployment.release_id), noun, "serves");
    for (const TrafficArm& arm : deployment.traffic.arms) {
      now.insert(arm.release_id);
      graph->AddEdge(graph->AddNode(kRelease, arm.release_id), noun,
                     arm.shadow ? "shadow" : "serves a part");
    }
    for (const Deployment::Switch& one : deployment.history) {
      if (now.contains(one.release_id)) continue;
      graph->AddEdge(graph->AddNode(kRelease, one.release_id), noun, "served before");
    }
  }
  return Status::OK();
}

Status Lineage::AddSteps(ProjectGraph* graph) {
  ARROW_ASSIGN_OR_RAISE(const std::vector<StepColumns> steps, index_->Steps());
  for (const StepColumns& step : steps) {
    // A step is named within its target: two may have one name.
    const std::string name = step.name + " → " + step.target;
    const size_t noun = graph->AddNode(kStep, name);
    const size_t target = graph->AddNode(kGroup, step.target);
    graph->AddEdge(noun, target, "write", /*whole=*/true);
    const auto source = [&](const std::pair<std::string, std::string>& column) {
      // A group that was dropped since is no part of the project.
      const size_t from = graph->Find(LineageId(kGroup, column.first, column.second));
      if (from == graph->nodes().size()) return std::optional<size_t>();
      graph->AddEdge(graph->NounOf(from), noun, "query", /*whole=*/true);
      return std::optional(from);
    };
    for (const auto& column : step.rows) {
      if (const auto from = source(column)) graph->AddEdge(*from, noun, "rows");
    }
    for (const auto& [column, sources] : step.columns) {
      const size_t to = graph->AddNode(kStep, name, column);
      const size_t written = graph->Find(LineageId(kGroup, step.target, column));
      if (written != graph->nodes().size()) graph->AddEdge(to, written, "write");
      for (const auto& one : sources) {
        if (const auto from = source(one)) graph->AddEdge(*from, to, "query");
      }
    }
  }
  return Status::OK();
}

namespace {

/// Whether steps in SQL, of which it is known column by column, explain that a run which read these
/// groups wrote this one.
bool IsExplained(const ProjectGraph& graph, const std::set<std::string>& reads, size_t group) {
  std::set<std::string> explained;
  for (const size_t e : graph.entering(group)) {
    const size_t step = graph.edges()[e].from;
    if (graph.nodes()[step].kind != kStep) continue;
    for (const size_t into : graph.entering(step)) {
      explained.insert(graph.nodes()[graph.NounOf(graph.edges()[into].from)].id);
    }
  }
  return !explained.empty() && std::includes(explained.begin(), explained.end(), reads.begin(),
                                             reads.end());
}

}  // namespace

Status Lineage::AddRuns(ProjectGraph* graph) {
  ARROW_ASSIGN_OR_RAISE(const auto entries, catalog_->List(Kind::kRun));
  struct Pipeline {
    int64_t runs = 0;
    std::set<std::string> reads, writes;  // ids of nouns
  };
  std::map<std::string, Pipeline> pipelines;
  for (const CatalogEntry& entry : entries) {
    ARROW_ASSIGN_OR_RAISE(const Run run, Run::FromJson(entry.definition));
    Pipeline& pipeline = pipelines[run.name];
    ++pipeline.runs;
    for (const std::string& record : run.inputs) {
      const auto noun = NounOfRecord(record);
      if (noun) pipeline.reads.insert(LineageId(noun->first, noun->second));
    }
    for (const std::string& record : run.outputs) {
      const auto noun = NounOfRecord(record);
      // What all else is made of is known exactly: a run's word would only blur it.
      if (noun && noun->first == kGroup) {
        pipeline.writes.insert(LineageId(noun->first, noun->second));
      }
    }
  }
  for (const auto& [name, pipeline] : pipelines) {
    const size_t run = graph->AddNode(
        kRun, name, {}, std::to_string(pipeline.runs) + (pipeline.runs == 1 ? " run" : " runs"));
    const auto add = [&](const std::string& id, bool reads) {
      const size_t noun = graph->Find(id);
      if (noun == graph->nodes().size()) return;  // it was dropped since
      const std::vector<size_t> columns = graph->ColumnsOf(noun);
      const std::string_view how = reads ? "read" : "write";
      const auto join = [&](size_t node, bool whole) {
        graph->AddEdge(reads ? node : run, reads ? run : node, how, whole);
      };
      join(noun, !columns.empty());
      for (const size_t column : columns) join(column, false);
    };
    for (const std::string& id : pipeline.reads) add(id, true);
    for (const std::string& id : pipeline.writes) {
      const size_t group = graph->Find(id);
      const bool known = group != graph->nodes().size();
      if (known && !IsExplained(*graph, pipeline.reads, group)) add(id, false);
    }
  }
  return Status::OK();
}

Result<size_t> Lineage::NodeOf(const ProjectGraph& graph, const std::string& object) {
  // What no catalog entry names: a source, the runs of a name.
  const size_t by_id = graph.Find(object);
  if (by_id != graph.nodes().size()) return by_id;
  ARROW_ASSIGN_OR_RAISE(const FoundObject found, FindNamed(catalog_, object));
  std::string name = NounName(found.entry.kind, found.entry.ref);
  if (found.entry.kind == Kind::kRun) {
    ARROW_ASSIGN_OR_RAISE(const Run run, Run::FromJson(found.entry.definition));
    name = run.name;
  }
  const std::string_view kind = KindName(found.entry.kind);
  const size_t noun = graph.Find(LineageId(kind, name));
  if (noun == graph.nodes().size()) {
    return Status::KeyError(NounRef{found.entry.kind, found.entry.ref}.ToText(),
                            " was dropped while its lineage was read");
  }
  if (found.column.empty()) return noun;
  const size_t column = graph.Find(LineageId(kind, name, found.column));
  if (column != graph.nodes().size()) return column;
  std::vector<std::string> known;
  for (const size_t one : graph.ColumnsOf(noun)) known.push_back(graph.nodes()[one].column);
  return Status::KeyError(NounRef{found.entry.kind, found.entry.ref}.ToText(), " has no column '",
                          found.column, "'", Suggest(found.column, known));
}

Result<LineageGraph> Lineage::Of(const LineageRequest& request) {
  if (request.depth && *request.depth < 0) {
    return Status::Invalid("the depth of lineage must be 0 or more, not ", *request.depth);
  }
  ARROW_ASSIGN_OR_RAISE(const auto whole, Whole());
  const ProjectGraph& graph = *whole;
  ARROW_ASSIGN_OR_RAISE(const size_t start, NodeOf(graph, request.object));
  if (request.columns || !graph.nodes()[start].column.empty()) {
    return graph.Reached(start, request);
  }
  const ProjectGraph nouns = graph.WithoutColumns();
  return nouns.Reached(nouns.Find(graph.nodes()[start].id), request);
}

}  // namespace tercet
