#pragma once

#include <cstddef>
#include <string_view>

#include "base/json.h"

namespace tercet {

/// Memory for JSON that is read once and let go, such as a request's body: a small text's values
/// take no allocation, and none is freed by itself. Values and their copies live as long as this.
class JsonMemory {
 public:
  JsonMemory();
  JsonMemory(const JsonMemory&) = delete;
  JsonMemory& operator=(const JsonMemory&) = delete;

  /// As the function ParseJsonObject.
  Result<json::object> ParseObject(std::string_view text, const JsonLimits& limits = {});

 private:
  alignas(std::max_align_t) unsigned char space_[4096];
  json::monotonic_resource memory_;
};

}  // namespace tercet
