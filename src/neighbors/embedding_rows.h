#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <arrow/record_batch.h>

#include "base/result.h"
#include "neighbors/vector_store.h"

namespace tercet {

/// A stretch of labels with the rows that they stand for; never changed.
struct RowChunk {
  uint64_t id;                               ///< of these rows, whatever columns are there
  uint32_t first;                            ///< label of its first row; a multiple of 64
  std::shared_ptr<arrow::RecordBatch> rows;  ///< the key's columns, then those for filters
};

/// Bits by label.
using LabelBits = std::vector<uint64_t>;
inline bool HasBit(const LabelBits& bits, uint32_t label) {
  return label / 64 < bits.size() && (bits[label / 64] >> (label % 64) & 1) != 0;
}

/// The rows of a group that have a vector, by label: a row that changes gets a new label, and the
/// old one is dead. Not synchronized; chunks and vectors may be read on by whoever has them.
class EmbeddingRows {
 public:
  /// `columns`: the key's fields, then those for filters.
  EmbeddingRows(size_t dimension, std::shared_ptr<arrow::Schema> columns)
      : vectors_(dimension), schema_(std::move(columns)) {}

  /// Puts rows in place of those of the same keys. `keys`: of each in byte form; `rows`: of the
  /// schema; `vectors`: one after another, without padding.
  Status Put(std::vector<std::string> keys, const std::vector<int64_t>& event_times_us,
             const std::shared_ptr<arrow::RecordBatch>& rows, const std::vector<float>& vectors);
  /// That a row's values are what they were, at another event time.
  void SetEventTime(uint32_t label, int64_t event_time_us) { times_us_[label] = event_time_us; }
  void Remove(std::string_view key);
  /// Takes away the rows that are older.
  void RemoveOlderThan(int64_t event_time_us);
  /// Takes away the rows with these labels.
  void RemoveLabels(const LabelBits& labels);

  /// Whether a key's row is there with these values: then its label. The key's columns are alike.
  std::optional<uint32_t> FindSame(const std::string& key, const arrow::RecordBatch& rows,
                                   int64_t row, const float* vector) const;

  /// Gives all rows another column. `values`: of each chunk, in order.
  Status AddColumn(const std::shared_ptr<arrow::Field>& field, const arrow::ArrayVector& values);

  /// The key's columns of some labels, in their order.
  Result<std::shared_ptr<arrow::RecordBatch>> KeysOf(const std::vector<uint32_t>& labels,
                                                     int key_columns) const;

  const std::shared_ptr<arrow::Schema>& schema() const { return schema_; }
  const std::vector<RowChunk>& chunks() const { return chunks_; }
  const VectorStore& vectors() const { return vectors_; }
  const LabelBits& live() const { return live_; }
  int64_t event_time_us(uint32_t label) const { return times_us_[label]; }
  uint32_t end() const { return end_; }  ///< past the last label
  size_t live_count() const { return labels_.size(); }
  uint64_t changes() const { return changes_; }  ///< counts what changed which labels are alive
  size_t bytes() const;

 private:
  struct KeyHash {
    using is_transparent = void;
    size_t operator()(std::string_view key) const { return std::hash<std::string_view>()(key); }
  };
  using Labels = std::unordered_map<std::string, uint32_t, KeyHash, std::equal_to<>>;

  template <typename IsGone>
  void RemoveIf(IsGone is_gone);
  void Kill(uint32_t label) { live_[label / 64] &= ~(uint64_t{1} << (label % 64)); }
  /// Of the chunk that a label is in.
  size_t ChunkOf(uint32_t label) const;

  VectorStore vectors_;
  std::shared_ptr<arrow::Schema> schema_;
  std::vector<RowChunk> chunks_;
  Labels labels_;  // by key, of what is alive
  size_t key_bytes_ = 0;
  std::vector<int64_t> times_us_;
  LabelBits live_;
  uint32_t end_ = 0;
  uint64_t changes_ = 0, next_chunk_ = 0;
  size_t chunk_bytes_ = 0;
};

}  // namespace tercet
