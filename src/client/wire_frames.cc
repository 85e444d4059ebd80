#include "client/wire_frames.h"

#include <algorithm>
#include <array>

#include <arrow/array/builder_binary.h>
#include <arrow/buffer.h>
#include <arrow/io/memory.h>
#include <arrow/util/key_value_metadata.h>

#include "base/batch_bytes.h"
#include "base/json.h"

namespace tercet {
namespace {

constexpr char kAnswerKey[] = "tercet.answer";
constexpr char kColumnsKey[] = "tercet.columns";
/// Well below gRPC's limit of a message.
constexpr size_t kFileChunkBytes = 4 << 20;

Result<json::object> MetadataObject(const arrow::Schema& schema, const char* key) {
  const auto& metadata = schema.metadata();
  const int index = metadata == nullptr ? -1 : metadata->FindKey(key);
  if (index < 0) return Status::IOError("an answer without its '", key, "' metadata");
  return ParseJsonObject(metadata->value(index));
}

}  // namespace

Result<std::string> BatchToBytes(const arrow::RecordBatch& batch) {
  ARROW_ASSIGN_OR_RAISE(const auto buffer, WriteBatch(batch));
  return buffer->ToString();
}

Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> BatchesFromBytes(std::string_view bytes,
                                                                          int count) {
  // Copied, since batches share the memory that they are read from.
  arrow::io::BufferReader input(arrow::Buffer::FromString(std::string(bytes)));
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  for (int i = 0; i < count; ++i) {
    ARROW_ASSIGN_OR_RAISE(const auto batch, ReadBatch(&input));
    // Offsets and sizes come from the wire.
    ARROW_RETURN_NOT_OK(batch->ValidateFull());
    batches.push_back(batch);
  }
  return batches;
}

Result<std::string> ToBytes(const VectorData& data) {
  std::string bytes;
  for (const auto& batch : {data.features, data.status, data.helpers}) {
    ARROW_ASSIGN_OR_RAISE(const std::string stream, BatchToBytes(*batch));
    bytes += stream;
  }
  return bytes;
}

Result<VectorData> VectorDataFromBytes(std::string_view bytes) {
  ARROW_ASSIGN_OR_RAISE(auto batches, BatchesFromBytes(bytes, 3));
  return VectorData{.features = batches[0], .status = batches[1], .helpers = batches[2]};
}

Result<std::string> ToBytes(const PredictData& data) {
  const json::object answer = {{"missing", ToJsonArray(data.missing)},
                               {"release_id", data.release_id},
                               {"release_number", data.release_number},
                               {"request_id", data.request_id}};
  return BatchToBytes(*data.outputs->ReplaceSchemaMetadata(
      arrow::key_value_metadata({kAnswerKey}, {ToText(answer)})));
}

Result<PredictData> PredictDataFromBytes(std::string_view bytes) {
  ARROW_ASSIGN_OR_RAISE(auto batches, BatchesFromBytes(bytes, 1));
  ARROW_ASSIGN_OR_RAISE(const json::object answer,
                        MetadataObject(*batches[0]->schema(), kAnswerKey));
  PredictData data;
  data.outputs = batches[0]->ReplaceSchemaMetadata(nullptr);
  ARROW_ASSIGN_OR_RAISE(data.missing, FindStrings(answer, "missing"));
  ARROW_ASSIGN_OR_RAISE(data.release_id, GetString(answer, "release_id"));
  ARROW_ASSIGN_OR_RAISE(data.release_number, GetInt(answer, "release_number"));
  ARROW_ASSIGN_OR_RAISE(data.request_id, GetString(answer, "request_id"));
  return data;
}

Result<std::string> ToBytes(const NeighborsAnswer& answer) {
  return BatchToBytes(*answer.rows->ReplaceSchemaMetadata(arrow::key_value_metadata(
      {kAnswerKey}, {ToText(json::object{{"commit", answer.commit}})})));
}

namespace {

Result<NeighborsAnswer> NeighborsAnswerOf(const arrow::RecordBatch& batch) {
  ARROW_ASSIGN_OR_RAISE(const json::object answer, MetadataObject(*batch.schema(), kAnswerKey));
  NeighborsAnswer found{.rows = batch.ReplaceSchemaMetadata(nullptr)};
  ARROW_ASSIGN_OR_RAISE(found.commit, GetInt(answer, "commit"));
  return found;
}

}  // namespace

Result<NeighborsAnswer> NeighborsAnswerFromBytes(std::string_view bytes) {
  ARROW_ASSIGN_OR_RAISE(const auto batches, BatchesFromBytes(bytes, 1));
  return NeighborsAnswerOf(*batches[0]);
}

Result<std::string> ToBytes(const VectorNeighborsAnswer& answer) {
  ARROW_ASSIGN_OR_RAISE(std::string bytes,
                        ToBytes(NeighborsAnswer{.rows = answer.near, .commit = answer.commit}));
  ARROW_ASSIGN_OR_RAISE(const std::string entities, BatchToBytes(*answer.entities));
  ARROW_ASSIGN_OR_RAISE(const std::string vectors, ToBytes(answer.vectors));
  return bytes + entities + vectors;
}

Result<VectorNeighborsAnswer> VectorNeighborsAnswerFromBytes(std::string_view bytes) {
  ARROW_ASSIGN_OR_RAISE(const auto batches, BatchesFromBytes(bytes, 5));
  ARROW_ASSIGN_OR_RAISE(const NeighborsAnswer near, NeighborsAnswerOf(*batches[0]));
  return VectorNeighborsAnswer{
      .near = near.rows,
      .entities = batches[1],
      .vectors = {.features = batches[2], .status = batches[3], .helpers = batches[4]},
      .commit = near.commit};
}

std::shared_ptr<arrow::Schema> ModelFilesSchema() {
  return arrow::schema(
      {arrow::field("path", arrow::utf8()), arrow::field("bytes", arrow::binary())});
}

Result<RecordBatchReader> ToReader(const ModelFiles& files) {
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  for (const auto& [path, bytes] : files) {
    size_t offset = 0;
    do {
      const size_t size = std::min(kFileChunkBytes, bytes.size() - offset);
      arrow::StringBuilder paths;
      arrow::BinaryBuilder chunks;
      ARROW_RETURN_NOT_OK(paths.Append(path));
      ARROW_RETURN_NOT_OK(chunks.Append(std::string_view(bytes).substr(offset, size)));
      ARROW_ASSIGN_OR_RAISE(auto path_array, paths.Finish());
      ARROW_ASSIGN_OR_RAISE(auto chunk_array, chunks.Finish());
      batches.push_back(arrow::RecordBatch::Make(ModelFilesSchema(), 1, {path_array, chunk_array}));
      offset += size;
    } while (offset < bytes.size());
  }
  return arrow::RecordBatchReader::Make(std::move(batches), ModelFilesSchema());
}

Result<ModelFiles> ModelFilesFromReader(arrow::RecordBatchReader* reader) {
  if (!reader->schema()->Equals(ModelFilesSchema(), /*check_metadata=*/false)) {
    return Status::Invalid(
        "a model's files must come as columns path (string) and bytes (binary), "
        "not ",
        reader->schema()->ToString());
  }
  ModelFiles files;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const auto batch, reader->Next());
    if (batch == nullptr) return files;
    ARROW_RETURN_NOT_OK(batch->ValidateFull());
    const auto& paths = static_cast<const arrow::StringArray&>(*batch->column(0));
    const auto& chunks = static_cast<const arrow::BinaryArray&>(*batch->column(1));
    for (int64_t i = 0; i < batch->num_rows(); ++i) {
      files[std::string(paths.GetView(i))] += chunks.GetView(i);
    }
  }
}

