#include "catalog/lineage_graph.h"

#include <algorithm>

#include "base/name.h"
#include "base/short_text.h"
#include "catalog/definition_json.h"

namespace tercet {

std::string LineageNode::ToText() const {
  constexpr size_t kShownHash = 12;  // of a release's content address: enough to tell them apart
  if (kind == "release") return name.substr(0, kShownHash);
  return column.empty() ? name : name + "." + column;
}

std::string_view LineageDirectionName(LineageDirection direction) {
  switch (direction) {
    case LineageDirection::kUpstream:
      return "upstream";
    case LineageDirection::kDownstream:
      return "downstream";
    case LineageDirection::kBoth:
      break;
  }
  return "both";
}

Result<LineageDirection> LineageDirectionFromName(std::string_view name) {
  for (const LineageDirection direction :
       {LineageDirection::kUpstream, LineageDirection::kDownstream, LineageDirection::kBoth}) {
    if (LineageDirectionName(direction) == name) return direction;
  }
  return Status::Invalid("there is no direction '", ShortText(name), "' of lineage",
                         Suggest(name, {"upstream", "downstream", "both"}));
}

const LineageNode* LineageGraph::Find(std::string_view id) const {
  const auto node = std::find_if(nodes.begin(), nodes.end(),
                                 [&](const LineageNode& one) { return one.id == id; });
  return node == nodes.end() ? nullptr : &*node;
}

json::object LineageGraph::ToJson() const {
  json::array node_list, edge_list;
  for (const LineageNode& node : nodes) {
    node_list.push_back(json::object{{"id", node.id},
                                     {"kind", node.kind},
                                     {"name", node.name},
                                     {"column", node.column},
                                     {"note", node.note}});
  }
  for (const LineageEdge& edge : edges) {
    edge_list.push_back(json::object{{"from", edge.from}, {"to", edge.to}, {"how", edge.how}});
  }
  return {{"start", start}, {"nodes", std::move(node_list)}, {"edges", std::move(edge_list)}};
}

Result<LineageGraph> LineageGraph::FromJson(const json::object& object) {
  ARROW_RETURN_NOT_OK(CheckMembers("lineage graph", object, {"start", "nodes", "edges"}));
  LineageGraph graph;
  ARROW_ASSIGN_OR_RAISE(graph.start, GetString(object, "start"));
  ARROW_ASSIGN_OR_RAISE(const auto node_list, FindObjects(object, "nodes"));
  for (const json::object& item : node_list) {
    ARROW_RETURN_NOT_OK(
        CheckMembers("lineage node", item, {"id", "kind", "name", "column", "note"}));
    LineageNode& node = graph.nodes.emplace_back();
    ARROW_ASSIGN_OR_RAISE(node.id, GetString(item, "id"));
    ARROW_ASSIGN_OR_RAISE(node.kind, GetString(item, "kind"));
    ARROW_ASSIGN_OR_RAISE(node.name, GetString(item, "name"));
    ARROW_ASSIGN_OR_RAISE(node.column, GetString(item, "column"));
    ARROW_ASSIGN_OR_RAISE(node.note, GetString(item, "note"));
  }
  ARROW_ASSIGN_OR_RAISE(const auto edge_list, FindObjects(object, "edges"));
  for (const json::object& item : edge_list) {
    ARROW_RETURN_NOT_OK(CheckMembers("lineage edge", item, {"from", "to", "how"}));
    LineageEdge& edge = graph.edges.emplace_back();
    ARROW_ASSIGN_OR_RAISE(edge.from, GetString(item, "from"));
    ARROW_ASSIGN_OR_RAISE(edge.to, GetString(item, "to"));
    ARROW_ASSIGN_OR_RAISE(edge.how, GetString(item, "how"));
    if (graph.Find(edge.from) == nullptr || graph.Find(edge.to) == nullptr) {
      return Status::Invalid("the lineage graph's edge from '", edge.from, "' to '", edge.to,
                             "' ends at no node");
    }
  }
  return graph;
}

Result<std::string> LineageGraph::ToText(std::string_view format) const {
  if (format == "tree") return ToTree();
  if (format == "mermaid") return ToMermaid();
  if (format == "dot") return ToDot();
  if (format == "svg") return ToSvg();
  if (format == "json") return tercet::ToText(ToJson());
  return Status::Invalid("lineage has no form '", ShortText(format), "'",
                         Suggest(format, {"tree", "mermaid", "dot", "svg", "json"}));
}

}  // namespace tercet
