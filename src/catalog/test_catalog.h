#pragma once

#include "catalog/catalog.h"

namespace tercet {

/// Another catalog, for tests to let something happen in one of its calls.
class PassingCatalog : public Catalog {
 public:
  /// `catalog` outlives it.
  explicit PassingCatalog(Catalog* catalog) : catalog_(catalog) {}

  Result<CatalogEntry> Put(Kind kind, const Ref& ref, const json::object& definition,
                           const std::vector<NounRef>& depends_on) override {
    return catalog_->Put(kind, ref, definition, depends_on);
  }
  Result<CatalogEntry> Update(Kind kind, const Ref& ref, int64_t expected_revision,
                              const json::object& definition,
                              const std::optional<std::vector<NounRef>>& depends_on) override {
    return catalog_->Update(kind, ref, expected_revision, definition, depends_on);
  }
  Result<CatalogEntry> Get(Kind kind, const Ref& ref) override { return catalog_->Get(kind, ref); }
  Result<std::optional<CatalogEntry>> Find(Kind kind, const Ref& ref) override {
    return catalog_->Find(kind, ref);
  }
  Result<std::vector<CatalogEntry>> List(Kind kind,
                                         const std::optional<std::string>& name) override {
    return catalog_->List(kind, name);
  }
  Result<int64_t> NextVersion(Kind kind, const std::string& name) override {
    return catalog_->NextVersion(kind, name);
  }
  Status Drop(Kind kind, const Ref& ref) override { return catalog_->Drop(kind, ref); }
  Result<std::vector<NounRef>> Dependents(Kind kind, const Ref& ref) override {
    return catalog_->Dependents(kind, ref);
  }
  Result<std::vector<NounRef>> Dependencies(Kind kind, const Ref& ref) override {
    return catalog_->Dependencies(kind, ref);
  }
  Result<int64_t> ChangeCounter() override { return catalog_->ChangeCounter(); }

 private:
  Catalog* const catalog_;
};

}  // namespace tercet
