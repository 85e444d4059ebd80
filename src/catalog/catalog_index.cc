#include "catalog/catalog_index.h"

#include <algorithm>
#include <set>

#include "base/name.h"
#include "catalog/search_documents.h"

namespace tercet {
namespace {

constexpr int kBusyTimeoutMs = 10'000;
constexpr int64_t kMaxHits = 1000;

}  // namespace

Result<std::unique_ptr<CatalogIndex>> CatalogIndex::Open(const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(auto database, SqliteDatabase::Open(path, kBusyTimeoutMs));
  ARROW_RETURN_NOT_OK(
      database->Execute("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"));
  return std::unique_ptr<CatalogIndex>(new CatalogIndex(std::move(database)));
}

Result<int64_t> CatalogIndex::IdOf(const CatalogEntry& entry) {
  ARROW_ASSIGN_OR_RAISE(
      auto query,
      database_->Prepare("SELECT id FROM entries WHERE kind = ? AND name = ? AND version = ?"));
  query.Bind(KindName(entry.kind)).Bind(entry.ref.name).Bind(entry.ref.version);
  ARROW_ASSIGN_OR_RAISE(const bool row, query.Step());
  if (!row) {
    return Status::KeyError("there is no ", NounRef{entry.kind, entry.ref}.ToText(),
                            " any more");
  }
  return query.Int(0);
}

Result<Annotation> CatalogIndex::Get(const CatalogEntry& entry) {
  const std::lock_guard lock(mutex_);
  ARROW_ASSIGN_OR_RAISE(const int64_t id, IdOf(entry));
  return tables_.Read(id, entry.definition);
}

Result<Annotation> CatalogIndex::Change(const CatalogEntry& entry, const AnnotationChange& change,
                                        const std::vector<std::string>& columns) {
  ARROW_RETURN_NOT_OK(change.Check());
  for (const auto& [feature, description] : change.features) {
    if (std::find(columns.begin(), columns.end(), feature) != columns.end()) continue;
    return Status::KeyError(NounRef{entry.kind, entry.ref}.ToText(), " has no feature '", feature,
                            "'", Suggest(feature, columns));
  }
  const std::lock_guard lock(mutex_);
  ARROW_ASSIGN_OR_RAISE(auto transaction, SqliteDatabase::Transaction::Begin(database_.get()));
  ARROW_ASSIGN_OR_RAISE(const int64_t id, IdOf(entry));
  ARROW_RETURN_NOT_OK(tables_.Change(id, change));
  ARROW_RETURN_NOT_OK(tables_.Index(id, entry.kind, entry.ref, entry.definition, columns));
  ARROW_ASSIGN_OR_RAISE(const Annotation said, tables_.Read(id, entry.definition));
  ARROW_RETURN_NOT_OK(transaction.Commit());
  return said;
}

Status CatalogIndex::FollowColumns(const CatalogEntry& entry,
                                   const std::vector<std::string>& columns) {
  const std::lock_guard lock(mutex_);
  ARROW_ASSIGN_OR_RAISE(const int64_t before, IdOf(entry));
  ARROW_ASSIGN_OR_RAISE(const std::vector<std::string> known, tables_.FeaturesOf(before));
  const std::set<std::string> wanted(columns.begin(), columns.end());
  if (std::equal(known.begin(), known.end(), wanted.begin(), wanted.end())) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(auto transaction, SqliteDatabase::Transaction::Begin(database_.get()));
  ARROW_ASSIGN_OR_RAISE(const int64_t id, IdOf(entry));
  ARROW_RETURN_NOT_OK(tables_.Index(id, entry.kind, entry.ref, entry.definition, columns));
  return transaction.Commit();
}

Status CatalogIndex::PutStep(const Ref& target, const StepColumns& step) {
  const std::lock_guard lock(mutex_);
  ARROW_ASSIGN_OR_RAISE(auto transaction, SqliteDatabase::Transaction::Begin(database_.get()));
  ARROW_ASSIGN_OR_RAISE(const int64_t id, IdOf({.kind = Kind::kFeatureGroup, .ref = target}));
  ARROW_RETURN_NOT_OK(tables_.PutStep(id, step));
  return transaction.Commit();
}

Result<std::vector<StepColumns>> CatalogIndex::Steps() {
  const std::lock_guard lock(mutex_);
  return tables_.Steps();
}

Result<std::vector<SearchHit>> CatalogIndex::Search(const std::string& query, int64_t limit) {
  if (limit < 1 || limit > kMaxHits) {
    return Status::Invalid("a search gives 1 to ", kMaxHits, " hits, not ", limit);
  }
  ARROW_ASSIGN_OR_RAISE(const SearchQuery parsed, SearchQuery::Parse(query));
  const std::lock_guard lock(mutex_);
  return tables_.Search(parsed, limit);
}

}  // namespace tercet
