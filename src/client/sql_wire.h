#pragma once

#include "base/json.h"
#include "platform/platform.h"

namespace tercet {

/// {"query": "…", "as_of": time, "versions": {"weather@1": 3}, "files": […], "time_limit_us": n};
/// all but the query are optional.
json::object ToJson(const SqlRequest& request);
Result<SqlRequest> SqlRequestFromJson(const json::object& object);

/// {"commit": {…}, "rows": n, "watermark": time or null, "pins": {"weather@1": 3}}.
json::object ToJson(const SqlStepData& data);
Result<SqlStepData> SqlStepDataFromJson(const json::object& object);

/// Rows travel as one stream: what was read goes along as metadata of its schema.
RecordBatchReader ToStream(const SqlData& data);
/// IOError when the stream has no such metadata.
Result<SqlData> SqlDataFromStream(RecordBatchReader stream);

}  // namespace tercet
