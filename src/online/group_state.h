#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/feature_group.h"
#include "online/row_cache.h"
#include "online/row_layout.h"
#include "online/row_projection.h"

namespace tercet {

/// A value that is replaced whole: readers take the published pointer and keep it as long as they
/// like, writers publish another. Thread-safe.
template <typename T>
class Published {
 public:
  std::shared_ptr<const T> load() const {
    std::lock_guard lock(mutex_);
    return value_;
  }
  void store(std::shared_ptr<const T> value) {
    std::lock_guard lock(mutex_);
    value_.swap(value);  // The old one is freed after the lock.
    newest_.store(value_.get(), std::memory_order_release);
  }
  /// Whether a value that the caller has loaded, and looked at what it leads to, is still the one
  /// that is published. Takes no lock.
  bool StillIs(const std::shared_ptr<const T>& value) const {
    std::atomic_thread_fence(std::memory_order_acquire);
    return newest_.load(std::memory_order_acquire) == value.get();
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const T> value_;  // guarded by mutex_
  std::atomic<const T*> newest_{nullptr};
};

/// The projections that readers of a group asked for, so that each is resolved once. They stay as
/// long as this, so that readers need no lock. Thread-safe.
class ProjectionCache {
 public:
  ~ProjectionCache();
  Result<std::shared_ptr<const RowProjection>> Get(
      const std::vector<std::shared_ptr<const RowLayout>>& layouts,
      const std::vector<std::string>& columns, std::string_view group);
  /// One that was asked for before, as long as this; null where it must be got.
  const RowProjection* Find(const std::vector<std::string>& columns) const;

 private:
  struct Node {
    std::shared_ptr<const RowProjection> projection;
    const Node* next;
  };
  std::atomic<const Node*> newest_{nullptr};
  std::atomic<size_t> count_{0};
};

/// What the store knows of a group. Immutable but for its cache of projections.
struct GroupState {
  uint32_t id = 0;
  uint32_t generation = 0;  ///< of its rows; 0: nothing was loaded or applied yet
  int64_t applied_version = -1;
  FeatureGroupDefinition definition;
  std::vector<std::shared_ptr<const RowLayout>> layouts;  ///< of all rows; the newest last
  std::vector<int> key_fields;                            ///< of the newest layout
  std::shared_ptr<arrow::Schema> key_schema;
  std::shared_ptr<ProjectionCache> projections;
  std::shared_ptr<RowWrites> writes;  ///< to the rows of this generation; shared by its states

  /// A group's first state. Invalid without a schema.
  static Result<GroupState> Make(uint32_t id, const FeatureGroupDefinition& definition);

  /// Takes a new definition in: of its schema, columns may have been added or dropped. TypeError
  /// when a column's type, the key or the event time changed: the group must be loaded afresh.
  Result<GroupState> WithDefinition(const FeatureGroupDefinition& changed) const;

  const std::shared_ptr<const RowLayout>& layout() const { return layouts.back(); }
  /// Index into `layouts`, −1 when no layout has this fingerprint.
  int LayoutOf(uint32_t fingerprint) const {
    for (int i = static_cast<int>(layouts.size()) - 1; i >= 0; --i) {
      if (layouts[i]->fingerprint() == fingerprint) return i;
    }
    return -1;
  }

  /// The state as it is stored, JSON.
  std::string ToBytes() const;
  static Result<GroupState> FromBytes(std::string_view bytes);

 private:
  Status SetLayouts(std::vector<std::shared_ptr<const RowLayout>> all);
};

using GroupStates = std::map<Ref, std::shared_ptr<const GroupState>>;

}  // namespace tercet