Result<Frame> ToFrame(const TrainingPartData& part) {
  arrow::FieldVector fields;
  std::vector<std::shared_ptr<arrow::ChunkedArray>> columns;
  json::array counts;
  int64_t rows = 0;
  for (const Frame& frame : {part.features, part.labels, part.helpers, part.keys}) {
    counts.push_back(frame->num_columns());
    rows = std::max(rows, frame->num_rows());
    for (int i = 0; i < frame->num_columns(); ++i) {
      fields.push_back(frame->field(i));
      columns.push_back(frame->column(i));
    }
  }
  auto metadata =
      arrow::key_value_metadata({kColumnsKey}, {ToText(json::object{{"counts", counts}})});
  return arrow::Table::Make(arrow::schema(std::move(fields), std::move(metadata)),
                            std::move(columns), rows);
}

Result<TrainingPartData> TrainingPartFromFrame(const std::string& name, const Frame& frame) {
  ARROW_ASSIGN_OR_RAISE(const json::object columns, MetadataObject(*frame->schema(), kColumnsKey));
  ARROW_ASSIGN_OR_RAISE(const json::array counts, FindArray(columns, "counts"));
  TrainingPartData part;
  part.name = name;
  const std::array targets = {&part.features, &part.labels, &part.helpers, &part.keys};
  if (counts.size() != targets.size()) return Status::IOError("a training part of other frames");
  int64_t first = 0;
  for (size_t i = 0; i < targets.size(); ++i) {
    const int64_t count = counts[i].is_int64() ? counts[i].as_int64() : -1;
    if (count < 0 || count > frame->num_columns() - first) {
      return Status::IOError("a training part with fewer columns than it says");
    }
    arrow::FieldVector fields;
    std::vector<std::shared_ptr<arrow::ChunkedArray>> arrays;
    for (int64_t c = first; c < first + count; ++c) {
      fields.push_back(frame->field(static_cast<int>(c)));
      arrays.push_back(frame->column(static_cast<int>(c)));
    }
    first += count;
    *targets[i] =
        arrow::Table::Make(arrow::schema(std::move(fields)), std::move(arrays), frame->num_rows());
  }
  return part;
}

}  // namespace tercet
