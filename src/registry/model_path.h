#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tercet {

/// OK when `path` may name a file below a model's folder: parts of letters, digits and other
/// printable characters joined by '/', none of them "." or "..", none empty, none starting with
/// '.', at most 8 deep and 255 bytes long. Invalid otherwise, naming the path. A client chooses
/// these names, so nothing else keeps its files inside the folder.
Status CheckModelPath(std::string_view path);

}  // namespace tercet
