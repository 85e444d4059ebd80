#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <arrow/table.h>

#include "view/point_in_time_read.h"

namespace tercet {

/// A spine of all entities: of each time every primary key of the view's root group of which a row
/// is visible then (event time at or before it, within the root's TTL; of a root without event time
/// every key), once. Columns: the primary key's and "event_time"; in order of the times as given,
/// then of the keys. `pins`: as in ViewReadOptions.
Result<std::shared_ptr<arrow::Table>> EntitiesAt(const ViewPlan& plan, FeatureTables* tables,
                                                 const std::vector<int64_t>& times_us,
                                                 const std::map<std::string, int64_t>& pins);

}  // namespace tercet
