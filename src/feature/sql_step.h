#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "catalog/feature_group.h"
#include "feature/ingest.h"
#include "offline/feature_tables.h"

namespace tercet {

/// A feature pipeline's step in SQL: a header of comment lines, then one SELECT.
///
///   -- target: daily_weather@1       the group that it feeds; made when it is not there
///   -- primary_key: origin, day      of the group, when the step makes it
///   -- event_time: day
///   -- mode: upsert                  upsert (the default), append or overwrite
///   -- watermark: day                a time column of the answer: later runs take later rows
///   SELECT …
///
/// and "name" (by default the target's), "ttl", "online" and "description". Lines of comment that
/// are not "word: …" are for people.
struct SqlStep {
  FeatureGroupDefinition target;  ///< without a primary key: it must be there
  InsertMode mode = InsertMode::kUpsert;
  std::string name;
  std::string watermark;  ///< empty: every run reads all
  std::string query;

  /// Invalid for an unknown word (with a suggestion), no target, or no query.
  static Result<SqlStep> Parse(const std::string& text);
};

struct SqlStepOptions {
  int64_t memory_limit_bytes = 2LL << 30;
  std::optional<int64_t> time_limit_us;
};

struct SqlStepResult {
  Commit commit;  ///< the new one; the target's newest when nothing was new
  int64_t rows = 0;
  std::optional<int64_t> watermark_us;
  std::map<std::string, int64_t> pins;
};

/// Runs a step: the query's rows past the watermark that the step's last commit recorded become one
/// commit of the target. In the query, $watermark is that time (the year 1 in the first run).
/// Without a watermark, the same query over the same commits is not written again. The answer is
/// held in memory. Errors are those of QuerySql and Ingest::Insert; nothing is written then.
Result<SqlStepResult> RunSqlStep(FeatureTables* tables, Ingest* ingest, const SqlStep& step,
                                 const SqlStepOptions& options);

}  // namespace tercet
