#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/result.h"
#include "bucket/s3_settings.h"

namespace tercet {

/// A bucket of an S3-compatible store as a file system, for files that are written once: paths are
/// "s3://bucket/…", and all others are the local disk's.
///
/// Files outside of a `_delta_log` never change under their name: each is fetched once, whole, into
/// `cache_directory` and mapped from there. A new file is written there too, and uploaded by
/// SyncFile. PutIfAbsent is a conditional PUT. Directories are not objects: making and syncing them
/// does nothing. Modification times are the store's, in whole seconds.
///
/// IOError when the cache's directory can't be made. Nothing is asked of the store yet.
Result<std::shared_ptr<FileSystem>> MakeBucketFileSystem(const S3Settings& settings,
                                                         const std::string& bucket,
                                                         const std::string& cache_directory,
                                                         const Clock* clock);

}  // namespace tercet
