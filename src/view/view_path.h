#pragma once

#include <vector>

#include "catalog/feature_view.h"
#include "view/view_plan.h"

namespace tercet {

/// For each join of a view the number of the group that its keys come from: 0 the root, k the k-th
/// join, which is an earlier one. KeyError, with a suggestion, for a join that is not there;
/// Invalid where the name stands for several, for a later one, or where joins come from each other.
Result<std::vector<int>> JoinSources(const FeatureViewDefinition& definition);

/// Notes in `source`, the group that a join's keys come from, that it gives this column as a key.
/// KeyError for a column that it does not have; Invalid where that can't be a key: the event time
/// of the row that is found, or a column of labels to come.
Status GiveKey(const std::string& column, ViewGroup* source);

/// Invalid where a lag or a horizon does not fit its group: the group has no event time, or the lag
/// is longer than the TTL, so that no row would ever be seen.
Status CheckTimes(const ViewGroup& group);

}  // namespace tercet
