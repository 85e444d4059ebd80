#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace tercet {

/// A parsed XGBoost model file, whichever of its two formats it came in: JSON or UBJSON. Lists of
/// numbers, which are nearly all of a model, are flat. base/json.h is not used for them because it
/// is limited to request sizes, takes 24 bytes a number and rounds decimals to doubles, not to the
/// floats that were written.
class DocumentValue {
 public:
  using Numbers = std::vector<double>;
  using List = std::vector<DocumentValue>;
  using Members = std::vector<std::pair<std::string, DocumentValue>>;

  DocumentValue() = default;
  explicit DocumentValue(double number) : value_(number) {}
  explicit DocumentValue(std::string text) : value_(std::move(text)) {}
  explicit DocumentValue(Numbers numbers) : value_(std::move(numbers)) {}
  explicit DocumentValue(List list) : value_(std::move(list)) {}
  explicit DocumentValue(Members members) : value_(std::move(members)) {}

  /// A member of an object, or null when this is no object or has no such member.
  const DocumentValue* Find(std::string_view key) const;
  /// The same down a path ("learner.objective.name"); IOError when something is missing.
  Result<const DocumentValue*> At(std::string_view path) const;

  /// Typed values at a path; IOError, naming the path, when missing or of another type. Integers
  /// are read from numbers and from strings of digits, as XGBoost writes its parameters.
  Result<int64_t> IntAt(std::string_view path) const;
  Result<std::string> TextAt(std::string_view path) const;
  Result<const Numbers*> NumbersAt(std::string_view path) const;
  /// Objects in a list. An empty list has no type and is any list.
  Result<const List*> ListAt(std::string_view path) const;
  Result<std::vector<std::string>> TextsAt(std::string_view path) const;

  const double* number() const { return std::get_if<double>(&value_); }
  const std::string* text() const { return std::get_if<std::string>(&value_); }
  const Numbers* numbers() const { return std::get_if<Numbers>(&value_); }
  const List* list() const { return std::get_if<List>(&value_); }

 private:
  std::variant<std::monostate, double, std::string, Numbers, List, Members> value_;
};

/// Parse a whole file's bytes. IOError with the byte offset when malformed, truncated, or nested
/// deeper than any model is. Numbers with a point or an exponent are read as floats.
Result<DocumentValue> ParseModelJson(std::string_view bytes);
Result<DocumentValue> ParseModelUbjson(std::string_view bytes);

/// Nesting that the readers take.
inline constexpr int kMaxDocumentDepth = 32;

}  // namespace tercet
