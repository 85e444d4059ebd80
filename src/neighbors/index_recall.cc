// An index's graph on disk, for the next process.
#include <algorithm>
#include <cstring>
#include <numeric>
#include <shared_mutex>

#include <arrow/record_batch.h>

#include "compute/sort_key.h"
#include "compute/take_rows.h"
#include "neighbors/embedding_index.h"
#include "neighbors/index_file.h"

namespace tercet {
namespace {

/// As many rows a chunk as those that are read online.
constexpr int64_t kSliceRows = 4096;
/// A graph is written again when it has grown by one in so many.
constexpr size_t kGrownBy = 8;

}  // namespace

json::object EmbeddingIndex::FileOf() const {
  return {{"feature_group", source_.group.ref().ToText()},
          {"column", source_.column},
          {"embedding", source_.embedding.ToJson()},
          {"dimension", source_.dimension},
          {"key", KeySchema(source_.group)->ToString()}};
}

Status EmbeddingIndex::Recall() {
  const std::lock_guard following(following_);
  const auto dimension = static_cast<size_t>(source_.dimension);
  ARROW_ASSIGN_OR_RAISE(const IndexFile file,
                        ReadIndexFile(source_.files, source_.file, FileOf(), dimension));
  const size_t row_bytes = dimension * sizeof(float);
  std::vector<float> vectors;
  std::vector<int64_t> numbers;
  for (int64_t begin = 0; begin < file.keys->num_rows(); begin += kSliceRows) {
    // Copied, so that they have memory of their own, and only what they need.
    numbers.resize(static_cast<size_t>(std::min(kSliceRows, file.keys->num_rows() - begin)));
    std::iota(numbers.begin(), numbers.end(), begin);
    ARROW_ASSIGN_OR_RAISE(const auto keys, TakeRows(file.keys, numbers));
    const size_t rows = numbers.size();
    ARROW_ASSIGN_OR_RAISE(const SortKeys sort_keys, SortKeys::Encode(keys->columns()));
    std::vector<std::string> key_bytes;
    for (int64_t i = 0; i < keys->num_rows(); ++i) key_bytes.push_back(sort_keys.ToBytes(i));
    vectors.resize(rows * dimension);
    std::memcpy(vectors.data(), file.vectors.data() + static_cast<size_t>(begin) * row_bytes,
                rows * row_bytes);
    ARROW_RETURN_NOT_OK(
        rows_.Put(std::move(key_bytes), std::vector<int64_t>(rows), keys, vectors));
  }
  ARROW_RETURN_NOT_OK(row_memory_.Set(rows_.bytes()));
  ARROW_ASSIGN_OR_RAISE(graph_, HnswGraph::Load(&rows_.vectors(), distance_,
                                                static_cast<size_t>(file.keys->num_rows()),
                                                file.graph));
  ARROW_RETURN_NOT_OK(graph_memory_.Set(graph_->bytes()));
  graph_end_ = rows_.end();
  kept_ = graph_->size();
  unconfirmed_ = rows_.live();
  return Status::OK();
}

Status EmbeddingIndex::Keep() {
  if (source_.file.empty() || graph_ == nullptr || graph_->size() <= kept_ + kept_ / kGrownBy) {
    return Status::OK();
  }
  // The graph and all vectors in it stay while this thread is here; chunks never change.
  const std::span<const uint32_t> labels = graph_->labels();
  std::vector<RowChunk> chunks;
  const int64_t commit = commit_;
  {
    const std::shared_lock lock(mutex_);
    chunks = rows_.chunks();
  }
  if (!source_.group.source) {
    // What was erased is not written again.
    ARROW_ASSIGN_OR_RAISE(const std::vector<Commit> commits, source_.table->Commits());
    for (const Commit& one : commits) {
      if (one.operation == "erase" && one.version > commit) return Status::OK();
    }
  }
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  std::vector<int64_t> begins;
  std::vector<int> of_key(static_cast<size_t>(key_columns_));
  std::iota(of_key.begin(), of_key.end(), 0);
  int64_t rows = 0;
  for (const RowChunk& chunk : chunks) {
    ARROW_ASSIGN_OR_RAISE(batches.emplace_back(), chunk.rows->SelectColumns(of_key));
    begins.push_back(rows - chunk.first);
    rows += chunk.rows->num_rows();
  }
  ARROW_ASSIGN_OR_RAISE(const auto all, arrow::ConcatenateRecordBatches(batches));
  std::vector<int64_t> taken;
  taken.reserve(labels.size());
  for (const uint32_t label : labels) {
    const auto after = std::upper_bound(
        chunks.begin(), chunks.end(), label,
        [](uint32_t wanted, const RowChunk& chunk) { return wanted < chunk.first; });
    taken.push_back(begins[static_cast<size_t>(after - chunks.begin()) - 1] + label);
  }
  ARROW_ASSIGN_OR_RAISE(const auto keys, TakeRows(all, taken));
  ARROW_RETURN_NOT_OK(
      source_.files->MakeDirectory(source_.file.substr(0, source_.file.rfind('/'))));
  ARROW_ASSIGN_OR_RAISE(const auto writer,
                        IndexFileWriter::Open(source_.files, source_.file, FileOf(), *keys,
                                              graph_->saved_bytes()));
  const size_t row_bytes = static_cast<size_t>(source_.dimension) * sizeof(float);
  for (const uint32_t label : labels) {
    ARROW_RETURN_NOT_OK(writer->Write(std::string_view(
        reinterpret_cast<const char*>(rows_.vectors().at(label)), row_bytes)));
  }
  ARROW_RETURN_NOT_OK(graph_->Save([&](std::string_view bytes) { return writer->Write(bytes); }));
  ARROW_RETURN_NOT_OK(writer->Publish());
  kept_ = labels.size();
  return Status::OK();
}

}  // namespace tercet
