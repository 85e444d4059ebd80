#include "platform/view_export.h"

#include "view/view_program.h"

namespace tercet {

Result<std::shared_ptr<const ViewProgram>> LoadViewProgram(const std::string& text) {
  ARROW_ASSIGN_OR_RAISE(const json::object object, ParseJsonObject(text));
  return ViewProgram::FromJson(object);
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
