#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/vector_rows.h"
#include "online/group_rows.h"
#include "online/group_state.h"
#include "online/row_cache.h"

namespace tercet {

/// What the vectors of some columns of some groups' rows look like in memory: one row
/// (row_layout.h) of all these columns.
struct VectorForm {
  uint64_t number = 0;  ///< in the keys of its vectors; no other form has it, nor ever had
  std::shared_ptr<const RowLayout> layout;
  std::shared_ptr<const RowProjection> columns;  ///< all of the layout
  size_t ahead_bytes = 0;  ///< of its entries in the cache, to have on the way at once
};

/// A vector read, resolved against its groups as they stand. Immutable.
struct ResolvedVector {
  struct Group {
    const GroupState* state;        ///< of `states`
    std::string prefix;             ///< of its rows' store keys
    std::optional<int64_t> ttl_us;  ///< the read's, or else the group's
    std::shared_ptr<const RowProjection> columns;
  };
  std::shared_ptr<const GroupStates> states;
  std::vector<Group> groups;
  std::shared_ptr<const VectorForm> form;
};

/// One vector's bytes: what a read finds as of any time from first_us to last_us.
///
///     i64 first_us, i64 last_us, then a RowStatus (one byte) for each group, then the row
struct VectorBytes {
  static constexpr size_t kTimeBytes = 16;

  /// `value`: as Append made it, of so many groups.
  VectorBytes(std::string_view value, size_t groups);
  static Status Append(const VectorForm& form, int64_t first_us, int64_t last_us,
                       std::span<const RowStatus> status, std::span<const Cell> cells,
                       std::string* value);

  int64_t first_us, last_us;
  std::string_view status;
  StoredRow row;
};

/// Vectors in memory, beside the rows that they are made of and in the same room (row_cache.h): an
/// entity that is asked again costs one look, whatever the number of its groups.
///
/// A vector lives by the rows' protocol: it is put in when no write of its groups began since its
/// rows were read; a write of any row forgets, before its group's count is even again, all vectors
/// of the row's key, whatever view they are of; and who takes one looks at the counts of all of
/// its groups before and after. That is why its hash is its entity key's alone: one look finds all.
/// Each form has a number of its own, and a group's generation, layouts and TTL are a part of the
/// form; so what was made before one of them changed is never found again, and gives way in time.
/// Thread-safe.
class RowVectors {
 public:
  explicit RowVectors(RowCache* cache) : cache_(cache) {}

  /// How a read was resolved last; null when it was not, or too long ago.
  std::shared_ptr<const ResolvedVector> Find(uint64_t read_id) const;
  /// Resolves it, and notes it for Find. KeyError for a group or column that is not known.
  Result<std::shared_ptr<const ResolvedVector>> Resolve(
      const VectorRead& read, const std::shared_ptr<const GroupStates>& states);

  /// What the store key of a row has of its entity's key, is written: forgets its vectors. Between
  /// the writes' Begin and End.
  void Forget(std::string_view key) { cache_->ForgetAll(cache_->Prepare(key)); }

  /// The key of a vector in the cache.
  static void AppendKey(const VectorForm& form, std::string_view key, std::string* out);

 private:
  Result<std::shared_ptr<const VectorForm>> FormOf(const VectorRead& read,
                                                   const ResolvedVector& resolved);

  RowCache* const cache_;
  mutable std::mutex mutex_;  // guards what follows
  uint64_t next_number_ = 1;
  std::map<uint64_t, std::shared_ptr<const ResolvedVector>> reads_;  // by the reads' ids
  std::map<std::string, std::shared_ptr<const VectorForm>> forms_;   // by all that they depend on
};

}  // namespace tercet
