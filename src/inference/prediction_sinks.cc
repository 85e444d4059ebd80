#include "inference/prediction_sinks.h"

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

std::vector<SinkRecord> RecordsOf(const std::string& deployment, const arrow::RecordBatch& rows,
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

}  // namespace

void PredictionSinks::Offer(const std::string& deployment, const std::vector<PredictionSink>& sinks,
                            const arrow::RecordBatch& rows, size_t keys) {
  if (sinks.empty() || rows.num_rows() == 0) return;
  std::vector<SinkRecord> records = RecordsOf(deployment, rows, keys);
  for (size_t i = 0; i < sinks.size(); ++i) {
    WriterOf(deployment, sinks[i])
        ->Offer(i + 1 == sinks.size() ? std::move(records) : records);
  }
}

void PredictionSinks::Settle() {
  std::vector<std::shared_ptr<SinkWriter>> writers;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, writer] : writers_) writers.push_back(writer);
  }
  for (const auto& writer : writers) writer->Settle();
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
