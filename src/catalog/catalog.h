#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "catalog/noun.h"

namespace tercet {

struct CatalogEntry {
  Kind kind;
  Ref ref;
  json::object definition;
  int64_t created_us = 0;  ///< commit time of the entry, microseconds since the epoch
  int64_t revision = 1;    ///< counts Update()s; only runs and deployments (and TTL-free
                           ///< descriptions of groups) change after Put
};

/// Names, versions and who depends on whom, in one SQLite file in WAL mode (decision 10). Every
/// call is one transaction, durable when it returns. Several processes may have it open; every
/// method may be called from any thread. A locked file is waited for up to ten seconds.
class Catalog {
 public:
  /// Opens or creates the file. IOError when it is not a catalog or is of a newer format.
  static Result<std::unique_ptr<Catalog>> Open(const std::string& path, const Clock* clock);
  virtual ~Catalog() = default;

  /// Adds an entry. AlreadyExists when (kind, ref) is taken. A version of 0 takes the next free
  /// version of that name; the returned entry says which. KeyError when something in `depends_on`
  /// does not exist.
  virtual Result<CatalogEntry> Put(Kind kind, const Ref& ref, const json::object& definition,
                                   const std::vector<NounRef>& depends_on) = 0;

  /// Replaces a mutable entry's definition (and, if given, its dependencies) when its revision is
  /// still `expected_revision`; Cancelled when another writer was first.
  virtual Result<CatalogEntry> Update(
      Kind kind, const Ref& ref, int64_t expected_revision, const json::object& definition,
      const std::optional<std::vector<NounRef>>& depends_on = std::nullopt) = 0;

  /// One entry; version 0 is the newest. KeyError with a suggestion when there is none.
  virtual Result<CatalogEntry> Get(Kind kind, const Ref& ref) = 0;
  virtual Result<std::optional<CatalogEntry>> Find(Kind kind, const Ref& ref) = 0;

  /// All entries of a kind, or those of one name, ordered by name and version.
  virtual Result<std::vector<CatalogEntry>> List(
      Kind kind, const std::optional<std::string>& name = std::nullopt) = 0;

  /// The version that Put with version 0 would take now: one above all ever given, also to entries
  /// that were dropped.
  virtual Result<int64_t> NextVersion(Kind kind, const std::string& name) = 0;

  /// Removes an entry. Invalid when others depend on it, naming them; KeyError when unknown.
  virtual Status Drop(Kind kind, const Ref& ref) = 0;

  virtual Result<std::vector<NounRef>> Dependents(Kind kind, const Ref& ref) = 0;
  virtual Result<std::vector<NounRef>> Dependencies(Kind kind, const Ref& ref) = 0;

  /// A number that differs from an earlier answer of this object whenever any process has
  /// committed anything since: what a cache over the catalog asks before it answers. Costs a few
  /// microseconds and never waits for a writer. Read it before what is cached is read.
  virtual Result<int64_t> ChangeCounter() = 0;
};

}  // namespace tercet
