#include "inference/served_releases.h"

#include <algorithm>

namespace tercet {

Result<ServedReleases::Served> ServedReleases::Of(const std::string& deployment) {
  ARROW_ASSIGN_OR_RAISE(const int64_t counter, catalog_->ChangeCounter());
  {
    std::shared_lock lock(served_mutex_);
    const auto found = served_.find(deployment);
    if (found != served_.end() && found->second.change_counter == counter) return found->second;
  }
  Result<Served> served = Look(deployment, counter);
  std::unique_lock lock(served_mutex_);
  if (served.ok()) {
    served_[deployment] = *served;
  } else {
    served_.erase(deployment);
  }
  return served;
}

Result<ServedReleases::Served> ServedReleases::Look(const std::string& deployment,
                                                    int64_t change_counter) {
  ARROW_ASSIGN_OR_RAISE(const Deployment pointer, registry_->GetDeployment(deployment));
  Served served{.change_counter = change_counter, .number = 0, .loaded = nullptr};
  for (const Deployment::Switch& item : pointer.history) {
    if (item.release_id == pointer.release_id) served.number = item.number;
  }
  {
    // The catalog changes for many reasons; mostly the pointer is where it was.
    std::shared_lock lock(served_mutex_);
    const auto found = served_.find(deployment);
    if (found != served_.end() && found->second.loaded->release().id == pointer.release_id) {
      served.loaded = found->second.loaded;
      return served;
    }
  }
  served.loaded = FindLoaded(pointer.release_id);
  if (served.loaded != nullptr) return served;
  ARROW_ASSIGN_OR_RAISE(const Release release, registry_->GetRelease(pointer.release_id));
  ARROW_ASSIGN_OR_RAISE(served.loaded, Load(release));
  return served;
}

std::shared_ptr<const LoadedRelease> ServedReleases::FindLoaded(const std::string& id) {
  std::lock_guard lock(kept_mutex_);
  const auto found = std::find_if(kept_.begin(), kept_.end(), [&](const auto& loaded) {
    return loaded->release().id == id;
  });
  if (found == kept_.end()) return nullptr;
  kept_.splice(kept_.begin(), kept_, found);
  return kept_.front();
}

Result<std::shared_ptr<const LoadedRelease>> ServedReleases::Load(const Release& release) {
  if (auto loaded = FindLoaded(release.id)) return loaded;
  std::lock_guard loading(load_mutex_);
  if (auto loaded = FindLoaded(release.id)) return loaded;
  ARROW_ASSIGN_OR_RAISE(const auto loaded,
                        LoadedRelease::Load(release, views_, registry_, options_));
  std::lock_guard lock(kept_mutex_);
  kept_.push_front(loaded);
  if (kept_.size() > kKept) kept_.pop_back();
  return loaded;
}

}  // namespace tercet
