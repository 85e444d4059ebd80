#pragma once

#include <arrow/type.h>

#include "base/result.h"

namespace tercet {

/// Whether every value of a column's type is a value of the wider one, by the types alone (those
/// of Delta's type widening, and the like of types that Delta lacks):
///
///   integers      to wider integers (unsigned to signed only where wider), of at most 32 bits to
///                 double, and to decimals with enough digits before the point
///   float16       to float and double; float to double
///   decimals      to decimals with no fewer digits before and behind the point
///   date32        to timestamps without zone
///   text, binary  to their large forms; timestamps to finer units of the same zone
///
/// TypeError that says so otherwise.
Status CheckWidening(const arrow::DataType& from, const arrow::DataType& to);

}  // namespace tercet
