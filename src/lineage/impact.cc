// What breaks when something goes: lineage, walked without runs.
#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include "catalog/object_name.h"
#include "lineage/lineage.h"

namespace tercet {
namespace {

/// What a definition makes of other nouns. A run or a source does not stop to be when a column
/// goes, and a group keeps the rows that were written.
bool IsMade(const LineageNode& node) {
  static const std::set<std::string, std::less<>> kinds = {
      "feature_view", "training_dataset", "model", "release", "deployment", "sql_step"};
  return kinds.contains(node.kind);
}

/// Nodes that are reached downstream over what definitions make, each with the node that it was
/// first reached from.
using Reach = std::map<size_t, size_t>;

Reach Downstream(const ProjectGraph& graph, const std::vector<size_t>& starts,
                 std::vector<size_t>* order) {
  Reach reached;
  std::deque<size_t> queue;
  for (const size_t start : starts) {
    reached.emplace(start, start);
    queue.push_back(start);
  }
  while (!queue.empty()) {
    const size_t node = queue.front();
    queue.pop_front();
    order->push_back(node);
    for (const size_t e : graph.leaving(node)) {
      const size_t to = graph.edges()[e].to;
      if (IsMade(graph.nodes()[to]) && reached.emplace(to, node).second) queue.push_back(to);
    }
  }
  return reached;
}

std::string PathTo(const ProjectGraph& graph, const Reach& reached, size_t node) {
  std::string path = graph.nodes()[node].ToText();
  while (reached.at(node) != node) {
    node = reached.at(node);
    path = graph.nodes()[node].ToText() + " → " + path;
  }
  return path;
}

/// Nouns that answer requests now, or are needed to.
std::set<size_t> Served(const ProjectGraph& nouns) {
  std::set<size_t> served;
  std::deque<size_t> queue;
  for (size_t n = 0; n < nouns.nodes().size(); ++n) {
    if (nouns.nodes()[n].kind == "deployment") queue.push_back(n);
  }
  while (!queue.empty()) {
    const size_t node = queue.front();
    queue.pop_front();
    if (!served.insert(node).second) continue;
    for (const size_t e : nouns.entering(node)) {
      const ProjectGraph::Edge& edge = nouns.edges()[e];
      if (edge.how != "served before") queue.push_back(edge.from);
    }
  }
  return served;
}

std::string Naming(const std::vector<NounRef>& nouns) {
  std::string text;
  for (const NounRef& noun : nouns) text += (text.empty() ? "" : ", ") + noun.ToText();
  return text;
}

}  // namespace

Result<ImpactReport> Lineage::ImpactOf(const std::string& object) {
  ARROW_ASSIGN_OR_RAISE(const auto project, Whole());
  const ProjectGraph& graph = *project;
  ARROW_ASSIGN_OR_RAISE(const size_t start, NodeOf(graph, object));
  const LineageNode& node = graph.nodes()[start];
  ImpactReport report{.object = node.id, .broken = {}, .refused = {}};

  // Where values of the object are, exactly.
  std::vector<size_t> starts = {start}, order;
  for (const size_t column : graph.ColumnsOf(start)) starts.push_back(column);
  const Reach by_value = Downstream(graph, starts, &order);
  std::set<size_t> uses;
  for (const size_t one : order) {
    const size_t noun = graph.NounOf(one);
    if (noun == graph.NounOf(start)) continue;
    uses.insert(noun);
  }
  const ProjectGraph whole = graph.WithoutColumns();
  const std::set<size_t> served = Served(whole);
  std::set<size_t> told = {graph.NounOf(start)};
  const auto tell = [&](size_t noun, std::string path) {
    const LineageNode& of = graph.nodes()[noun];
    if (!IsMade(of) || !told.insert(noun).second) return;
    report.broken.push_back({.kind = of.kind,
                             .name = of.name,
                             .path = std::move(path),
                             .uses = uses.contains(noun),
                             .served = served.contains(whole.Find(of.id))});
  };
  for (const size_t one : order) tell(graph.NounOf(one), PathTo(graph, by_value, one));
  // A view that lost one column resolves no more, so all that needs the view is broken with it.
  const std::set<size_t> broken_by_value = told;
  for (const size_t view : broken_by_value) {
    if (graph.nodes()[view].kind != "feature_view" || view == graph.NounOf(start)) continue;
    std::vector<size_t> through;
    const Reach behind =
        Downstream(whole, {whole.Find(graph.nodes()[view].id)}, &through);
    for (const size_t one : through) {
      tell(graph.Find(whole.nodes()[one].id), node.ToText() + " → " + PathTo(whole, behind, one));
    }
  }

  if (!node.column.empty() || node.kind == "source" || node.kind == "run") {
    if (node.kind == "feature_group") {
      report.refused.push_back(
          {"drop feature '" + node.ToText() + "'",
           "a feature is never taken out of a feature group; define a version of the group without "
           "it, and views of that version"});
    }
    return report;
  }
  ARROW_ASSIGN_OR_RAISE(const FoundObject found, FindNamed(catalog_, object));
  ARROW_ASSIGN_OR_RAISE(const auto dependents,
                        catalog_->Dependents(found.entry.kind, found.entry.ref));
  if (!dependents.empty()) {
    report.refused.push_back(
        {"drop " + NounRef{found.entry.kind, found.entry.ref}.ToText(),
         "needed by " + Naming(dependents)});
  }
  return report;
}

}  // namespace tercet
