#include "platform/local_platform.h"

#include <cstdlib>

#include <pwd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/parallel.h"

namespace tercet {

LocalPlatform::LocalPlatform(std::string location, const ProjectLayout& layout,
                             const PlatformOptions& options, const Clock* clock,
                             std::unique_ptr<Catalog> catalog)
    : location_(std::move(location)),
      layout_(layout),
      options_(options),
      clock_(clock),
      catalog_(std::move(catalog)),
      tables_(catalog_.get(), LocalFileSystem(), layout.root, clock),
      views_(catalog_.get(), &tables_),
      training_(catalog_.get(), &tables_, LocalFileSystem(), layout.root, clock),
      runs_(catalog_.get(), clock),
      registry_(catalog_.get(), LocalFileSystem(), layout.root, clock) {
  tables_.SetWriteMemory(
      {.limit_bytes = options.memory_limit_bytes, .scratch_folder = layout.root});
}

LocalPlatform::~LocalPlatform() {
  const Status flushed = ingest_->Flush();
  if (!flushed.ok()) LogWarn("closing project '" + location_ + "': " + flushed.ToString());
}

Result<std::shared_ptr<Platform>> LocalPlatform::Open(const std::string& directory,
                                                      const PlatformOptions& options,
                                                      const Clock* clock) {
  InitializeArrow();
  ARROW_ASSIGN_OR_RAISE(const ProjectLayout layout,
                        OpenProjectDirectory(LocalFileSystem().get(), directory, clock));
  ARROW_ASSIGN_OR_RAISE(auto catalog, Catalog::Open(layout.catalog(), clock));
  std::shared_ptr<LocalPlatform> platform(
      new LocalPlatform(directory, layout, options, clock, std::move(catalog)));
  FeatureTables* tables = &platform->tables_;
  ARROW_ASSIGN_OR_RAISE(const OnlineOptions online, OnlineOptions::FromEnvironment());
  ARROW_ASSIGN_OR_RAISE(platform->online_,
                        OnlineAccess::Make(
                            layout.online(), clock,
                            [tables](OnlineStore* store, const Ref& group, int64_t version) {
                              return SyncOnline(tables, store, group, version);
                            },
                            online));
  platform->ingest_ = std::make_unique<Ingest>(tables, platform->online_.get());
  platform->inference_ =
      std::make_unique<Inference>(platform->catalog_.get(), tables, &platform->registry_,
                                  platform->online_.get(), clock, platform->predictor_options());
  return platform;
}

Result<std::shared_ptr<Platform>> Platform::Open(const std::string& directory,
                                                 const PlatformOptions& options) {
  return LocalPlatform::Open(directory, options, SystemClock());
}

PredictorOptions LocalPlatform::predictor_options() const {
  PredictorOptions predictor;
  predictor.python = options_.python;
  return predictor;
}

std::string LocalPlatform::user() const {
  if (!options_.user.empty()) return options_.user;
  const passwd* entry = ::getpwuid(::geteuid());
  return entry == nullptr ? std::to_string(::geteuid()) : entry->pw_name;
}

}  // namespace tercet
