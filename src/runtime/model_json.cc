#include <charconv>
#include <cmath>
#include <limits>

#include "runtime/model_document.h"

namespace tercet {
namespace {

/// A recursive-descent reader of the JSON that XGBoost writes: RFC 8259, and NaN and Infinity.
class JsonReader {
 public:
  explicit JsonReader(std::string_view bytes) : bytes_(bytes) {}

  Result<DocumentValue> ReadAll() {
    ARROW_ASSIGN_OR_RAISE(DocumentValue value, Read(0));
    SkipSpace();
    if (at_ != bytes_.size()) return Malformed("text after the value");
    return value;
  }

 private:
  Status Malformed(std::string_view what) const {
    return Status::IOError("malformed JSON model at byte ", at_, ": ", what);
  }

  void SkipSpace() {
    while (at_ < bytes_.size() && (bytes_[at_] == ' ' || bytes_[at_] == '\n' ||
                                   bytes_[at_] == '\r' || bytes_[at_] == '\t')) {
      ++at_;
    }
  }

  char Peek() {
    SkipSpace();
    return at_ < bytes_.size() ? bytes_[at_] : '\0';
  }

  bool Take(std::string_view token) {
    SkipSpace();
    if (!bytes_.substr(at_).starts_with(token)) return false;
    at_ += token.size();
    return true;
  }

  Result<DocumentValue> Read(int depth) {
    if (depth > kMaxDocumentDepth) return Malformed("nested too deep");
    switch (Peek()) {
      case '{': return ReadObject(depth);
      case '[': return ReadList(depth);
      case '"': {
        ARROW_ASSIGN_OR_RAISE(std::string text, ReadText());
        return DocumentValue(std::move(text));
      }
      case 't':
        if (Take("true")) return DocumentValue(1.0);
        return Malformed("an unknown word");
      case 'f':
        if (Take("false")) return DocumentValue(0.0);
        return Malformed("an unknown word");
      case 'n':
        if (Take("null")) return DocumentValue();
        break;  // "nan"
      default: break;
    }
    ARROW_ASSIGN_OR_RAISE(const double number, ReadNumber());
    return DocumentValue(number);
  }

  Result<double> ReadNumber() {
    SkipSpace();
    if (Take("NaN") || Take("nan")) return std::numeric_limits<double>::quiet_NaN();
    if (Take("Infinity") || Take("inf")) return std::numeric_limits<double>::infinity();
    if (Take("-Infinity") || Take("-inf")) return -std::numeric_limits<double>::infinity();
    const char* begin = bytes_.data() + at_;
    const char* limit = bytes_.data() + bytes_.size();
    const char* end = begin;
    bool whole = true;
    while (end < limit && (std::isdigit(static_cast<unsigned char>(*end)) || *end == '-' ||
                           *end == '+' || *end == '.' || *end == 'e' || *end == 'E')) {
      whole = whole && *end != '.' && *end != 'e' && *end != 'E';
      ++end;
    }
    if (end == begin) return Malformed("expected a value");
    double number = 0;
    std::from_chars_result parsed{};
    if (whole) {
      parsed = std::from_chars(begin, end, number);
    } else {
      // To the nearest float at once: by way of a double it could be rounded twice.
      float narrow = 0;
      parsed = std::from_chars(begin, end, narrow);
      number = narrow;
      if (parsed.ec == std::errc::result_out_of_range) {
        // Beyond a float: an underflow is zero, an overflow infinite, as strtof has it.
        double wide = 0;
        parsed = std::from_chars(begin, end, wide);
        number = static_cast<float>(wide);
      }
    }
    if (parsed.ec != std::errc() || parsed.ptr != end) return Malformed("a bad number");
    at_ += static_cast<size_t>(end - begin);
    return number;
  }

