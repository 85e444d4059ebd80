#include "source/sql_table_function.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <string>
#include <vector>

#include <arrow/array/concatenate.h>
#include <arrow/c/bridge.h>
#include <arrow/compute/cast.h>

#include "base/parallel.h"
#include "source/duckdb_handle.h"

namespace tercet {
namespace {

constexpr char kFunction[] = "feature_group";
constexpr char kAsOf[] = "as_of";
/// DuckDB's vectors hold so many rows.
constexpr int64_t kVectorRows = 2048;
/// Parts a thread, so that the threads end at about the same time.
constexpr int kPartsPerThread = 4;

/// What planning found: lives as long as the plan.
struct BoundTable {
  std::shared_ptr<SqlTable> table;
};

/// One scan of a table, shared by its threads.
struct TableScan {
  explicit TableScan(const DuckDbLibrary& duck) : converted(duck.destroy_arrow_converted_schema) {}
  std::vector<SqlPart> parts;
  std::vector<int> positions;  ///< of the output's columns in the batches; -1: nobody reads it
  DuckDbHandle<duckdb_arrow_converted_schema> converted;
  std::atomic<size_t> next_part = 0;
};

/// One thread's place in a scan. The batch stays while DuckDB's vectors point into it.
struct ThreadScan {
  std::shared_ptr<arrow::RecordBatchReader> reader;
  std::shared_ptr<arrow::RecordBatch> batch;
  int64_t row = 0;
};

template <typename T>
void Delete(void* object) {
  delete static_cast<T*>(object);
}

bool IsHalf(const arrow::DataType& type) { return type.id() == arrow::Type::HALF_FLOAT; }

/// The columns as DuckDB can have them: it has no floats of 16 bits.
arrow::Schema WithoutHalves(const arrow::Schema& schema) {
  arrow::FieldVector fields = schema.fields();
  for (auto& field : fields) {
    if (IsHalf(*field->type())) field = field->WithType(arrow::float32());
  }
  return arrow::Schema(std::move(fields));
}

/// An Arrow schema as DuckDB's converter wants it.
Status Convert(SqlBinding* binding, const arrow::Schema& schema,
               duckdb_arrow_converted_schema* converted) {
  ArrowSchema exported;
  ARROW_RETURN_NOT_OK(arrow::ExportSchema(WithoutHalves(schema), &exported));
  const Status status = TakeError(
      *binding->duck, binding->duck->schema_from_arrow(binding->converter, &exported, converted));
  if (exported.release != nullptr) exported.release(&exported);
  return status;
}

/// Whether a struct lies in another type, at any depth; the entries of a map are structs.
bool HoldsStructs(const arrow::DataType& type) {
  return std::any_of(type.fields().begin(), type.fields().end(), [](const auto& field) {
    return field->type()->id() == arrow::Type::STRUCT || HoldsStructs(*field->type());
  });
}

/// Some rows of a batch, in columns that DuckDB can have. Its converter forgets where they begin in
/// structs inside of others, so of columns that have these it gets a copy that begins at its first
/// row.
Result<std::shared_ptr<arrow::RecordBatch>> RowsOf(const arrow::RecordBatch& batch, int64_t first,
                                                   int64_t count) {
  auto rows = batch.Slice(first, count);
  for (int i = 0; i < rows->num_columns(); ++i) {
    if (IsHalf(*rows->column(i)->type())) {
      InitializeArrow();
      ARROW_ASSIGN_OR_RAISE(const auto floats,
                            arrow::compute::Cast(*rows->column(i), arrow::float32()));
      const auto field = rows->schema()->field(i)->WithType(arrow::float32());
      ARROW_ASSIGN_OR_RAISE(rows, rows->SetColumn(i, field, floats));
    }
    if (!HoldsStructs(*rows->column(i)->type())) continue;
    ARROW_ASSIGN_OR_RAISE(const auto copied, arrow::Concatenate({rows->column(i)}));
    ARROW_ASSIGN_OR_RAISE(rows, rows->SetColumn(i, rows->schema()->field(i), copied));
  }
  return rows;
}

/// Rows as vectors of DuckDB's that point into them, or copies of what it stores otherwise.
Status ToChunk(SqlBinding* binding, const arrow::RecordBatch& batch,
               duckdb_arrow_converted_schema schema, duckdb_data_chunk* chunk) {
  ArrowArray exported;
  ARROW_RETURN_NOT_OK(arrow::ExportRecordBatch(batch, &exported));
  const Status status =
      TakeError(*binding->duck, binding->duck->data_chunk_from_arrow(
                                    binding->converter, &exported, schema, chunk));
  // Taken over, unless there was no column to take it.
  if (exported.release != nullptr) exported.release(&exported);
  return status;
}

Status AddColumns(SqlBinding* binding, const arrow::Schema& schema, duckdb_bind_info info) {
  const DuckDbLibrary& duck = *binding->duck;
  DuckDbHandle<duckdb_arrow_converted_schema> converted(duck.destroy_arrow_converted_schema);
  ARROW_RETURN_NOT_OK(Convert(binding, schema, converted.out()));
  // The types are only told by a chunk of them.
  ARROW_ASSIGN_OR_RAISE(const auto empty, arrow::RecordBatch::MakeEmpty(
                                              arrow::schema(WithoutHalves(schema).fields())));
  DuckDbHandle<duckdb_data_chunk> chunk(duck.destroy_data_chunk);
  ARROW_RETURN_NOT_OK(ToChunk(binding, *empty, converted.get(), chunk.out()));
  for (int i = 0; i < schema.num_fields(); ++i) {
    DuckDbHandle<duckdb_logical_type> type(
        duck.destroy_logical_type,
        duck.vector_get_column_type(duck.data_chunk_get_vector(chunk.get(), i)));
    duck.bind_add_result_column(info, schema.field(i)->name().c_str(), type.get());
  }
  return Status::OK();
}

Result<std::shared_ptr<SqlTable>> FindTable(SqlBinding* binding, duckdb_bind_info info) {
  const DuckDbLibrary& duck = *binding->duck;
  DuckDbHandle<duckdb_value> name(duck.destroy_value, duck.bind_get_parameter(info, 0));
  DuckDbHandle<duckdb_value> as_of(duck.destroy_value,
                                   duck.bind_get_named_parameter(info, kAsOf));
  const std::string text = TakeText(duck, duck.get_varchar(name.get()));
  std::shared_ptr<SqlTable> table;
  if (as_of.get() != nullptr && !duck.is_null_value(as_of.get())) {
    return binding->tables->FindAsOf(text, TakeText(duck, duck.get_varchar(as_of.get())));
  }
  ARROW_ASSIGN_OR_RAISE(table, binding->tables->Find(text));
  if (table == nullptr) return Status::KeyError("there is no feature group '", text, "'");
  return table;
}

/// What `call` returns; what it throws is an error as well, since DuckDB's interface is C's and
/// lets nothing through.
template <typename Call>
Status Caught(const Call& call) {
  try {
    return call();
  } catch (const std::exception& error) {
    return Status::UnknownError(error.what());
  }
}

Status BindTable(SqlBinding* binding, duckdb_bind_info info) {
  const DuckDbLibrary& duck = *binding->duck;
  ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<SqlTable> table, FindTable(binding, info));
  ARROW_RETURN_NOT_OK(AddColumns(binding, *table->schema(), info));
  if (const auto rows = table->row_count()) {
    duck.bind_set_cardinality(info, static_cast<idx_t>(*rows), false);
  }
  duck.bind_set_bind_data(info, new BoundTable{table}, &Delete<BoundTable>);
  return Status::OK();
}

void Bind(duckdb_bind_info info) {
  const DuckDbLibrary* duck = *DuckDbLibrary::Get();
  auto* binding = static_cast<SqlBinding*>(duck->bind_get_extra_info(info));
  const Status status = Caught([&] { return BindTable(binding, info); });
  if (status.ok()) return;
  binding->Fail(status);
  duck->bind_set_error(info, status.message().c_str());
}

Status Begin(SqlBinding* binding, duckdb_init_info info) {
  const DuckDbLibrary& duck = *binding->duck;
  SqlTable* table = static_cast<BoundTable*>(duck.init_get_bind_data(info))->table.get();
  const arrow::Schema& schema = *table->schema();
  auto scan = std::make_unique<TableScan>(duck);
  arrow::FieldVector fields;
  std::vector<std::string> names;
  for (idx_t i = 0; i < duck.init_get_column_count(info); ++i) {
    const idx_t column = duck.init_get_column_index(info, i);
    // count(*) asks for a row number that it does not look at.
    const bool known = column < static_cast<idx_t>(schema.num_fields());
    scan->positions.push_back(known ? static_cast<int>(fields.size()) : -1);
    if (!known) continue;
    fields.push_back(schema.field(static_cast<int>(column)));
    names.push_back(fields.back()->name());
  }
  table->WillRead(names);
  if (fields.empty()) {
    fields.push_back(schema.field(0));
    names.push_back(fields.back()->name());
  }
  ARROW_RETURN_NOT_OK(Convert(binding, arrow::Schema(fields), scan->converted.out()));
  const int threads = ThreadCount();
  ARROW_ASSIGN_OR_RAISE(scan->parts, table->Parts(names, threads * kPartsPerThread));
  duck.init_set_max_threads(
      info, std::clamp<idx_t>(scan->parts.size(), 1, static_cast<idx_t>(threads)));
  duck.init_set_init_data(info, scan.release(), &Delete<TableScan>);
  return Status::OK();
}

void Init(duckdb_init_info info) {
  const DuckDbLibrary* duck = *DuckDbLibrary::Get();
  auto* binding = static_cast<SqlBinding*>(duck->init_get_extra_info(info));
  const Status status = Caught([&] { return Begin(binding, info); });
  if (status.ok()) return;
  binding->Fail(status);
  duck->init_set_error(info, status.message().c_str());
}

void InitThread(duckdb_init_info info) {
  const DuckDbLibrary* duck = *DuckDbLibrary::Get();
  duck->init_set_init_data(info, new ThreadScan, &Delete<ThreadScan>);
}

/// Moves to rows that are not yet read; false at the end of the last part.
Result<bool> HasRows(TableScan* scan, ThreadScan* thread) {
  while (thread->batch == nullptr || thread->row == thread->batch->num_rows()) {
    thread->row = 0;
    thread->batch = nullptr;
    if (thread->reader == nullptr) {
      const size_t part = scan->next_part++;
      if (part >= scan->parts.size()) return false;
      ARROW_ASSIGN_OR_RAISE(thread->reader, scan->parts[part]());
    }
    ARROW_RETURN_NOT_OK(thread->reader->ReadNext(&thread->batch));
    if (thread->batch == nullptr) thread->reader = nullptr;
  }
  return true;
}

Status Fill(SqlBinding* binding, TableScan* scan, ThreadScan* thread, duckdb_data_chunk output) {
  const DuckDbLibrary& duck = *binding->duck;
  ARROW_ASSIGN_OR_RAISE(const bool more, HasRows(scan, thread));
  if (!more) {
    duck.data_chunk_set_size(output, 0);
    return Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(const auto slice, RowsOf(*thread->batch, thread->row, kVectorRows));
  thread->row += slice->num_rows();
  DuckDbHandle<duckdb_data_chunk> chunk(duck.destroy_data_chunk);
  ARROW_RETURN_NOT_OK(ToChunk(binding, *slice, scan->converted.get(), chunk.out()));
  for (size_t i = 0; i < scan->positions.size(); ++i) {
    if (scan->positions[i] < 0) continue;
    duck.vector_reference_vector(duck.data_chunk_get_vector(output, i),
                                 duck.data_chunk_get_vector(chunk.get(), scan->positions[i]));
  }
  duck.data_chunk_set_size(output, static_cast<idx_t>(slice->num_rows()));
  return Status::OK();
}

void Read(duckdb_function_info info, duckdb_data_chunk output) {
  const DuckDbLibrary* duck = *DuckDbLibrary::Get();
  auto* binding = static_cast<SqlBinding*>(duck->function_get_extra_info(info));
  const Status status = Caught([&] {
    return Fill(binding, static_cast<TableScan*>(duck->function_get_init_data(info)),
                static_cast<ThreadScan*>(duck->function_get_local_init_data(info)), output);
  });
  if (status.ok()) return;
  binding->Fail(status);
  duck->function_set_error(info, status.message().c_str());
}

/// A table name that DuckDB does not know.
void Replace(duckdb_replacement_scan_info info, const char* name, void* data) {
  auto* binding = static_cast<SqlBinding*>(data);
  const DuckDbLibrary& duck = *binding->duck;
  std::shared_ptr<SqlTable> table;
  const Status status = Caught([&] { return binding->tables->Find(name).Value(&table); });
  if (!status.ok()) {
    binding->Fail(status);
    return duck.replacement_scan_set_error(info, status.message().c_str());
  }
  if (table == nullptr) return;
  DuckDbHandle<duckdb_value> parameter(duck.destroy_value, duck.create_varchar(name));
  duck.replacement_scan_set_function_name(info, kFunction);
  duck.replacement_scan_add_parameter(info, parameter.get());
}

}  // namespace

Status RegisterSqlTables(duckdb_database database, duckdb_connection connection,
                         SqlBinding* binding) {
  const DuckDbLibrary& duck = *binding->duck;
  DuckDbHandle<duckdb_table_function> function(duck.destroy_table_function,
                                               duck.create_table_function());
  DuckDbHandle<duckdb_logical_type> text(duck.destroy_logical_type,
                                         duck.create_logical_type(DUCKDB_TYPE_VARCHAR));
  duck.table_function_set_name(function.get(), kFunction);
  duck.table_function_add_parameter(function.get(), text.get());
  duck.table_function_add_named_parameter(function.get(), kAsOf, text.get());
  duck.table_function_set_extra_info(function.get(), binding, nullptr);
  duck.table_function_set_bind(function.get(), &Bind);
  duck.table_function_set_init(function.get(), &Init);
  duck.table_function_set_local_init(function.get(), &InitThread);
  duck.table_function_set_function(function.get(), &Read);
  duck.table_function_supports_projection_pushdown(function.get(), true);
  if (duck.register_table_function(connection, function.get()) != DuckDBSuccess) {
    return Status::UnknownError("DuckDB takes no table function");
  }
  duck.add_replacement_scan(database, &Replace, binding, nullptr);
  return Status::OK();
}

}  // namespace tercet
