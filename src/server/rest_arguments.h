#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "catalog/noun.h"
#include "platform/platform.h"
#include "server/router.h"

namespace tercet {

/// Reads what REST paths and queries say.

/// A version in a path: a number, or "latest", which is 0. Invalid otherwise.
Result<int64_t> ReadVersion(std::string_view text);
Result<Ref> ReadRef(std::string_view name, std::string_view version);

/// "?limit=20": nullopt when absent, Invalid when it is not an integer.
Result<std::optional<int64_t>> QueryInt(const HttpRequest& request, std::string_view name);
/// "?event_time=2013-01-01T05:00:00Z" or integer microseconds.
Result<std::optional<int64_t>> QueryTime(const HttpRequest& request, std::string_view name);

/// What names a request in the prediction log: "?request_id=…", else X-Request-Id; empty: nothing.
std::string RequestId(const HttpRequest& request);

/// "?columns=a,b&version=3&as_of=…&start=…&end=…".
Result<ReadRequest> QueryRead(const HttpRequest& request);

/// At most `limit` rows of a reader as {"rows": [{…}, …], "more": true when there are others}.
Result<HttpAnswer> RowsAnswer(arrow::RecordBatchReader* reader, int64_t limit);

/// The rows of a list of objects as a reader of one batch.
Result<RecordBatchReader> ReaderOf(const std::shared_ptr<arrow::RecordBatch>& batch);

}  // namespace tercet
