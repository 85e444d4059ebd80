#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "catalog/model.h"
#include "runtime/predictor.h"

namespace tercet {

/// A model evaluated by ONNX Runtime, on the calling thread. It takes one matrix of all features
/// (rows, features), or one input of (rows, 1) a feature, as skl2onnx makes them; it gives tensors
/// of (rows), (rows, 1) or (rows, k), each column one output. Answers do not depend on how many
/// rows are asked for at once: a model with operators whose rounding does is run row by row.
Result<std::unique_ptr<Predictor>> LoadOnnxPredictor(const std::string& path,
                                                     const Signature& signature);

/// Inputs: "f0", "f1" … of a matrix, else the inputs' own names. Outputs: the tensor's name, with
/// "_0", "_1" … where it has several columns.
Result<Signature> InferOnnxSignature(const std::string& path);

}  // namespace tercet
