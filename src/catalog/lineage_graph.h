#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace tercet {

/// A noun, or one column of a noun that has columns.
struct LineageNode {
  std::string id;      ///< "feature_group:weather@1.temp": kind, name and column; unique in a graph
  std::string kind;    ///< a noun's ("feature_view"), "run" for all runs of a name, or "source"
  std::string name;    ///< "weather@1"
  std::string column;  ///< empty: the noun itself
  std::string note;    ///< for people: a type, "label", "serves release 3"
  std::string ToText() const;  ///< "weather@1.temp"
  bool operator==(const LineageNode&) const = default;
};

/// `to` is made of `from`.
struct LineageEdge {
  std::string from, to;  ///< ids
  std::string how;       ///< "select", "expression", "filter", "join", "standard_scaler", …
  bool operator==(const LineageEdge&) const = default;
};

enum class LineageDirection { kUpstream, kDownstream, kBoth };
std::string_view LineageDirectionName(LineageDirection direction);  ///< "upstream"
Result<LineageDirection> LineageDirectionFromName(std::string_view name);

struct LineageRequest {
  std::string object;  ///< "weather@1", "weather@1.temp" or "model:delay@2" (catalog/object_name.h)
  LineageDirection direction = LineageDirection::kBoth;
  std::optional<int64_t> depth;  ///< edges from the object on; nullopt: all
  bool columns = false;          ///< columns also where the object is none; a column's always are
};

/// What something is made of and what is made of it, down to columns. Nodes and edges are in the
/// order in which they are reached from `start`, upstream first.
struct LineageGraph {
  std::string start;  ///< the id of the node that was asked for
  std::vector<LineageNode> nodes;
  std::vector<LineageEdge> edges;

  const LineageNode* Find(std::string_view id) const;  ///< null when it is not there
  json::object ToJson() const;
  static Result<LineageGraph> FromJson(const json::object& object);

  /// As an indented tree for a terminal: what it is made of, then what is made of it. A node that
  /// is reached twice is shown once, and named where it is reached again.
  std::string ToTree() const;
  /// As a flowchart in Mermaid's language, as a graph in Graphviz's, and as a picture of its own.
  std::string ToMermaid() const;
  std::string ToDot() const;
  std::string ToSvg() const;
  /// One of "tree", "mermaid", "dot", "svg" and "json"; Invalid with a suggestion otherwise.
  Result<std::string> ToText(std::string_view format) const;
};

}  // namespace tercet
