#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tercet::expr {

struct Token {
  enum class Form : uint8_t {
    kEnd,
    kInteger,  ///< decimal digits
    kNumber,   ///< with a fraction or an exponent
    kText,     ///< 'in single quotes', unescaped
    kWord,     ///< a name, keyword or function; parts joined by dots
    kQuoted,   ///< a "name in double quotes" (or with such a part)
    kSign,     ///< an operator or bracket
  };
  Form form = Form::kEnd;
  uint32_t position = 0;
  std::string text;
  std::string lower;  ///< of kWord: in lower case, to compare with keywords
};

/// Splits an expression; the last token is kEnd. Invalid with the position of what can't be read.
Result<std::vector<Token>> Tokenize(std::string_view text);

}  // namespace tercet::expr
