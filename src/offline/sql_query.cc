#include "offline/sql_query.h"

#include "offline/sql_feature_tables.h"
#include "offline/sql_time_ranges.h"
#include "source/sql_session.h"

namespace tercet {
namespace {

/// A query of many nested parts has a deep tree.
constexpr JsonLimits kTreeLimits = {.max_bytes = 16 << 20, .max_depth = 512};

/// Tells the tables which event times the query can see.
Status Narrow(SqlSession* session, SqlFeatureTables* tables, const std::string& query,
              const std::map<std::string, int64_t>& times) {
  ARROW_ASSIGN_OR_RAISE(const std::optional<std::string> text, session->Tree(query));
  if (!text) return Status::OK();
  const Result<json::value> tree = ParseJson(*text, kTreeLimits);
  // Without a tree nothing is ruled out.
  if (!tree.ok()) return Status::OK();
  const auto event_time = [&](const std::string& name) { return tables->EventTimeOf(name); };
  ARROW_ASSIGN_OR_RAISE(auto ranges, FindTimeRanges(*tree, times, event_time));
  tables->Narrow(std::move(ranges));
  return Status::OK();
}

}  // namespace

Result<SqlQueryAnswer> QuerySql(FeatureTables* tables, const std::string& query,
                                const SqlQueryOptions& options) {
  std::map<std::string, int64_t> versions;
  for (const auto& [name, version] : options.versions) {
    ARROW_ASSIGN_OR_RAISE(const Ref ref, Ref::Parse(name));
    ARROW_ASSIGN_OR_RAISE(const FeatureGroupDefinition group, tables->Definition(ref));
    versions[group.ref().ToText()] = version;
  }
  auto found =
      std::make_shared<SqlFeatureTables>(tables, std::move(versions), options.as_of_us);
  const SqlLimits limits = {.memory_bytes = options.memory_limit_bytes,
                            .time_us = options.time_limit_us,
                            .files = options.files};
  ARROW_ASSIGN_OR_RAISE(const auto session, SqlSession::Open(found, limits));
  ARROW_RETURN_NOT_OK(Narrow(session.get(), found.get(), query, options.times));
  SqlQueryAnswer answer;
  ARROW_ASSIGN_OR_RAISE(answer.rows, session->Run(query, options.times));
  answer.pins = found->pins();
  return answer;
}

}  // namespace tercet
