#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/result.h"

namespace tercet {

/// What is where in a project's directory:
///
///     project.json                          format and time of creation
///     catalog.sqlite                        names, versions, lineage
///     feature_groups/NAME/VERSION/          a Delta table
///     online/                               RocksDB, the owner's lock
///     neighbors/                            graphs of embeddings, to be had anew without
///     training_datasets/VIEW/VERSION/       a spine
///     models/NAME/VERSION/                  a model's files
///     logs/slow_requests.jsonl              requests slower than their deployment's policy says
///     trials/DEPLOYMENT/ID/                 what the arms of a canary or an experiment did
///     environments/HASH/                    virtual environments of predictor classes
///     batch_runs/ID                         signs of life of processes that have such runs
///
/// Of a project in a bucket, feature_groups/ and training_datasets/ lie there, and the rest in its
/// state directory, beside cache/ with copies of the bucket's files.
struct ProjectLayout {
  std::string root;    ///< of what lies on the local disk; absolute
  std::string tables;  ///< of the rest: the same, or "s3://bucket/prefix"
  std::shared_ptr<FileSystem> file_system;  ///< that knows both

  bool in_bucket() const { return tables != root; }

  std::string catalog() const { return JoinPath(root, "catalog.sqlite"); }
  std::string online() const { return JoinPath(root, "online"); }
  std::string neighbors() const { return JoinPath(root, "neighbors"); }
  std::string slow_log() const { return JoinPath(JoinPath(root, "logs"), "slow_requests.jsonl"); }
  std::string trials() const { return JoinPath(root, "trials"); }
  std::string environments() const { return JoinPath(root, "environments"); }
  std::string batch_runs() const { return JoinPath(root, "batch_runs"); }
};

/// Opens or creates the directory of a project. IOError when the directory can't be written, has
/// other things in it and no project.json, or is of a newer format.
Result<ProjectLayout> OpenProjectDirectory(const std::shared_ptr<FileSystem>& file_system,
                                           const std::string& directory, const Clock* clock);

/// Opens or creates a project in a bucket, with its state in a local directory; by default that of
/// TERCET_STATE. Invalid when the state or the credentials are missing, or the state is another
/// project's; IOError when the bucket can't be reached, does not exist, refuses us, has other
/// things under the prefix, or has no conditional writes.
Result<ProjectLayout> OpenProjectBucket(const std::string& location,
                                        const std::string& given_state,
                                        const std::map<std::string, std::string>& storage_options,
                                        const Clock* clock);

}  // namespace tercet
