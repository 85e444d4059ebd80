#include "server/scoring_request.h"

#include <arrow/buffer.h>
#include <arrow/csv/api.h>
#include <arrow/io/memory.h>
#include <arrow/table.h>

#include "base/name.h"
#include "client/json_rows.h"

namespace tercet {
namespace {

using Batch = std::shared_ptr<arrow::RecordBatch>;

constexpr size_t kMaxRows = 1'000'000;

/// Whether an instance is the value of the only input, and not a row that has it: [1, 2] is a
/// list's.
bool IsValueOf(const json::value& instance, const arrow::DataType& type) {
  const json::array* array = instance.if_array();
  if (array == nullptr) return true;
  const bool holds_a_list = array->size() == 1 && (*array)[0].is_array();
  return arrow::is_list_like(type.id()) && type.id() != arrow::Type::MAP && !holds_a_list;
}

/// A list of values as an object of the columns.
Result<json::object> Named(const json::value& row, const std::vector<std::string>& columns) {
  if (!row.is_array() || row.as_array().size() != columns.size()) {
    return Status::Invalid("a row must be a list of ", columns.size(), " values, not ",
                           ToText(row).substr(0, 80));
  }
  json::object named;
  for (size_t i = 0; i < columns.size(); ++i) named[columns[i]] = row.as_array()[i];
  return named;
}

Result<Batch> RowsOfObjects(std::string_view noun, const json::value& rows,
                            const arrow::Schema& known) {
  if (!rows.is_array() || rows.as_array().empty() || rows.as_array().size() > kMaxRows) {
    return Status::Invalid("rows must be a list of 1 to ", kMaxRows);
  }
  return RowsFromJson(noun, rows, known);
}

Result<Batch> RowsOfSplit(std::string_view noun, const json::value& split,
                          const arrow::Schema& known) {
  if (!split.is_object()) return Status::Invalid("'dataframe_split' must be an object");
  ARROW_ASSIGN_OR_RAISE(const auto columns, FindStrings(split.as_object(), "columns"));
  ARROW_ASSIGN_OR_RAISE(const json::array data, FindArray(split.as_object(), "data"));
  json::array rows;
  for (const json::value& row : data) {
    ARROW_ASSIGN_OR_RAISE(json::object named, Named(row, columns));
    rows.push_back(std::move(named));
  }
  return RowsOfObjects(noun, rows, known);
}

/// {"column": [values]}.
Result<Batch> RowsOfColumns(std::string_view noun, const json::object& columns,
                            const arrow::Schema& known) {
  json::array rows;
  for (const auto& column : columns) {
    const json::array* values = column.value().if_array();
    if (values == nullptr || (!rows.empty() && values->size() != rows.size())) {
      return Status::Invalid("'inputs' must have lists of equal length; '",
                             std::string_view(column.key()).substr(0, 80), "' is none");
    }
    rows.resize(values->size(), json::object());
    for (size_t i = 0; i < values->size(); ++i) rows[i].as_object()[column.key()] = (*values)[i];
  }
  return RowsOfObjects(noun, rows, known);
}

}  // namespace

Result<Batch> RowsOfInstances(std::string_view noun, const json::value& instances,
                              const arrow::Schema& needed, const arrow::Schema& known) {
  if (!instances.is_array() || instances.as_array().empty()) {
    return Status::Invalid("instances must be a list of at least one row");
  }
  json::array rows;
  for (const json::value& instance : instances.as_array()) {
    if (instance.is_object()) {
      rows.push_back(instance);
    } else if (needed.num_fields() == 1 && IsValueOf(instance, *needed.field(0)->type())) {
      rows.push_back(json::object{{needed.field(0)->name(), instance}});
    } else {
      ARROW_ASSIGN_OR_RAISE(json::object named, Named(instance, needed.field_names()));
      rows.push_back(std::move(named));
    }
  }
  return RowsOfObjects(noun, rows, known);
}

Result<Batch> RowsOfInvocation(std::string_view noun, const json::object& body,
                               const arrow::Schema& needed, const arrow::Schema& known) {
  const std::vector<std::string> forms = {"dataframe_split", "dataframe_records", "instances",
                                          "inputs"};
  const json::value* rows = nullptr;
  std::string_view form;
  for (const auto& member : body) {
    // MLflow's optional members beside the rows; there is nothing here that they could change.
    if (member.key() == "params" || member.key() == "signature_name") continue;
    if (std::find(forms.begin(), forms.end(), member.key()) == forms.end() || rows != nullptr) {
      return Status::Invalid("'", std::string_view(member.key()).substr(0, 80),
                             "' is unexpected; a body has one of 'dataframe_split', "
                             "'dataframe_records', 'instances' and 'inputs'");
    }
    form = member.key();
    rows = &member.value();
  }
  if (rows == nullptr) {
    return Status::Invalid("a body has one of 'dataframe_split', 'dataframe_records', "
                           "'instances' and 'inputs'; this one has none");
  }
  if (form == "dataframe_split") return RowsOfSplit(noun, *rows, known);
  if (form == "dataframe_records") return RowsOfObjects(noun, *rows, known);
  if (form == "inputs" && rows->is_object()) return RowsOfColumns(noun, rows->as_object(), known);
  return RowsOfInstances(noun, *rows, needed, known);
}

Result<Batch> RowsOfCsv(std::string_view noun, std::string_view text, const arrow::Schema& known) {
  const auto input =
      std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(std::string(text)));
  arrow::csv::ReadOptions read = arrow::csv::ReadOptions::Defaults();
  read.use_threads = false;
  read.block_size = static_cast<int32_t>(std::max<size_t>(text.size() + 1, 1 << 16));
  arrow::csv::ParseOptions parse = arrow::csv::ParseOptions::Defaults();
  parse.newlines_in_values = true;
  arrow::csv::ConvertOptions convert = arrow::csv::ConvertOptions::Defaults();
  convert.strings_can_be_null = true;
  convert.null_values = {"", "NaN", "null"};
  for (const auto& field : known.fields()) convert.column_types[field->name()] = field->type();
  const auto table = [&]() -> Result<std::shared_ptr<arrow::Table>> {
    ARROW_ASSIGN_OR_RAISE(auto reader,
                          arrow::csv::TableReader::Make(arrow::io::default_io_context(), input,
                                                        read, parse, convert));
    return reader->Read();
  }();
  if (!table.ok()) return Status::Invalid(noun, ": malformed CSV: ", table.status().message());
  for (const std::string& name : (*table)->schema()->field_names()) {
    if (known.GetFieldIndex(name) < 0) {
      return Status::KeyError(noun, " has no column '", name.substr(0, 80), "'",
                              Suggest(name.substr(0, 80), known.field_names()));
    }
  }
  if ((*table)->num_rows() == 0) return Status::Invalid(noun, ": the CSV has no rows");
  return (*table)->CombineChunksToBatch();
}

}  // namespace tercet
