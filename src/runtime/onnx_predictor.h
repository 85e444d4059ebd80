#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "catalog/model.h"
#include "runtime/predictor.h"

namespace tercet {

/// A model evaluated by ONNX Runtime, on the calling thread. What it takes: onnx_feed.h. It gives
/// tensors whose first dimension is the rows: (rows), (rows, 1) or (rows, k), each column one
/// output, as skl2onnx makes them; or one list an output, where the tensor has more dimensions,
/// the signature says so, or, without one, the model takes lists itself. Answers do not depend on
/// how many rows are asked for at once: a model with operators whose rounding does is run row by
/// row.
Result<std::unique_ptr<Predictor>> LoadOnnxPredictor(const std::string& path,
                                                     const Signature& signature);

/// Inputs: "f0", "f1" … of a matrix, else the inputs' own names. Outputs: the tensor's name, with
/// "_0", "_1" … where it is of several columns.
Result<Signature> InferOnnxSignature(const std::string& path);

}  // namespace tercet
