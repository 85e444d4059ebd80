#include "inference/prediction_sinks.h"

#include <algorithm>

#include <arrow/array/util.h>
#include <arrow/scalar.h>
#include <arrow/util/byte_size.h>

#include "base/log.h"
#include "base/rows_to_json.h"
#include "inference/prediction_rows.h"

namespace tercet {
namespace {

/// The cells of these columns, as the text that tells entities apart.
std::string KeyText(const arrow::RecordBatch& rows, size_t keys, int64_t row) {
  std::string text;
  if (keys == 0) {
    AppendJsonCell(*rows.GetColumnByName(kLogRequestId), row, &text);
    return text;
  }
  for (size_t k = 0; k < keys; ++k) {
    if (k > 0) text.push_back(',');
    AppendJsonCell(*rows.column(static_cast<int>(k)), row, &text);
  }
  return text;
}

/// Records with a text.
std::vector<SinkRecord> TextsOf(const std::string& deployment, const arrow::RecordBatch& rows,
                                size_t keys) {
  std::string begin = "{\"deployment\":";
  AppendJsonText(deployment, &begin);
  begin.push_back(',');
  std::vector<SinkRecord> records(static_cast<size_t>(rows.num_rows()));
  for (int64_t row = 0; row < rows.num_rows(); ++row) {
    SinkRecord& record = records[static_cast<size_t>(row)];
    record.key = KeyText(rows, keys, row);
    AppendJsonRow(rows, row, &record.json);
    // An entity's own column of that name stays what it is.
    if (rows.schema()->GetFieldIndex("deployment") < 0) record.json.replace(0, 1, begin);
  }
  return records;
}

/// Records with a row, of a batch that has the deployment's name in front.
Result<std::vector<SinkRecord>> RowsOf(const std::string& deployment,
                                       const arrow::RecordBatch& rows) {
  auto batch = arrow::RecordBatch::Make(rows.schema(), rows.num_rows(), rows.columns());
  if (rows.schema()->GetFieldIndex("deployment") < 0) {
    ARROW_ASSIGN_OR_RAISE(const auto names, arrow::MakeArrayFromScalar(
                                                arrow::StringScalar(deployment), rows.num_rows()));
    ARROW_ASSIGN_OR_RAISE(batch, batch->AddColumn(0, "deployment", names));
  }
  ARROW_ASSIGN_OR_RAISE(const int64_t bytes, arrow::util::ReferencedBufferSize(*batch));
  std::vector<SinkRecord> records(static_cast<size_t>(rows.num_rows()));
  for (int64_t row = 0; row < rows.num_rows(); ++row) {
    SinkRecord& record = records[static_cast<size_t>(row)];
    record.rows = batch;
    record.row = row;
    record.row_bytes = bytes / rows.num_rows();
  }
  return records;
}

}  // namespace

void PredictionSinks::Offer(const std::string& deployment, const std::vector<PredictionSink>& sinks,
                            const arrow::RecordBatch& rows, size_t keys) {
  if (rows.num_rows() == 0) return;
  const auto is_text = [](const PredictionSink& sink) { return TakesText(sink); };
  std::vector<SinkRecord> texts, cells;
  if (std::any_of(sinks.begin(), sinks.end(), is_text)) texts = TextsOf(deployment, rows, keys);
  if (!std::all_of(sinks.begin(), sinks.end(), is_text)) {
    auto made = RowsOf(deployment, rows);
    if (made.ok()) {
      cells = *std::move(made);
    } else {
      LogWarn("lost " + std::to_string(rows.num_rows()) + " rows for the Parquet sinks of '" +
              deployment + "': " + made.status().ToString());
    }
  }
  for (const PredictionSink& sink : sinks) {
    WriterOf(deployment, sink)->Offer(is_text(sink) ? texts : cells);
  }
}

void PredictionSinks::Settle(std::chrono::steady_clock::time_point until) {
  std::vector<std::shared_ptr<SinkWriter>> writers;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, writer] : writers_) writers.push_back(writer);
  }
  std::vector<SinkWriter::Ticket> tickets;
  for (const auto& writer : writers) tickets.push_back(writer->Ask());
  for (size_t i = 0; i < writers.size(); ++i) writers[i]->Await(tickets[i], until);
}

std::vector<PredictionSinkStatistics> PredictionSinks::Statistics(
    const std::string& deployment) const {
  std::vector<PredictionSinkStatistics> statistics;
  const std::lock_guard lock(mutex_);
  for (auto it = writers_.lower_bound({deployment, {}});
       it != writers_.end() && it->first.first == deployment; ++it) {
    statistics.push_back(it->second->Statistics());
  }
  return statistics;
}

std::shared_ptr<SinkWriter> PredictionSinks::WriterOf(const std::string& deployment,
                                                      const PredictionSink& sink) {
  const std::lock_guard lock(mutex_);
  std::shared_ptr<SinkWriter>& writer = writers_[{deployment, sink}];
  if (writer == nullptr) {
    const auto open = [this, deployment, sink]() -> Result<std::unique_ptr<RecordSink>> {
      ARROW_RETURN_NOT_OK(CheckSinkAllowed(sink, allowed_));
      return OpenRecordSink(sink, deployment);
    };
    writer = std::make_shared<SinkWriter>(sink.ToText(), open, SinkWriter::Pauses());
  }
  return writer;
}

}  // namespace tercet
