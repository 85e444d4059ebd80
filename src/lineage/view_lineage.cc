// What a view's columns and rows are made of, as its plan resolved them.
#include <algorithm>
#include <set>

#include "lineage/lineage.h"

namespace tercet {
namespace {

constexpr std::string_view kGroup = "feature_group", kView = "feature_view";

class ViewLineage {
 public:
  ViewLineage(const ViewPlan& plan, ProjectGraph* graph)
      : plan_(plan), name_(plan.definition().ref().ToText()), graph_(graph) {
    for (const auto& [parameter, type] : plan.definition().request_parameters) {
      parameters_.insert(parameter);
    }
  }

  void Add() {
    view_ = graph_->AddNode(kView, name_);
    for (const ViewColumn& column : plan_.columns()) AddColumn(column);
    for (size_t i = 0; i < plan_.definition().on_demand.size(); ++i) {
      const size_t to = graph_->AddNode(kView, name_, plan_.definition().on_demand[i].first);
      for (const std::string& input : plan_.OnDemandInputs(i)) AddUse(input, to, "expression");
    }
    for (const std::string& input : plan_.FilterInputs()) AddUse(input, view_, "filter");
    for (size_t g = 0; g < plan_.groups().size(); ++g) AddGroup(g);
  }

 private:
  size_t ColumnOf(const FeatureGroupDefinition& group, const std::string& column) {
    return graph_->AddNode(kGroup, group.ref().ToText(), column);
  }

  void AddColumn(const ViewColumn& column) {
    std::string note = column.type->ToString();
    if (column.role == ViewColumn::Role::kLabel) note += ", label";
    if (column.role == ViewColumn::Role::kHelper) note += ", helper column";
    const size_t node = graph_->AddNode(kView, name_, column.name, note);
    if (column.group < 0) return;
    const ViewGroup& group = plan_.groups()[static_cast<size_t>(column.group)];
    graph_->AddEdge(ColumnOf(group.definition, column.feature), node, "select");
  }

  /// A name that an expression was bound to.
  void AddUse(const std::string& name, size_t to, std::string_view how) {
    const FeatureGroupDefinition& root = plan_.groups()[0].definition;
    if (name == kEventTime) {
      if (!root.event_time.empty()) graph_->AddEdge(ColumnOf(root, root.event_time), to, how);
      return;
    }
    if (parameters_.contains(name)) {
      return graph_->AddEdge(graph_->AddNode(kView, name_, name, "request parameter"), to, how);
    }
    const auto& left = plan_.left_columns();
    const auto of_root = std::find_if(left.begin(), left.end(),
                                      [&](const LeftColumn& one) { return one.name == name; });
    if (of_root != left.end()) return graph_->AddEdge(ColumnOf(root, of_root->column), to, how);
    graph_->AddEdge(graph_->AddNode(kView, name_, name), to, how);
  }

  /// What finds the group's rows decides what is in all that is taken of it.
  void AddGroup(size_t g) {
    const ViewGroup& group = plan_.groups()[g];
    const FeatureGroupDefinition& definition = group.definition;
    const size_t noun = graph_->AddNode(kGroup, definition.ref().ToText());
    graph_->AddEdge(noun, view_, g == 0 ? "root" : "join", /*whole=*/true);
    for (const std::string& key : definition.primary_key) {
      graph_->AddEdge(ColumnOf(definition, key), view_, g == 0 ? "key" : "join");
    }
    if (!definition.event_time.empty()) {
      graph_->AddEdge(ColumnOf(definition, definition.event_time), view_, "event time");
    }
    if (g == 0) return;
    const FeatureGroupDefinition& left =
        plan_.groups()[static_cast<size_t>(group.from)].definition;
    for (const std::string& key : group.left_keys) {
      const bool is_column = left.schema->GetFieldByName(key) != nullptr;
      const size_t from = is_column ? ColumnOf(left, key)
                                    : graph_->AddNode(kView, name_, key, "request parameter");
      graph_->AddEdge(from, view_, "join");
    }
  }

  const ViewPlan& plan_;
  const std::string name_;
  ProjectGraph* const graph_;
  std::set<std::string> parameters_;
  size_t view_ = 0;
};

}  // namespace

void AddViewLineage(const ViewPlan& plan, ProjectGraph* graph) { ViewLineage(plan, graph).Add(); }

}  // namespace tercet
