#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/record_batch.h>

#include "base/result.h"
#include "catalog/model.h"
#include "runtime/feature_rows.h"
#include "runtime/predictor.h"

namespace tercet {

/// A tree ensemble read from its library's own file, evaluated with that library's arithmetic, in
/// its order, so that answers are equal bit for bit. Immutable and thread-safe.
class TreeModel {
 public:
  virtual ~TreeModel() = default;
  /// One entry a feature.
  virtual const std::vector<CategoryCodes>& categories() const = 0;
  /// What the file says of inputs and outputs.
  virtual const Signature& signature() const = 0;
  /// Predictions of rows [begin, end) of a batch that passed CheckFeatureTypes, row-major, one
  /// number an output. Exact: a float result is a double that a float holds.
  virtual void Evaluate(const arrow::RecordBatch& features, int64_t begin, int64_t end,
                        double* predictions) const = 0;
  /// The same of one row, as FillFeatureRow takes it.
  virtual void EvaluateRow(std::span<const Cell> row, std::span<const arrow::Type::type> types,
                           Arena* memory, double* predictions) const = 0;
};

/// Readers of whole files. IOError when corrupt, NotImplemented for what is not evaluated here.
Result<std::shared_ptr<const TreeModel>> ReadXgboostModel(std::string_view bytes, bool ubjson);
Result<std::shared_ptr<const TreeModel>> ReadLightgbmModel(std::string_view bytes);

/// A predictor over a model. Invalid when the signature doesn't fit it.
Result<std::unique_ptr<Predictor>> MakeTreePredictor(std::shared_ptr<const TreeModel> model,
                                                     const Signature& signature);

/// Names of outputs, the same for every library: "prediction", or "probability_0" and on.
std::shared_ptr<arrow::Schema> TreeOutputs(int count, std::shared_ptr<arrow::DataType> type);

}  // namespace tercet
