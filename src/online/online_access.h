#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "catalog/vector_rows.h"
#include "online/online_store.h"

namespace tercet {

/// The online store of a project, whichever process owns it (decision 5, "One owner"). Of the
/// processes on one project the first to take the lock file `<directory>/owner.lock` opens
/// RocksDB and listens on a Unix socket; the others reach it there. When the owner dies, the
/// next caller takes over and catches up; callers that waited are retried once, then get IOError.
/// Thread-safe.
class OnlineAccess : public VectorRows {
 public:
  /// Brings the store to (at least) `version` of `group` (< 0: its newest) by applying offline
  /// commits in order; called in the owner only, one call a group at a time, from a thread of the
  /// owner's. KeyError when there is no such group, or it is not online. Given by the feature room.
  using Sync = std::function<Status(OnlineStore* store, const Ref& group, int64_t version)>;

  /// Nothing is opened until the first use.
  /// `rebuild` is called like `sync`, and loads the group anew as of exactly that version; without
  /// it Rebuild is NotImplemented.
  static Result<std::unique_ptr<OnlineAccess>> Make(const std::string& directory,
                                                    const Clock* clock, Sync sync,
                                                    Sync rebuild = {},
                                                    const OnlineOptions& options = {});

  /// Applies the group's commits up to `version` in the owner and returns when a reader would see
  /// them; Cancelled when that takes longer than `timeout_us`.
  virtual Status SyncTo(const Ref& group, int64_t version, int64_t timeout_us) = 0;

  /// Loads the group anew as of `version` (< 0: its newest) beside the rows that are served, and
  /// switches to it at once: a reader sees the old or the new, also when the owner is killed in the
  /// middle. Cancelled when that takes longer than `timeout_us`; it goes on then.
  virtual Status Rebuild(const Ref& group, int64_t version, int64_t timeout_us) = 0;

  /// The commit up to which the group is applied; −1 when nothing was.
  virtual Result<int64_t> AppliedVersion(const Ref& group) = 0;

  virtual Status Drop(const Ref& group) = 0;

  /// Whether this process is the owner (opening the store if nobody owns it).
  virtual Result<bool> IsOwner() = 0;

  /// Whether this process is the owner now. Opens nothing.
  virtual bool owns() const = 0;
};

}  // namespace tercet
