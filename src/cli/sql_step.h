#pragma once

#include <string>

#include "base/result.h"
#include "platform/platform.h"

namespace tercet {

/// Runs a `.sql` step and tells on stdout what it did; puts its inputs, outputs, number of rows and
/// what was told into `end`. An error begins with the file's name.
Status RunSqlStepFile(Platform* platform, const std::string& path, Run* end);

}  // namespace tercet
