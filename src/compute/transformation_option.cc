#include <algorithm>
#include <cmath>
#include <limits>

#include "base/name.h"
#include "base/short_text.h"
#include "compute/transformation_kind.h"

/// What kinds read from options, parameters and columns.
namespace tercet {

using expr::Kind;

Status CheckOptionNames(const json::object& options, const std::vector<std::string>& known) {
  for (const auto& [name, value] : options) {
    const std::string key(name);
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    return Status::Invalid("has no option '", key, "'", Suggest(key, known));
  }
  return Status::OK();
}

Result<double> NumberParameter(const json::object& parameters, std::string_view name) {
  const json::value* value = parameters.if_contains(name);
  if (value == nullptr || !value->is_number()) {
    return Status::Invalid("has no fitted '", name, "'");
  }
  return value->to_number<double>();
}

Result<std::vector<double>> NumbersParameter(const json::object& parameters,
                                             std::string_view name) {
  const json::value* value = parameters.if_contains(name);
  const json::array* items = value == nullptr ? nullptr : value->if_array();
  if (items == nullptr || items->empty()) {
    return Status::Invalid("has no fitted '", name, "'");
  }
  std::vector<double> numbers;
  numbers.reserve(items->size());
  for (const json::value& item : *items) {
    if (!item.is_number()) {
      return Status::Invalid("has among its fitted '", name, "' ", ShortText(ToText(item)),
                             ", which is no number");
    }
    numbers.push_back(item.to_number<double>());
  }
  return numbers;
}

Result<double> NumberOption(const json::object& options, std::string_view name, double otherwise) {
  ARROW_ASSIGN_OR_RAISE(const auto number, FindDouble(options, name));
  return number.value_or(otherwise);
}

Result<int64_t> CountOption(const json::object& options, std::string_view name, int64_t otherwise,
                            int64_t least, int64_t most) {
  ARROW_ASSIGN_OR_RAISE(const auto found, FindInt(options, name));
  const int64_t count = found.value_or(otherwise);
  if (count < least || count > most) {
    return Status::Invalid("takes a '", name, "' from ", least, " to ", most, ", not ", count);
  }
  return count;
}

Result<std::string> WordOption(const json::object& options, std::string_view name,
                               const std::vector<std::string>& words) {
  ARROW_ASSIGN_OR_RAISE(const auto found, FindString(options, name));
  const std::string word = found.value_or(words.front());
  if (std::find(words.begin(), words.end(), word) != words.end()) return word;
  return Status::Invalid("has no ", name, " '", word, "'", Suggest(word, words));
}

Status CheckNumeric(Kind kind) {
  if (kind == Kind::kInt || kind == Kind::kDouble || kind == Kind::kBool || kind == Kind::kNull) {
    return Status::OK();
  }
  return Status::TypeError("takes numbers or bools, not ", expr::KindName(kind));
}

Status NothingToFit(const ColumnValues& values) {
  return Status::Invalid("has no value to fit on among its ", values.rows(), " training rows");
}

Result<std::vector<double>> FiniteNumbers(const ColumnValues& values) {
  std::vector<double> numbers = values.Numbers();
  if (numbers.empty()) return NothingToFit(values);
  for (double number : numbers) {
    if (std::isinf(number)) {
      return Status::Invalid("has an infinite value (", number,
                             ") among its training rows; it can be fitted on finite numbers only");
    }
  }
  return numbers;
}

double WidthOrOne(double width) {
  return width < 10 * std::numeric_limits<double>::epsilon() ? 1 : width;
}

}  // namespace tercet
