#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <arrow/record_batch.h>

#include "base/result.h"
#include "offline/feature_tables.h"

namespace tercet {

struct SqlQueryOptions {
  /// All groups as of this commit time; their heads otherwise.
  std::optional<int64_t> as_of_us;
  /// Group ("weather@1") → commit as of which it is read, before as_of_us.
  std::map<std::string, int64_t> versions;
  std::map<std::string, int64_t> times;  ///< values of parameters: "watermark" for $watermark
  std::vector<std::string> files;        ///< files, and folders ending in '/', that SQL may read
  int64_t memory_limit_bytes = 2LL << 30;
  std::optional<int64_t> time_limit_us;
};

struct SqlQueryAnswer {
  std::shared_ptr<arrow::RecordBatchReader> rows;
  std::map<std::string, int64_t> pins;  ///< the groups that were read, as of which commit
};

/// One SELECT in DuckDB's dialect over feature groups: `weather` is the newest version,
/// `weather_1` and `"weather@1"` a version, feature_group('weather@1', as_of := 'commit or time')
/// one as of then. Visible rows only, each table as of one commit; columns that the query does not
/// use, and files of event times that it rules out, are not read.
///
/// KeyError for names that are not there, with a suggestion; see SqlSession for other errors.
Result<SqlQueryAnswer> QuerySql(FeatureTables* tables, const std::string& query,
                                const SqlQueryOptions& options);

}  // namespace tercet
