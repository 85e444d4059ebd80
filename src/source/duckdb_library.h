#pragma once

#include <duckdb.h>

#include "base/result.h"

namespace tercet {

/// The functions of DuckDB's C API that we call, by their names without "duckdb_".
#define TERCET_DUCKDB_FUNCTIONS(X)                                                               \
  X(add_replacement_scan) X(bind_add_result_column) X(bind_get_extra_info)                       \
  X(bind_get_named_parameter) X(bind_get_parameter) X(bind_parameter_index) X(bind_set_bind_data)\
  X(bind_set_cardinality) X(bind_set_error) X(bind_timestamp_tz) X(bind_value) X(close)          \
  X(column_count)                                                                                \
  X(column_logical_type) X(column_name) X(connect) X(create_config) X(create_logical_type)       \
  X(create_table_function) X(create_varchar) X(data_chunk_from_arrow) X(data_chunk_get_size)     \
  X(data_chunk_get_vector) X(data_chunk_set_size) X(data_chunk_to_arrow)                         \
  X(destroy_arrow_converted_schema) X(destroy_arrow_options) X(destroy_config)                   \
  X(destroy_data_chunk) X(destroy_error_data) X(destroy_extracted) X(destroy_logical_type)       \
  X(destroy_pending) X(destroy_prepare) X(destroy_result) X(destroy_table_function)              \
  X(destroy_value) X(disconnect) X(error_data_message) X(execute_pending) X(extract_statements)  \
  X(extract_statements_error) X(fetch_chunk) X(free) X(function_get_extra_info)                  \
  X(function_get_bind_data) X(function_get_init_data) X(function_get_local_init_data)            \
  X(function_set_error) X(get_type_id) X(get_varchar) X(init_get_bind_data)                      \
  X(init_get_column_count) X(init_get_column_index) X(init_get_extra_info) X(init_set_error)     \
  X(init_set_init_data) X(init_set_max_threads) X(interrupt) X(is_null_value) X(nparams)         \
  X(open_ext) X(parameter_name) X(pending_error) X(pending_prepared_streaming) X(prepare_error)  \
  X(prepare_extracted_statement) X(prepared_statement_type) X(query) X(register_table_function)  \
  X(replacement_scan_add_parameter) X(replacement_scan_set_error)                                \
  X(replacement_scan_set_function_name) X(result_error) X(result_error_type)                     \
  X(result_get_arrow_options) X(schema_from_arrow) X(set_config)                                 \
  X(table_function_add_named_parameter) X(table_function_add_parameter)                          \
  X(table_function_set_bind) X(table_function_set_extra_info) X(table_function_set_function)     \
  X(table_function_set_init) X(table_function_set_local_init) X(table_function_set_name)         \
  X(table_function_supports_projection_pushdown) X(to_arrow_schema) X(vector_get_column_type)    \
  X(vector_reference_vector)

/// DuckDB, opened when it is first asked for: a process that runs no SQL does not carry it.
struct DuckDbLibrary {
#define TERCET_DUCKDB_MEMBER(name) decltype(&::duckdb_##name) name = nullptr;
  TERCET_DUCKDB_FUNCTIONS(TERCET_DUCKDB_MEMBER)
#undef TERCET_DUCKDB_MEMBER

  /// The one library of this process. IOError, naming where it was looked for, when it is not
  /// beside the program or the Python package. Thread-safe; later calls cost nothing.
  static Result<const DuckDbLibrary*> Get();
};

}  // namespace tercet
