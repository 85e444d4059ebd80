#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "catalog/training_dataset.h"
#include "compute/transformation.h"
#include "training/table_store.h"
#include "training/row_split.h"
#include "training/training_data.h"
#include "view/point_in_time_read.h"

namespace tercet {

/// The columns of one part of a split, before transformation; the tables are aligned.
struct RawPart {
  std::string name;
  std::shared_ptr<arrow::Table> features, labels, helpers, keys;
};

/// Reads a view. Rows that are more than a quarter of the store's limit go to the store's disk, and
/// all tables that are made of them after that.
Result<ViewRows> ReadInto(TableStore* store, const ViewPlan& plan, FeatureTables* tables,
                          ViewReadOptions options);
/// The same of rows that come piece by piece: nullopt is the end, of no rows there is one piece.
using NextRows = std::function<Result<std::optional<ViewRows>>()>;
Result<ViewRows> ReadInto(TableStore* store, const NextRows& next);

/// What was read of a view, divided.
struct DividedRows {
  std::vector<RawPart> parts;
  std::vector<RowIndices> rows;  ///< of each part, among those that were read
};

/// Divides what was read of a view, and sorts its columns by what they are for.
Result<DividedRows> DivideRows(const ViewPlan& plan, const SplitDefinition& split, int64_t seed,
                               const ViewRows& rows, const TableStore& store);
/// All rows as one part.
Result<RawPart> WholePart(const ViewPlan& plan, const ViewRows& rows);
/// "train" and "test" of one fold.
Result<DividedRows> DivideFold(const ViewPlan& plan, const SplitDefinition& split, int64_t seed,
                               const ViewRows& rows, int64_t fold, const TableStore& store);

/// The place of the part whose rows the transformations are fitted on: "train", else the first.
size_t FittingPart(const std::vector<RawPart>& parts);

/// Fits the view's transformations in order, each on what those before it give; of supervised ones
/// that is out of fold (cross_fit.h). Invalid when there are some and the part has no rows.
Result<std::vector<FittedTransformation>> FitAll(
    const std::vector<TransformationDefinition>& transformations, const RawPart& part, int64_t seed,
    const TableStore& store);

/// The plan's answer for all rows, by many threads: it treats each row by itself.
Result<std::shared_ptr<arrow::Table>> TransformTable(const TransformationPlan& plan,
                                                     const std::shared_ptr<arrow::Table>& features);

/// One transformation of the part that it was fitted on.
Result<std::shared_ptr<arrow::Table>> TransformFitted(
    const FittedTransformation& fitted, const std::shared_ptr<arrow::Table>& features,
    const std::shared_ptr<arrow::Table>& labels, int64_t seed, const TableStore& store);
/// What was fitted, as it was before.
TransformationDefinition DefinitionOf(const FittedTransformation& fitted);
Result<bool> AnySupervised(const std::vector<FittedTransformation>& fitted);

/// The parts with their features transformed, all columns canonical. `fitting` is the one that
/// FitAll saw, whose supervised transformations are out of fold and depend on the seed; null where
/// it is none of the parts.
Result<std::vector<TrainingPart>> FinishParts(const std::vector<RawPart>& parts,
                                              const std::vector<FittedTransformation>& fitted,
                                              const RawPart* fitting, int64_t seed,
                                              const TableStore& store);

/// Part → SHA-256 of the Arrow IPC stream of its keys, features, labels and helpers.
Result<std::map<std::string, std::string>> ContentAddresses(
    const std::vector<TrainingPart>& parts);

}  // namespace tercet
