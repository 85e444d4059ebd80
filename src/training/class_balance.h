#pragma once

#include <arrow/table.h>

#include "base/json.h"
#include "base/result.h"

namespace tercet {

/// How often each value of a label comes: label → [{"class", "rows", "share", "weight"} …] in
/// sorted order, for labels of strings, integers or bools with at most a hundred values. Nulls are
/// left out. A weight is rows ÷ (classes · the class's rows): with it all classes count the same
/// (King, Zeng 2001; scikit-learn's class_weight="balanced").
Result<json::object> ClassBalance(const arrow::Table& labels);

}  // namespace tercet
