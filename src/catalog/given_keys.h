#pragma once

#include <vector>

#include "catalog/online_rows.h"

namespace tercet {

/// Request `r` of a read with the keys that the answers of earlier requests give it
/// (RowsRequest::keys_from), which are then none. `answers`: those of requests [0, r), and
/// `requests` [0, r) with their keys in place. Invalid for a value that does not fit a key's type,
/// or where a key is said to come from a later request; KeyError for a column that is not there.
Result<RowsRequest> WithKeysGiven(const std::vector<RowsRequest>& requests,
                                  const std::vector<RowsAnswer>& answers, size_t r);

}  // namespace tercet
