#include "platform/view_export.h"

#include "platform/local_platform.h"
#include "view/view_program.h"
#include "view/view_recipe.h"

namespace tercet {

Result<json::object> LocalPlatform::ExportView(const Ref& view, const ViewExportRequest& request) {
  ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<const ViewPlan> now, views_.Plan(view));
  const Ref ref = now->definition().ref();
  RecipeOptions options{.spine = request.spine, .fitted = {}};
  if (request.training_dataset_version) {
    ARROW_ASSIGN_OR_RAISE(const TrainingDatasetDefinition dataset,
                          GetTrainingDataset(ref, *request.training_dataset_version));
    ARROW_ASSIGN_OR_RAISE(options.fitted, FittedFromJson(dataset.fitted_transformations));
  } else if (!now->definition().transformations.empty()) {
    return Status::Invalid(
        "feature view '", ref.ToText(), "' has transformations, which are fitted here: make "
        "training data of some of its rows (a range of time, or a spine) without an engine, then "
        "name its version as training_dataset");
  }
  std::map<std::string, int64_t> pins;
  for (const ViewGroup& group : now->groups()) {
    const std::string name = group.definition.ref().ToText();
    if (pins.contains(name)) continue;
    ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<Table> table, tables_.Get(group.definition.ref()));
    ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<Snapshot> head, table->Head());
    pins[name] = head->version();
  }
  ARROW_ASSIGN_OR_RAISE(const auto plan, views_.PlanAt(ref, pins));
  ViewSnapshots snapshots(&tables_, pins);
  ARROW_ASSIGN_OR_RAISE(json::object recipe, RecipeOf(plan, &snapshots, &tables_, options));
  // What a worker can't run is refused here, not in the middle of a job.
  ARROW_RETURN_NOT_OK(ViewProgram::FromJson(recipe.at("program").as_object()).status());
  return recipe;
}

Result<std::shared_ptr<const ViewProgram>> LoadViewProgram(const std::string& text) {
  ARROW_ASSIGN_OR_RAISE(const json::object object, ParseJsonObject(text));
  return ViewProgram::FromJson(object);
}

Result<std::shared_ptr<arrow::RecordBatch>> RunViewProgram(const ViewProgram& program,
                                                           const arrow::RecordBatch& joined) {
  return program.Run(joined);
}

}  // namespace tercet
