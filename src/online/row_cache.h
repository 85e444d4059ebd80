#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "online/row_memory.h"

namespace tercet {

/// Counts the writes to the rows of one generation of a group: odd while one is under way. Writers
/// take turns.
class RowWrites {
 public:
  void Begin() { count_.fetch_add(1, std::memory_order_acq_rel); }
  void End() { count_.fetch_add(1, std::memory_order_release); }
  uint64_t count() const { return count_.load(std::memory_order_acquire); }
  static bool UnderWay(uint64_t count) { return (count & 1) != 0; }

  /// True for the first caller: the group is read, so its rows are worth keeping in memory.
  bool FirstRead() {
    return !read_.load(std::memory_order_relaxed) &&
           !read_.exchange(true, std::memory_order_relaxed);
  }

 private:
  std::atomic<uint64_t> count_{0};
  std::atomic<bool> read_{false};
};

/// A count of writes that a reader saw before it read.
struct SeenWrites {
  const RowWrites* writes;
  uint64_t as_of;

  /// No write has begun since, nor was under way then.
  bool StillQuiet() const { return writes->count() == as_of && !RowWrites::UnderWay(as_of); }
};

/// Values of the online store in memory, by store key; that a key has no value is kept as well.
///
/// The invariant: while a group's writes are quiet (an even count), what is kept of it is what the
/// store has. Writers keep it by `Begin`, the write, `Replace` of each key, `End`; readers' fills
/// by giving the count that they saw before they read. So a reader that finds the counts of all its
/// groups even, takes values from here and from the store, and then finds the same counts, has them
/// as they were at one moment, whatever ran beside it: a seqlock over the groups that it reads.
///
/// Bounded by bytes. Second chance (CLOCK) over the buckets: a value that was found since the hand
/// last passed stays. Sharded by key; a shard's lock is held for the copy of one value, never
/// during a read of the store. Thread-safe.
class RowCache {
 public:
  enum class Found { kUnknown, kMissing, kValue };

  /// 0: keeps nothing.
  explicit RowCache(size_t capacity_bytes);
  ~RowCache();
  RowCache(const RowCache&) = delete;
  RowCache& operator=(const RowCache&) = delete;

  /// A key's hash, as the others take it; has its bucket on the way from memory.
  uint64_t Prepare(std::string_view key) const;

  /// Has the key's entry on the way from memory, once its bucket has come. Takes no lock.
  void Prefetch(uint64_t hash, size_t bytes = kAheadBytes) const;

  /// Appends a kept value to `values`.
  Found Find(std::string_view key, uint64_t hash, std::string* values);

  /// Keeps what was read from the store when `writes` counted `as_of`; nothing when a write has
  /// begun since, as the value may be stale.
  void Fill(std::string_view key, uint64_t hash, std::optional<std::string_view> value,
            const RowWrites& writes, uint64_t as_of) {
    const SeenWrites seen{&writes, as_of};
    Fill(key, hash, value, {&seen, 1});
  }
  /// The same for a value that was made of what several groups have.
  void Fill(std::string_view key, uint64_t hash, std::optional<std::string_view> value,
            std::span<const SeenWrites> seen);

  /// Puts a written value (nullopt: the key was deleted) in place of the one that is kept, if one
  /// is. Between the writes' Begin and End.
  void Replace(std::string_view key, std::optional<std::string_view> value);
  /// Puts a value in, whether or not one is kept: for a cache that no store's writes follow.
  void Keep(std::string_view key, std::optional<std::string_view> value);
  /// Forgets a key of which nobody knows what the store has.
  void Forget(std::string_view key);
  /// Forgets all keys that were given this hash: Prepare's of another key, from which theirs stem.
  void ForgetAll(uint64_t hash);

  /// Whether more can be kept without letting something go.
  bool HasRoom() const { return bytes() < capacity_bytes_ - capacity_bytes_ / 16; }
  size_t bytes() const;

 private:
  struct Entry;
  /// The hash table of a shard. A larger one takes its place as entries come; it stays until the
  /// end, so that keys can be looked for ahead without a lock: all together take as much again.
  struct Table {
    size_t mask = 0;            // of hashes: buckets − 1
    Entry** buckets = nullptr;  // chains; in pages_
  };
  struct alignas(64) Shard {
    mutable std::mutex mutex;  // guards what follows, but for looks ahead
    std::atomic<const Table*> table{nullptr};  // the newest; changed under the lock
    std::vector<std::unique_ptr<const Table>> tables;
    RowSlots slots;  // of the entries
    size_t entries = 0;
    size_t bytes = 0;
    size_t hand = 0;  // the bucket at which eviction goes on
  };
  static constexpr size_t kShards = 64;
  /// An entry's header, its key and a row of some ten features.
  static constexpr size_t kAheadBytes = 192;

  /// Buckets and the entries' chains are changed through this, as Prefetch looks at them unlocked.
  static void Link(Entry** place, Entry* entry);
  void NewTable(Shard* shard, size_t buckets);
  /// Moves to a larger table when the chains would get long.
  void Grow(Shard* shard);

  Shard& ShardOf(uint64_t hash) { return shards_[hash >> 58]; }
  /// Where the pointer to a key's entry is, or would be. The shard's lock is held.
  static Entry** PlaceOf(Shard* shard, std::string_view key, uint64_t hash);
  void Put(Shard* shard, Entry** place, std::string_view key, uint64_t hash,
           std::optional<std::string_view> value);
  void Remove(Shard* shard, Entry** place);
  /// Lets values go until `more` bytes fit.
  void MakeRoom(Shard* shard, size_t more);

  const size_t capacity_bytes_;
  RowPages pages_;
  std::array<Shard, kShards> shards_;
};

}  // namespace tercet
