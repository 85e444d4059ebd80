#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "bucket/xml_text.h"

/// No bytes crash the parser, and no document is read as larger than it is.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const tercet::Result<tercet::XmlElement> root = tercet::ParseXml(text);
  if (root.ok() && (root->text.size() > size || root->children.size() > size)) std::abort();
  return 0;
}
