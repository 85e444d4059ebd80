#include "cli/entity_text.h"

#include <arrow/api.h>

#include "client/json_rows.h"

namespace tercet {
namespace {

/// The text without the quotes around it, if it has them.
std::string_view Unquoted(std::string_view text) {
  const bool quoted = text.size() >= 2 && (text.front() == '\'' || text.front() == '"') &&
                      text.front() == text.back();
  return quoted ? text.substr(1, text.size() - 2) : text;
}

/// What `text` is for a column: text where the column is text, else the JSON that it reads as, as
/// 7, true or [0.1, 0.2]; what is none, as a time, stays text.
json::value ValueOf(std::string_view text, const std::shared_ptr<arrow::Field>& column) {
  const bool is_text = column != nullptr && arrow::is_base_binary_like(column->type()->id());
  Result<json::value> value = is_text ? Status::Invalid("text") : ParseJson(text);
  return value.ok() ? *std::move(value) : json::value(Unquoted(text));
}

}  // namespace

Result<std::shared_ptr<arrow::RecordBatch>> EntityOf(const std::vector<std::string>& words,
                                                     const arrow::Schema& entities,
                                                     const arrow::Schema& optional) {
  arrow::FieldVector columns = entities.fields();
  for (const auto& field : optional.fields()) {
    if (entities.GetFieldByName(field->name()) == nullptr) columns.push_back(field);
  }
  const arrow::Schema known(std::move(columns));
  json::object row;
  for (const std::string& word : words) {
    const size_t equals = word.find('=');
    if (equals == std::string::npos || equals == 0) {
      return Status::Invalid("'", word, "' must be KEY=VALUE");
    }
    const std::string name = word.substr(0, equals);
    row[name] = ValueOf(std::string_view(word).substr(equals + 1), known.GetFieldByName(name));
  }
  return RowsFromJson("the request", row, known);
}

}  // namespace tercet
