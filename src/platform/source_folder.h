#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "catalog/data_source.h"

namespace tercet {

/// OK when a source's location lies in one of the folders, links followed; a source over the
/// network when its kind is among them. NotImplemented otherwise, saying what is allowed.
Status CheckSourceFolder(const DataSource& source, const std::vector<std::string>& folders);

}  // namespace tercet
