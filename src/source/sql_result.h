#pragma once

#include <memory>
#include <string>

#include <arrow/record_batch.h>

#include "source/duckdb_handle.h"

namespace tercet {

using SqlResultHandle = DuckDbHandle<duckdb_result>;

/// A result's rows as Arrow batches, as DuckDB makes them. One thread.
Result<std::shared_ptr<arrow::RecordBatchReader>> OpenSqlResult(
    const DuckDbLibrary& duck, std::unique_ptr<SqlResultHandle> result, const std::string& query);

}  // namespace tercet
