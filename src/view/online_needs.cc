#include "view/online_needs.h"

#include "base/add_once.h"

namespace tercet {
namespace {

/// View columns and root columns that the features (not the labels and helpers) are made of.
std::set<std::string> NeededNames(const ViewParts& view) {
  std::set<std::string> needed;
  for (const auto& field : view.features.fields()) needed.insert(field->name());
  for (size_t i = view.on_demand.size(); i-- > 0;) {
    if (!needed.contains(view.definition.on_demand[i].first)) continue;
    for (const ExpressionInput& input : view.on_demand[i].inputs()) {
      needed.insert(input.row_column.empty()
                        ? view.definition.on_demand[static_cast<size_t>(input.computed)].first
                        : input.row_column);
    }
  }
  return needed;
}

}  // namespace

OnlineNeeds FindOnlineNeeds(const ViewParts& view) {
  OnlineNeeds needs;
  std::vector<bool>& read = needs.groups;
  const FeatureGroupDefinition& root = view.groups[0].definition;
  const std::set<std::string> needed = NeededNames(view);
  read.assign(view.groups.size(), false);
  std::vector<std::string> of_root;  // columns of the left row, in order of need
  for (const ViewColumn& column : view.columns) {
    if (column.group < 0 || !needed.contains(column.name)) continue;
    if (column.group == 0) {
      of_root.push_back(column.feature);
    } else {
      read[static_cast<size_t>(column.group)] = true;
    }
  }
  for (const LeftColumn& column : view.left_columns) {
    if (needed.contains(column.name)) of_root.push_back(column.column);
  }
  for (size_t g = view.groups.size(); g-- > 1;) {
    if (read[g] && view.groups[g].from > 0) {
      read[static_cast<size_t>(view.groups[g].from)] = true;
    }
  }
  std::vector<std::string> keys;
  for (size_t g = 1; g < view.groups.size(); ++g) {
    if (!read[g] || view.groups[g].from > 0) continue;
    keys.insert(keys.end(), view.groups[g].left_keys.begin(), view.groups[g].left_keys.end());
  }
  std::vector<std::string> wanted = keys;
  wanted.insert(wanted.end(), of_root.begin(), of_root.end());
  const std::set<std::string> root_key(root.primary_key.begin(), root.primary_key.end());
  std::vector<std::string> entities;
  for (const std::string& name : wanted) {
    if (name == root.event_time || view.parameters.GetFieldByName(name) != nullptr) continue;
    if (root.online && !root_key.contains(name)) {
      read[0] = true;
    } else {
      AddOnce(&entities, name);
    }
  }
  std::vector<std::string> names;
  if (read[0]) names = root.primary_key;
  for (const std::string& name : entities) AddOnce(&names, name);
  arrow::FieldVector fields;
  for (const std::string& name : names) {
    fields.push_back(arrow::field(name, root.schema->GetFieldByName(name)->type()));
  }
  for (const auto& field : view.parameters.fields()) fields.push_back(field);
  needs.entities = arrow::schema(std::move(fields));
  return needs;
}

}  // namespace tercet
