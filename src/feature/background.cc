#include "feature/background.h"

#include <algorithm>

#include "base/log.h"

namespace tercet {
namespace {

constexpr auto kPollPause = std::chrono::seconds(1);
constexpr int64_t kApplyTimeoutUs = 3600LL * 1'000'000;

}  // namespace

Ingest::Background::Background(FeatureTables* tables, OnlineAccess* online)
    : tables_(tables), online_(online), thread_([this] { Work(); }) {}

Ingest::Background::~Background() {
  {
    std::lock_guard lock(mutex_);
    closing_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void Ingest::Background::Enqueue(const Ref& group, int64_t version) {
  std::lock_guard lock(mutex_);
  const Behind now{.version = version, .due = std::chrono::steady_clock::now()};
  Behind& behind = waiting_.try_emplace(group, now).first->second;
  behind.version = std::max(behind.version, version);
  changed_.notify_all();
}

void Ingest::Background::CompactIfDue(const Ref& group) {
  std::lock_guard lock(mutex_);
  written_.insert(group);
  changed_.notify_all();
}

Status Ingest::Background::Flush() {
  std::unique_lock lock(mutex_);
  const int64_t failures = failures_;
  changed_.wait(lock, [&] { return (waiting_.empty() && !busy_) || failures_ > failures; });
  return failures_ > failures ? failure_ : Status::OK();
}

std::map<Ref, Ingest::Background::Behind>::iterator Ingest::Background::Next() {
  return std::min_element(waiting_.begin(), waiting_.end(), [](const auto& a, const auto& b) {
    return a.second.due < b.second.due;
  });
}

void Ingest::Background::Work() {
  auto next_poll = std::chrono::steady_clock::now() + kPollPause;
  std::unique_lock lock(mutex_);
  while (!closing_) {
    const auto now = std::chrono::steady_clock::now();
    const auto next = Next();
    if (next != waiting_.end() && next->second.due <= now) {
      const auto [group, behind] = *next;
      waiting_.erase(next);
      busy_ = true;
      lock.unlock();
      const Status applied = online_->SyncTo(group, behind.version, kApplyTimeoutUs);
      lock.lock();
      busy_ = false;
      // A group that was dropped meanwhile wants nothing any more.
      if (!applied.ok() && !applied.IsKeyError()) {
        if (failures_ == 0 || applied.message() != failure_.message()) {
          LogWarn("applying feature group '" + group.ToText() +
                  "' online: " + applied.ToString());
        }
        ++failures_;
        failure_ = applied;
        // Not at once, even when it was written again meanwhile.
        Behind& again = waiting_.try_emplace(group, behind).first->second;
        again.version = std::max(again.version, behind.version);
        again.due = std::chrono::steady_clock::now() + kPollPause;
      }
      changed_.notify_all();
      continue;
    }
    if (!written_.empty()) {
      const Ref group = *written_.begin();
      written_.erase(written_.begin());
      lock.unlock();
      Compact(group);
      lock.lock();
      continue;
    }
    if (now >= next_poll) {
      lock.unlock();
      if (online_->owns()) Poll();
      lock.lock();
      next_poll = std::chrono::steady_clock::now() + kPollPause;
      continue;
    }
    changed_.wait_until(lock, next == waiting_.end() ? next_poll
                                                     : std::min(next_poll, next->second.due));
  }
}

void Ingest::Background::Compact(const Ref& group) const {
  const auto compacted = [&]() -> Status {
    ARROW_ASSIGN_OR_RAISE(const auto table, tables_->Get(group));
    ARROW_ASSIGN_OR_RAISE(const bool due, table->CompactionDue());
    return due ? table->Compact().status() : Status::OK();
  }();
  // Nothing is lost: the next write asks again. A group that was dropped meanwhile asks no more.
  if (!compacted.ok() && !compacted.IsKeyError() && !compacted.IsCancelled()) {
    LogWarn("merging small files of feature group '" + group.ToText() +
            "': " + compacted.ToString());
  }
}

void Ingest::Background::Poll() {
  const Result<std::vector<FeatureGroupDefinition>> groups = tables_->List();
  if (!groups.ok()) {
    LogWarn("looking for new commits: " + groups.status().ToString());
    return;
  }
  for (const FeatureGroupDefinition& group : *groups) {
    if (!group.online || group.schema == nullptr) continue;
    const auto behind = [&]() -> Result<int64_t> {
      ARROW_ASSIGN_OR_RAISE(const auto table, tables_->Get(group.ref()));
      ARROW_ASSIGN_OR_RAISE(const auto head, table->Head());
      ARROW_ASSIGN_OR_RAISE(const int64_t applied, online_->AppliedVersion(group.ref()));
      return applied < head->version() ? head->version() : -1;
    }();
    if (!behind.ok()) {
      // Dropped since it was listed, or its log is corrupt: whoever reads it is told.
      LogDebug("looking for new commits of '" + group.ref().ToText() +
               "': " + behind.status().ToString());
      continue;
    }
    if (*behind >= 0) Enqueue(group.ref(), *behind);
  }
}

}  // namespace tercet
