#pragma once

#include <string>
#include <vector>

#include <arrow/type.h>

#include "catalog/online_rows.h"
#include "view/vector_read.h"

namespace tercet {

/// A message for each feature value that was not there ("rain: missing (row 3)"), a thousand at
/// most, then how many more.
std::vector<std::string> MissingValues(const arrow::Schema& features, const VectorAnswer& answer);

/// The same of rows that were read in place, `status` being that of each feature, row by row; added
/// to `missing`.
void AddMissingValues(const arrow::Schema& features, const std::vector<RowStatus>& status,
                      std::vector<std::string>* missing);

}  // namespace tercet
