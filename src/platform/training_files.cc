#include "platform/training_files.h"

#include "compute/transformation.h"
#include "training/dataset_files.h"
#include "training/part_maker.h"
#include "training/row_files.h"

namespace tercet {

Status SaveTrainingData(const TrainingDatasetData& data, const std::string& directory,
                        const std::string& format) {
  TrainingDataset dataset{.definition = data.definition, .parts = {}};
  for (const TrainingPartData& part : data.parts) {
    dataset.parts.push_back({.name = part.name,
                             .features = part.features,
                             .labels = part.labels,
                             .helpers = part.helpers,
                             .keys = part.keys});
  }
  return SaveDataset(dataset, directory, format);
}

Result<TrainingDatasetData> LoadTrainingData(const std::string& directory) {
  ARROW_ASSIGN_OR_RAISE(TrainingDataset dataset, LoadDataset(directory));
  TrainingDatasetData data{.definition = std::move(dataset.definition), .parts = {}};
  for (TrainingPart& part : dataset.parts) {
    data.parts.push_back({.name = std::move(part.name),
                          .features = std::move(part.features),
                          .labels = std::move(part.labels),
                          .helpers = std::move(part.helpers),
                          .keys = std::move(part.keys)});
  }
  return data;
}

Status SaveRows(const RecordBatchReader& rows, const std::string& path, const std::string& format) {
  return ExportRows(rows.get(), format, path);
}

Result<Frame> UndoTransformations(const TrainingDatasetDefinition& definition,
                                  const Frame& features) {
  ARROW_ASSIGN_OR_RAISE(const auto fitted, FittedFromJson(definition.fitted_transformations));
  ARROW_ASSIGN_OR_RAISE(const auto plan,
                        TransformationPlan::MakeInverse(fitted, features->schema()));
  return TransformTable(*plan, features);
}

json::array DiffTrainingData(const TrainingDatasetDefinition& left,
                             const TrainingDatasetDefinition& right) {
  return DiffDatasets(left, right);
}

}  // namespace tercet
