// A lineage graph as text: a tree for terminals, Mermaid and DOT for documents.
#include <map>
#include <set>

#include "catalog/lineage_graph.h"

namespace tercet {
namespace {

/// "feature_view" → "feature view".
std::string Spaced(std::string kind) {
  for (char& c : kind) c = c == '_' ? ' ' : c;
  return kind;
}

std::string Shown(const LineageNode& node) {
  const std::string note = node.note.empty() ? "" : "  (" + node.note + ")";
  return Spaced(node.kind) + " " + node.ToText() + note;
}

/// Control characters would break lines, and what a user named may have quotes.
std::string Escaped(const std::string& text, std::string_view quote) {
  std::string escaped;
  for (const char c : text) {
    if (c == '"') {
      escaped += quote;
    } else if (c == '\\' && quote.starts_with('\\')) {
      escaped += "\\\\";  // else it would take the meaning of what follows
    } else if (static_cast<unsigned char>(c) < 0x20) {
      escaped += ' ';
    } else {
      escaped += c;
    }
  }
  return escaped;
}

/// One side of the tree: from the start along the edges, or against them.
class TreeSide {
 public:
  TreeSide(const LineageGraph& graph, bool downstream) : graph_(graph) {
    for (const LineageEdge& edge : graph.edges) {
      if (downstream) {
        next_[edge.from].emplace_back(edge.how, edge.to);
      } else {
        next_[edge.to].emplace_back(edge.how, edge.from);
      }
    }
  }

  std::string Text() {
    shown_.insert(graph_.start);
    Add(graph_.start, "");
    return std::move(text_);
  }

 private:
  void Add(const std::string& id, const std::string& indent) {
    const auto found = next_.find(id);
    if (found == next_.end()) return;
    for (size_t i = 0; i < found->second.size(); ++i) {
      const auto& [how, other] = found->second[i];
      const LineageNode* node = graph_.Find(other);
      if (node == nullptr) continue;
      const bool last = i + 1 == found->second.size();
      text_ += indent + (last ? "└─ " : "├─ ") + how + ": ";
      if (shown_.insert(other).second) {
        text_ += Shown(*node) + "\n";
        Add(other, indent + (last ? "   " : "│  "));
      } else {
        text_ += node->ToText() + " …\n";
      }
    }
  }

  const LineageGraph& graph_;
  std::map<std::string, std::vector<std::pair<std::string, std::string>>> next_;
  std::set<std::string> shown_;
  std::string text_;
};

/// Ids for languages whose names have no '@'.
std::map<std::string, std::string> NumberedIds(const LineageGraph& graph) {
  std::map<std::string, std::string> ids;
  for (const LineageNode& node : graph.nodes) ids[node.id] = "n" + std::to_string(ids.size());
  return ids;
}

}  // namespace

std::string LineageGraph::ToTree() const {
  const LineageNode* node = Find(start);
  if (node == nullptr) return "";
  std::string text = Shown(*node) + "\n";
  const std::string upstream = TreeSide(*this, false).Text();
  const std::string downstream = TreeSide(*this, true).Text();
  if (!upstream.empty()) text += "made of\n" + upstream;
  if (!downstream.empty()) text += "used by\n" + downstream;
  return text;
}

std::string LineageGraph::ToMermaid() const {
  const auto ids = NumberedIds(*this);
  std::string text = "flowchart LR\n";
  for (const LineageNode& node : nodes) {
    text += "  " + ids.at(node.id) + "[\"" + Escaped(Spaced(node.kind), "&quot;") + "<br/>" +
            Escaped(node.ToText(), "&quot;") + "\"]\n";
  }
  for (const LineageEdge& edge : edges) {
    text += "  " + ids.at(edge.from) + " -->|\"" + Escaped(edge.how, "&quot;") + "\"| " +
            ids.at(edge.to) + "\n";
  }
  const auto first = ids.find(start);
  if (first != ids.end()) text += "  style " + first->second + " stroke-width:3px\n";
  return text;
}

std::string LineageGraph::ToDot() const {
  const auto ids = NumberedIds(*this);
  std::string text = "digraph lineage {\n  rankdir=LR;\n  node [shape=box, style=rounded];\n";
  for (const LineageNode& node : nodes) {
    text += "  " + ids.at(node.id) + " [label=\"" + Escaped(Spaced(node.kind), "\\\"") + "\\n" +
            Escaped(node.ToText(), "\\\"") + "\"" +
            (node.id == start ? ", penwidth=3" : "") + "];\n";
  }
  for (const LineageEdge& edge : edges) {
    text += "  " + ids.at(edge.from) + " -> " + ids.at(edge.to) + " [label=\"" +
            Escaped(edge.how, "\\\"") + "\"];\n";
  }
  return text + "}\n";
}

}  // namespace tercet
