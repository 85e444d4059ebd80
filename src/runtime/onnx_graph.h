#pragma once

#include <string_view>

#include "base/result.h"

namespace tercet {

/// Whether a row's answer is the same bits whatever other rows are in the batch: true when every
/// operator of the graph treats rows alone and rounds each number by itself (tree ensembles,
/// casts, arithmetic). Matrix products and vectorized functions don't: they sum and round in an
/// order that depends on the batch. Reads the ONNX protobuf; IOError when it is malformed.
Result<bool> RowsAreIndependent(std::string_view model);

}  // namespace tercet
