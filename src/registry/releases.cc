#include "registry/registry.h"

namespace tercet {
namespace {

Result<std::vector<NounRef>> DependenciesOf(const Release& release) {
  std::vector<NounRef> needed = {{Kind::kModel, release.model}};
  if (!release.view.name.empty()) needed.push_back({Kind::kFeatureView, release.view});
  if (release.training_dataset) {
    needed.push_back({Kind::kTrainingDataset, *release.training_dataset});
  }
  for (const std::string& text : release.feature_groups) {
    ARROW_ASSIGN_OR_RAISE(Ref group, Ref::Parse(text));
    needed.push_back({Kind::kFeatureGroup, std::move(group)});
  }
  return needed;
}

}  // namespace

Result<Release> Registry::MakeRelease(const Release& release) {
  Release made = release;
  made.number = 0;  // belongs to a deployment, not to the content
  made.id = made.ContentAddress();
  ARROW_ASSIGN_OR_RAISE(const auto needed, DependenciesOf(made));
  const Ref ref{made.id, 1};
  ARROW_ASSIGN_OR_RAISE(const auto there, catalog_->Find(Kind::kRelease, ref));
  if (there) return made;
  const Status put = catalog_->Put(Kind::kRelease, ref, made.ToJson(), needed).status();
  // Equal content was put meanwhile: that is this release.
  if (!put.ok() && !put.IsAlreadyExists()) return Explain(put, "cannot make a release");
  return made;
}

Result<Release> Registry::GetRelease(const std::string& id) {
  ARROW_ASSIGN_OR_RAISE(const CatalogEntry entry, catalog_->Get(Kind::kRelease, {id, 1}));
  return Release::FromJson(entry.definition);
}

Result<std::vector<Release>> Registry::ListReleases() {
  ARROW_ASSIGN_OR_RAISE(const auto entries, catalog_->List(Kind::kRelease));
  std::vector<Release> releases;
  for (const CatalogEntry& entry : entries) {
    ARROW_ASSIGN_OR_RAISE(Release release, Release::FromJson(entry.definition));
    releases.push_back(std::move(release));
  }
  return releases;
}

Status Registry::DropRelease(const std::string& id) {
  return catalog_->Drop(Kind::kRelease, {id, 1});
}

}  // namespace tercet
