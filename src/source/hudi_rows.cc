#include "source/hudi_rows.h"

#include <memory>
#include <string>
#include <vector>

#include <arrow/array/util.h>
#include <arrow/buffer.h>
#include <arrow/compute/cast.h>
#include <arrow/io/memory.h>
#include <arrow/table.h>
#include <parquet/arrow/reader.h>
#include <parquet/file_reader.h>
#include <parquet/schema.h>

#include "base/json.h"
#include "source/avro_rows.h"

namespace tercet {
namespace {

Result<std::shared_ptr<arrow::RecordBatch>> AsWanted(const arrow::Table& table,
                                                     const arrow::Schema& wanted) {
  ARROW_ASSIGN_OR_RAISE(const auto rows, table.CombineChunksToBatch());
  arrow::ArrayVector columns;
  for (const auto& field : wanted.fields()) {
    const auto column = rows->GetColumnByName(field->name());
    if (column == nullptr) {
      ARROW_ASSIGN_OR_RAISE(columns.emplace_back(),
                            arrow::MakeArrayOfNull(field->type(), rows->num_rows()));
      continue;
    }
    auto cast = arrow::compute::Cast(*column, field->type());
    if (!cast.ok()) return Explain(cast.status(), "column '" + field->name() + "'");
    columns.push_back(*cast);
  }
  return arrow::RecordBatch::Make(arrow::schema(wanted.fields()), rows->num_rows(),
                                  std::move(columns));
}

}  // namespace

Status ReadHudiParquet(
    const std::shared_ptr<arrow::io::RandomAccessFile>& file, const arrow::Schema& wanted,
    const std::function<Status(const std::shared_ptr<arrow::RecordBatch>&)>& take) {
  try {
    ARROW_ASSIGN_OR_RAISE(const auto reader,
                          parquet::arrow::OpenFile(file, arrow::default_memory_pool()));
    const parquet::SchemaDescriptor& schema = *reader->parquet_reader()->metadata()->schema();
    std::vector<int> leaves;
    for (int i = 0; i < schema.num_columns(); ++i) {
      if (wanted.GetFieldIndex(schema.GetColumnRoot(i)->name()) >= 0) leaves.push_back(i);
    }
    for (int group = 0; group < reader->num_row_groups(); ++group) {
      std::shared_ptr<arrow::Table> table;
      ARROW_ASSIGN_OR_RAISE(table, reader->ReadRowGroup(group, leaves));
      ARROW_ASSIGN_OR_RAISE(const auto rows, AsWanted(*table, wanted));
      ARROW_RETURN_NOT_OK(take(rows));
    }
    return Status::OK();
  } catch (const std::exception& error) {
    return Status::Invalid("damaged Parquet: ", error.what());
  }
}

Status ReadHudiBlock(
    const HudiLogBlock& block, const std::shared_ptr<arrow::Schema>& wanted,
    const std::function<Status(const std::shared_ptr<arrow::RecordBatch>&)>& take) {
  if (block.kind == HudiLogBlock::Kind::kParquet) {
    return ReadHudiParquet(
        std::make_shared<arrow::io::BufferReader>(std::make_shared<arrow::Buffer>(block.content)),
        *wanted, take);
  }
  if (block.kind != HudiLogBlock::Kind::kAvro) {
    return Status::NotImplemented("blocks of the kind ", static_cast<int>(block.kind),
                                  " (HFile, or changes) are not read; compact the table");
  }
  ARROW_ASSIGN_OR_RAISE(const json::object schema, ParseJsonObject(block.schema));
  ARROW_ASSIGN_OR_RAISE(const auto rows, AvroRows::Make(schema, wanted));
  ARROW_ASSIGN_OR_RAISE(const auto records, ReadHudiAvroRecords(block.content));
  for (const std::string_view record : records) ARROW_RETURN_NOT_OK(rows->Append(record));
  ARROW_ASSIGN_OR_RAISE(const auto batch, rows->Finish());
  return take(batch);
}

}  // namespace tercet
