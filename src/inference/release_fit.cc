#include "inference/release_fit.h"

#include <algorithm>
#include <set>

#include <arrow/type_traits.h>

#include "base/name.h"
#include "catalog/training_dataset.h"
#include "compute/transformation.h"

namespace tercet {
namespace {

bool IsNumber(const arrow::DataType& type) {
  return arrow::is_numeric(type.id()) || arrow::is_decimal(type.id()) ||
         type.id() == arrow::Type::BOOL;
}

bool IsText(const arrow::DataType& type) {
  return arrow::is_string(type.id()) || type.id() == arrow::Type::STRING_VIEW;
}

std::string Names(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < names.size() && i < 20; ++i) {
    text += (i == 0 ? "'" : ", '") + names[i] + "'";
  }
  if (names.size() > 20) text += " and " + std::to_string(names.size() - 20) + " more";
  return text;
}

/// The fitted parameters of the dataset that the model was trained on.
Result<TrainingDatasetDefinition> DatasetOf(Catalog* catalog, const Ref& ref) {
  ARROW_ASSIGN_OR_RAISE(const CatalogEntry entry, catalog->Get(Kind::kTrainingDataset, ref));
  ARROW_ASSIGN_OR_RAISE(auto dataset, TrainingDatasetDefinition::FromJson(entry.definition));
  dataset.version = entry.ref.version;
  return dataset;
}

Result<std::shared_ptr<arrow::Schema>> TransformedSchema(const json::array& fitted,
                                                         const ViewPlan& plan) {
  ARROW_ASSIGN_OR_RAISE(const auto transformations, FittedFromJson(fitted));
  ARROW_ASSIGN_OR_RAISE(const auto transformed,
                        TransformationPlan::Make(transformations, plan.feature_schema()));
  return transformed->output_schema();
}

Status AddView(Catalog* catalog, FeatureViews* views, const Ref& view, Release* release) {
  ARROW_ASSIGN_OR_RAISE(const auto plan, views->Plan(view));
  release->view = plan->definition().ref();
  release->view_definition = plan->definition().ToJson();
  std::set<std::string> groups;
  for (const ViewGroup& group : plan->groups()) groups.insert(group.definition.ref().ToText());
  release->feature_groups.assign(groups.begin(), groups.end());

  if (release->training_dataset) {
    ARROW_ASSIGN_OR_RAISE(const TrainingDatasetDefinition dataset,
                          DatasetOf(catalog, *release->training_dataset));
    if (dataset.view != release->view) {
      return Status::Invalid("its view is '", release->view.ToText(),
                             "', but its training dataset '", dataset.ref().ToText(),
                             "' is of view '", dataset.view.ToText(), "'");
    }
    release->training_dataset = dataset.ref();
    release->fitted_transformations = dataset.fitted_transformations;
  } else if (!plan->definition().transformations.empty()) {
    return Status::Invalid("feature view '", release->view.ToText(),
                           "' has transformations, and the model names no training dataset that "
                           "they were fitted on; register it with its training data");
  }
  ARROW_ASSIGN_OR_RAISE(const auto features,
                        TransformedSchema(release->fitted_transformations, *plan));
  return Explain(CheckFits(release->signature, *features),
                 "its signature does not fit feature view '" + release->view.ToText() + "'");
}

}  // namespace

bool CanStandFor(const arrow::DataType& given, const arrow::DataType& wanted) {
  if (given.Equals(wanted) || given.id() == arrow::Type::NA) return true;
  if (IsNumber(given) && IsNumber(wanted)) return true;
  if (IsText(given) && IsText(wanted)) return true;
  if (arrow::is_list(given.id()) && arrow::is_list(wanted.id())) {
    // How long lists are is told apart by the receiver, where the types don't say.
    using Fixed = arrow::FixedSizeListType;
    const auto fixed = arrow::Type::FIXED_SIZE_LIST;
    if (given.id() == fixed && wanted.id() == fixed &&
        static_cast<const Fixed&>(given).list_size() !=
            static_cast<const Fixed&>(wanted).list_size()) {
      return false;
    }
    return CanStandFor(*given.field(0)->type(), *wanted.field(0)->type());
  }
  // Units and zones of times are told apart by the receiver, not here.
  return given.id() == wanted.id() && arrow::is_temporal(given.id());
}

Status CheckFits(const Signature& signature, const arrow::Schema& features) {
  std::vector<std::string> absent, left_over;
  const std::vector<std::string> known = features.field_names();
  for (const auto& input : signature.inputs->fields()) {
    const auto feature = features.GetFieldByName(input->name());
    if (feature == nullptr) {
      absent.push_back(input->name());
    } else if (!CanStandFor(*feature->type(), *input->type())) {
      return Status::Invalid("input '", input->name(), "' is ", input->type()->ToString(),
                             ", but the feature is ", feature->type()->ToString());
    }
  }
  for (const std::string& name : known) {
    if (signature.inputs->GetFieldIndex(name) < 0) left_over.push_back(name);
  }
  // A model may use some of a view's features: they are given to it by name.
  if (absent.empty()) return Status::OK();
  std::string message = "the model takes " + std::to_string(signature.inputs->num_fields()) +
                        " inputs, and the view gives " + std::to_string(known.size()) +
                        " features";
  message += "; no feature is named " + Names(absent);
  if (absent.size() == 1) message += Suggest(absent[0], known);
  if (!left_over.empty()) message += "; no input takes " + Names(left_over);
  return Status::Invalid(message);
}

Result<Release> ReleaseOf(Catalog* catalog, FeatureViews* views, const ModelDefinition& model) {
  const std::string what = "cannot release model '" + model.ref().ToText() + "'";
  Release release;
  release.model = model.ref();
  release.model_files = model.files;
  release.signature = model.signature;
  release.training_dataset = model.training_dataset;
  std::optional<Ref> view = model.view;
  if (!view && model.training_dataset) {
    const Result<TrainingDatasetDefinition> dataset =
        DatasetOf(catalog, *model.training_dataset);
    if (!dataset.ok()) return Explain(dataset.status(), what);
    view = dataset->view;
  }
  if (view) {
    const Status added = AddView(catalog, views, *view, &release);
    if (!added.ok()) return Explain(added, what);
  }
  release.id = release.ContentAddress();
  return release;
}

}  // namespace tercet
