#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/lineage_graph.h"

namespace tercet {

/// "feature_group:weather@1.temp".
std::string LineageId(std::string_view kind, std::string_view name, std::string_view column = {});

/// The lineage of a whole project. Nodes are nouns and their columns; a column of a noun is
/// reached from what it is made of, the noun itself from what decides which rows there are.
class ProjectGraph {
 public:
  struct Edge {
    size_t from, to;  ///< numbers of nodes
    std::string how;
    /// From noun to noun where both have columns, or beside edges of their columns. Followed from a
    /// noun on, and not where its columns say it better.
    bool whole = false;
  };

  /// The node's number; a node that is there keeps its note unless it has none.
  size_t AddNode(std::string_view kind, std::string_view name, std::string_view column = {},
                 std::string_view note = {});
  /// Once for each (from, to, how).
  void AddEdge(size_t from, size_t to, std::string_view how, bool whole = false);

  const std::vector<LineageNode>& nodes() const { return nodes_; }
  const std::vector<Edge>& edges() const { return edges_; }
  /// nodes().size() when there is none.
  size_t Find(std::string_view id) const;
  /// Numbers of the edges that leave or enter a node.
  const std::vector<size_t>& leaving(size_t node) const { return leaving_[node]; }
  const std::vector<size_t>& entering(size_t node) const { return entering_[node]; }
  /// The node of the noun that a column is of; a noun's own.
  size_t NounOf(size_t node) const { return nouns_[node]; }
  /// The columns of a noun, in their order.
  const std::vector<size_t>& ColumnsOf(size_t noun) const { return columns_[noun]; }

  /// The same project without columns: an edge from noun to noun where one has a column of the
  /// other's, or reads it.
  ProjectGraph WithoutColumns() const;

  /// What is reached from a node within so many edges, as the answer to a request.
  LineageGraph Reached(size_t start, const LineageRequest& request) const;

 private:
  std::vector<LineageNode> nodes_;
  std::vector<Edge> edges_;
  std::vector<size_t> nouns_;
  std::vector<std::vector<size_t>> leaving_, entering_, columns_;
  std::map<std::string, size_t, std::less<>> by_id_;
};

}  // namespace tercet
