#pragma once

#include "base/json.h"
#include "base/result.h"
#include "catalog/model.h"
#include "runtime/predictor.h"

namespace tercet {

/// What a model answers to a few rows that its signature alone makes, as ModelDefinition::warm_up
/// keeps it. Empty for a model that can't be asked so: it refuses the rows, its inputs are lists,
/// or it answers the same rows differently when they are asked twice.
Result<json::object> RecordWarmUp(Predictor* predictor);

/// Asks the same again. ExecutionError when the answer is another one than that of the record:
/// trees must answer bit for bit, other models within a relative 1e-5, since their libraries
/// promise no more from one machine to the next. OK when there is no record.
Status ProveWarmUp(const json::object& warm_up, ModelFormat format, Predictor* predictor);

}  // namespace tercet
