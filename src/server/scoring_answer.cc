#include "server/scoring_answer.h"

#include <algorithm>
#include <array>

#include <arrow/buffer.h>
#include <arrow/csv/api.h>
#include <arrow/io/memory.h>

#include "client/json_rows.h"
#include "server/npy_array.h"

namespace tercet {
namespace {

void AppendPrediction(const arrow::RecordBatch& outputs, int64_t row, std::string* out) {
  if (outputs.num_columns() == 1) {
    AppendJsonCell(*outputs.column(0), row, out);
  } else {
    AppendJsonRow(outputs, row, out);
  }
}

std::string_view FirstOf(std::string_view accept) { return accept.substr(0, accept.find(',')); }

Result<std::string> Csv(const arrow::RecordBatch& outputs) {
  ARROW_ASSIGN_OR_RAISE(const auto sink, arrow::io::BufferOutputStream::Create());
  arrow::csv::WriteOptions options = arrow::csv::WriteOptions::Defaults();
  options.include_header = false;
  const Status written = arrow::csv::WriteCSV(outputs, options, sink.get());
  if (!written.ok()) {
    return Status::NotImplemented("the outputs can't be written as CSV: ", written.message(),
                                  "; accept application/json");
  }
  ARROW_ASSIGN_OR_RAISE(const auto text, sink->Finish());
  return text->ToString();
}

Result<std::string> Npy(const arrow::RecordBatch& outputs) {
  if (outputs.num_columns() != 1) {
    return Status::NotImplemented("there are ", outputs.num_columns(),
                                  " outputs, and a NumPy array holds one; accept application/json");
  }
  ARROW_ASSIGN_OR_RAISE(const OutputTensor tensor,
                        TensorOf(outputs.schema()->field(0)->name(), outputs.column(0)));
  return WriteNpy(tensor);
}

}  // namespace

bool IsJsonLines(std::string_view media_type) {
  constexpr std::array<std::string_view, 4> kNames = {
      "application/jsonlines", "application/x-jsonlines", "application/jsonl",
      "application/x-ndjson"};
  return std::find(kNames.begin(), kNames.end(), media_type) != kNames.end();
}

bool TakesPredictions(std::string_view accept) {
  const std::string_view first = FirstOf(accept);
  return first != "text/csv" && first != kNpy && !IsJsonLines(first);
}

HttpAnswer ScoringAnswer(const RowAnswer& rows) {
  HttpAnswer answer;
  std::string& out = answer.body;
  out = "{\"predictions\":[";
  for (size_t row = 0; row < rows.rows(); ++row) {
    if (row > 0) out.push_back(',');
    if (rows.schema()->num_fields() == 1) {
      AppendJsonCell(*rows.schema()->field(0)->type(), rows.row(row)[0], &out);
    } else {
      AppendJsonRow(*rows.schema(), rows.row(row), &out);
    }
  }
  out += "]}";
  return answer;
}

Result<HttpAnswer> ScoringAnswer(const PredictData& data, std::string_view accept) {
  const std::string_view first = FirstOf(accept);
  const arrow::RecordBatch& outputs = *data.outputs;
  HttpAnswer answer;
  if (first == "text/csv") {
    answer.content_type = "text/csv";
    ARROW_ASSIGN_OR_RAISE(answer.body, Csv(outputs));
    return answer;
  }
  if (first == kNpy) {
    answer.content_type = kNpy;
    ARROW_ASSIGN_OR_RAISE(answer.body, Npy(outputs));
    return answer;
  }
  const bool lines = IsJsonLines(first);
  if (lines) answer.content_type = "application/jsonlines";
  std::string& out = answer.body;
  if (!lines) out = "{\"predictions\":[";
  for (int64_t row = 0; row < outputs.num_rows(); ++row) {
    if (!lines && row > 0) out.push_back(',');
    AppendPrediction(outputs, row, &out);
    if (lines) out.push_back('\n');
  }
  if (!lines) out += "]}";
  return answer;
}

}  // namespace tercet
