#include "inference/batch.h"

#include <atomic>
#include <future>
#include <utility>

#include "base/parallel.h"
#include "base/time_range.h"
#include "view/point_in_time_read.h"

namespace tercet {
namespace {

/// Rows that are transformed and predicted at once, by one thread: so few that a slice's columns
/// stay in its cache, and that the C library gives them memory which it has at hand; larger ones
/// come fresh from the kernel, page by page, each time.
constexpr int64_t kSliceRows = 8192;

using TablePointer = std::shared_ptr<arrow::Table>;
using BatchPointer = std::shared_ptr<arrow::RecordBatch>;

TablePointer Select(const arrow::Table& table, const std::vector<std::string>& names) {
  arrow::FieldVector fields;
  arrow::ChunkedArrayVector columns;
  for (const std::string& name : names) {
    const int column = table.schema()->GetFieldIndex(name);
    fields.push_back(table.field(column));
    columns.push_back(table.column(column));
  }
  return arrow::Table::Make(arrow::schema(std::move(fields)), std::move(columns),
                            table.num_rows());
}

/// The model's outputs for rows of features, in their order. `inputs_of` makes of a slice what the
/// model is given.
template <typename InputsOf>
Result<TablePointer> PredictRows(const LoadedRelease& loaded, const TablePointer& features,
                                 const InputsOf& inputs_of,
                                 const std::function<void(double)>& progress) {
  arrow::TableBatchReader reader(*features);
  reader.set_chunksize(kSliceRows);
  ARROW_ASSIGN_OR_RAISE(const auto slices, reader.ToRecordBatches());
  std::vector<BatchPointer> outputs(slices.size());
  std::atomic<size_t> finished = 0;
  ARROW_RETURN_NOT_OK(ParallelFor(slices.size(), [&](int64_t i) -> Status {
    ARROW_ASSIGN_OR_RAISE(const BatchPointer inputs, inputs_of(slices[i]));
    ARROW_ASSIGN_OR_RAISE(outputs[i], loaded.Predict(*inputs));
    const double done = static_cast<double>(++finished) / static_cast<double>(slices.size());
    if (progress) progress(done);
    return Status::OK();
  }));
  const auto schema = outputs.empty() ? loaded.signature().outputs : outputs[0]->schema();
  return arrow::Table::FromRecordBatches(schema, outputs);
}

Result<TablePointer> Beside(const TablePointer& left, const TablePointer& outputs,
                            const LoadedRelease& loaded) {
  TablePointer table = left;
  for (int i = 0; i < outputs->num_columns(); ++i) {
    const auto& field = outputs->field(i);
    if (table->schema()->GetFieldIndex(field->name()) >= 0) {
      return Status::Invalid("output '", field->name(), "' of model '",
                             loaded.release().model.ToText(),
                             "' is named like a column of the rows that it is predicted for; ",
                             "register the model with another name of its output");
    }
    ARROW_ASSIGN_OR_RAISE(table, table->AddColumn(table->num_columns(), field,
                                                  outputs->column(i)));
  }
  return table;
}

/// Left keys, event time and outputs of rows that were read.
Result<TablePointer> PredictPiece(const LoadedRelease& loaded, const ViewRows& rows) {
  const TablePointer features =
      Select(*rows.columns, loaded.plan()->feature_schema()->field_names());
  ARROW_ASSIGN_OR_RAISE(
      const TablePointer outputs,
      PredictRows(
          loaded, features, [&](const BatchPointer& slice) { return loaded.InputsOf(slice); },
          nullptr));
  TablePointer keys = rows.keys;
  if (rows.event_time != nullptr && keys->schema()->GetFieldIndex("event_time") < 0) {
    ARROW_ASSIGN_OR_RAISE(
        keys, keys->AddColumn(keys->num_columns(),
                              arrow::field("event_time", rows.event_time->type()),
                              rows.event_time));
  }
  return Beside(keys, outputs, loaded);
}

Result<TablePointer> PredictSpine(const LoadedRelease& loaded, const BatchOptions& options) {
  if (options.spine == nullptr || options.start_us || options.end_us) {
    return Status::Invalid("model '", loaded.release().model.ToText(),
                           "' has no feature view to read rows from; give a spine that has its ",
                           "inputs, and no range of time");
  }
  const arrow::Schema& inputs = *loaded.signature().inputs;
  std::vector<std::string> given, beside;
  for (const std::string& name : options.spine->schema()->field_names()) {
    (inputs.GetFieldIndex(name) >= 0 ? given : beside).push_back(name);
  }
  ARROW_ASSIGN_OR_RAISE(
      const TablePointer outputs,
      PredictRows(
          loaded, Select(*options.spine, given),
          [&](const BatchPointer& slice) { return loaded.InputsFrom(*slice); },
          options.progress));
  return Beside(Select(*options.spine, beside), outputs, loaded);
}

/// Of a view's rows. Two pieces are there at a time: the next one is read while this one is
/// predicted, so that what of the reading is one thread's work does not keep the others waiting.
/// What stays of a piece is its answer alone.
class ViewPredictions : public BatchStream {
 public:
  ViewPredictions(std::shared_ptr<const LoadedRelease> loaded, std::unique_ptr<ViewStream> rows)
      : loaded_(std::move(loaded)), rows_(std::move(rows)) {}
  ~ViewPredictions() override {
    if (running_.valid()) running_.wait();
  }

