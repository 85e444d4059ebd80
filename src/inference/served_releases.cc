#include "inference/served_releases.h"

#include <algorithm>

#include <arrow/scalar.h>

#include "base/cell_row.h"
#include "base/hash.h"
#include "base/log.h"

namespace tercet {

const ServedReleases::Arm& ServedReleases::Served::Choose(
    const std::string& deployment, const arrow::RecordBatch& entities) const {
  if (arms.empty()) return main;
  const auto sticky =
      sticky_key.empty() ? nullptr : entities.GetColumnByName(sticky_key);
  return ArmOf(deployment, sticky.get());
}

const ServedReleases::Arm& ServedReleases::Served::Choose(const std::string& deployment,
                                                          std::span<const Cell> row) const {
  if (arms.empty()) return main;
  const arrow::Schema& columns = *main.loaded->row_schema();
  const int column = sticky_key.empty() ? -1 : columns.GetFieldIndex(sticky_key);
  if (column < 0) return ArmOf(deployment, nullptr);
  const auto sticky =
      ArrayOfCell(columns.field(column)->type(), row[static_cast<size_t>(column)]);
  return sticky.ok() ? ArmOf(deployment, sticky->get()) : main;
}

const ServedReleases::Arm& ServedReleases::Served::ArmOf(const std::string& deployment,
                                                         const arrow::Array* sticky) const {
  double turn = 0;
  if (sticky_key.empty()) {
    turn = book->NextTurn();
  } else {
    if (sticky == nullptr || sticky->length() == 0) return main;
    const auto value = sticky->GetScalar(0);
    if (!value.ok()) return main;
    // Seeded by the deployment, so that two experiments don't choose the same customers.
    turn = static_cast<double>(Hash64((*value)->ToString(), Hash64(deployment)) % 1'000'000) / 1e4;
  }
  for (const Arm& arm : arms) {
    if (arm.shadow) continue;
    if (turn < arm.percent) return arm;
    turn -= arm.percent;
  }
  return main;
}

Result<std::shared_ptr<const ServedReleases::Served>> ServedReleases::Of(
    const std::string& deployment) {
  ARROW_ASSIGN_OR_RAISE(const int64_t counter, catalog_->ChangeCounter());
  {
    std::shared_lock lock(served_mutex_);
    const auto found = served_.find(deployment);
    if (found != served_.end() && found->second.change_counter == counter) {
      return found->second.served;
    }
  }
  Result<std::shared_ptr<const Served>> served = Look(deployment);
  std::unique_lock lock(served_mutex_);
  if (served.ok()) {
    served_[deployment] = {counter, *served};
  } else {
    served_.erase(deployment);
  }
  return served;
}

Result<std::shared_ptr<const ServedReleases::Served>> ServedReleases::Look(
    const std::string& deployment) {
  ARROW_ASSIGN_OR_RAISE(const Deployment pointer, registry_->GetDeployment(deployment));
  auto served = std::make_shared<Served>();
  served->main.number = pointer.number();
  served->policy = pointer.policy;
  served->sticky_key = pointer.traffic.sticky_key;
  served->book = Book(deployment);
  if (referee_ != nullptr) served->book->Follow(referee_->BookOf(pointer));
  std::shared_ptr<const Served> before;
  {
    std::shared_lock lock(served_mutex_);
    const auto found = served_.find(deployment);
    if (found != served_.end()) before = found->second.served;
  }
  // The catalog changes for many reasons; mostly the pointer is where it was.
  if (before != nullptr && before->main.loaded->release().id == pointer.release_id) {
    served->main.loaded = before->main.loaded;
  }
  if (served->main.loaded == nullptr) {
    ARROW_ASSIGN_OR_RAISE(served->main.loaded, LoadById(pointer.release_id));
  }
  served->arms = LoadArms(pointer);
  Prepare(deployment, before.get(), &served->main, *served);
  for (Arm& arm : served->arms) Prepare(deployment, before.get(), &arm, *served);
  served->in_place = AnswersInPlace(*served);
  return served;
}

bool ServedReleases::AnswersInPlace(const Served& served) {
  const LoadedRelease& main = *served.main.loaded;
  const auto fits = [&main](const Arm& arm) {
    // All look rows up or none does: were one way refused for some arms only, their requests would
    // choose again, and these arms get less than their part.
    return arm.shadow ||
           (arm.batch == nullptr && arm.loaded->rows() != nullptr &&
            arm.loaded->row_schema()->Equals(*main.row_schema()) &&
            arm.loaded->signature().outputs->Equals(*main.signature().outputs) &&
            (arm.loaded->plan() == nullptr) == (main.plan() == nullptr));
  };
  return fits(served.main) && std::all_of(served.arms.begin(), served.arms.end(), fits);
}

void ServedReleases::Prepare(const std::string& deployment, const Served* before, Arm* arm,
                             const Served& served) {
  const ServingPolicy& policy = served.policy;
  if (before != nullptr && before->policy == policy) {
    const auto was = [&](const Arm& other) { return other.loaded == arm->loaded; };
    const auto found = std::find_if(before->arms.begin(), before->arms.end(), was);
    const Arm* same = was(before->main) ? &before->main
                      : found != before->arms.end() ? &*found
                                                    : nullptr;
    if (same != nullptr && same->number == arm->number) {
      arm->batch = same->batch;
      return;
    }
  }
  // It has one worker at least, or it would not be loaded.
  const Status reserved =
      arm->loaded->Reserve({.workers = policy.workers,
                            .timeout_us = policy.worker_timeout_ms * 1000,
                            .memory_bytes = policy.worker_memory_mb << 20,
                            .requests = policy.worker_requests});
  if (!reserved.ok()) {
    LogWarn("deployment '" + deployment + "' serves release " + std::to_string(arm->number) +
            " with fewer workers than " + std::to_string(policy.workers) + ": " +
            reserved.ToString());
  }
  if (policy.batch_rows > 0 && arm->loaded->gains_by_batches()) {
    arm->batch = std::make_shared<AdaptiveBatch>(
        arm->loaded, arm->number,
        BatchLimits{.rows = policy.batch_rows,
                    .wait_us = policy.batch_wait_us,
                    .calls = arm->loaded->calls_at_once(policy.workers)},
        served.book);
  }
}

std::vector<ServedReleases::Arm> ServedReleases::LoadArms(const Deployment& deployment) {
  std::vector<Arm> arms;
  for (const TrafficArm& arm : deployment.traffic.arms) {
    auto loaded = LoadById(arm.release_id);
    if (loaded.ok()) {
      arms.push_back({arm.number, arm.percent, arm.shadow, *std::move(loaded), nullptr});
    } else {
      // An experiment must not take the deployment with it.
      LogWarn("deployment '" + deployment.name + "' serves without the traffic of release " +
              std::to_string(arm.number) + ": " + loaded.status().ToString());
    }
  }
  return arms;
}

std::shared_ptr<DeploymentBook> ServedReleases::Book(const std::string& deployment) {
  std::unique_lock lock(served_mutex_);
  std::shared_ptr<DeploymentBook>& book = books_[deployment];
  if (book == nullptr) book = std::make_shared<DeploymentBook>();
  return book;
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

Result<std::shared_ptr<const LoadedRelease>> ServedReleases::LoadById(const std::string& id) {
  if (auto loaded = FindLoaded(id)) return loaded;
  ARROW_ASSIGN_OR_RAISE(const Release release, registry_->GetRelease(id));
  return Load(release);
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
