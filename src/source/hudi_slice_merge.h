#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "base/file_system.h"
#include "base/result.h"
#include "source/hudi_log.h"
#include "source/hudi_merge_rule.h"
#include "source/hudi_order.h"

namespace tercet {

/// What records of log files hold of memory, of all slices that are merged at once. Thread-safe.
class HudiMemory {
 public:
  explicit HudiMemory(int64_t limit_bytes) : limit_bytes_(limit_bytes) {}
  /// The bytes of the rows, until they are given back. CapacityError beyond the limit.
  Result<int64_t> Take(const arrow::RecordBatch& rows);
  void Give(int64_t bytes) { taken_bytes_ -= bytes; }

 private:
  const int64_t limit_bytes_;
  std::atomic<int64_t> taken_bytes_ = 0;
};

/// Where the values of a record are.
struct HudiPlace {
  int batch = -1;  ///< -1: nowhere
  int64_t row = 0;
};

/// A record, or the delete of one.
struct HudiEntry {
  HudiPlace top;                 ///< nowhere in an entry of a block of deletes
  std::vector<HudiPlace> below;  ///< whose values show where those above say nothing, in this order
  bool deleted = false;
  bool complete = false;  ///< a record of the base file is among these
  HudiOrder order;

  /// Whether it deletes whatever was written before, however late that is.
  bool DeletesAll() const { return deleted && std::holds_alternative<std::monostate>(order); }
};

/// Merges the records of the log files of one slice, in the order in which they count.
class HudiSliceMerge {
 public:
  /// `wanted`: columns to read of records: kHudiKey, kHudiIsDeleted and kHudiOperation
  /// (source/hudi_merge.h), what orders and marks deletes, and those asked for. Rule and memory
  /// must outlive it.
  HudiSliceMerge(const HudiMergeRule& rule, std::shared_ptr<arrow::Schema> wanted,
                 HudiMemory* memory);
  ~HudiSliceMerge() { memory_->Give(held_bytes_); }
  HudiSliceMerge(const HudiSliceMerge&) = delete;
  HudiSliceMerge& operator=(const HudiSliceMerge&) = delete;

  /// Errors don't say where the block is.
  Status Add(const HudiLogBlock& block);
  /// Once all blocks are there: completes records of some columns alone, and those with values that
  /// say nothing, by the rows of the base file.
  Status FillFrom(FileSystem* file_system, const std::string& base);

  const std::unordered_map<std::string, HudiEntry>& entries() const { return entries_; }
  /// A column of `wanted` for these entries, which are none of deletes alone.
  Result<std::shared_ptr<arrow::Array>> Column(const std::string& name,
                                               const std::vector<const HudiEntry*>& of) const;

 private:
  /// Rows that were read, and which columns they have.
  struct Batch {
    std::shared_ptr<arrow::RecordBatch> rows;
    std::vector<bool> has;  ///< for each column; empty: all
  };
  Status Hold(Batch batch);
  Status AddRows(Batch batch);
  Status AddBase(const std::shared_ptr<arrow::RecordBatch>& rows);
  void Put(const std::string& key, HudiEntry entry);
  /// Puts the values of `low` below those of `high`, as far as they can show.
  void Lay(HudiEntry* high, const HudiEntry& low) const;
  bool IsWhole(const HudiEntry& entry) const;
  HudiOrder OrderOf(const arrow::RecordBatch& rows, int64_t row) const;
  HudiPlace PlaceOf(const HudiEntry& entry, int column) const;
  bool Shows(const arrow::Array& column, int64_t row) const;

  const HudiMergeRule& rule_;
  const std::shared_ptr<arrow::Schema> wanted_;
  HudiMemory* const memory_;
  int64_t held_bytes_ = 0;
  std::vector<Batch> batches_;
  std::unordered_map<std::string, HudiEntry> entries_;
};

}  // namespace tercet
