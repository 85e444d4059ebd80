#pragma once

#include <memory>
#include <string>
#include <vector>

#include <arrow/record_batch.h>

#include "base/result.h"

namespace tercet {

/// One entity from "key=value" words, with the types of the columns that a request may have: those
/// of `entities` and `optional`. Quotes keep blanks ("code=' 7'"). Invalid for a word without '=',
/// KeyError with a suggestion for a name that is none of them, TypeError for a value that does not
/// fit.
Result<std::shared_ptr<arrow::RecordBatch>> EntityOf(const std::vector<std::string>& words,
                                                     const arrow::Schema& entities,
                                                     const arrow::Schema& optional);

}  // namespace tercet
