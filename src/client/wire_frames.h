#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/neighbors.h"
#include "platform/neighbors.h"
#include "platform/platform.h"

namespace tercet {

/// How frames cross the wire, where one message carries several of them.

/// The media type of bodies made of Arrow IPC streams, one after another.
inline constexpr std::string_view kArrowStream = "application/vnd.apache.arrow.stream";

/// One batch as an Arrow IPC stream.
Result<std::string> BatchToBytes(const arrow::RecordBatch& batch);
/// The batches of `count` streams of one batch each that follow each other; Invalid or IOError when
/// they are not that. The answer's memory is its own.
Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> BatchesFromBytes(std::string_view bytes,
                                                                          int count);

/// Features, status and helpers as three streams.
Result<std::string> ToBytes(const VectorData& data);
Result<VectorData> VectorDataFromBytes(std::string_view bytes);

/// Outputs as one stream, the rest in its schema's metadata.
Result<std::string> ToBytes(const PredictData& data);
Result<PredictData> PredictDataFromBytes(std::string_view bytes);

/// Neighbours as one stream, their commit in its schema's metadata.
Result<std::string> ToBytes(const NeighborsAnswer& answer);
Result<NeighborsAnswer> NeighborsAnswerFromBytes(std::string_view bytes);
/// Distances, entities and the vectors' three as streams, the commit in the first's metadata.
Result<std::string> ToBytes(const VectorNeighborsAnswer& answer);
Result<VectorNeighborsAnswer> VectorNeighborsAnswerFromBytes(std::string_view bytes);

/// A model's files as rows (path, bytes), a large file as several rows in order.
std::shared_ptr<arrow::Schema> ModelFilesSchema();
Result<RecordBatchReader> ToReader(const ModelFiles& files);
Result<ModelFiles> ModelFilesFromReader(arrow::RecordBatchReader* reader);

/// The frames of one training part beside each other as one table; all parts of a dataset have
/// the same schema. Its metadata says how many columns belong to which frame.
Result<Frame> ToFrame(const TrainingPartData& part);
Result<TrainingPartData> TrainingPartFromFrame(const std::string& name, const Frame& frame);

}  // namespace tercet
