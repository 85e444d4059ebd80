#include "server/flight_exchange.h"

#include <chrono>
#include <mutex>

#include "base/log.h"
#include "base/name.h"
#include "base/short_text.h"
#include "catalog/definition_json.h"
#include "client/wire.h"
#include "client/wire_frames.h"
#include "platform/batch_predictions.h"
#include "platform/view_export.h"
#include "server/flight_upload.h"

namespace tercet {
namespace {

using arrow::flight::FlightMessageReader;
using arrow::flight::FlightMessageWriter;
using Upload = std::shared_ptr<FlightMessageReader>;

constexpr int64_t kBatchRows = 64 << 10;
constexpr std::chrono::milliseconds kProgressEvery{200};

std::shared_ptr<arrow::Buffer> Message(const json::object& object) {
  return arrow::Buffer::FromString(ToText(object));
}

/// Removes the member and tells its value.
Result<bool> TakeBool(json::object* command, std::string_view key) {
  ARROW_ASSIGN_OR_RAISE(const auto value, FindBool(*command, key));
  command->erase(key);
  return value.value_or(false);
}

Result<std::string> TakeString(json::object* command, std::string_view key) {
  ARROW_ASSIGN_OR_RAISE(std::string value, GetString(*command, key));
  command->erase(key);
  return value;
}

Result<Ref> TakeRef(json::object* command, std::string_view key) {
  ARROW_ASSIGN_OR_RAISE(const std::string text, TakeString(command, key));
  return Ref::Parse(text);
}

/// The frame that the client sends when the command says "spine"; else null.
Result<Frame> TakeSpine(json::object* command, const Upload& upload) {
  ARROW_ASSIGN_OR_RAISE(const bool has_spine, TakeBool(command, "spine"));
  if (!has_spine) return nullptr;
  ARROW_ASSIGN_OR_RAISE(const RecordBatchReader reader, ReadUpload(upload, /*needs_end=*/true));
  return reader->ToTable();
}

Result<std::shared_ptr<arrow::RecordBatch>> TakeEntities(json::object* command,
                                                         const Upload& upload) {
  ARROW_ASSIGN_OR_RAISE(const Frame frame, TakeSpine(command, upload));
  if (frame == nullptr)
    return Status::Invalid("send the entities as a frame, with \"spine\": true");
  return frame->CombineChunksToBatch();
}

/// The writer takes one message at a time: who writes beside progress holds `mutex`.
struct ProgressState {
  std::mutex mutex;
  std::chrono::steady_clock::time_point last = std::chrono::steady_clock::now();
};

/// Tells progress now and then.
Progress ProgressTo(FlightMessageWriter* writer,
                    const std::shared_ptr<ProgressState>& state =
                        std::make_shared<ProgressState>()) {
  return [writer, state](double fraction) {
    const std::lock_guard<std::mutex> lock(state->mutex);
    const auto now = std::chrono::steady_clock::now();
    if (now - state->last < kProgressEvery) return;
    state->last = now;
    // A client that went away is noticed when the answer is written.
    const Status told = writer->WriteMetadata(Message({{"progress", fraction}}));
    if (!told.ok()) LogDebug("progress was not told: " + told.ToString());
  };
}

/// Writes a frame's batches, each with `message`; an empty frame is one empty batch.
Status WriteFrame(const arrow::Table& frame, const std::shared_ptr<arrow::Buffer>& message,
                  FlightMessageWriter* writer) {
  arrow::TableBatchReader batches(frame);
  batches.set_chunksize(kBatchRows);
  bool any = false;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(auto batch, batches.Next());
    if (batch == nullptr) {
      if (any) return Status::OK();
      ARROW_ASSIGN_OR_RAISE(batch, arrow::RecordBatch::MakeEmpty(frame.schema()));
    }
    any = true;
    ARROW_RETURN_NOT_OK(writer->WriteWithMetadata(*batch, message));
    if (batch->num_rows() == 0) return Status::OK();
  }
}

Status WriteDataset(const TrainingDatasetData& dataset, FlightMessageWriter* writer) {
  bool begun = false;
  for (const TrainingPartData& part : dataset.parts) {
    ARROW_ASSIGN_OR_RAISE(const Frame frame, ToFrame(part));
    if (!begun) ARROW_RETURN_NOT_OK(writer->Begin(frame->schema()));
    begun = true;
    ARROW_RETURN_NOT_OK(WriteFrame(*frame, Message({{"part", part.name}}), writer));
  }
  return writer->WriteMetadata(Message({{"definition", dataset.definition.ToJson()}}));
}

Status TrainingDataTo(Platform* platform, json::object command, const Upload& upload,
                      FlightMessageWriter* writer) {
  ARROW_ASSIGN_OR_RAISE(const Ref view, TakeRef(&command, "view"));
  ARROW_ASSIGN_OR_RAISE(const Frame spine, TakeSpine(&command, upload));
  ARROW_ASSIGN_OR_RAISE(TrainingDataRequest request, TrainingDataRequestFromJson(command));
  request.spine = spine;
  ARROW_ASSIGN_OR_RAISE(const auto dataset,
                        platform->CreateTrainingDataset(view, request, ProgressTo(writer)));
  return WriteDataset(dataset, writer);
}

Status RecipeTo(Platform* platform, json::object command, const Upload& upload,
                FlightMessageWriter* writer) {
  ARROW_ASSIGN_OR_RAISE(const Ref view, TakeRef(&command, "view"));
  ARROW_ASSIGN_OR_RAISE(const Frame columns, TakeSpine(&command, upload));
  ViewExportRequest request{.spine = columns == nullptr ? nullptr : columns->schema(),
                            .training_dataset_version = {}};
  ARROW_ASSIGN_OR_RAISE(request.training_dataset_version,
                        FindInt(command, "training_dataset_version"));
  ARROW_ASSIGN_OR_RAISE(request.known_at, TakeBool(&command, "known_at"));
  ARROW_ASSIGN_OR_RAISE(json::object recipe, platform->view_exports()->Recipe(view, request));
  return writer->WriteMetadata(Message({{"recipe", std::move(recipe)}}));
}

/// Training data of rows that another engine read.
Status GivenRowsTo(Platform* platform, json::object command, const Upload& upload,
                   FlightMessageWriter* writer) {
  ARROW_ASSIGN_OR_RAISE(const Ref view, TakeRef(&command, "view"));
  ARROW_ASSIGN_OR_RAISE(const bool has_rows, TakeBool(&command, "spine"));
  if (!has_rows) return Status::Invalid("send the rows, with \"spine\": true");
  EngineRowsRequest request;
  ARROW_ASSIGN_OR_RAISE(request.pins, FindIntMap(command, "pins"));
  ARROW_ASSIGN_OR_RAISE(const auto version, FindInt(command, "version"));
  ARROW_ASSIGN_OR_RAISE(const auto fold, FindInt(command, "fold"));
  for (const char* member : {"pins", "version", "fold"}) command.erase(member);
  ARROW_ASSIGN_OR_RAISE(request.training, TrainingDataRequestFromJson(command));
  ARROW_ASSIGN_OR_RAISE(request.messages, ReadUpload(upload, /*needs_end=*/true));
  ViewExports* const exports = platform->view_exports();
  ARROW_ASSIGN_OR_RAISE(
      const EngineDataset dataset,
      fold ? exports->Fold(view, version.value_or(0), *fold, request, ProgressTo(writer))
           : exports->CreateDataset(view, request, ProgressTo(writer)));
  ARROW_RETURN_NOT_OK(writer->Begin(dataset.places->schema()));
  ARROW_RETURN_NOT_OK(WriteFrame(*dataset.places, Message({}), writer));
  return writer->WriteMetadata(
      Message({{"definition", dataset.definition.ToJson()}, {"how", dataset.how}}));
}

Status RebuildTo(Platform* platform, json::object command, FlightMessageWriter* writer) {
  ARROW_ASSIGN_OR_RAISE(const Ref view, TakeRef(&command, "view"));
  ARROW_ASSIGN_OR_RAISE(const int64_t version, GetInt(command, "version"));
  ARROW_ASSIGN_OR_RAISE(const auto fold, FindInt(command, "fold"));
  ARROW_ASSIGN_OR_RAISE(const auto dataset,
                        fold ? platform->TrainingFold(view, version, *fold, ProgressTo(writer))
                             : platform->RebuildTrainingDataset(view, version,
                                                                ProgressTo(writer)));
  return WriteDataset(dataset, writer);
}

Status BatchTo(Platform* platform, json::object command, const Upload& upload,
               FlightMessageWriter* writer) {
  ARROW_ASSIGN_OR_RAISE(const Ref model, TakeRef(&command, "model"));
  ARROW_ASSIGN_OR_RAISE(const Frame spine, TakeSpine(&command, upload));
  BatchRequest request{.model = model, .start_us = {}, .end_us = {}, .spine = spine};
  ARROW_ASSIGN_OR_RAISE(request.start_us, FindTime(command, "start"));
  ARROW_ASSIGN_OR_RAISE(request.end_us, FindTime(command, "end"));
  ARROW_ASSIGN_OR_RAISE(const auto into, FindString(command, "into"));
  BatchPredictions* const predictions = platform->batch_predictions();
  const auto state = std::make_shared<ProgressState>();
  if (into) {
    ARROW_ASSIGN_OR_RAISE(const Ref group, Ref::Parse(*into));
    ARROW_ASSIGN_OR_RAISE(const json::object how, FindObject(command, "insert"));
    ARROW_ASSIGN_OR_RAISE(const InsertRequest insert, InsertRequestFromJson(how));
    ARROW_ASSIGN_OR_RAISE(
        const Commit commit,
        predictions->ToGroup(request, group, insert, ProgressTo(writer, state)));
    const std::lock_guard lock(state->mutex);
    return writer->WriteMetadata(Message({{"commit", commit.ToJson()}}));
  }
  bool begun = false;
  return predictions->ToEach(request, ProgressTo(writer, state), [&](const Frame& piece) -> Status {
    const std::lock_guard lock(state->mutex);
    if (!begun) ARROW_RETURN_NOT_OK(writer->Begin(piece->schema()));
    begun = true;
    return WriteFrame(*piece, Message({}), writer);
  });
}

/// Features, then status and helpers as one frame of columns beside each other, told apart by the
/// counts in the last message.
Status VectorsTo(Platform* platform, json::object command, const Upload& upload,
                 FlightMessageWriter* writer) {
  ARROW_ASSIGN_OR_RAISE(const Ref view, TakeRef(&command, "view"));
  VectorRequest request;
  ARROW_ASSIGN_OR_RAISE(request.entities, TakeEntities(&command, upload));
  ARROW_ASSIGN_OR_RAISE(request.event_time_us, FindTime(command, "event_time"));
  ARROW_ASSIGN_OR_RAISE(request.training_dataset_version,
                        FindInt(command, "training_dataset_version"));
  ARROW_ASSIGN_OR_RAISE(const VectorData data, platform->Vectors(view, request));
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  const auto add = [&](const arrow::RecordBatch& batch, const std::string& suffix) {
    for (int i = 0; i < batch.num_columns(); ++i) {
      const auto& field = batch.schema()->field(i);
      fields.push_back(field->WithName(field->name() + suffix));
      arrays.push_back(batch.column(i));
    }
  };
  add(*data.features, "");
  add(*data.status, ":status");
  add(*data.helpers, ":helper");
  const auto batch = arrow::RecordBatch::Make(arrow::schema(std::move(fields)),
                                              data.features->num_rows(), std::move(arrays));
  ARROW_RETURN_NOT_OK(writer->Begin(batch->schema()));
  return writer->WriteRecordBatch(*batch);
}

Status PredictTo(Platform* platform, json::object command, const Upload& upload,
                 FlightMessageWriter* writer) {
  ARROW_ASSIGN_OR_RAISE(const std::string deployment, TakeString(&command, "deployment"));
  ARROW_ASSIGN_OR_RAISE(const auto entities, TakeEntities(&command, upload));
  ARROW_ASSIGN_OR_RAISE(const auto event_time_us, FindTime(command, "event_time"));
  ARROW_ASSIGN_OR_RAISE(const auto request_id, FindString(command, "request_id"));
  ARROW_ASSIGN_OR_RAISE(
      const PredictData data,
      platform->Predict(deployment, entities, {event_time_us, request_id.value_or("")}));
  ARROW_RETURN_NOT_OK(writer->Begin(data.outputs->schema()));
  return writer->WriteWithMetadata(*data.outputs,
                                   Message({{"release_id", data.release_id},
                                            {"release_number", data.release_number},
                                            {"missing", ToJsonArray(data.missing)}}));
}

}  // namespace

Status AnswerExchange(Platform* platform, json::object command, Upload upload,
                      FlightMessageWriter* writer) {
  ARROW_ASSIGN_OR_RAISE(const std::string verb, TakeString(&command, "verb"));
  if (verb == "training_data") return TrainingDataTo(platform, std::move(command), upload, writer);
  if (verb == "recipe") return RecipeTo(platform, std::move(command), upload, writer);
  if (verb == "given_rows") return GivenRowsTo(platform, std::move(command), upload, writer);
  if (verb == "rebuild") return RebuildTo(platform, std::move(command), writer);
  if (verb == "batch") return BatchTo(platform, std::move(command), upload, writer);
  if (verb == "vectors") return VectorsTo(platform, std::move(command), upload, writer);
  if (verb == "predict") return PredictTo(platform, std::move(command), upload, writer);
  return Status::KeyError(
      "DoExchange has no verb '", ShortText(verb), "'",
      Suggest(verb, {"training_data", "recipe", "given_rows", "rebuild", "batch",
                                       "vectors", "predict"}));
}

}  // namespace tercet
