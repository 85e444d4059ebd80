#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "catalog/annotation.h"
#include "catalog/noun.h"
#include "catalog/search_query.h"
#include "catalog/sqlite_database.h"

namespace tercet {

/// The tables of what is said of entries, and of the words by which they are found. Every call is
/// within the caller's transaction, so that an entry and its words are one change. Not thread-safe.
class IndexTables {
 public:
  /// The tables, as SQL. An entry that is deleted takes along what is here of it.
  static const char* Schema();

  explicit IndexTables(SqliteDatabase* database) : database_(database) {}

  /// Makes an entry be found by what its definition and annotation say now. `columns`: those of the
  /// noun where they are known better than by the definition (a group that got its schema by an
  /// insert).
  Status Index(int64_t entry, Kind kind, const Ref& ref, const json::object& definition,
               const std::optional<std::vector<std::string>>& columns = std::nullopt);
  /// Forgets what was said of an entry where its new definition says something else.
  Status FollowDefinition(int64_t entry, const json::object& before, const json::object& after);

  /// All that is said of an entry.
  Result<Annotation> Read(int64_t entry, const json::object& definition);
  Status Change(int64_t entry, const AnnotationChange& change);

  /// The features by which a group is found, in their order of names.
  Result<std::vector<std::string>> FeaturesOf(int64_t entry);

  Status PutStep(int64_t target, const StepColumns& step);
  Result<std::vector<StepColumns>> Steps();

  Result<std::vector<SearchHit>> Search(const SearchQuery& query, int64_t limit);

 private:
  Status Set(int64_t entry, std::string_view feature, std::string_view column,
             std::string_view value);

  SqliteDatabase* const database_;
};

}  // namespace tercet
