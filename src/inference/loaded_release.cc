#include "inference/loaded_release.h"

#include "base/name.h"
#include "inference/model_loading.h"
#include "inference/release_fit.h"
#include "inference/warm_up.h"
#include "runtime/prediction_columns.h"

namespace tercet {

Result<std::shared_ptr<const LoadedRelease>> LoadedRelease::Load(const Release& release,
                                                                 FeatureViews* views,
                                                                 Registry* registry,
                                                                 const PredictorOptions& options) {
  const std::string what = "cannot load release " + release.id.substr(0, 12) + " of model '" +
                           release.model.ToText() + "'";
  std::shared_ptr<LoadedRelease> loaded(new LoadedRelease);
  loaded->release_ = release;
  const Status done = [&]() -> Status {
    if (!release.view.name.empty()) ARROW_RETURN_NOT_OK(loaded->BindView(views));
    ARROW_ASSIGN_OR_RAISE(const ModelDefinition model, registry->GetModel(release.model));
    ARROW_ASSIGN_OR_RAISE(const auto files, AllFilesOf(model, registry));
    if (files != release.model_files) {
      return Status::IOError("the registered model has other files than the release");
    }
    ARROW_ASSIGN_OR_RAISE(const std::string directory, registry->ModelDirectory(release.model));
    loaded->format_ = model.format;
    loaded->warm_up_ = model.warm_up;
    ModelDefinition released = model;
    released.signature = release.signature;
    ARROW_ASSIGN_OR_RAISE(LoadedModel ready, LoadModel(released, directory, registry, options));
    loaded->predictor_ = std::move(ready.predictor);
    loaded->repeats_ = ready.repeats;
    const bool view = loaded->plan_ != nullptr;
    loaded->rows_ = ReleaseRows::Make({.plan = loaded->plan_,
                                       .transformations = loaded->transformations_,
                                       .input_columns = loaded->input_columns_,
                                       .as_read = loaded->as_read_},
                                      view ? *loaded->input_schema_ : *release.signature.inputs,
                                      *loaded->predictor_);
    loaded->row_schema_ = view ? loaded->plan_->entity_schema() : release.signature.inputs;
    return Status::OK();
  }();
  if (!done.ok()) return Explain(done, what);
  return loaded;
}

Status LoadedRelease::BindView(FeatureViews* views) {
  // The definition inside the release, not the catalog's: the release is complete in itself.
  ARROW_ASSIGN_OR_RAISE(const auto definition,
                        FeatureViewDefinition::FromJson(release_.view_definition));
  ARROW_ASSIGN_OR_RAISE(plan_, views->Resolve(definition));
  ARROW_RETURN_NOT_OK(plan_->Prepare());
  ARROW_ASSIGN_OR_RAISE(const auto fitted, FittedFromJson(release_.fitted_transformations));
  ARROW_ASSIGN_OR_RAISE(transformations_,
                        TransformationPlan::Make(fitted, plan_->feature_schema()));
  const arrow::Schema& features = *transformations_->output_schema();
  ARROW_RETURN_NOT_OK(CheckFits(release_.signature, features));
  arrow::FieldVector fields;
  for (const auto& input : release_.signature.inputs->fields()) {
    input_columns_.push_back(features.GetFieldIndex(input->name()));
    fields.push_back(features.field(input_columns_.back()));
  }
  input_schema_ = arrow::schema(std::move(fields));
  as_read_ = fitted.empty() && input_schema_->Equals(*plan_->feature_schema());
  return Status::OK();
}

Result<std::shared_ptr<arrow::RecordBatch>> LoadedRelease::InputsOf(
    const std::shared_ptr<arrow::RecordBatch>& features) const {
  if (as_read_) return features;
  ARROW_ASSIGN_OR_RAISE(const auto transformed, transformations_->Apply(features));
  arrow::ArrayVector columns;
  columns.reserve(input_columns_.size());
  for (const int column : input_columns_) columns.push_back(transformed->column(column));
  return arrow::RecordBatch::Make(input_schema_, transformed->num_rows(), std::move(columns));
}

Result<std::shared_ptr<arrow::RecordBatch>> LoadedRelease::InputsFrom(
    const arrow::RecordBatch& request) const {
  const arrow::Schema& inputs = *release_.signature.inputs;
  for (const auto& field : request.schema()->fields()) {
    if (inputs.GetFieldIndex(field->name()) < 0) {
      return Status::Invalid("model '", release_.model.ToText(), "' has no input '",
                             field->name(), "'", Suggest(field->name(), inputs.field_names()));
    }
  }
  arrow::FieldVector fields;
  arrow::ArrayVector columns;
  for (const auto& input : inputs.fields()) {
    const int given = request.schema()->GetFieldIndex(input->name());
    if (given < 0) {
      return Status::Invalid("model '", release_.model.ToText(), "' needs input '", input->name(),
                             "' once, of type ", input->type()->ToString());
    }
    const auto& field = request.schema()->field(given);
    if (!CanStandFor(*field->type(), *input->type())) {
      return Status::TypeError("input '", input->name(), "' of model '", release_.model.ToText(),
                               "' is ", input->type()->ToString(), ", not ",
                               field->type()->ToString());
    }
    fields.push_back(field);
    columns.push_back(request.column(given));
  }
  return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), request.num_rows(),
                                  std::move(columns));
}

Result<std::shared_ptr<arrow::RecordBatch>> LoadedRelease::Predict(
    const arrow::RecordBatch& inputs,
    const std::optional<std::chrono::steady_clock::time_point>& deadline) const {
  ARROW_ASSIGN_OR_RAISE(auto outputs, PredictWithRaw(inputs, deadline));
  const int count = signature().outputs->num_fields();
  return outputs->num_columns() == count ? outputs : FirstColumns(*outputs, count);
}

Result<std::shared_ptr<arrow::RecordBatch>> LoadedRelease::PredictWithRaw(
    const arrow::RecordBatch& inputs,
    const std::optional<std::chrono::steady_clock::time_point>& deadline) const {
  Result<std::shared_ptr<arrow::RecordBatch>> outputs = predictor_->PredictBy(inputs, deadline);
  if (!outputs.ok()) return Explain(outputs.status(), "model '" + release_.model.ToText() + "'");
  if ((*outputs)->num_rows() != inputs.num_rows()) {
    return Status::ExecutionError("model '", release_.model.ToText(), "' gave ",
                                  (*outputs)->num_rows(), " rows for ", inputs.num_rows());
  }
  return outputs;
}

Status LoadedRelease::WarmUp() const {
  return Explain(ProveWarmUp(warm_up_, format_, predictor_.get()),
                 "model '" + release_.model.ToText() + "'");
}

Status LoadedRelease::Reserve(const WorkerLimits& limits) const {
  ARROW_RETURN_NOT_OK(predictor_->Reserve(limits));
  return plan_ == nullptr ? Status::OK() : plan_->Reserve(limits);
}

}  // namespace tercet
