#pragma once

#include <string>

#include "training/training_data.h"

namespace tercet {

/// A training dataset as a folder of files that any tool reads: one file a part, "train.parquet",
/// with the columns of keys, features, labels and helpers, and "dataset.json" with the definition
/// and which column is what. A column's name is as in the dataset, or "keys.NAME" where a feature
/// has the name as well.
///
/// Formats: "parquet" and "arrow" (IPC file) come back by LoadDataset with every bit; "csv" and
/// "tfrecord" (tfrecord.h) are for others' readers, since they lose types.

/// Writes a dataset; the folder is made, files of an earlier one are replaced when all of the new
/// ones are whole, dataset.json last: a write that fails (a full disk) leaves none of its own.
/// Memory is some row groups, beside the tables. Invalid for a format that is none.
Status SaveDataset(const TrainingDataset& dataset, const std::string& directory,
                   const std::string& format);

/// Reads a folder back and checks every part's content address. KeyError when there is no dataset,
/// NotImplemented for formats that lose types, IOError naming the part when a byte differs.
Result<TrainingDataset> LoadDataset(const std::string& directory);

/// What differs between two datasets, member by member but for their statistics: [{"path":
/// "pins.weather@1", "left": 3, "right": 5} …] in the order of the definition; a member that one
/// does not have is null.
json::array DiffDatasets(const TrainingDatasetDefinition& left,
                         const TrainingDatasetDefinition& right);

}  // namespace tercet
