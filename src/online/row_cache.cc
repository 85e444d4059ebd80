#include "online/row_cache.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>

#include "base/hash.h"

namespace tercet {
namespace {

/// Rows are seldom smaller. The buckets are never moved, so that they can be fetched ahead without
/// a lock; pages of them that nothing was put into take no memory.
constexpr size_t kBytesPerBucket = 128;
/// What an allocation costs beside its bytes.
constexpr size_t kAllocationBytes = 16;
constexpr uint32_t kNoValue = UINT32_MAX;

}  // namespace

struct RowCache::Entry {
  Entry* next;
  uint32_t tag;  ///< of the hash: tells most keys apart without touching their bytes
  uint32_t key_size;
  uint32_t value_size;  ///< kNoValue: the store has no value
  bool found;           ///< since the hand last passed

  char* bytes() { return reinterpret_cast<char*>(this + 1); }  // the key, then the value
  std::string_view key() { return {bytes(), key_size}; }
  std::string_view value() { return {bytes() + key_size, value_size}; }
  size_t size() const {
    return sizeof(Entry) + kAllocationBytes + key_size + (value_size == kNoValue ? 0 : value_size);
  }
};

RowCache::RowCache(size_t capacity_bytes)
    : capacity_bytes_(capacity_bytes),
      bucket_mask_(
          std::bit_floor(std::max<size_t>(capacity_bytes / kShards / kBytesPerBucket, 16)) - 1) {
  for (Shard& shard : shards_) {
    shard.buckets.reset(static_cast<Entry**>(std::calloc(bucket_mask_ + 1, sizeof(Entry*))));
    if (shard.buckets == nullptr) throw std::bad_alloc();
  }
}

RowCache::~RowCache() {
  for (Shard& shard : shards_) {
    for (size_t b = 0; b <= bucket_mask_; ++b) {
      while (shard.buckets[b] != nullptr) Remove(&shard, &shard.buckets[b]);
    }
  }
}

uint64_t RowCache::Prepare(std::string_view key) const {
  const uint64_t hash = Hash64(key);
  __builtin_prefetch(&shards_[hash >> 58].buckets[hash & bucket_mask_]);
  return hash;
}

RowCache::Entry** RowCache::PlaceOf(Shard* shard, std::string_view key, uint64_t hash) const {
  Entry** place = &shard->buckets[hash & bucket_mask_];
  const auto tag = static_cast<uint32_t>(hash >> 26);
  while (*place != nullptr && ((*place)->tag != tag || (*place)->key() != key)) {
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
                    const RowWrites& writes, uint64_t as_of) {
  Shard& shard = ShardOf(hash);
  const std::lock_guard lock(shard.mutex);
  // Under the lock: a write that begins after this look takes the same lock in Replace, later.
  if (writes.count() != as_of || RowWrites::UnderWay(as_of)) return;
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

void RowCache::Forget(std::string_view key) {
  const uint64_t hash = Hash64(key);
  Shard& shard = ShardOf(hash);
  const std::lock_guard lock(shard.mutex);
  Entry** place = PlaceOf(&shard, key, hash);
  if (*place != nullptr) Remove(&shard, place);
}

void RowCache::Put(Shard* shard, Entry** place, std::string_view key, uint64_t hash,
                   std::optional<std::string_view> value) {
  Entry header{.next = nullptr,
               .tag = static_cast<uint32_t>(hash >> 26),
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
  auto* entry = new (::operator new(header.size())) Entry(header);
  if (!key.empty()) std::memcpy(entry->bytes(), key.data(), key.size());
  if (value && !value->empty()) {
    std::memcpy(entry->bytes() + key.size(), value->data(), value->size());
  }
  *place = entry;
  shard->bytes += header.size();
}

void RowCache::Remove(Shard* shard, Entry** place) {
  Entry* entry = *place;
  *place = entry->next;
  shard->bytes -= entry->size();
  ::operator delete(entry);
}

void RowCache::MakeRoom(Shard* shard, size_t more) {
  const size_t shard_bytes = capacity_bytes_ / kShards;
  while (shard->bytes > 0 && shard->bytes + more > shard_bytes) {
    Entry** place = &shard->buckets[shard->hand++ & bucket_mask_];
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
