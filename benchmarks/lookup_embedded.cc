// The compiled half of `./dev bench lookup_embedded`: feature vectors in process, beside RocksDB's
// MultiGet of the same rows, which is asked in the same run for the very bytes that Tercet stored.
//
//     lookup_embedded PROJECT ENTITIES HOT COUNT ROUNDS
//         HOT entities are asked again and again, so that they are in memory on both sides
//
// Every answer is checked. Prints one JSON object.
#include <ctime>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>

#include "base/json.h"
#include "compute/cell_key.h"
#include "online/group_state.h"
#include "online/key_rows.h"
#include "online/store_key.h"
#include "platform/platform.h"

namespace tercet {
namespace {

constexpr int kGroups = 5;
constexpr int kFeatures = 10;
constexpr size_t kPeerCacheBytes = size_t{1} << 30;  // as much as Tercet's row cache may have
using Clock = std::chrono::steady_clock;

/// What the benchmark's Python half inserted: exact in binary and in decimal.
double Expected(int64_t entity, int group, int feature) {
  return static_cast<double>(entity * kGroups * kFeatures + group * kFeatures + feature) + 0.5;
}

double CpuMicros() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

/// Times of single calls, and the CPU time of all.
struct Measured {
  std::vector<double> wall_us;
  double cpu_us = 0;

  double Wall(double quantile) {
    std::sort(wall_us.begin(), wall_us.end());
    return wall_us[static_cast<size_t>(static_cast<double>(wall_us.size() - 1) * quantile)];
  }
};

/// Calls `ask(entity)` for `count` of the hot entities, twice: once for the CPU time of all, with
/// nothing between the calls, and once for the time of each, when `check(entity)` looks at the
/// answer.
template <typename Ask, typename Check>
Result<Measured> Measure(const std::vector<int64_t>& hot, int64_t count, uint64_t seed,
                         const Ask& ask, const Check& check) {
  Measured measured;
  std::mt19937_64 random(seed);
  const double cpu = CpuMicros();
  for (int64_t i = 0; i < count; ++i) ARROW_RETURN_NOT_OK(ask(hot[random() % hot.size()]));
  measured.cpu_us = CpuMicros() - cpu;
  random.seed(seed);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t entity = hot[random() % hot.size()];
    const auto begun = Clock::now();
    ARROW_RETURN_NOT_OK(ask(entity));
    measured.wall_us.push_back(
        std::chrono::duration<double, std::micro>(Clock::now() - begun).count());
    ARROW_RETURN_NOT_OK(check(entity));
  }
  return measured;
}

class Ours {
 public:
  static Result<Ours> Open(const std::string& project) {
    Ours ours;
    ARROW_ASSIGN_OR_RAISE(ours.platform_, Platform::Open(project));
    ARROW_ASSIGN_OR_RAISE(ours.reader_, ours.platform_->Reader({"all", 1}));
    if (ours.reader_ == nullptr) return Status::UnknownError("the view is not plain");
    return ours;
  }

  Status Ask(int64_t entity) {
    const Cell key{reinterpret_cast<const char*>(&entity), sizeof(entity)};
    ARROW_ASSIGN_OR_RAISE(const bool read, reader_->Read({&key, 1}, std::nullopt, &vector_));
    return read ? Status::OK() : Status::UnknownError("the store is not in this process");
  }

  Status Check(int64_t entity) const {
    for (int f = 0; f < kGroups * kFeatures; ++f) {
      const Cell cell = vector_.features.at(static_cast<size_t>(f));
      if (cell.null() || cell.As<double>() != Expected(entity, f / kFeatures, f % kFeatures)) {
        return Status::UnknownError("entity ", entity, " has a wrong feature ", f);
      }
    }
    return Status::OK();
  }

 private:
  std::shared_ptr<Platform> platform_;
  std::shared_ptr<const VectorReader> reader_;
  VectorCells vector_;
};

/// The store's own RocksDB, opened beside it for reading, its blocks cached.
class Peer {
 public:
  static Result<Peer> Open(const std::string& directory) {
    rocksdb::BlockBasedTableOptions table;
    table.block_cache = rocksdb::NewLRUCache(kPeerCacheBytes);
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
    rocksdb::Options options;
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    rocksdb::DB* opened = nullptr;
    const rocksdb::Status status = rocksdb::DB::OpenForReadOnly(options, directory, &opened);
    if (!status.ok()) return Status::IOError(status.ToString());
    Peer peer;
    peer.db_.reset(opened);
    const std::unique_ptr<rocksdb::Iterator> record(opened->NewIterator({}));
    for (record->Seek(std::string(1, kGroupRecord));
         record->Valid() && record->key()[0] == kGroupRecord; record->Next()) {
      ARROW_ASSIGN_OR_RAISE(auto state, GroupState::FromBytes(record->value().ToStringView()));
      peer.states_.push_back(std::move(state));
    }
    if (peer.states_.size() != kGroups) return Status::UnknownError("expected five groups");
    return peer;
  }

