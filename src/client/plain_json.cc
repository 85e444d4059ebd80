#include "client/plain_json.h"

#include <charconv>

#include "base/rows_to_json.h"

namespace tercet {
namespace {

bool IsNumberCharacter(char c) {
  return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

/// One number of a JSON text, as a person would write it.
std::string PlainNumber(std::string_view number) {
  double value = 0;
  if (number.find('E') == std::string_view::npos ||
      std::from_chars(number.data(), number.data() + number.size(), value).ec != std::errc()) {
    return std::string(number);
  }
  std::string plain;
  AppendJsonNumber(value, &plain);
  const bool whole = plain.find_first_of(".e") == std::string::npos;
  return whole ? plain + ".0" : plain;
}

}  // namespace

std::string PlainJson(const json::value& value) {
  const std::string text = ToText(value);
  std::string plain;
  plain.reserve(text.size());
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted || !IsNumberCharacter(c) || c == 'e') {  // 'e' begins no number: true, false
      if (c == '"') quoted = !quoted;
      plain += c;
      if (quoted && c == '\\') plain += text[++i];
      continue;
    }
    size_t end = i;
    while (end < text.size() && IsNumberCharacter(text[end])) ++end;
    plain += PlainNumber(std::string_view(text).substr(i, end - i));
    i = end - 1;
  }
  return plain;
}

}  // namespace tercet
