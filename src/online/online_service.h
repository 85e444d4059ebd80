#pragma once

#include <cstdint>
#include <vector>

#include "catalog/vector_rows.h"

namespace tercet {

/// What the online store's owner does for anybody, in its own process or over its socket. The
/// contracts are OnlineAccess's. Thread-safe.
class OnlineService : public VectorRows {
 public:
  virtual Status SyncTo(const Ref& group, int64_t version, int64_t timeout_us) = 0;
  virtual Status Rebuild(const Ref& group, int64_t version, int64_t timeout_us) = 0;
  virtual Result<int64_t> AppliedVersion(const Ref& group) = 0;
  virtual Status Drop(const Ref& group) = 0;
};

}  // namespace tercet
