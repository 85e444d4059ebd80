#include "platform/view_export.h"

#include <arrow/table.h>

#include "base/clock.h"
#include "base/parallel.h"
#include "offline/external_table.h"
#include "offline/stored_type.h"
#include "runtime/worker_functions.h"
#include "view/view_program.h"

namespace tercet {

Result<std::shared_ptr<const ViewProgram>> LoadViewProgram(const std::string& text,
                                                           const std::string& python) {
  // Programs may live until the process ends, and this has to live longer.
  static WorkerFunctions* const functions = new WorkerFunctions(python);
  ARROW_ASSIGN_OR_RAISE(const json::object object, ParseJsonObject(text));
  return ViewProgram::FromJson(object, functions);
}

Result<Frame> ReadSourceRows(const std::string& table, const std::vector<std::string>& columns) {
  InitializeArrow();
  ARROW_ASSIGN_OR_RAISE(const json::object object, ParseJsonObject(table));
  ARROW_ASSIGN_OR_RAISE(const json::object described, FindObject(object, "source"));
  ARROW_ASSIGN_OR_RAISE(const DataSource source, DataSource::FromJson(described));
  TableOptions options;
  ARROW_ASSIGN_OR_RAISE(options.primary_key, FindStrings(object, "key"));
  ARROW_ASSIGN_OR_RAISE(options.event_time, GetString(object, "event_time"));
  ARROW_ASSIGN_OR_RAISE(const int64_t version, GetInt(object, "version"));
  ARROW_ASSIGN_OR_RAISE(
      const auto opened, OpenExternalTable(LocalFileSystem(), source, options, SystemClock(),
                                           WriteMemory().limit_bytes));
  ARROW_ASSIGN_OR_RAISE(const auto snapshot, opened->AtVersion(version));
  ScanOptions scan;
  scan.columns = columns;
  ARROW_ASSIGN_OR_RAISE(const auto reader, snapshot->Scan(scan));
  arrow::FieldVector fields;
  for (const auto& field : reader->schema()->fields()) {
    ARROW_ASSIGN_OR_RAISE(auto stored, StoredType(*field->type()));
    fields.push_back(arrow::field(field->name(), std::move(stored)));
  }
  const auto schema = arrow::schema(std::move(fields));
  arrow::RecordBatchVector batches;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const auto batch, reader->Next());
    if (batch == nullptr) return arrow::Table::FromRecordBatches(schema, batches);
    arrow::ArrayVector values;
    for (int i = 0; i < batch->num_columns(); ++i) {
      ARROW_ASSIGN_OR_RAISE(values.emplace_back(),
                            ConvertStored(batch->column(i), schema->field(i)->type()));
    }
    batches.push_back(arrow::RecordBatch::Make(schema, batch->num_rows(), std::move(values)));
  }
}

Result<std::shared_ptr<arrow::RecordBatch>> RunViewProgram(const ViewProgram& program,
                                                           const arrow::RecordBatch& joined) {
  return program.Run(joined);
}

Result<std::shared_ptr<arrow::RecordBatch>> ViewProgramRows(const ViewProgram& program,
                                                            const arrow::RecordBatch& joined) {
  return program.Rows(joined);
}

Result<std::shared_ptr<arrow::RecordBatch>> FinishViewRows(const ViewProgram& program,
                                                           const arrow::RecordBatch& rows) {
  return program.Finish(rows);
}

}  // namespace tercet
