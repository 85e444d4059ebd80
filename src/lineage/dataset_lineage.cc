// What a training dataset's columns are made of, followed through its transformations.
#include <algorithm>
#include <set>

#include "compute/transformation.h"
#include "compute/transformation_kind.h"
#include "lineage/lineage.h"

namespace tercet {
namespace {

constexpr std::string_view kView = "feature_view", kDataset = "training_dataset";

/// A column on its way through the transformations.
struct Tracked {
  std::string name;
  std::vector<std::string> sources;  ///< of the view: the feature, then the labels fitted to
  std::string how;                   ///< "simple_imputer, standard_scaler"
};

Result<std::vector<std::string>> NamesAfter(const FittedTransformation& fitted,
                                            const std::string& column) {
  ARROW_ASSIGN_OR_RAISE(const TransformationKind* kind, FindTransformationKind(fitted.kind));
  ARROW_ASSIGN_OR_RAISE(const json::object parameters, FindObject(fitted.parameters, column));
  return OutputNames(*kind, column, fitted.options, parameters);
}

/// The label that a supervised kind was fitted to: the option 'target', or the only one.
Result<std::vector<std::string>> TargetsOf(const FittedTransformation& fitted,
                                           const std::vector<std::string>& labels) {
  ARROW_ASSIGN_OR_RAISE(const bool supervised, IsSupervised(fitted.kind));
  if (!supervised) return std::vector<std::string>();
  ARROW_ASSIGN_OR_RAISE(const auto target, FindString(fitted.options, "target"));
  return target ? std::vector<std::string>{*target} : labels;
}

Status Apply(const FittedTransformation& fitted, const std::vector<std::string>& labels,
             std::vector<Tracked>* columns) {
  ARROW_ASSIGN_OR_RAISE(const std::vector<std::string> targets, TargetsOf(fitted, labels));
  std::vector<Tracked> after;
  for (Tracked& column : *columns) {
    const auto& changed = fitted.columns;
    if (std::find(changed.begin(), changed.end(), column.name) == changed.end()) {
      after.push_back(std::move(column));
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(const auto names, NamesAfter(fitted, column.name));
    column.how += (column.how.empty() ? "" : ", ") + fitted.kind;
    column.sources.insert(column.sources.end(), targets.begin(), targets.end());
    for (const std::string& name : names) {
      after.push_back({.name = name, .sources = column.sources, .how = column.how});
    }
  }
  *columns = std::move(after);
  return Status::OK();
}

/// Field name → type, of a schema as JSON.
Result<std::map<std::string, std::string>> TypesOf(const json::array& schema) {
  std::map<std::string, std::string> types;
  for (const json::value& field : schema) {
    if (!field.is_object()) return Status::Invalid("a dataset's column is no object");
    ARROW_ASSIGN_OR_RAISE(const std::string name, GetString(field.as_object(), "name"));
    ARROW_ASSIGN_OR_RAISE(types[name], GetString(field.as_object(), "type"));
  }
  return types;
}

}  // namespace

Status AddDatasetLineage(const TrainingDatasetDefinition& dataset, const ViewPlan* plan,
                         ProjectGraph* graph) {
  const std::string view = dataset.view.ToText(), name = dataset.ref().ToText();
  const size_t noun = graph->AddNode(kDataset, name, {}, dataset.has_spine ? "with a spine" : "");
  graph->AddEdge(graph->AddNode(kView, view), noun, "training data", /*whole=*/true);
  ARROW_ASSIGN_OR_RAISE(const auto features, TypesOf(dataset.features));
  ARROW_ASSIGN_OR_RAISE(const auto labels, TypesOf(dataset.labels));
  std::vector<std::string> label_names;
  for (const auto& [label, type] : labels) {
    label_names.push_back(label);
    graph->AddEdge(graph->AddNode(kView, view, label),
                   graph->AddNode(kDataset, name, label, type + ", label"), "label");
  }
  if (plan == nullptr) return Status::OK();
  std::vector<Tracked> columns;
  for (const auto& field : plan->feature_schema()->fields()) {
    columns.push_back({.name = field->name(), .sources = {field->name()}, .how = {}});
  }
  ARROW_ASSIGN_OR_RAISE(const auto fitted, FittedFromJson(dataset.fitted_transformations));
  for (const FittedTransformation& one : fitted) {
    ARROW_RETURN_NOT_OK(Apply(one, label_names, &columns));
  }
  for (const Tracked& column : columns) {
    // A feature that the view has since its group has it, and that the dataset is older than.
    const auto type = features.find(column.name);
    if (type == features.end() && !features.empty()) continue;
    const size_t to = graph->AddNode(kDataset, name, column.name,
                                     type == features.end() ? "" : type->second);
    for (const std::string& source : column.sources) {
      graph->AddEdge(graph->AddNode(kView, view, source), to,
                     column.how.empty() ? "feature" : column.how);
    }
  }
  return Status::OK();
}

}  // namespace tercet
