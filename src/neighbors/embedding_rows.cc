#include "neighbors/embedding_rows.h"

#include <algorithm>
#include <cstring>

#include <arrow/array/concatenate.h>
#include <arrow/util/byte_size.h>

namespace tercet {
namespace {

/// A chunk that is smaller takes the next rows in, so that many small commits make few chunks.
constexpr int64_t kChunkRows = 4096;
/// What the hash map takes for an entry beside the key's bytes.
constexpr size_t kEntryBytes = 64;

size_t BytesOf(const RowChunk& chunk) {
  return static_cast<size_t>(arrow::util::TotalBufferSize(*chunk.rows));
}

}  // namespace

size_t EmbeddingRows::ChunkOf(uint32_t label) const {
  const auto after =
      std::upper_bound(chunks_.begin(), chunks_.end(), label,
                       [](uint32_t wanted, const RowChunk& chunk) { return wanted < chunk.first; });
  return static_cast<size_t>(after - chunks_.begin()) - 1;
}

Status EmbeddingRows::Put(std::vector<std::string> keys, const std::vector<int64_t>& event_times_us,
                          const std::shared_ptr<arrow::RecordBatch>& rows,
                          const std::vector<float>& vectors) {
  if (keys.empty()) return Status::OK();
  const bool joins = !chunks_.empty() && chunks_.back().rows->num_rows() < kChunkRows;
  const uint32_t first = joins ? end_ : (end_ + 63) / 64 * 64;
  RowChunk chunk{.id = next_chunk_++, .first = first, .rows = rows};
  if (joins) {
    chunk.first = chunks_.back().first;
    ARROW_ASSIGN_OR_RAISE(chunk.rows, arrow::ConcatenateRecordBatches({chunks_.back().rows, rows}));
  }
  for (size_t i = 0; i < keys.size(); ++i) {
    ARROW_RETURN_NOT_OK(
        vectors_.Put(first + static_cast<uint32_t>(i), vectors.data() + i * vectors_.dimension()));
  }
  if (joins) {
    chunk_bytes_ -= BytesOf(chunks_.back());
    chunks_.back() = std::move(chunk);
  } else {
    chunks_.push_back(std::move(chunk));
  }
  chunk_bytes_ += BytesOf(chunks_.back());
  end_ = first + static_cast<uint32_t>(keys.size());
  times_us_.resize(end_);
  live_.resize((end_ + 63) / 64);
  for (size_t i = 0; i < keys.size(); ++i) {
    const uint32_t label = first + static_cast<uint32_t>(i);
    times_us_[label] = event_times_us[i];
    live_[label / 64] |= uint64_t{1} << (label % 64);
    const size_t size = keys[i].size();
    const auto [entry, added] = labels_.try_emplace(std::move(keys[i]), label);
    if (added) {
      key_bytes_ += size;
    } else {
      Kill(entry->second);
      entry->second = label;
    }
  }
  ++changes_;
  return Status::OK();
}

void EmbeddingRows::Remove(std::string_view key) {
  const auto entry = labels_.find(key);
  if (entry == labels_.end()) return;
  Kill(entry->second);
  key_bytes_ -= entry->first.size();
  labels_.erase(entry);
  ++changes_;
}

template <typename IsGone>
void EmbeddingRows::RemoveIf(IsGone is_gone) {
  for (auto entry = labels_.begin(); entry != labels_.end();) {
    if (!is_gone(entry->second)) {
      ++entry;
      continue;
    }
    Kill(entry->second);
    key_bytes_ -= entry->first.size();
    entry = labels_.erase(entry);
    ++changes_;
  }
}

void EmbeddingRows::RemoveOlderThan(int64_t event_time_us) {
  RemoveIf([&](uint32_t label) { return times_us_[label] < event_time_us; });
}

void EmbeddingRows::RemoveLabels(const LabelBits& labels) {
  RemoveIf([&](uint32_t label) { return HasBit(labels, label); });
}

std::optional<uint32_t> EmbeddingRows::FindSame(const std::string& key,
                                                const arrow::RecordBatch& rows, int64_t row,
                                                const float* vector) const {
  const auto entry = labels_.find(key);
  if (entry == labels_.end()) return std::nullopt;
  const uint32_t label = entry->second;
  if (std::memcmp(vectors_.at(label), vector, vectors_.dimension() * sizeof(float)) != 0) {
    return std::nullopt;
  }
  const RowChunk& chunk = chunks_[ChunkOf(label)];
  const int64_t kept = label - chunk.first;
  for (int i = 0; i < rows.num_columns(); ++i) {
    if (!rows.column(i)->RangeEquals(*chunk.rows->column(i), row, row + 1, kept)) {
      return std::nullopt;
    }
  }
  return label;
}

Status EmbeddingRows::AddColumn(const std::shared_ptr<arrow::Field>& field,
                                const arrow::ArrayVector& values) {
  ARROW_ASSIGN_OR_RAISE(auto schema, schema_->AddField(schema_->num_fields(), field));
  std::vector<RowChunk> chunks = chunks_;
  size_t bytes = 0;
  for (size_t c = 0; c < chunks.size(); ++c) {
    ARROW_ASSIGN_OR_RAISE(chunks[c].rows,
                          chunks[c].rows->AddColumn(schema_->num_fields(), field, values[c]));
    bytes += BytesOf(chunks[c]);
  }
  schema_ = std::move(schema);
  chunks_ = std::move(chunks);
  chunk_bytes_ = bytes;
  return Status::OK();
}

Result<std::shared_ptr<arrow::RecordBatch>> EmbeddingRows::KeysOf(
    const std::vector<uint32_t>& labels, int key_columns) const {
  arrow::FieldVector fields(schema_->fields().begin(), schema_->fields().begin() + key_columns);
  const auto schema = arrow::schema(std::move(fields));
  if (labels.empty()) return arrow::RecordBatch::MakeEmpty(schema);
  arrow::ArrayVector columns;
  for (int i = 0; i < key_columns; ++i) {
    arrow::ArrayVector pieces;
    pieces.reserve(labels.size());
    for (const uint32_t label : labels) {
      const RowChunk& chunk = chunks_[ChunkOf(label)];
      pieces.push_back(chunk.rows->column(i)->Slice(label - chunk.first, 1));
    }
    ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), arrow::Concatenate(pieces));
  }
  return arrow::RecordBatch::Make(schema, static_cast<int64_t>(labels.size()), std::move(columns));
}

size_t EmbeddingRows::bytes() const {
  return vectors_.bytes() + chunk_bytes_ + key_bytes_ + labels_.size() * kEntryBytes +
         times_us_.capacity() * sizeof(int64_t) + live_.capacity() * sizeof(uint64_t);
}

}  // namespace tercet