  Status Begin() {
    ARROW_RETURN_NOT_OK(rows_->Next().Value(&piece_));
    Run();
    return Status::OK();
  }

  Result<TablePointer> Next() override {
    if (!running_.valid()) return nullptr;
    ARROW_ASSIGN_OR_RAISE(TablePointer answer, running_.get());
    if (piece_) Run();
    return answer;
  }

 private:
  void Run() {
    running_ = std::async(std::launch::async, [this] { return Step(); });
  }

  /// Predicts the piece that is there, and reads the next one in its place.
  Result<TablePointer> Step() {
    TablePointer answer;
    std::optional<ViewRows> next;
    ARROW_RETURN_NOT_OK(ParallelFor(2, [&](int64_t task) -> Status {
      if (task == 0) return PredictPiece(*loaded_, *piece_).Value(&answer);
      return rows_->Next().Value(&next);
    }));
    piece_ = std::move(next);
    return answer;
  }

  const std::shared_ptr<const LoadedRelease> loaded_;
  const std::unique_ptr<ViewStream> rows_;
  std::optional<ViewRows> piece_;              ///< the running step's, while there is one
  std::future<Result<TablePointer>> running_;  ///< of the next answer
};

/// One answer that is there already.
class OneAnswer : public BatchStream {
 public:
  explicit OneAnswer(TablePointer answer) : answer_(std::move(answer)) {}
  Result<TablePointer> Next() override { return std::exchange(answer_, nullptr); }

 private:
  TablePointer answer_;
};

}  // namespace

Result<std::unique_ptr<BatchStream>> BatchStream::Open(
    std::shared_ptr<const LoadedRelease> loaded, FeatureTables* tables,
    const BatchOptions& options) {
  ARROW_RETURN_NOT_OK(CheckTimeRange(
      "batch prediction of '" + loaded->release().model.ToText() + "'", options.start_us,
      options.end_us));
  if (loaded->plan() == nullptr) {
    ARROW_ASSIGN_OR_RAISE(TablePointer answer, PredictSpine(*loaded, options));
    return std::make_unique<OneAnswer>(std::move(answer));
  }
  const ViewReadOptions read{.start_us = options.start_us,
                             .end_us = options.end_us,
                             .spine = options.spine,
                             .pins = {},
                             .memory_limit_bytes = options.memory_limit_bytes / 2,
                             .progress = options.progress,
                             .labels_to_come = false};
  ARROW_ASSIGN_OR_RAISE(auto rows, ViewStream::Open(loaded->plan(), tables, read));
  auto stream = std::make_unique<ViewPredictions>(std::move(loaded), std::move(rows));
  ARROW_RETURN_NOT_OK(stream->Begin());
  return stream;
}

}  // namespace tercet
