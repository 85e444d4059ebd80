#pragma once

#include <string_view>

#include "platform/platform.h"
#include "server/http_message.h"
#include "server/row_answer.h"

namespace tercet {

/// Predictions as other scoring servers answer them, by what the client accepts: "text/csv" is a
/// line a row without names, "application/jsonlines" the row's prediction a line,
/// "application/x-npy" a NumPy array of the one output, all else {"predictions": […]}. A prediction
/// is the value where the model has one output, else an object of them. NotImplemented for outputs
/// that CSV or an array can't hold.
Result<HttpAnswer> ScoringAnswer(const PredictData& data, std::string_view accept);
/// The same as {"predictions": […]} of rows that were predicted the short way.
HttpAnswer ScoringAnswer(const RowAnswer& rows);
/// Whether a client that accepts this is given {"predictions": […]}.
bool TakesPredictions(std::string_view accept);

inline constexpr std::string_view kNpy = "application/x-npy";

/// "application/jsonlines" and its other names.
bool IsJsonLines(std::string_view media_type);

}  // namespace tercet
