#pragma once

#include "platform/platform.h"
#include "server/contract_cache.h"
#include "server/http_message.h"

namespace tercet {

/// Vectors as binary tensors: the Open Inference Protocol's request and answer with its binary
/// tensor extension, for a view instead of a model. Inputs are the entity's columns (and view
/// columns that are passed in), outputs the features, all binary, in the order of the request's
/// "outputs" or of the view, then the view's helper columns.
///
/// Where a value is not there (the answer's parameter "all_present" is false), numbers are 0,
/// floats NaN and texts empty, and a last output "$status", UINT8 of shape [n, outputs], says why:
/// 0 present, 1 missing, 2 expired, 3 unavailable, 4 stale (there is a value), 5 null.
Result<HttpAnswer> TensorVectors(Platform* platform, VectorContracts* contracts, const Ref& view,
                                 const HttpRequest& request);

}  // namespace tercet
