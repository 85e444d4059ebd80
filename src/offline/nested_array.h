#pragma once

#include <functional>
#include <memory>

#include <arrow/array/array_nested.h>
#include <arrow/type.h>

#include "base/result.h"

namespace tercet {

using ArrayPtr = std::shared_ptr<arrow::Array>;
using TypePtr = std::shared_ptr<arrow::DataType>;

/// Arrow's cast, which fails where a value would change.
Result<ArrayPtr> CastSafely(const ArrayPtr& array, const TypePtr& to);

/// Lists, structs and maps put together again with other values inside: how a conversion of single
/// values becomes one of nested values. Offsets and validity are shared or copied as they are.

using ConvertArray = std::function<Result<ArrayPtr>(const ArrayPtr& array, const TypePtr& to)>;

/// A list of any such kind as one of kind `to`, its elements converted to the elements of `to`.
Result<ArrayPtr> ConvertList(const ArrayPtr& array, const TypePtr& to, const ConvertArray& convert);

/// A map with its keys and values converted, whatever the entries are called.
Result<ArrayPtr> ConvertMap(const ArrayPtr& array, const TypePtr& to, const ConvertArray& convert);

/// The rows of a struct with other members: one for each field of `to`, as long as `array`.
Result<ArrayPtr> WithMembers(const ArrayPtr& array, const TypePtr& to,
                             const arrow::ArrayVector& members);

}  // namespace tercet
