#include "base/log.h"
#include "feature/sql_step.h"
#include "offline/sql_query.h"
#include "platform/local_discovery.h"
#include "platform/local_platform.h"

namespace tercet {

namespace {

constexpr int64_t kMaterializeTimeoutUs = 3600LL * 1'000'000;

}  // namespace

Result<SqlData> LocalPlatform::Sql(const SqlRequest& request) {
  ARROW_ASSIGN_OR_RAISE(SqlQueryAnswer answer,
                        QuerySql(&tables_, request.query,
                                 {.as_of_us = request.as_of_us,
                                  .versions = request.versions,
                                  .times = {},
                                  .files = request.files,
                                  .memory_limit_bytes = options_.memory_limit_bytes,
                                  .time_limit_us = request.time_limit_us}));
  return SqlData{.rows = std::move(answer.rows), .pins = std::move(answer.pins)};
}

Result<SqlStepData> LocalPlatform::RunSqlStep(const std::string& text) {
  ARROW_ASSIGN_OR_RAISE(const SqlStep step, SqlStep::Parse(text));
  ARROW_ASSIGN_OR_RAISE(const SqlStepResult result,
                        tercet::RunSqlStep(&tables_, ingest_.get(), step,
                                           {.memory_limit_bytes = options_.memory_limit_bytes,
                                            .time_limit_us = std::nullopt}));
  // The rows are committed: that their lineage is not known is no reason to say otherwise.
  const Status followed = discovery_->FollowStep(step, result.commit.feature_group, result.pins);
  if (!followed.ok()) {
    LogWarn("lineage of step '" + step.name + "' of feature group '" +
            result.commit.feature_group.ToText() + "': " + followed.ToString());
  }
  return SqlStepData{.commit = result.commit,
                     .rows = result.rows,
                     .watermark_us = result.watermark_us,
                     .pins = result.pins};
}

Status LocalPlatform::Materialize(const Ref& ref) {
  ARROW_ASSIGN_OR_RAISE(const FeatureGroupDefinition group, tables_.Definition(ref));
  if (!group.source) {
    return Status::Invalid("feature group '", group.ref().ToText(),
                           "' is no external one: what is inserted is served by itself");
  }
  if (!group.online) {
    return Status::Invalid("feature group '", group.ref().ToText(),
                           "' is not online; declare a version of it with online=True");
  }
  return online_->SyncTo(group.ref(), -1, kMaterializeTimeoutUs);
}

}  // namespace tercet
