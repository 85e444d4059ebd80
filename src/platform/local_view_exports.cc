#include "platform/local_view_exports.h"

#include "runtime/worker_functions.h"
#include "training/engine_rows.h"
#include "view/view_recipe.h"

namespace tercet {
namespace {

/// What an engine sent, and how it is read: as the view was when the engine read it.
struct OpenedRows {
  std::shared_ptr<const ViewPlan> plan;
  std::shared_ptr<arrow::Schema> spine;  ///< null: there is none
  std::unique_ptr<EngineRows> rows;
  GivenRows given;
};

Result<std::unique_ptr<OpenedRows>> Open(FeatureViews* views, FeatureTables* tables,
                                         const Ref& view, const EngineRowsRequest& request) {
  auto opened = std::make_unique<OpenedRows>();
  ARROW_ASSIGN_OR_RAISE(opened->plan, views->PlanAt(view, request.pins));
  ARROW_ASSIGN_OR_RAISE(
      opened->rows,
      EngineRows::Open(request.messages, tables->write_memory().scratch_folder));
  if (opened->rows->spine() != nullptr) opened->spine = opened->rows->spine()->schema();
  const RecipeOptions unfitted{.spine = opened->spine, .fitted = {}, .known_at = false};
  ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<const ViewProgram> program,
                        ProgramOf(opened->plan, unfitted));
  opened->given.pins = request.pins;
  opened->given.next = [program, rows = opened->rows.get()] { return rows->Next(*program); };
  return opened;
}

Result<Frame> TableOf(const RowPlaces& places) {
  const auto column = [](const std::vector<uint8_t>& values) -> std::shared_ptr<arrow::Array> {
    return std::make_shared<arrow::UInt8Array>(
        static_cast<int64_t>(values.size()),
        arrow::Buffer::FromVector(std::vector<uint8_t>(values)));
  };
  return arrow::Table::Make(
      arrow::schema({arrow::field("part", arrow::uint8()),
                     arrow::field("variant", arrow::uint8())}),
      arrow::ArrayVector{column(places.part), column(places.variant)});
}

Result<EngineDataset> DatasetOf(const TrainingDataset& dataset, const OpenedRows& opened) {
  EngineDataset made{.definition = dataset.definition, .how = {}, .places = nullptr};
  json::array programs;
  for (const std::vector<FittedTransformation>& fitted : dataset.places->variants) {
    const RecipeOptions options{.spine = opened.spine, .fitted = fitted, .known_at = false};
    ARROW_ASSIGN_OR_RAISE(const auto program, ProgramOf(opened.plan, options));
    if (programs.empty()) {
      ARROW_ASSIGN_OR_RAISE(made.how["output"], EngineSchema(program->output_schema()));
    }
    programs.push_back(program->ToJson());
  }
  made.how["programs"] = std::move(programs);
  json::array names;
  for (const TrainingPart& part : dataset.parts) names.emplace_back(part.name);
  made.how["parts"] = std::move(names);
  ARROW_ASSIGN_OR_RAISE(made.places, TableOf(*dataset.places));
  return made;
}

}  // namespace

Result<json::object> LocalViewExports::Recipe(const Ref& view, const ViewExportRequest& request) {
  ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<const ViewPlan> now, views_.Plan(view));
  const Ref ref = now->definition().ref();
  RecipeOptions options{.spine = request.spine, .fitted = {}, .known_at = request.known_at};
  if (request.training_dataset_version) {
    ARROW_ASSIGN_OR_RAISE(const TrainingDatasetDefinition dataset,
                          training_.Get({ref.ToText(), *request.training_dataset_version}));
    ARROW_ASSIGN_OR_RAISE(options.fitted, FittedFromJson(dataset.fitted_transformations));
  }
  ARROW_ASSIGN_OR_RAISE(const auto pins, training_.Pins(*now));
  ARROW_ASSIGN_OR_RAISE(const auto plan, views_.PlanAt(ref, pins));
  ViewSnapshots snapshots(&tables_, pins);
  ARROW_ASSIGN_OR_RAISE(json::object recipe, RecipeOf(plan, &snapshots, &tables_, options));
  // What a worker can't run is refused here, not in the middle of a job.
  WorkerFunctions nobody("python3");  // runs nothing before it is called
  ARROW_RETURN_NOT_OK(ViewProgram::FromJson(recipe.at("program").as_object(), &nobody).status());
  return recipe;
}

Result<EngineDataset> LocalViewExports::CreateDataset(const Ref& view,
                                                      const EngineRowsRequest& rows,
                                                      const Progress& progress) {
  ARROW_ASSIGN_OR_RAISE(const auto opened, Open(&views_, &tables_, view, rows));
  ARROW_ASSIGN_OR_RAISE(const TrainingDataset dataset,
                        training_.Create(view, {.split = rows.training.split,
                                                .seed = rows.training.seed,
                                                .start_us = rows.training.start_us,
                                                .end_us = rows.training.end_us,
                                                .spine = opened->rows->spine(),
                                                .known_at = rows.training.known_at,
                                                .memory_limit_bytes = memory_limit_bytes_,
                                                .progress = progress,
                                                .given = opened->given}));
  return DatasetOf(dataset, *opened);
}

Result<EngineDataset> LocalViewExports::Fold(const Ref& view, int64_t version, int64_t fold,
                                             const EngineRowsRequest& rows,
                                             const Progress& progress) {
  ARROW_ASSIGN_OR_RAISE(const auto opened, Open(&views_, &tables_, view, rows));
  ARROW_ASSIGN_OR_RAISE(
      const TrainingDataset dataset,
      training_.Fold({opened->plan->definition().ref().ToText(), version}, fold,
                     {.memory_limit_bytes = memory_limit_bytes_,
                      .progress = progress,
                      .given = opened->given}));
  return DatasetOf(dataset, *opened);
}

}  // namespace tercet
