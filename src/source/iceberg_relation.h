#pragma once

#include <string>

#include "source/iceberg_plan.h"

namespace tercet {

/// The rows of a snapshot as one relation of SQL with the snapshot's columns. Filters and the
/// choice of columns reach the files. `vectors` is a relation with the columns `file` (an index of
/// plan.data) and `position`: what the plan's deletion vectors delete; named only where there are
/// some.
///
/// Deletes by equality are an anti join on their columns, in which null equals null, and on the
/// sequence numbers: a row goes when it was there before the newest delete of its values.
std::string IcebergRelation(const IcebergPlan& plan, const std::string& vectors);

}  // namespace tercet
