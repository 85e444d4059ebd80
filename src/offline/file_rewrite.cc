#include "offline/file_rewrite.h"

#include <algorithm>

#include <arrow/builder.h>
#include <arrow/compute/api_vector.h>
#include <arrow/datum.h>
#include <arrow/table.h>

#include "base/id.h"
#include "offline/file_columns.h"
#include "offline/keyless_rows.h"
#include "offline/protocol_features.h"
#include "offline/row_gather.h"
#include "offline/run_sink.h"

namespace tercet {
namespace {

using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

/// Files up to this many rows are copied rather than given a vector: that is as quick, and keeps
/// them readable for engines that know no vectors.
constexpr int64_t kCopyOnWriteRows = 100'000;
/// And those of which at most this share of rows would be left in use.
constexpr double kMaxDeletedShare = 0.3;

int64_t CopyOnWriteRows(const TableState& state) {
  const std::string* text = state.Property("tercet.copy_on_write_rows");
  return text == nullptr ? kCopyOnWriteRows : std::atoll(text->c_str());
}

}  // namespace

Result<BatchPtr> RowsLeft(const RunFile& run, const DeletedRows& gone,
                          const std::vector<std::string>& columns) {
  std::vector<BatchPtr> left;
  for (size_t g = 0; g < run.row_groups().size(); ++g) {
    const RunFile::RowGroup& group = run.row_groups()[g];
    ARROW_ASSIGN_OR_RAISE(BatchPtr rows, run.Read(static_cast<int>(g), columns));
    auto next = std::lower_bound(gone.begin(), gone.end(), group.first_row);
    if (next == gone.end() || *next >= group.first_row + group.row_count) {
      left.push_back(std::move(rows));
      continue;
    }
    arrow::UInt32Builder indices;
    for (int64_t i = 0; i < group.row_count; ++i) {
      if (next != gone.end() && *next == group.first_row + i) {
        ++next;
      } else {
        ARROW_RETURN_NOT_OK(indices.Append(static_cast<uint32_t>(i)));
      }
    }
    ARROW_ASSIGN_OR_RAISE(const auto kept, indices.Finish());
    ARROW_ASSIGN_OR_RAISE(arrow::Datum taken, arrow::compute::Take(rows, kept));
    left.push_back(taken.record_batch());
  }
  if (left.empty()) return Status::Invalid("a file without row groups");
  return arrow::ConcatenateRecordBatches(left);
}

namespace {

void LoosenStats(AddFile* add) {
  Result<json::object> stats = ParseJsonObject(add->stats);
  if (!stats.ok()) return;
  (*stats)["tightBounds"] = false;
  add->stats = ToText(*stats);
}

/// A foreign file may come without numRecords, which an entry with a vector must have.
void PutRecordCount(int64_t rows, AddFile* add) {
  Result<json::object> stats = add->stats.empty() ? json::object() : ParseJsonObject(add->stats);
  json::object object = stats.ok() ? *std::move(stats) : json::object();
  object["numRecords"] = rows;
  add->stats = ToText(object);
}

}  // namespace

namespace {

/// The rows of a sorted run that are not gone, written a row group at a time.
Result<std::vector<AddFile>> CopyRun(const RunFile& run, const DeletedRows& gone,
                                     const TableState& state, const ChangeContext& context,
                                     NewFiles* files) {
  const int64_t left = run.row_count() - static_cast<int64_t>(gone.size());
  ARROW_ASSIGN_OR_RAISE(const auto sink,
                        RunSink::Make(&state, left, context.memory.limit_bytes,
                                      context.clock->NowMicros(), files));
  auto next = gone.begin();
  for (size_t g = 0; g < run.row_groups().size(); ++g) {
    const RunFile::RowGroup& group = run.row_groups()[g];
    KeyedRows rows;
    ARROW_ASSIGN_OR_RAISE(rows.rows, run.Read(static_cast<int>(g), *state.columns.logical));
    std::vector<uint32_t> kept;
    kept.reserve(static_cast<size_t>(group.row_count));
    for (int64_t i = 0; i < group.row_count; ++i) {
      if (next != gone.end() && *next == group.first_row + i) {
        ++next;
      } else {
        kept.push_back(static_cast<uint32_t>(i));
      }
    }
    if (kept.empty()) continue;
    if (static_cast<int64_t>(kept.size()) < group.row_count) {
      ARROW_ASSIGN_OR_RAISE(rows.rows, GatherRows(*rows.rows, kept));
    }
    ARROW_ASSIGN_OR_RAISE(rows.keys, RowKeys::Of(*rows.rows, state.options));
    ARROW_RETURN_NOT_OK(sink->Append(rows));
  }
  return sink->Finish();
}

}  // namespace

Result<FileRewrite> TakeRowsOut(const FileMatch& match, const TableState& state,
                                const ChangeContext& context, NewFiles* files) {
  const DataFile& file = *match.file;
  const RunFile& run = *match.run;
  const int64_t now_us = context.clock->NowMicros();
  FileRewrite rewrite{
      .remove = RemoveFile::Of(file.add, now_us / 1000, true), .adds = {}, .vector_used = false};
  const DeletedRows gone = Unite(run.deleted(), match.rows);
  const int64_t total = run.row_count();
  if (static_cast<int64_t>(gone.size()) == total) return rewrite;
  const bool few =
      static_cast<double>(gone.size()) <= kMaxDeletedShare * static_cast<double>(total);
  if (state.options.deletion_vectors && few && total > CopyOnWriteRows(state)) {
    AddFile add = file.add;
    std::vector<std::string> created;
    Result<VectorPointer> vector =
        WriteVector(files->file_system(), files->table_path(), gone, &created);
    for (const std::string& path : created) files->Add(path);
    ARROW_ASSIGN_OR_RAISE(add.vector, std::move(vector));
    PutRecordCount(total, &add);
    LoosenStats(&add);
    PutVersionTag(file.version, &add);
    add.data_change = true;
    rewrite.adds.push_back(std::move(add));
    rewrite.vector_used = true;
    return rewrite;
  }
  if (run.sorted()) {
    ARROW_ASSIGN_OR_RAISE(rewrite.adds, CopyRun(run, gone, state, context, files));
  } else {
    ARROW_ASSIGN_OR_RAISE(BatchPtr left,
                          RowsLeft(run, gone, state.columns.logical->field_names()));
    ARROW_ASSIGN_OR_RAISE(rewrite.adds, WriteForeignRows(std::move(left), state, now_us, files));
  }
  for (AddFile& add : rewrite.adds) PutVersionTag(file.version, &add);
  return rewrite;
}

std::vector<Action> AllowVectors(const TableState& state) {
  std::vector<Action> actions;
  if (auto protocol = WithFeature(state.protocol, "deletionVectors")) {
    actions.emplace_back(*std::move(protocol));
  }
  if (!state.BooleanProperty("delta.enableDeletionVectors")) {
    Metadata metadata = state.metadata;
    metadata.configuration["delta.enableDeletionVectors"] = "true";
    actions.emplace_back(std::move(metadata));
  }
  return actions;
}

Status ChangeFileSink::Open() {
  arrow::FieldVector fields = state_->columns.physical->fields();
  fields.push_back(arrow::field("_change_type", arrow::utf8()));
  schema_ = arrow::schema(std::move(fields));
  ARROW_ASSIGN_OR_RAISE(layout_, RunLayout::Of(*state_));
  ARROW_RETURN_NOT_OK(
      files_->file_system()->MakeDirectory(JoinPath(files_->table_path(), "_change_data")));
  path_ = "_change_data/cdc-00000-" + NewUuid() + ".parquet";
  ARROW_ASSIGN_OR_RAISE(output_, ParquetOutput::Open(path_, schema_, layout_, {}, files_));
  return Status::OK();
}

Status ChangeFileSink::Append(const BatchPtr& rows, const std::vector<const char*>& change_types) {
  if (rows->num_rows() == 0) return Status::OK();
  if (output_ == nullptr) ARROW_RETURN_NOT_OK(Open());
  ARROW_ASSIGN_OR_RAISE(const BatchPtr in_file, ToFileRows(*rows, state_->columns));
  arrow::ArrayVector arrays = in_file->columns();
  arrow::StringBuilder types;
  for (const char* type : change_types) ARROW_RETURN_NOT_OK(types.Append(type));
  ARROW_ASSIGN_OR_RAISE(arrays.emplace_back(), types.Finish());
  const auto table = arrow::Table::Make(schema_, arrays, rows->num_rows());
  for (int64_t first = 0; first < rows->num_rows(); first += layout_.row_group_rows) {
    ARROW_RETURN_NOT_OK(output_->WriteGroup(*table->Slice(first, layout_.row_group_rows)));
  }
  return Status::OK();
}

Status ChangeFileSink::Finish(std::vector<Action>* actions) {
  if (output_ == nullptr) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(const int64_t size, output_->Close(nullptr));
  output_ = nullptr;
  ARROW_RETURN_NOT_OK(
      files_->file_system()->SyncDirectory(JoinPath(files_->table_path(), "_change_data")));
  actions->emplace_back(ChangeFile{.path = path_, .partition_values = {}, .size_bytes = size});
  return Status::OK();
}

Status WriteChangeFile(const BatchPtr& rows, const std::vector<const char*>& change_types,
                       const TableState& state, NewFiles* files, std::vector<Action>* actions) {
  if (!state.BooleanProperty("delta.enableChangeDataFeed")) return Status::OK();
  ChangeFileSink sink(&state, files);
  ARROW_RETURN_NOT_OK(sink.Append(rows, change_types));
  return sink.Finish(actions);
}

}  // namespace tercet
