#include "client/status_text.h"

#include <string_view>

#include "base/utf8.h"

namespace tercet {

std::string StatusText(const Status& status) {
  std::string text = status.message();
  const auto& detail = status.detail();
  if (detail != nullptr && std::string_view(detail->type_id()) == "arrow::ErrnoDetail") {
    text += ": " + detail->ToString();
  }
  return ToUtf8(text);
}

}  // namespace tercet
