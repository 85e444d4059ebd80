#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "catalog/annotation.h"
#include "catalog/catalog.h"
#include "catalog/index_tables.h"
#include "catalog/noun.h"

namespace tercet {

/// What people say of a catalog's entries, and how they are found by words. Kept in the catalog's
/// own file: an entry that the catalog adds, changes or drops is found, or not, from the same
/// transaction on. A connection of its own, which Catalog::Open must have been called before.
/// Thread-safe; several processes may use one file.
class CatalogIndex {
 public:
  static Result<std::unique_ptr<CatalogIndex>> Open(const std::string& path);

  /// What is said of an entry: what its definition says unless it was set later.
  Result<Annotation> Get(const CatalogEntry& entry);

  /// Changes it, and returns all that is said then. `columns`: those that the noun has; KeyError
  /// for a feature that is not among them. KeyError when the entry was dropped.
  Result<Annotation> Change(const CatalogEntry& entry, const AnnotationChange& change,
                            const std::vector<std::string>& columns);

  /// Makes an entry be found by these columns, which its definition may not know. Does nothing
  /// where it is so.
  Status FollowColumns(const CatalogEntry& entry, const std::vector<std::string>& columns);

  /// Notes what the last run of a step read, in place of what was noted of it before. KeyError when
  /// its target was dropped.
  Status PutStep(const Ref& target, const StepColumns& step);
  Result<std::vector<StepColumns>> Steps();

  /// At most `limit` hits, best first. Errors: SearchQuery::Parse; Invalid unless 1 ≤ limit ≤ 1000.
  Result<std::vector<SearchHit>> Search(const std::string& query, int64_t limit);

 private:
  explicit CatalogIndex(std::unique_ptr<SqliteDatabase> database)
      : database_(std::move(database)), tables_(database_.get()) {}
  /// The row of an entry; KeyError when it was dropped.
  Result<int64_t> IdOf(const CatalogEntry& entry);

  std::mutex mutex_;
  const std::unique_ptr<SqliteDatabase> database_;  // guarded by mutex_
  IndexTables tables_;                              // guarded by mutex_
};

}  // namespace tercet
