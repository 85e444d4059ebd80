#include "online/row_cache.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>

#include "base/hash.h"

namespace tercet {
namespace {

constexpr size_t kFirstBuckets = 64;  // of a shard
constexpr size_t kBucketsPerEntry = 2;  // at least: a chain that is followed waits for memory twice
constexpr uint32_t kNoValue = UINT32_MAX;
constexpr size_t kLineBytes = 64;

}  // namespace

struct RowCache::Entry {
  Entry* next;
  uint64_t hash;  ///< tells keys apart without touching their bytes
  uint32_t key_size;
  uint32_t value_size;  ///< kNoValue: the store has no value
  bool found;           ///< since the hand last passed

  char* bytes() { return reinterpret_cast<char*>(this + 1); }  // the key, then the value
  std::string_view key() { return {bytes(), key_size}; }
  std::string_view value() { return {bytes() + key_size, value_size}; }
  size_t size() const {
    return RowSlots::SizeOf(sizeof(Entry) + key_size + (value_size == kNoValue ? 0 : value_size));
  }
};

RowCache::RowCache(size_t capacity_bytes) : capacity_bytes_(capacity_bytes) {
  for (Shard& shard : shards_) NewTable(&shard, kFirstBuckets);
}

RowCache::~RowCache() {
  for (Shard& shard : shards_) {
    const Table& table = *shard.table;
    for (size_t b = 0; b <= table.mask; ++b) {
      while (table.buckets[b] != nullptr) Remove(&shard, &table.buckets[b]);
    }
  }
}

void RowCache::NewTable(Shard* shard, size_t buckets) {
  auto table = std::make_unique<Table>();
  table->mask = buckets - 1;
  table->buckets = static_cast<Entry**>(pages_.TakeZeros(buckets * sizeof(Entry*)));
  shard->table.store(table.get(), std::memory_order_release);
  shard->tables.push_back(std::move(table));
}

void RowCache::Grow(Shard* shard) {
  const Table& old = *shard->table;
  if (shard->entries * kBucketsPerEntry <= old.mask) return;
  NewTable(shard, (old.mask + 1) * 2);
  const Table& table = *shard->table;
  shard->hand = 0;
  for (size_t b = 0; b <= old.mask; ++b) {
    while (Entry* entry = old.buckets[b]) {
      Link(&old.buckets[b], entry->next);
      Entry** place = &table.buckets[entry->hash & table.mask];
      Link(&entry->next, *place);
      Link(place, entry);
    }
  }
}

uint64_t RowCache::Prepare(std::string_view key) const {
  const uint64_t hash = Hash64(key);
  const Table& table = *shards_[hash >> 58].table.load(std::memory_order_acquire);
  __builtin_prefetch(&table.buckets[hash & table.mask]);
  return hash;
}

void RowCache::Prefetch(uint64_t hash, size_t bytes) const {
  const Table& table = *shards_[hash >> 58].table.load(std::memory_order_acquire);
  Entry*& bucket = table.buckets[hash & table.mask];
  // The entry may be freed by now; nothing of it is looked at.
  const auto* entry =
      reinterpret_cast<const char*>(std::atomic_ref(bucket).load(std::memory_order_relaxed));
  if (entry == nullptr) return;
  for (size_t at = 0; at < bytes; at += kLineBytes) __builtin_prefetch(entry + at);
}

void RowCache::Link(Entry** place, Entry* entry) {
  std::atomic_ref(*place).store(entry, std::memory_order_relaxed);
}

RowCache::Entry** RowCache::PlaceOf(Shard* shard, std::string_view key, uint64_t hash) {
  const Table& table = *shard->table;
  Entry** place = &table.buckets[hash & table.mask];
  while (*place != nullptr && ((*place)->hash != hash || (*place)->key() != key)) {
    place = &(*place)->next;
  }
  return place;
}

RowCache::Found RowCache::Find(std::string_view key, uint64_t hash, std::string* values) {
  Shard& shard = ShardOf(hash);
  const std::lock_guard lock(shard.mutex);
  Entry* entry = *PlaceOf(&shard, key, hash);
  if (entry == nullptr) return Found::kUnknown;
  entry->found = true;
  if (entry->value_size == kNoValue) return Found::kMissing;
  values->append(entry->value());
  return Found::kValue;
}

void RowCache::Fill(std::string_view key, uint64_t hash, std::optional<std::string_view> value,
                    std::span<const SeenWrites> seen) {
  Shard& shard = ShardOf(hash);
  const std::lock_guard lock(shard.mutex);
  // Under the lock: a write that begins after this look takes the same lock later, in Replace or
  // ForgetAll.
  if (!std::all_of(seen.begin(), seen.end(), [](const auto& one) { return one.StillQuiet(); })) {
    return;
  }
  Entry** place = PlaceOf(&shard, key, hash);
  if (*place == nullptr) Put(&shard, place, key, hash, value);
}

void RowCache::Replace(std::string_view key, std::optional<std::string_view> value) {
  const uint64_t hash = Hash64(key);
  Shard& shard = ShardOf(hash);
  const std::lock_guard lock(shard.mutex);
  Entry** place = PlaceOf(&shard, key, hash);
  if (*place == nullptr) return;
  Remove(&shard, place);
  Put(&shard, place, key, hash, value);
}

void RowCache::Keep(std::string_view key, std::optional<std::string_view> value) {
  const uint64_t hash = Hash64(key);
  Shard& shard = ShardOf(hash);
  const std::lock_guard lock(shard.mutex);
  Entry** place = PlaceOf(&shard, key, hash);
  if (Entry* entry = *place; entry != nullptr) {
    entry->found = true;
    const bool has = entry->value_size != kNoValue;
    if (value ? has && entry->value() == *value : !has) return;
    Remove(&shard, place);
  }
  Put(&shard, place, key, hash, value);
}

void RowCache::Forget(std::string_view key) {
  const uint64_t hash = Hash64(key);
  Shard& shard = ShardOf(hash);
  const std::lock_guard lock(shard.mutex);
  Entry** place = PlaceOf(&shard, key, hash);
  if (*place != nullptr) Remove(&shard, place);
}

void RowCache::ForgetAll(uint64_t hash) {
  Shard& shard = ShardOf(hash);
  const std::lock_guard lock(shard.mutex);
  const Table& table = *shard.table;
  Entry** place = &table.buckets[hash & table.mask];
  while (*place != nullptr) {
    if ((*place)->hash == hash) {
      Remove(&shard, place);
    } else {
      place = &(*place)->next;
    }
  }
}

void RowCache::Put(Shard* shard, Entry** place, std::string_view key, uint64_t hash,
                   std::optional<std::string_view> value) {
  Entry header{.next = nullptr,
               .hash = hash,
               .key_size = static_cast<uint32_t>(key.size()),
               .value_size = value ? static_cast<uint32_t>(value->size()) : kNoValue,
               .found = false};
  const size_t shard_bytes = capacity_bytes_ / kShards;
  // One value must not push all others out.
  if (header.size() > shard_bytes / 4) return;
  if (shard->bytes + header.size() > shard_bytes) {
    MakeRoom(shard, header.size());
    place = PlaceOf(shard, key, hash);  // The entry before it may be gone.
  }
  header.next = *place;
  auto* entry = new (shard->slots.Take(&pages_, header.size())) Entry(header);
  if (!key.empty()) std::memcpy(entry->bytes(), key.data(), key.size());
  if (value && !value->empty()) {
    std::memcpy(entry->bytes() + key.size(), value->data(), value->size());
  }
  Link(place, entry);
  shard->bytes += header.size();
  ++shard->entries;
  Grow(shard);
}

void RowCache::Remove(Shard* shard, Entry** place) {
  Entry* entry = *place;
  Link(place, entry->next);
  shard->bytes -= entry->size();
  --shard->entries;
  shard->slots.Give(&pages_, entry, entry->size());
}

void RowCache::MakeRoom(Shard* shard, size_t more) {
  const size_t shard_bytes = capacity_bytes_ / kShards;
  while (shard->bytes > 0 && shard->bytes + more > shard_bytes) {
    const Table& table = *shard->table;
    Entry** place = &table.buckets[shard->hand++ & table.mask];
    while (*place != nullptr) {
      if ((*place)->found) {
        (*place)->found = false;
        place = &(*place)->next;
      } else {
        Remove(shard, place);
      }
    }
  }
}

size_t RowCache::bytes() const {
  size_t sum = 0;
  for (const Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    sum += shard.bytes;
  }
  return sum;
}

}  // namespace tercet
