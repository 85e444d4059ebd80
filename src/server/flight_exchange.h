#pragma once

#include <memory>

#include <arrow/flight/server.h>

#include "base/json.h"
#include "platform/platform.h"

namespace tercet {

/// Answers one DoExchange: `command` is its descriptor's JSON. Frames come from `upload`, go to
/// `writer`.
Status AnswerExchange(Platform* platform, json::object command,
                      std::shared_ptr<arrow::flight::FlightMessageReader> upload,
                      arrow::flight::FlightMessageWriter* writer);

}  // namespace tercet
