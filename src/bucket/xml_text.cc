#include "bucket/xml_text.h"

#include <charconv>
#include <cstdint>

namespace tercet {
namespace {

constexpr int kMaxDepth = 16;

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

void AppendUtf8(uint32_t code, std::string* text) {
  if (code < 0x80) {
    *text += static_cast<char>(code);
  } else if (code < 0x800) {
    *text += static_cast<char>(0xc0 | code >> 6);
    *text += static_cast<char>(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    *text += static_cast<char>(0xe0 | code >> 12);
    *text += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    *text += static_cast<char>(0x80 | (code & 0x3f));
  } else {
    *text += static_cast<char>(0xf0 | code >> 18);
    *text += static_cast<char>(0x80 | (code >> 12 & 0x3f));
    *text += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    *text += static_cast<char>(0x80 | (code & 0x3f));
  }
}

class Parser {
 public:
  explicit Parser(std::string_view rest) : rest_(rest) {}

  Result<XmlElement> Document() {
    ARROW_RETURN_NOT_OK(SkipProlog());
    if (!Take("<")) return Status::Invalid("it does not begin with an element");
    XmlElement root;
    ARROW_RETURN_NOT_OK(Element(0, &root));
    return root;
  }

 private:
  bool Take(std::string_view text) {
    if (!rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }

  /// The text up to `end`, which is taken too.
  Result<std::string_view> Until(std::string_view end) {
    const size_t found = rest_.find(end);
    if (found == std::string_view::npos) return Status::Invalid("it is cut off before '", end, "'");
    const std::string_view text = rest_.substr(0, found);
    rest_.remove_prefix(found + end.size());
    return text;
  }

  Status SkipProlog() {
    Take("\xef\xbb\xbf");
    while (true) {
      while (!rest_.empty() && IsSpace(rest_.front())) rest_.remove_prefix(1);
      if (Take("<?")) {
        ARROW_RETURN_NOT_OK(Until("?>"));
      } else if (Take("<!--")) {
        ARROW_RETURN_NOT_OK(Until("-->"));
      } else {
        return Status::OK();
      }
    }
  }

  /// What follows the '<' of a start tag, up to its end tag.
  Status Element(int depth, XmlElement* element) {
    if (depth > kMaxDepth) return Status::Invalid("it is nested more than ", kMaxDepth, " deep");
    ARROW_ASSIGN_OR_RAISE(std::string_view tag, Until(">"));
    const bool empty = tag.ends_with('/');
    if (empty) tag.remove_suffix(1);
    size_t size = 0;
    while (size < tag.size() && !IsSpace(tag[size])) ++size;
    element->name = tag.substr(0, size);
    if (element->name.empty() || element->name.front() == '!' || element->name.front() == '/') {
      return Status::Invalid("'<", element->name, "' begins no element");
    }
    if (empty) return Status::OK();
    while (true) {
      ARROW_ASSIGN_OR_RAISE(const std::string_view text, Until("<"));
      ARROW_RETURN_NOT_OK(AppendText(text, &element->text));
      if (Take("/")) {
        ARROW_ASSIGN_OR_RAISE(std::string_view name, Until(">"));
        while (!name.empty() && IsSpace(name.back())) name.remove_suffix(1);
        if (name == element->name) return Status::OK();
        return Status::Invalid("'</", name, ">' ends '<", element->name, ">'");
      }
      if (Take("!--")) {
        ARROW_RETURN_NOT_OK(Until("-->"));
      } else if (Take("![CDATA[")) {
        ARROW_ASSIGN_OR_RAISE(const std::string_view plain, Until("]]>"));
        element->text += plain;
      } else {
        ARROW_RETURN_NOT_OK(Element(depth + 1, &element->children.emplace_back()));
      }
    }
  }

  static Status AppendText(std::string_view text, std::string* decoded) {
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '&') {
        *decoded += text[i];
        continue;
      }
      const size_t end = text.find(';', i);
      if (end == std::string_view::npos) return Status::Invalid("an entity is cut off");
      ARROW_RETURN_NOT_OK(AppendEntity(text.substr(i + 1, end - i - 1), decoded));
      i = end;
    }
    return Status::OK();
  }

  static Status AppendEntity(std::string_view name, std::string* decoded) {
    if (name == "lt") *decoded += '<';
    else if (name == "gt") *decoded += '>';
    else if (name == "amp") *decoded += '&';
    else if (name == "quot") *decoded += '"';
    else if (name == "apos") *decoded += '\'';
    else return AppendCode(name, decoded);
    return Status::OK();
  }

  static Status AppendCode(std::string_view name, std::string* decoded) {
    const bool hexadecimal = name.starts_with("#x");
    const std::string_view digits = name.substr(std::min<size_t>(name.size(), hexadecimal ? 2 : 1));
    uint32_t code = 0;
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), code,
                                        hexadecimal ? 16 : 10);
    if (!name.starts_with('#') || digits.empty() || parsed.ec != std::errc() ||
        parsed.ptr != digits.data() + digits.size() || code > 0x10ffff) {
      return Status::Invalid("there is no entity '&", name, ";'");
    }
    AppendUtf8(code, decoded);
    return Status::OK();
  }

  std::string_view rest_;
};

}  // namespace

const XmlElement* XmlElement::Find(std::string_view child) const {
  for (const XmlElement& element : children) {
    if (element.name == child) return &element;
  }
  return nullptr;
}

std::string XmlElement::TextOf(std::string_view child) const {
  const XmlElement* found = Find(child);
  return found == nullptr ? "" : found->text;
}

Result<XmlElement> ParseXml(std::string_view text) {
  Result<XmlElement> root = Parser(text).Document();
  if (!root.ok()) return Explain(root.status(), "this is no XML");
  return root;
}

}  // namespace tercet
