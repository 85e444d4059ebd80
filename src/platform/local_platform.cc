#include "platform/local_platform.h"

#include <cstdlib>

#include <pwd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/parallel.h"
#include "platform/local_discovery.h"
#include "platform/local_neighbors.h"

namespace tercet {

LocalPlatform::LocalPlatform(std::string location, const ProjectLayout& layout,
                             const PlatformOptions& options, const Clock* clock,
                             std::unique_ptr<Catalog> catalog)
    : location_(std::move(location)),
      layout_(layout),
      options_(options),
      clock_(clock),
      catalog_(std::move(catalog)),
      tables_(catalog_.get(), layout.file_system, layout.tables, clock, layout.in_bucket()),
      functions_(options.python),
      views_(catalog_.get(), &tables_, &functions_),
      training_(catalog_.get(), &tables_, layout.file_system, layout.tables, clock, &functions_),
      runs_(catalog_.get(), clock),
      registry_(catalog_.get(), LocalFileSystem(), layout.root, clock) {
  tables_.SetWriteMemory(
      {.limit_bytes = options.memory_limit_bytes, .scratch_folder = layout.root});
}

LocalPlatform::~LocalPlatform() {
  batch_predictions_.EndRuns();
  const Status flushed = ingest_->Flush();
  if (!flushed.ok()) LogWarn("closing project '" + location_ + "': " + flushed.ToString());
}

Result<std::shared_ptr<Platform>> LocalPlatform::Open(const std::string& location,
                                                      const PlatformOptions& options,
                                                      const Clock* clock) {
  InitializeArrow();
  const bool in_bucket = location.starts_with("s3://");
  if (!in_bucket && !options.state.empty()) {
    return Status::Invalid("project '", location, "' keeps its state itself: only one at s3:// is ",
                           "given a state directory");
  }
  ARROW_ASSIGN_OR_RAISE(
      const ProjectLayout layout,
      in_bucket ? OpenProjectBucket(location, options.state, options.storage_options, clock)
                : OpenProjectDirectory(LocalFileSystem(), location, clock));
  ARROW_ASSIGN_OR_RAISE(auto catalog, Catalog::Open(layout.catalog(), clock));
  ARROW_ASSIGN_OR_RAISE(auto index, CatalogIndex::Open(layout.catalog()));
  std::shared_ptr<LocalPlatform> platform(
      new LocalPlatform(location, layout, options, clock, std::move(catalog)));
  FeatureTables* tables = &platform->tables_;
  platform->discovery_ = std::make_unique<LocalDiscovery>(
      platform->catalog_.get(), tables, &platform->views_, std::move(index));
  ARROW_ASSIGN_OR_RAISE(OnlineOptions online, OnlineOptions::FromEnvironment());
  if (!options.online.empty()) online.redis = options.online;
  ARROW_ASSIGN_OR_RAISE(platform->online_,
                        OnlineAccess::Make(
                            layout.online(), clock,
                            [tables](OnlineStore* store, const Ref& group, int64_t version) {
                              return SyncOnline(tables, store, group, version);
                            },
                            [tables](OnlineStore* store, const Ref& group, int64_t version) {
                              return tercet::RebuildOnline(tables, store, group, version);
                            },
                            online));
  ARROW_ASSIGN_OR_RAISE(NeighborOptions neighbors, NeighborOptions::FromEnvironment());
  neighbors.folder = layout.neighbors();
  platform->neighbors_ = std::make_unique<LocalNeighbors>(
      platform.get(), platform->catalog_.get(), tables, platform->online_.get(), clock, neighbors);
  platform->ingest_ = std::make_unique<Ingest>(tables, platform->online_.get());
  platform->referee_ =
      std::make_unique<Referee>(&platform->registry_, LocalFileSystem(), layout.trials(), clock);
  platform->inference_ = std::make_unique<Inference>(
      platform->catalog_.get(), tables, &platform->registry_, platform->online_.get(), clock,
      platform->predictor_options(), platform->referee_.get(), options.allowed_sinks,
      &platform->functions_);
  platform->inference_->LogSlowRequestsTo(layout.slow_log());
  platform->trials_ = platform->MakeTrials();
  const Status failed = platform->batch_predictions_.FailAbandonedRuns();
  if (!failed.ok()) {
    LogWarn("runs of batch predictions that others left, of '" + location +
            "': " + failed.ToString());
  }
  return platform;
}

Neighbors* LocalPlatform::neighbors() { return neighbors_.get(); }

Result<std::shared_ptr<Platform>> Platform::Open(const std::string& location,
                                                 const PlatformOptions& options) {
  return LocalPlatform::Open(location, options, SystemClock());
}

PredictorOptions LocalPlatform::predictor_options() const {
  PredictorOptions predictor;
  predictor.python = options_.python;
  if (options_.build_environments) predictor.environments = layout_.environments();
  return predictor;
}

std::string LocalPlatform::user() const {
  if (!options_.user.empty()) return options_.user;
  const passwd* entry = ::getpwuid(::geteuid());
  return entry == nullptr ? std::to_string(::geteuid()) : entry->pw_name;
}

}  // namespace tercet