  Result<std::string> ReadText() {
    Take("\"");
    std::string text;
    while (at_ < bytes_.size() && bytes_[at_] != '"') {
      char c = bytes_[at_++];
      if (c == '\\' && at_ < bytes_.size()) {
        c = bytes_[at_++];
        switch (c) {
          case 'n': c = '\n'; break;
          case 't': c = '\t'; break;
          case 'r': c = '\r'; break;
          case 'b': c = '\b'; break;
          case 'f': c = '\f'; break;
          case 'u': {
            ARROW_RETURN_NOT_OK(ReadEscape(&text));
            continue;
          }
          default: break;  // a quote, a backslash, a slash
        }
      }
      text += c;
    }
    if (at_ >= bytes_.size()) return Malformed("a string without end");
    ++at_;
    return text;
  }

  /// The four digits of \uXXXX as UTF-8. Surrogate pairs (names beyond the basic plane) too.
  Status ReadEscape(std::string* text) {
    ARROW_ASSIGN_OR_RAISE(uint32_t code, ReadHex());
    if (code >= 0xd800 && code < 0xdc00 && bytes_.substr(at_).starts_with("\\u")) {
      at_ += 2;
      ARROW_ASSIGN_OR_RAISE(const uint32_t low, ReadHex());
      if (low < 0xdc00 || low > 0xdfff) return Malformed("a bad surrogate pair");
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    if (code >= 0xd800 && code < 0xe000) return Malformed("half a surrogate pair");
    if (code < 0x80) {
      *text += static_cast<char>(code);
    } else if (code < 0x800) {
      *text += static_cast<char>(0xc0 | (code >> 6));
      *text += static_cast<char>(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
      *text += static_cast<char>(0xe0 | (code >> 12));
      *text += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
      *text += static_cast<char>(0x80 | (code & 0x3f));
    } else {
      *text += static_cast<char>(0xf0 | (code >> 18));
      *text += static_cast<char>(0x80 | ((code >> 12) & 0x3f));
      *text += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
      *text += static_cast<char>(0x80 | (code & 0x3f));
    }
    return Status::OK();
  }

  Result<uint32_t> ReadHex() {
    uint32_t code = 0;
    const std::string_view digits = bytes_.substr(std::min(at_, bytes_.size()), 4);
    const char* limit = digits.data() + digits.size();
    const auto [end, error] = std::from_chars(digits.data(), limit, code, 16);
    if (digits.size() < 4 || error != std::errc() || end != limit) {
      return Malformed("a bad \\u escape");
    }
    at_ += 4;
    return code;
  }

  Result<DocumentValue> ReadList(int depth) {
    Take("[");
    DocumentValue::Numbers numbers;
    DocumentValue::List list;
    if (Take("]")) return DocumentValue(std::move(list));
    do {
      ARROW_ASSIGN_OR_RAISE(DocumentValue item, Read(depth + 1));
      if (item.number() != nullptr && list.empty()) {
        numbers.push_back(*item.number());
      } else if (!numbers.empty()) {
        return Malformed("a list of numbers and other things");
      } else {
        list.push_back(std::move(item));
      }
    } while (Take(","));
    if (!Take("]")) return Malformed("expected ',' or ']'");
    if (!numbers.empty()) return DocumentValue(std::move(numbers));
    return DocumentValue(std::move(list));
  }

  Result<DocumentValue> ReadObject(int depth) {
    Take("{");
    DocumentValue::Members members;
    if (Take("}")) return DocumentValue(std::move(members));
    do {
      if (Peek() != '"') return Malformed("expected a member's name");
      ARROW_ASSIGN_OR_RAISE(std::string key, ReadText());
      if (!Take(":")) return Malformed("expected ':'");
      ARROW_ASSIGN_OR_RAISE(DocumentValue value, Read(depth + 1));
      members.emplace_back(std::move(key), std::move(value));
    } while (Take(","));
    if (!Take("}")) return Malformed("expected ',' or '}'");
    return DocumentValue(std::move(members));
  }

  const std::string_view bytes_;
  size_t at_ = 0;
};

}  // namespace

Result<DocumentValue> ParseModelJson(std::string_view bytes) {
  return JsonReader(bytes).ReadAll();
}

}  // namespace tercet
