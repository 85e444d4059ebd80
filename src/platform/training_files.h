#pragma once

#include <string>

#include "platform/platform.h"

namespace tercet {

/// What is done with training data after it is made, and with rows that were read, on the caller's
/// own machine: no project and no server is asked.

/// Writes the parts as files; training/dataset_files.h says how.
Status SaveTrainingData(const TrainingDatasetData& data, const std::string& directory,
                        const std::string& format);
Result<TrainingDatasetData> LoadTrainingData(const std::string& directory);

/// Writes rows to one file as they come, with as much memory as some batches: "parquet", "arrow",
/// "csv" or "tfrecord". The path has the whole file when this returns OK, else it is as it was.
Status SaveRows(const RecordBatchReader& rows, const std::string& path, const std::string& format);

/// Features as they were before the dataset's transformations, as far as these have an inverse
/// (TransformationPlan::MakeInverse); `features` are some or all of its feature columns.
Result<Frame> UndoTransformations(const TrainingDatasetDefinition& definition,
                                  const Frame& features);

/// What differs between two datasets: a list of {"path", "left", "right"}.
json::array DiffTrainingData(const TrainingDatasetDefinition& left,
                             const TrainingDatasetDefinition& right);

}  // namespace tercet
