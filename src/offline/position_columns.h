#pragma once

#include <string>
#include <vector>

#include "base/add_once.h"
#include "offline/table.h"

namespace tercet {

/// The columns that say where a row stands: the primary key's, then the event time.
inline std::vector<std::string> PositionColumns(const TableOptions& options) {
  std::vector<std::string> names = options.primary_key;
  if (!options.event_time.empty()) AddOnce(&names, options.event_time);
  return names;
}

}  // namespace tercet
