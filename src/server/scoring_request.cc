#include "server/scoring_request.h"

#include <charconv>

#include <arrow/buffer.h>
#include <arrow/csv/api.h>
#include <arrow/io/memory.h>
#include <arrow/table.h>

#include "base/name.h"
#include "base/short_text.h"
#include "client/json_rows.h"
#include "server/inference_request.h"
#include "server/npy_array.h"

namespace tercet {
namespace {

using Batch = std::shared_ptr<arrow::RecordBatch>;

constexpr size_t kMaxRows = 1'000'000;

/// Whether an instance is the value of the only input, and not a row that has it: [1, 2] is a
/// list's, {"b64": "…"} bytes.
bool IsValueOf(const json::value& instance, const arrow::DataType& type) {
  if (const json::object* object = instance.if_object()) {
    return arrow::is_binary_like(type.id()) && object->size() == 1 && object->contains("b64");
  }
  const json::array* array = instance.if_array();
  if (array == nullptr) return true;
  const bool holds_a_list = array->size() == 1 && (*array)[0].is_array();
  return arrow::is_list_like(type.id()) && type.id() != arrow::Type::MAP && !holds_a_list;
}

/// A list of values as an object of the columns.
Result<json::object> Named(const json::value& row, const std::vector<std::string>& columns) {
  if (!row.is_array() || row.as_array().size() != columns.size()) {
    return Status::Invalid("a row must be a list of ", columns.size(), " values, not ",
                           ShortText(ToText(row)));
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

/// The names of a frame's columns. One that has none, or pandas' numbers from 0 on, has those that
/// are needed, in their order.
Result<std::vector<std::string>> ColumnsOfSplit(const json::object& split,
                                                const arrow::Schema& needed) {
  ARROW_ASSIGN_OR_RAISE(const json::array columns, FindArray(split, "columns"));
  size_t number = 0;
  while (number < columns.size() && columns[number] == json::value(number)) ++number;
  if (number == columns.size()) return needed.field_names();
  return FindStrings(split, "columns");
}

Result<Batch> RowsOfSplit(std::string_view noun, const json::value& split,
                          const arrow::Schema& needed, const arrow::Schema& known) {
  if (!split.is_object()) return Status::Invalid("'dataframe_split' must be an object");
  ARROW_ASSIGN_OR_RAISE(const auto columns, ColumnsOfSplit(split.as_object(), needed));
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
                             ShortText(std::string_view(column.key())), "' is none");
    }
    rows.resize(values->size(), json::object());
    for (size_t i = 0; i < values->size(); ++i) rows[i].as_object()[column.key()] = (*values)[i];
  }
  return RowsOfObjects(noun, rows, known);
}

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && (text.back() == '\r' || text.back() == ' ')) text.remove_suffix(1);
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  return text;
}

/// Cuts what comes before `separator` off the front of `text`.
std::string_view TakeUntil(char separator, std::string_view* text) {
  const size_t end = text->find(separator);
  const std::string_view taken = text->substr(0, end);
  *text = end == std::string_view::npos ? std::string_view() : text->substr(end + 1);
  return taken;
}

bool IsNumber(std::string_view text) {
  double number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  return read.ec == std::errc() && read.ptr == text.data() + text.size();
}

/// Whether a CSV text begins with values, and not with names: see RowsOfCsv.
bool BeginsWithValues(std::string_view text, const arrow::Schema& needed,
                      const arrow::Schema& known) {
  std::string_view line = TakeUntil('\n', &text);
  bool number = false;
  int column = 0;
  for (; !line.empty() || column == 0; ++column) {
    std::string_view value = Trimmed(TakeUntil(',', &line));
    if (value.size() > 1 && value.front() == '"') value = value.substr(1, value.size() - 2);
    if (column == needed.num_fields() || known.GetFieldIndex(std::string(value)) >= 0) return false;
    const arrow::Type::type type = needed.field(column)->type()->id();
    number |= (arrow::is_integer(type) || arrow::is_floating(type)) && IsNumber(value);
  }
  return number;
}

}  // namespace

