#include "registry/model_path.h"

#include <arrow/util/utf8.h>

#include "base/short_text.h"

namespace tercet {

Status CheckModelPath(std::string_view path) {
  arrow::util::InitializeUTF8();
  bool good = !path.empty() && path.size() <= 255 && arrow::util::ValidateUTF8(path);
  for (const char c : path) {
    good = good && static_cast<unsigned char>(c) >= 0x20 && c != 0x7f && c != '\\' && c != ':';
  }
  size_t depth = 0;
  for (size_t begin = 0; good && begin <= path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    good = !part.empty() && part.front() != '.' && ++depth <= 8;
    begin = end + 1;
  }
  if (good) return Status::OK();
  return Status::Invalid("model file '", ShortText(path, 120),
                         "' must be a relative path of plain names below the model's folder");
}

}  // namespace tercet
