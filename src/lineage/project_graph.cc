#include "lineage/project_graph.h"

#include <algorithm>
#include <deque>
#include <limits>

namespace tercet {

std::string LineageId(std::string_view kind, std::string_view name, std::string_view column) {
  std::string id = std::string(kind) + ":" + std::string(name);
  return column.empty() ? id : id + "." + std::string(column);
}

size_t ProjectGraph::AddNode(std::string_view kind, std::string_view name, std::string_view column,
                             std::string_view note) {
  const std::string id = LineageId(kind, name, column);
  const auto found = by_id_.find(id);
  if (found != by_id_.end()) {
    LineageNode& node = nodes_[found->second];
    if (node.note.empty()) node.note = note;
    return found->second;
  }
  // A column's noun comes first, so that each column has one.
  const size_t noun = column.empty() ? nodes_.size() : AddNode(kind, name);
  const size_t number = nodes_.size();
  by_id_.emplace(id, number);
  nodes_.push_back({.id = id,
                    .kind = std::string(kind),
                    .name = std::string(name),
                    .column = std::string(column),
                    .note = std::string(note)});
  nouns_.push_back(noun);
  leaving_.emplace_back();
  entering_.emplace_back();
  columns_.emplace_back();
  if (noun != number) columns_[noun].push_back(number);
  return number;
}

void ProjectGraph::AddEdge(size_t from, size_t to, std::string_view how, bool whole) {
  for (const size_t e : leaving_[from]) {
    if (edges_[e].to == to && edges_[e].how == how) return;
  }
  leaving_[from].push_back(edges_.size());
  entering_[to].push_back(edges_.size());
  edges_.push_back({.from = from, .to = to, .how = std::string(how), .whole = whole});
}

size_t ProjectGraph::Find(std::string_view id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nodes_.size() : found->second;
}

ProjectGraph ProjectGraph::WithoutColumns() const {
  ProjectGraph nouns;
  for (const LineageNode& node : nodes_) {
    if (node.column.empty()) nouns.AddNode(node.kind, node.name, {}, node.note);
  }
  // From noun to noun, all ways by which columns of the one came into the other.
  std::map<std::pair<size_t, size_t>, std::vector<std::string>> ways;
  for (const Edge& edge : edges_) {
    const size_t from = nouns.Find(nodes_[nouns_[edge.from]].id);
    const size_t to = nouns.Find(nodes_[nouns_[edge.to]].id);
    // What a view computes of its own columns is its own affair; a group that is made of itself is
    // worth showing.
    if (from == to && nodes_[edge.from].kind == "feature_view") continue;
    std::vector<std::string>& hows = ways[{from, to}];
    if (std::find(hows.begin(), hows.end(), edge.how) == hows.end()) hows.push_back(edge.how);
  }
  for (const auto& [ends, hows] : ways) {
    std::string text;
    for (const std::string& how : hows) text += (text.empty() ? "" : ", ") + how;
    nouns.AddEdge(ends.first, ends.second, text);
  }
  return nouns;
}

namespace {

/// Walks one way, breadth first.
class Walk {
 public:
  Walk(const ProjectGraph& graph, bool downstream, int64_t depth)
      : graph_(graph), downstream_(downstream), depth_(depth) {}

  /// Numbers of the edges in the order in which they are met.
  std::vector<size_t> From(size_t start) {
    std::map<size_t, int64_t> distance = {{start, 0}};
    std::deque<size_t> queue = {start};
    std::vector<size_t> met;
    while (!queue.empty()) {
      const size_t node = queue.front();
      queue.pop_front();
      if (distance[node] == depth_) continue;
      for (const size_t e : EdgesOf(node)) {
        met.push_back(e);
        const ProjectGraph::Edge& edge = graph_.edges()[e];
        const size_t other = downstream_ ? edge.to : edge.from;
        if (distance.emplace(other, distance[node] + 1).second) queue.push_back(other);
      }
    }
    return met;
  }

 private:
  std::vector<size_t> EdgesOf(size_t node) const {
    const std::vector<size_t>& all =
        downstream_ ? graph_.leaving(node) : graph_.entering(node);
    const bool by_column = std::any_of(all.begin(), all.end(),
                                       [&](size_t e) { return !graph_.edges()[e].whole; });
    if (!by_column) return all;
    std::vector<size_t> exact;
    std::copy_if(all.begin(), all.end(), std::back_inserter(exact),
                 [&](size_t e) { return !graph_.edges()[e].whole; });
    return exact;
  }

  const ProjectGraph& graph_;
  const bool downstream_;
  const int64_t depth_;
};

}  // namespace

LineageGraph ProjectGraph::Reached(size_t start, const LineageRequest& request) const {
  LineageGraph reached{.start = nodes_[start].id, .nodes = {nodes_[start]}, .edges = {}};
  std::vector<bool> has_node(nodes_.size()), has_edge(edges_.size());
  has_node[start] = true;
  const auto add_node = [&](size_t n) {
    if (has_node[n]) return;
    has_node[n] = true;
    reached.nodes.push_back(nodes_[n]);
  };
  std::vector<size_t> starts = {start};
  const bool of_columns = request.columns && nodes_[start].column.empty();
  if (of_columns) {
    for (const size_t column : ColumnsOf(start)) starts.push_back(column);
  }
  const int64_t depth = request.depth.value_or(std::numeric_limits<int64_t>::max());
  for (const bool downstream : {false, true}) {
    const LineageDirection other =
        downstream ? LineageDirection::kUpstream : LineageDirection::kDownstream;
    if (request.direction == other) continue;
    for (const size_t from : starts) {
      // A noun's columns are shown as parts of it, on the way that is walked.
      if (from != start) {
        add_node(from);
        reached.edges.push_back(downstream
                                    ? LineageEdge{nodes_[start].id, nodes_[from].id, "column"}
                                    : LineageEdge{nodes_[from].id, nodes_[start].id, "column"});
      }
      for (const size_t e : Walk(*this, downstream, depth).From(from)) {
        if (has_edge[e]) continue;
        has_edge[e] = true;
        add_node(edges_[e].from);
        add_node(edges_[e].to);
        reached.edges.push_back(
            {nodes_[edges_[e].from].id, nodes_[edges_[e].to].id, edges_[e].how});
      }
    }
  }
  return reached;
}

}  // namespace tercet
