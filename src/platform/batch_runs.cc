#include "platform/batch_runs.h"

#include <chrono>
#include <utility>

#include "base/interrupt.h"
#include "base/log.h"
#include "base/overload.h"

namespace tercet {
namespace {

using Clock = std::chrono::steady_clock;

/// Each piece of news is a write to the catalog, of which every request hears.
constexpr std::chrono::seconds kBetweenNews{1};
constexpr int64_t kRetryAfterSeconds = 10;
/// The parameter of a run that names the sign of life of its process.
constexpr std::string_view kProcess = "process";

}  // namespace

Result<Run> BatchRuns::Start(const Run& run, Job job) {
  const std::lock_guard lock(mutex_);
  if (ending_) return Status::Cancelled("the project is being closed");
  if (waiting_.size() >= kMostWaiting) {
    return Overloaded(kRetryAfterSeconds,
                      std::to_string(waiting_.size()) + " batch predictions wait already");
  }
  if (life_sign_ == nullptr) {
    ARROW_ASSIGN_OR_RAISE(life_sign_, LifeSign::Make(folder_));
  }
  Run ours = run;
  ours.parameters[kProcess] = life_sign_->name();
  ARROW_ASSIGN_OR_RAISE(Run started, platform_->StartRun(ours));
  waiting_.push_back({started.id, std::move(job)});
  if (!thread_.joinable()) thread_ = std::thread([this] { Work(); });
  changed_.notify_one();
  return started;
}

void BatchRuns::End() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
  const std::lock_guard lock(mutex_);
  life_sign_.reset();
}

Status BatchRuns::FailAbandoned() {
  return LifeSign::BuryDead(folder_, [this](const std::string& process) -> Status {
    ARROW_ASSIGN_OR_RAISE(const auto runs, platform_->ListRuns());
    Run end;
    end.status = "failed";
    end.error =
        "its process was killed or crashed before it could tell how this ended; begun again with "
        "its idempotency key, it inserts nothing twice";
    for (const Run& run : runs) {
      const json::value* owner = run.parameters.if_contains(kProcess);
      if (run.status != "running" || owner == nullptr || *owner != json::value(process)) continue;
      ARROW_RETURN_NOT_OK(platform_->LogRun(run.id, end).status());
    }
    return Status::OK();
  });
}

void BatchRuns::Work() {
  while (true) {
    Waiting next;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      next = std::move(waiting_.front());
      waiting_.pop_front();
    }
    Do(next);
  }
}

void BatchRuns::Do(const Waiting& waiting) {
  std::atomic<Clock::rep> next_news{0};
  const Progress progress = [&](double fraction) {
    const Clock::rep now = Clock::now().time_since_epoch().count();
    Clock::rep due = next_news.load();
    const Clock::rep then = now + Clock::duration(kBetweenNews).count();
    if (now < due || !next_news.compare_exchange_strong(due, then)) return;
    Run news;
    news.metrics = {{"progress", fraction}};
    Tell(waiting.run_id, news);
  };
  const InterruptScope scope([this] { return ending_.load(); });
  const Result<Commit> commit = [&]() -> Result<Commit> {
    ARROW_RETURN_NOT_OK(CheckInterrupt());
    return waiting.job(progress);
  }();
  Run end;
  if (commit.ok()) {
    end.status = "finished";
    end.metrics = {{"progress", 1.0}, {"rows_inserted", commit->rows_inserted}};
    end.outputs = {"feature_group " + commit->feature_group.ToText() + " commit " +
                   std::to_string(commit->version)};
  } else {
    end.status = "failed";
    end.error = commit.status().message();
    if (ending_) end.error = "its process ended before it was done: " + end.error;
  }
  Tell(waiting.run_id, end);
}

void BatchRuns::Tell(const std::string& run_id, const Run& additions) {
  const Status told = platform_->LogRun(run_id, additions).status();
  if (!told.ok()) LogWarn("run '" + run_id + "' of batch predictions: " + told.ToString());
}

}  // namespace tercet
