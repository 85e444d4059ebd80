#include "online/rocks_store.h"

#include <cstdlib>

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>

#include "base/environment.h"
#include "base/file_system.h"
#include "online/store_key.h"

namespace tercet {
namespace {

/// Small, since rows that are read again are in the row cache.
constexpr size_t kBlockCacheBytes = 64 << 20;

rocksdb::Options StoreOptions() {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(kBlockCacheBytes);
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.data_block_index_type = rocksdb::BlockBasedTableOptions::kDataBlockBinaryAndHash;
  table.format_version = 5;
  rocksdb::Options options;
  options.create_if_missing = true;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  // Rows are mostly numbers, which don't compress, and reads want no work.
  options.compression = rocksdb::kNoCompression;
  options.write_buffer_size = 32 << 20;
  options.max_total_wal_size = 64 << 20;
  options.max_background_jobs = 2;
  options.info_log_level = rocksdb::WARN_LEVEL;
  options.keep_log_file_num = 2;
  options.level_compaction_dynamic_level_bytes = true;
  return options;
}

}  // namespace

Status FromRocks(const rocksdb::Status& status, std::string_view what) {
  if (status.ok()) return Status::OK();
  return Status::IOError("online store: ", what, ": ", status.ToString());
}

Result<OnlineOptions> OnlineOptions::FromEnvironment() {
  OnlineOptions options;
  if (const char* redis = std::getenv("TERCET_ONLINE"); redis != nullptr) options.redis = redis;
  ARROW_RETURN_NOT_OK(
      ReadBytesFromEnvironment("TERCET_ONLINE_CACHE_BYTES", &options.row_cache_bytes));
  return options;
}

Result<std::unique_ptr<OnlineStore>> OnlineStore::Open(const std::string& directory,
                                                       const Clock* clock,
                                                       const OnlineOptions& options) {
  return RocksStore::Open(directory, clock, options);
}

Result<std::unique_ptr<OnlineStore>> RocksStore::Open(const std::string& directory,
                                                      const Clock* clock,
                                                      const OnlineOptions& options) {
  ARROW_RETURN_NOT_OK(LocalFileSystem()->MakeDirectory(directory));
  rocksdb::DB* opened = nullptr;
  ARROW_RETURN_NOT_OK(FromRocks(rocksdb::DB::Open(StoreOptions(), directory, &opened),
                                "opening '" + directory + "'"));
  std::unique_ptr<RocksStore> store(
      new RocksStore(std::unique_ptr<rocksdb::DB>(opened), clock, options));
  ARROW_RETURN_NOT_OK(store->LoadStates());
  return store;
}

RocksStore::~RocksStore() = default;

Status RocksStore::LoadStates() {
  auto states = std::make_shared<GroupStates>();
  const std::unique_ptr<rocksdb::Iterator> record(db_->NewIterator(rocksdb::ReadOptions()));
  for (record->Seek(std::string(1, kGroupRecord));
       record->Valid() && record->key()[0] == kGroupRecord; record->Next()) {
    Result<GroupState> state = GroupState::FromBytes(record->value().ToStringView());
    if (!state.ok()) {
      return Status::IOError("online store: the state of group '",
                             record->key().ToStringView().substr(1), "' can't be read (",
                             state.status().message(),
                             "); remove the online store's folder to have it rebuilt");
    }
    const Ref group = state->definition.ref();
    (*states)[group] = std::make_shared<GroupState>(std::move(state).ValueUnsafe());
  }
  ARROW_RETURN_NOT_OK(FromRocks(record->status(), "reading its groups"));
  states_.store(std::move(states));
  return Status::OK();
}

std::mutex& RocksStore::WriterOf(const Ref& group) {
  std::lock_guard lock(mutex_);
  return writers_[group];
}

Result<std::shared_ptr<const GroupState>> RocksStore::StateOf(const Ref& group) const {
  const std::shared_ptr<const GroupStates> states = states_.load();
  const auto found = states->find(group);
  if (found == states->end()) {
    return Status::KeyError("feature group '", group.ToText(),
                            "' is not in the online store: it was not declared online, or nothing "
                            "was inserted yet");
  }
  return found->second;
}

void RocksStore::Publish(const Ref& group, std::shared_ptr<const GroupState> state) {
  std::lock_guard lock(mutex_);
  auto states = std::make_shared<GroupStates>(*states_.load());
  if (state == nullptr) {
    states->erase(group);
  } else {
    (*states)[group] = std::move(state);
  }
  states_.store(std::move(states));
}

Status RocksStore::Commit(rocksdb::WriteBatch* batch, const GroupState& state) {
  const Ref group = state.definition.ref();
  batch->Put(GroupKey(group), state.ToBytes());
  ARROW_RETURN_NOT_OK(
      WriteRows(state, batch, /*durable=*/true, "writing group '" + group.ToText() + "'"));
  Publish(group, std::make_shared<GroupState>(state));
  return Status::OK();
}

Status RocksStore::Define(const FeatureGroupDefinition& definition) {
  const Ref group = definition.ref();
  std::lock_guard writer(WriterOf(group));
  const std::shared_ptr<const GroupStates> states = states_.load();
  rocksdb::WriteBatch batch;
  if (const auto known = states->find(group); known != states->end()) {
    if (definition.schema == nullptr || known->second->definition.ToJson() == definition.ToJson()) {
      return Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(const GroupState changed, known->second->WithDefinition(definition));
    return Commit(&batch, changed);
  }
  ARROW_RETURN_NOT_OK(CheckRoom(0, "writing group '" + group.ToText() + "'"));
  int64_t id = 1;
  {
    // Ids are never used twice, so that what a dropped group may have left is never read.
    std::lock_guard lock(mutex_);
    std::string next;
    const rocksdb::Status got =
        db_->Get(rocksdb::ReadOptions(), std::string(1, kNextIdRecord), &next);
    if (!got.IsNotFound()) {
      ARROW_RETURN_NOT_OK(FromRocks(got, "reading the next group id"));
      id = std::stoll(next);
    }
    ARROW_RETURN_NOT_OK(FromRocks(
        db_->Put(rocksdb::WriteOptions(), std::string(1, kNextIdRecord), std::to_string(id + 1)),
        "writing the next group id"));
  }
  ARROW_ASSIGN_OR_RAISE(const GroupState state,
                        GroupState::Make(static_cast<uint32_t>(id), definition));
  return Commit(&batch, state);
}

std::vector<Ref> RocksStore::Groups() {
  std::vector<Ref> groups;
  const std::shared_ptr<const GroupStates> states = states_.load();
  for (const auto& [group, state] : *states) groups.push_back(group);
  return groups;
}

Result<int64_t> RocksStore::AppliedVersion(const Ref& group) {
  const std::shared_ptr<const GroupStates> states = states_.load();
  const auto found = states->find(group);
  return found == states->end() ? -1 : found->second->applied_version;
}

Status RocksStore::Drop(const Ref& group) {
  std::lock_guard writer(WriterOf(group));
  const std::shared_ptr<const GroupStates> states = states_.load();
  const auto found = states->find(group);
  if (found == states->end()) return Status::OK();
  rocksdb::WriteOptions durable;
  durable.sync = true;
  ARROW_RETURN_NOT_OK(
      FromRocks(db_->Delete(durable, GroupKey(group)), "dropping group '" + group.ToText() + "'"));
  Publish(group, nullptr);
  return RemoveRange(found->second->id, 0, UINT32_MAX);
}

Status RocksStore::RemoveRange(uint32_t id, uint32_t first_generation, uint32_t last_generation) {
  for (const char record : {kRowsRecord, kRefillRecord}) {
    const std::string begin = StorePrefix(record, id, first_generation);
    const std::string end = last_generation == UINT32_MAX
                                ? StorePrefix(record, id + 1, 0)
                                : StorePrefix(record, id, last_generation + 1);
    // A tombstone over nothing would only slow readers down.
    const std::unique_ptr<rocksdb::Iterator> first(db_->NewIterator(rocksdb::ReadOptions()));
    first->Seek(begin);
    ARROW_RETURN_NOT_OK(FromRocks(first->status(), "looking for old rows"));
    if (!first->Valid() || first->key().compare(end) >= 0) continue;
    const rocksdb::Slice begin_slice(begin), end_slice(end);
    auto* family = db_->DefaultColumnFamily();
    ARROW_RETURN_NOT_OK(
        FromRocks(rocksdb::DeleteFilesInRange(db_.get(), family, &begin_slice, &end_slice, false),
                  "removing old files"));
    ARROW_RETURN_NOT_OK(
        FromRocks(db_->DeleteRange(rocksdb::WriteOptions(), family, begin_slice, end_slice),
                  "removing old rows"));
    ARROW_RETURN_NOT_OK(FromRocks(db_->Flush(rocksdb::FlushOptions()), "flushing"));
    // What was removed is no longer in any file when this returns, as an erasure promises.
    rocksdb::CompactRangeOptions whole;
    whole.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
    whole.exclusive_manual_compaction = false;
    ARROW_RETURN_NOT_OK(FromRocks(db_->CompactRange(whole, family, &begin_slice, &end_slice),
                                  "compacting what was removed"));
  }
  return Status::OK();
}

}  // namespace tercet