Result<Batch> RowsOfInstances(std::string_view noun, const json::value& instances,
                              const arrow::Schema& needed, const arrow::Schema& known) {
  if (!instances.is_array() || instances.as_array().empty()) {
    return Status::Invalid("instances must be a list of at least one row");
  }
  json::array rows;
  for (const json::value& instance : instances.as_array()) {
    if (needed.num_fields() == 1 && IsValueOf(instance, *needed.field(0)->type())) {
      rows.push_back(json::object{{needed.field(0)->name(), instance}});
    } else if (instance.is_object()) {
      rows.push_back(instance);
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
    // MLflow's and Vertex AI's members beside the rows; there is nothing here that they could
    // change.
    if (member.key() == "params" || member.key() == "parameters" ||
        member.key() == "signature_name") {
      continue;
    }
    if (std::find(forms.begin(), forms.end(), member.key()) == forms.end() || rows != nullptr) {
      return Status::Invalid("'", ShortText(std::string_view(member.key())),
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
  if (form == "dataframe_split") return RowsOfSplit(noun, *rows, needed, known);
  if (form == "dataframe_records") return RowsOfObjects(noun, *rows, known);
  if (form == "inputs" && rows->is_object()) return RowsOfColumns(noun, rows->as_object(), known);
  return RowsOfInstances(noun, *rows, needed, known);
}

Result<Batch> RowsOfInvocation(std::string_view noun, std::string_view body,
                               const arrow::Schema& needed, const arrow::Schema& known) {
  const size_t first = body.find_first_not_of(" \t\r\n");
  if (first != std::string_view::npos && body[first] == '[') {
    ARROW_ASSIGN_OR_RAISE(const json::value instances, ParseJson(body));
    return RowsOfInstances(noun, instances, needed, known);
  }
  ARROW_ASSIGN_OR_RAISE(const json::object object, ParseJsonObject(body));
  return RowsOfInvocation(noun, object, needed, known);
}

Result<Batch> RowsOfJsonLines(std::string_view noun, std::string_view text,
                              const arrow::Schema& needed, const arrow::Schema& known) {
  json::array instances;
  for (size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = Trimmed(TakeUntil('\n', &text));
    if (line.empty()) continue;
    Result<json::value> instance = ParseJson(line);
    if (!instance.ok()) {
      return Explain(instance.status(), "line " + std::to_string(number));
    }
    const json::object* object = instance->if_object();
    const bool features = object != nullptr && object->size() == 1 &&
                          object->contains("features") && known.GetFieldIndex("features") < 0;
    instances.push_back(features ? object->at("features") : *std::move(instance));
  }
  return RowsOfInstances(noun, instances, needed, known);
}

Result<Batch> RowsOfNpy(std::string_view noun, std::string_view bytes, const arrow::Schema& needed,
                        const arrow::Schema& known) {
  ARROW_ASSIGN_OR_RAISE(NpyArray array, ReadNpy(bytes));
  InputTensor tensor;
  const bool one = needed.num_fields() == 1;
  if (one) tensor.name = needed.field(0)->name();
  tensor.datatype = std::move(array.datatype);
  if (!one && array.shape.size() == 1) array.shape.insert(array.shape.begin(), 1);
  ARROW_RETURN_NOT_OK(SetShape(array.shape, &tensor));
  tensor.binary = std::string_view(*array.values);
  if (!one && tensor.width != needed.num_fields()) {
    return Status::Invalid(noun, " needs rows of ", needed.num_fields(), " values, not of ",
                           tensor.width);
  }
  InferenceRequest request;
  request.inputs.push_back(std::move(tensor));
  return EntitiesOf(request, noun, needed, known);
}

Result<Batch> RowsOfCsv(std::string_view noun, std::string_view text, const arrow::Schema& needed,
                        const arrow::Schema& known) {
  const auto input =
      std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(std::string(text)));
  arrow::csv::ReadOptions read = arrow::csv::ReadOptions::Defaults();
  read.use_threads = false;
  read.block_size = static_cast<int32_t>(std::max<size_t>(text.size() + 1, 1 << 16));
  if (BeginsWithValues(text, needed, known)) read.column_names = needed.field_names();
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
  if (!table.ok()) {
    return Status::Invalid(noun, ": malformed CSV: ", table.status().message(),
                           "; it begins with a line of names, or with ", needed.num_fields(),
                           " values");
  }
  for (const std::string& name : (*table)->schema()->field_names()) {
    if (known.GetFieldIndex(name) < 0) {
      return Status::KeyError(noun, " has no column '", ShortText(name), "'",
                              Suggest(name, known.field_names()));
    }
  }
  if ((*table)->num_rows() == 0) return Status::Invalid(noun, ": the CSV has no rows");
  return (*table)->CombineChunksToBatch();
}

}  // namespace tercet
