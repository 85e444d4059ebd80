#include "cli/entity_text.h"

#include <charconv>

#include <arrow/api.h>

namespace tercet {
namespace {

template <typename T>
bool Reads(std::string_view text, T* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size();
}

std::shared_ptr<arrow::Scalar> ValueOf(std::string_view text) {
  if (text.size() >= 2 && (text.front() == '\'' || text.front() == '"') &&
      text.front() == text.back()) {
    return arrow::MakeScalar(std::string(text.substr(1, text.size() - 2)));
  }
  int64_t integer;
  double number;
  if (Reads(text, &integer)) return arrow::MakeScalar(integer);
  if (Reads(text, &number)) return arrow::MakeScalar(number);
  if (text == "true" || text == "false") return arrow::MakeScalar(text == "true");
  return arrow::MakeScalar(std::string(text));
}

}  // namespace

Result<std::shared_ptr<arrow::RecordBatch>> EntityOf(const std::vector<std::string>& words) {
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (const std::string& word : words) {
    const size_t equals = word.find('=');
    if (equals == std::string::npos || equals == 0) {
      return Status::Invalid("'", word, "' must be KEY=VALUE");
    }
    const auto value = ValueOf(std::string_view(word).substr(equals + 1));
    fields.push_back(arrow::field(word.substr(0, equals), value->type));
    ARROW_ASSIGN_OR_RAISE(arrays.emplace_back(), arrow::MakeArrayFromScalar(*value, 1));
  }
  return arrow::RecordBatch::Make(arrow::schema(fields), 1, arrays);
}

}  // namespace tercet
