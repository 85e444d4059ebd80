#pragma once

#include "catalog/online_rows.h"
#include "offline/feature_tables.h"
#include "view/view_plan.h"

namespace tercet {

/// OK when the groups that a request reads are online and have rows, or `plan` is null. Otherwise
/// the error names the group.
Status CheckOnlineGroups(const ViewPlan* plan, FeatureTables* tables, OnlineRows* online);

}  // namespace tercet
