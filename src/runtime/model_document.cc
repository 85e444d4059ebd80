#include "runtime/model_document.h"

#include <charconv>
#include <cmath>

namespace tercet {
namespace {

Status Wrong(std::string_view path, std::string_view expected) {
  return Status::IOError("the model's '", path, "' is not ", expected);
}

const DocumentValue::Numbers kNoNumbers;
const DocumentValue::List kNoList;

}  // namespace

const DocumentValue* DocumentValue::Find(std::string_view key) const {
  const Members* members = std::get_if<Members>(&value_);
  if (members == nullptr) return nullptr;
  for (const auto& [name, value] : *members) {
    if (name == key) return &value;
  }
  return nullptr;
}

Result<const DocumentValue*> DocumentValue::At(std::string_view path) const {
  const DocumentValue* value = this;
  for (std::string_view rest = path; !rest.empty();) {
    const size_t dot = rest.find('.');
    value = value->Find(rest.substr(0, dot));
    if (value == nullptr) return Status::IOError("the model has no '", path, "'");
    rest = dot == std::string_view::npos ? std::string_view() : rest.substr(dot + 1);
  }
  return value;
}

Result<int64_t> DocumentValue::IntAt(std::string_view path) const {
  ARROW_ASSIGN_OR_RAISE(const DocumentValue* value, At(path));
  if (const double* number = value->number()) {
    if (std::abs(*number) <= 9e15 && *number == std::floor(*number)) {
      return static_cast<int64_t>(*number);
    }
  }
  if (const std::string* text = value->text()) {
    int64_t number = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
    if (error == std::errc() && end == text->data() + text->size()) return number;
  }
  return Wrong(path, "an integer");
}

Result<std::string> DocumentValue::TextAt(std::string_view path) const {
  ARROW_ASSIGN_OR_RAISE(const DocumentValue* value, At(path));
  if (value->text() == nullptr) return Wrong(path, "a string");
  return *value->text();
}

Result<const DocumentValue::Numbers*> DocumentValue::NumbersAt(std::string_view path) const {
  ARROW_ASSIGN_OR_RAISE(const DocumentValue* value, At(path));
  if (value->list() != nullptr && value->list()->empty()) return &kNoNumbers;
  if (value->numbers() == nullptr) return Wrong(path, "a list of numbers");
  return value->numbers();
}

Result<const DocumentValue::List*> DocumentValue::ListAt(std::string_view path) const {
  ARROW_ASSIGN_OR_RAISE(const DocumentValue* value, At(path));
  if (value->numbers() != nullptr && value->numbers()->empty()) return &kNoList;
  if (value->list() == nullptr) return Wrong(path, "a list");
  return value->list();
}

Result<std::vector<std::string>> DocumentValue::TextsAt(std::string_view path) const {
  ARROW_ASSIGN_OR_RAISE(const List* list, ListAt(path));
  std::vector<std::string> texts;
  for (const DocumentValue& item : *list) {
    if (item.text() == nullptr) return Wrong(path, "a list of strings");
    texts.push_back(*item.text());
  }
  return texts;
}

}  // namespace tercet
