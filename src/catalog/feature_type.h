#pragma once

#include <arrow/type.h>

namespace tercet {

/// Whether a column of this type can be a feature: a scalar or a list of scalars. External groups
/// may have others beside, which are read and asked in SQL but are in no view.
bool IsFeatureType(const arrow::DataType& type);

}  // namespace tercet
