#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tercet {

/// An element of an XML document as object stores answer with: text or elements, attributes and
/// namespaces left out.
struct XmlElement {
  std::string name;
  std::string text;  ///< without that of the elements inside
  std::vector<XmlElement> children;

  /// The first child of that name; nullptr when there is none.
  const XmlElement* Find(std::string_view child) const;
  /// Its text; "" when there is none.
  std::string TextOf(std::string_view child) const;
};

/// The root element of a document. Invalid when it is damaged, cut off or nested too deeply;
/// document types, and with them entities of one's own, are refused.
Result<XmlElement> ParseXml(std::string_view text);

}  // namespace tercet