  /// Looks the rows up and takes the values out of their bytes.
  Status Ask(int64_t entity) {
    constexpr arrow::Type::type kKey[] = {arrow::Type::INT64};
    const Cell cell{reinterpret_cast<const char*>(&entity), sizeof(entity)};
    for (int g = 0; g < kGroups; ++g) {
      keys_[g].clear();
      AppendStorePrefix(kRowsRecord, states_[g].id, states_[g].generation, &keys_[g]);
      AppendCellKey(kKey, {&cell, 1}, &keys_[g]);
      slices_[g] = keys_[g];
      rows_[g].Reset();
    }
    db_->MultiGet({}, db_->DefaultColumnFamily(), kGroups, slices_, rows_, statuses_);
    for (int g = 0; g < kGroups; ++g) {
      if (!statuses_[g].ok()) return Status::IOError(statuses_[g].ToString());
      const KeyLookup found = FindAsOf(rows_[g].ToStringView(), INT64_MAX);
      if (found.answer != KeyLookup::kFound) return Status::UnknownError("no row of ", entity);
      const auto& slots = states_[g].layout()->slots();
      const size_t first = slots.size() - kFeatures;  // after the key and the time
      for (int f = 0; f < kFeatures; ++f) {
        std::memcpy(&values_[g * kFeatures + f],
                    found.row.bytes.data() + slots[first + static_cast<size_t>(f)].offset, 8);
      }
    }
    return Status::OK();
  }

  Status Check(int64_t entity) const {
    for (int f = 0; f < kGroups * kFeatures; ++f) {
      if (values_[f] != Expected(entity, f / kFeatures, f % kFeatures)) {
        return Status::UnknownError("entity ", entity, " has a wrong value ", f, " in RocksDB");
      }
    }
    return Status::OK();
  }

 private:
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<GroupState> states_;  // in the order of the groups' names
  std::string keys_[kGroups];
  rocksdb::Slice slices_[kGroups];
  rocksdb::PinnableSlice rows_[kGroups];
  rocksdb::Status statuses_[kGroups];
  double values_[kGroups * kFeatures] = {};
};

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

Result<json::object> Compare(const std::string& project, int64_t entities, int64_t hot_entities,
                             int64_t count, int64_t rounds) {
  std::mt19937_64 random(17);
  std::vector<int64_t> hot;
  for (int64_t i = 0; i < hot_entities; ++i) {
    hot.push_back(static_cast<int64_t>(random() % static_cast<uint64_t>(entities)));
  }
  ARROW_ASSIGN_OR_RAISE(Peer peer, Peer::Open(project + "/online/rocksdb"));
  ARROW_ASSIGN_OR_RAISE(Ours ours, Ours::Open(project));
  for (const int64_t entity : hot) {
    ARROW_RETURN_NOT_OK(ours.Ask(entity));
    ARROW_RETURN_NOT_OK(ours.Check(entity));
    ARROW_RETURN_NOT_OK(peer.Ask(entity));
    ARROW_RETURN_NOT_OK(peer.Check(entity));
  }
  std::vector<double> ratios, p50, p99, peer_p50, cpu, peer_cpu;
  for (int64_t round = 0; round < rounds; ++round) {
    const auto seed = static_cast<uint64_t>(round);
    ARROW_ASSIGN_OR_RAISE(Measured mine,
                          Measure(
                              hot, count, seed, [&](int64_t entity) { return ours.Ask(entity); },
                              [&](int64_t entity) { return ours.Check(entity); }));
    ARROW_ASSIGN_OR_RAISE(Measured theirs,
                          Measure(
                              hot, count, seed, [&](int64_t entity) { return peer.Ask(entity); },
                              [&](int64_t entity) { return peer.Check(entity); }));
    ratios.push_back(theirs.cpu_us / mine.cpu_us);
    p50.push_back(mine.Wall(0.5));
    p99.push_back(mine.Wall(0.99));
    peer_p50.push_back(theirs.Wall(0.5));
    cpu.push_back(mine.cpu_us / static_cast<double>(count));
    peer_cpu.push_back(theirs.cpu_us / static_cast<double>(count));
  }
  return json::object{{"ratio", Median(ratios)}, {"p50_us", Median(p50)},
                      {"p99_us", Median(p99)},   {"rocksdb_p50_us", Median(peer_p50)},
                      {"cpu_us", Median(cpu)},   {"rocksdb_cpu_us", Median(peer_cpu)}};
}

}  // namespace
}  // namespace tercet

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  arrow::Result<tercet::json::object> figures =
      arrow::Status::Invalid("see the top of lookup_embedded.cc");
  if (words.size() == 5) {
    figures = tercet::Compare(words[0], std::stoll(words[1]), std::stoll(words[2]),
                              std::stoll(words[3]), std::stoll(words[4]));
  }
  if (!figures.ok()) {
    std::cerr << "lookup_embedded: " << figures.status().ToString() << "\n";
    return 1;
  }
  std::cout << tercet::ToText(*figures) << "\n";
  return 0;
}
