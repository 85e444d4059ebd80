#pragma once

#include "view/left_rows.h"
#include "view/point_in_time_read.h"

namespace tercet {

/// The view's rows for some left rows: every group joined as of their times, on-demand features
/// evaluated, the filter and inner joins applied. What ReadView does once and ViewStream piece by
/// piece.
Result<ViewRows> RowsOf(const ViewPlan& plan, ViewSnapshots* snapshots,
                        const ViewReadOptions& options, LeftRows left);

}  // namespace tercet
