// Universal Binary JSON, draft 12 (https://ubjson.org): a type character, then big-endian bytes.
// Lists may say their item type ($) and count (#) once in front.
#include <bit>
#include <cstring>

#include "runtime/model_document.h"

namespace tercet {
namespace {

class UbjsonReader {
 public:
  explicit UbjsonReader(std::string_view bytes) : bytes_(bytes) {}

  Result<DocumentValue> ReadAll() {
    ARROW_ASSIGN_OR_RAISE(const char type, TakeType());
    ARROW_ASSIGN_OR_RAISE(DocumentValue value, Read(type, 0));
    if (at_ != bytes_.size()) return Malformed("bytes after the value");
    return value;
  }

 private:
  Status Malformed(std::string_view what) const {
    return Status::IOError("malformed UBJSON model at byte ", at_, ": ", what);
  }

  char Peek() const { return at_ < bytes_.size() ? bytes_[at_] : '\0'; }

  Result<char> TakeType() {
    while (Peek() == 'N') ++at_;  // no-ops fill gaps
    if (at_ >= bytes_.size()) return Malformed("it ends too early");
    return bytes_[at_++];
  }

  template <typename Unsigned>
  Result<Unsigned> TakeBytes() {
    if (bytes_.size() - at_ < sizeof(Unsigned)) return Malformed("it ends too early");
    Unsigned value = 0;
    for (size_t i = 0; i < sizeof(Unsigned); ++i) {
      value = static_cast<Unsigned>((static_cast<uint64_t>(value) << 8) |
                                    static_cast<unsigned char>(bytes_[at_++]));
    }
    return value;
  }

  /// Bytes that one value of a fixed-size type takes; 0 for other types.
  static size_t SizeOf(char type) {
    switch (type) {
      case 'i': case 'U': case 'C': return 1;
      case 'I': return 2;
      case 'l': case 'd': return 4;
      case 'L': case 'D': return 8;
      default: return 0;
    }
  }

  Result<double> ReadNumber(char type) {
    switch (type) {
      case 'i': {
        ARROW_ASSIGN_OR_RAISE(const uint8_t bits, TakeBytes<uint8_t>());
        return static_cast<int8_t>(bits);
      }
      case 'U': case 'C': return TakeBytes<uint8_t>();
      case 'I': {
        ARROW_ASSIGN_OR_RAISE(const uint16_t bits, TakeBytes<uint16_t>());
        return static_cast<int16_t>(bits);
      }
      case 'l': {
        ARROW_ASSIGN_OR_RAISE(const uint32_t bits, TakeBytes<uint32_t>());
        return static_cast<int32_t>(bits);
      }
      case 'L': {
        ARROW_ASSIGN_OR_RAISE(const uint64_t bits, TakeBytes<uint64_t>());
        return static_cast<double>(static_cast<int64_t>(bits));
      }
      case 'd': {
        ARROW_ASSIGN_OR_RAISE(const uint32_t bits, TakeBytes<uint32_t>());
        return std::bit_cast<float>(bits);
      }
      case 'D': {
        ARROW_ASSIGN_OR_RAISE(const uint64_t bits, TakeBytes<uint64_t>());
        return std::bit_cast<double>(bits);
      }
      default: return Malformed("expected a number");
    }
  }

  /// A length, which can't be more than what is left of the file over `least_bytes` an item.
  Result<size_t> ReadLength(size_t least_bytes) {
    ARROW_ASSIGN_OR_RAISE(const char type, TakeType());
    if (type == 'd' || type == 'D' || type == 'C') return Malformed("a length that is no integer");
    ARROW_ASSIGN_OR_RAISE(const double length, ReadNumber(type));
    if (length < 0 || length * static_cast<double>(least_bytes) >
                          static_cast<double>(bytes_.size() - at_)) {
      return Malformed("a length beyond the end of the file");
    }
    return static_cast<size_t>(length);
  }

  Result<std::string> ReadText() {
    ARROW_ASSIGN_OR_RAISE(const size_t length, ReadLength(1));
    std::string text(bytes_.substr(at_, length));
    at_ += length;
    return text;
  }

  Result<DocumentValue> Read(char type, int depth) {
    if (depth > kMaxDocumentDepth) return Malformed("nested too deep");
    switch (type) {
      case '{': return ReadObject(depth);
      case '[': return ReadList(depth);
      case 'S': {
        ARROW_ASSIGN_OR_RAISE(std::string text, ReadText());
        return DocumentValue(std::move(text));
      }
      case 'Z': return DocumentValue();
      case 'T': return DocumentValue(1.0);
      case 'F': return DocumentValue(0.0);
      default: {
        ARROW_ASSIGN_OR_RAISE(const double number, ReadNumber(type));
        return DocumentValue(number);
      }
    }
  }

  Result<DocumentValue> ReadList(int depth) {
    if (Peek() == '$') return ReadTypedList();
    const bool counted = Peek() == '#';
    size_t count = 0;
    if (counted) {
      ++at_;
      ARROW_ASSIGN_OR_RAISE(count, ReadLength(1));
    }
    DocumentValue::Numbers numbers;
    DocumentValue::List list;
    for (size_t i = 0; !counted || i < count; ++i) {
      ARROW_ASSIGN_OR_RAISE(const char type, TakeType());
      if (!counted && type == ']') break;
      ARROW_ASSIGN_OR_RAISE(DocumentValue item, Read(type, depth + 1));
      if (item.number() != nullptr && list.empty()) {
        numbers.push_back(*item.number());
      } else if (!numbers.empty()) {
        return Malformed("a list of numbers and other things");
      } else {
        list.push_back(std::move(item));
      }
    }
    if (!numbers.empty()) return DocumentValue(std::move(numbers));
    return DocumentValue(std::move(list));
  }

  Result<DocumentValue> ReadTypedList() {
    ++at_;
    ARROW_ASSIGN_OR_RAISE(const char type, TakeType());
    if (SizeOf(type) == 0) return Malformed("a typed list of what is not numbers");
    if (Peek() != '#') return Malformed("a typed list without a count");
    ++at_;
    ARROW_ASSIGN_OR_RAISE(const size_t count, ReadLength(SizeOf(type)));
    DocumentValue::Numbers numbers(count);
    for (double& number : numbers) {
      ARROW_ASSIGN_OR_RAISE(number, ReadNumber(type));
    }
    return DocumentValue(std::move(numbers));
  }

  Result<DocumentValue> ReadObject(int depth) {
    if (Peek() == '$') return Malformed("a typed object");
    const bool counted = Peek() == '#';
    size_t count = 0;
    if (counted) {
      ++at_;
      ARROW_ASSIGN_OR_RAISE(count, ReadLength(1));
    }
    DocumentValue::Members members;
    for (size_t i = 0; !counted || i < count; ++i) {
      while (Peek() == 'N') ++at_;
      if (!counted && Peek() == '}') {
        ++at_;
        break;
      }
      ARROW_ASSIGN_OR_RAISE(std::string key, ReadText());
      ARROW_ASSIGN_OR_RAISE(const char type, TakeType());
      ARROW_ASSIGN_OR_RAISE(DocumentValue value, Read(type, depth + 1));
      members.emplace_back(std::move(key), std::move(value));
    }
    return DocumentValue(std::move(members));
  }

  const std::string_view bytes_;
  size_t at_ = 0;
};

}  // namespace

Result<DocumentValue> ParseModelUbjson(std::string_view bytes) {
  return UbjsonReader(bytes).ReadAll();
}

}  // namespace tercet
