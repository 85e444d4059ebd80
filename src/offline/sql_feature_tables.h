#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "offline/feature_tables.h"
#include "offline/sql_time_ranges.h"
#include "source/sql_table.h"

namespace tercet {

/// The feature groups that one query names, each read as of one commit. Thread-safe.
class SqlFeatureTables : public SqlTables {
 public:
  /// `versions` and `as_of_us`: see SqlQueryOptions.
  SqlFeatureTables(FeatureTables* tables, std::map<std::string, int64_t> versions,
                   std::optional<int64_t> as_of_us)
      : tables_(tables), versions_(std::move(versions)), as_of_us_(as_of_us) {}

  Result<std::shared_ptr<SqlTable>> Find(const std::string& name) override;
  Result<std::shared_ptr<SqlTable>> FindAsOf(const std::string& name,
                                             const std::string& as_of) override;

  /// The group that a name means: "weather@1".
  Result<std::string> GroupOf(const std::string& name);

  /// Null for a name that is no group's, or of one without an event time.
  std::shared_ptr<arrow::Field> EventTimeOf(const std::string& name);

  /// Tables that are found by these names from now on read no other event times.
  void Narrow(std::map<std::string, SqlTimeRange> ranges);

  /// The groups that were found, and as of which commit.
  std::map<std::string, int64_t> pins();

 private:
  /// The group that a name in a query means.
  Result<FeatureGroupDefinition> Resolve(const std::string& name);
  Result<std::shared_ptr<Snapshot>> SnapshotOf(const Ref& ref);

  FeatureTables* const tables_;
  const std::map<std::string, int64_t> versions_;
  const std::optional<int64_t> as_of_us_;
  std::mutex mutex_;
  std::map<std::string, SqlTimeRange> ranges_;                   // guarded by mutex_
  std::map<std::string, std::shared_ptr<Snapshot>> snapshots_;   // by group; guarded by mutex_
  std::map<std::string, int64_t> pins_;                          // guarded by mutex_
};

}  // namespace tercet
